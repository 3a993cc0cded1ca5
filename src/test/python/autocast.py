"""Writes what PyTorch computes under autocast in bfloat16, whose distance from the exact numbers is the tolerance of the Java tests.

    python autocast.py [OUTPUT]        OUTPUT defaults to ../resources/golden beside this script

Reads what golden.py has written. The last bits depend on the processor and on PyTorch, the distance hardly.
"""

import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F


def main(out: Path) -> None:
    torch.set_num_threads(1)
    golden = load_file(out / "tiny/golden.safetensors")
    model = timm.create_model(f"local-dir:{out / 'tiny'}", pretrained=True).eval()
    features = []
    model.norm.register_forward_hook(lambda _module, _inputs, output: features.append(output[:, 0]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(golden["input"].float())
    F.cross_entropy(logits.float(), golden["labels"].long(), reduction="sum").backward()

    tensors = {"logits": logits, "features": features[0]}
    tensors |= {f"grad.{name}": parameter.grad for name, parameter in model.named_parameters()}
    tensors = {name: tensor.detach().float().reshape(golden[name].shape).contiguous() for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        error = ((tensor - golden[name]).norm() / golden[name].norm()).item()
        assert 1e-4 < error < 0.1, f"{name}: {error}"
    save_file(tensors, out / "tiny/autocast.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "resources/golden")
