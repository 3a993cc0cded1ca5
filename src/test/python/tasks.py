"""Writes golden/tasks.safetensors: losses and gradients of several labels and of values as torch and transformers have them.

    python tasks.py [OUTPUT]        OUTPUT defaults to ../resources/golden beside this script
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import ViTConfig, ViTForImageClassification

EXAMPLES, OUTPUTS = 6, 4
SMOOTHING = 0.1


def put(tensors, name, of, logits, targets, weights):
    """Puts the loss of each example, the mean over its outputs times its weight, and the gradient of their sum."""
    x = logits.clone().requires_grad_()
    losses = of(x, targets).mean(dim=1) * weights
    losses.sum().backward()
    tensors[f"{name}.losses"] = losses.detach()
    tensors[f"{name}.gradient"] = x.grad


def main(out: Path) -> None:
    random = np.random.RandomState(25)
    logits = torch.from_numpy(3 * random.randn(EXAMPLES, OUTPUTS).astype(np.float32)).double()
    hot = torch.from_numpy(random.randint(0, 2, (EXAMPLES, OUTPUTS)).astype(np.float32)).double()
    hot[0] = 0  # shows none of the classes
    values = torch.from_numpy(random.randn(EXAMPLES, OUTPUTS).astype(np.float32)).double()
    weights = torch.tensor([1, 0.5, 2, 0, 1, 3], dtype=torch.float64)
    tensors = {"logits": logits, "hot": hot, "values": values, "weights": weights}
    binary = torch.nn.BCEWithLogitsLoss(reduction="none")
    for name, by in (("plain", torch.ones(EXAMPLES, dtype=torch.float64)), ("weighted", weights)):
        put(tensors, f"multi-label.{name}", binary, logits, hot, by)
        put(tensors, f"multi-label.{name}.smooth", binary, logits, hot * (1 - SMOOTHING) + SMOOTHING / 2, by)
        put(tensors, f"regression.{name}", torch.nn.MSELoss(reduction="none"), logits, values, by)
    for problem, labels in (("multi_label_classification", hot), ("regression", values)):
        config = ViTConfig(
            image_size=4, patch_size=4, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4,
            num_labels=OUTPUTS, problem_type=problem)
        model = ViTForImageClassification(config)
        tensors[f"transformers.{problem}"] = model.loss_function(labels, logits, model.config).reshape(1)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, out / "tasks.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "resources" / "golden")
