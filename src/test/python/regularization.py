"""Writes golden/regularization.safetensors: label smoothing, class weights and moving averages as torch, scikit-learn and timm have them.

    python regularization.py [OUTPUT]        OUTPUT defaults to ../resources/golden beside this script
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.utils.class_weight import compute_class_weight
from timm.data.mixup import mixup_target
from timm.utils import ModelEmaV3
from torch.nn import functional as F

LABELS = [0, 3, 1, 3, 0, 0, 3, 0]
CLASSES = 4  # of which one has no example
STEPS = 12


def main(out: Path) -> None:
    random = np.random.RandomState(25)
    tensors = {"labels": torch.tensor(LABELS, dtype=torch.int32)}
    logits = torch.from_numpy(random.randn(len(LABELS), CLASSES).astype(np.float32)).double().requires_grad_()
    labels = torch.tensor(LABELS)
    tensors["logits"] = logits
    balanced = torch.ones(CLASSES, dtype=torch.float64)
    shown = np.unique(LABELS)
    balanced[shown] = torch.from_numpy(compute_class_weight("balanced", classes=shown, y=np.array(LABELS)))
    tensors["balanced"] = balanced
    for smoothing in (0.0, 0.1):
        for name, weight in (("plain", None), ("balanced", balanced)):
            losses = F.cross_entropy(logits, labels, weight=weight, label_smoothing=smoothing, reduction="none")
            (gradient,) = torch.autograd.grad(losses.sum(), logits)
            tensors[f"{name}.{smoothing}.losses"] = losses
            tensors[f"{name}.{smoothing}.gradient"] = gradient
    tensors["mixed.0.1"] = mixup_target(labels, CLASSES, lam=0.7, smoothing=0.1)
    for warmup in (False, True):
        model = torch.nn.Linear(3, 1, bias=False).double()
        average = ModelEmaV3(model, decay=0.8, use_warmup=warmup)
        parameters, averages = [], []
        values = np.random.RandomState(1)
        for step in range(1, STEPS + 1):
            with torch.no_grad():
                model.weight.copy_(torch.from_numpy(values.randn(1, 3).astype(np.float32)))
            average.update(model, step=step)
            parameters.append(model.weight.detach().clone()[0])
            averages.append(average.module.weight.detach().clone()[0])
        tensors["parameters"] = torch.stack(parameters)
        tensors[f"average.{'warmup' if warmup else 'constant'}"] = torch.stack(averages)
    save_file({name: t.detach().clone().contiguous() for name, t in tensors.items()}, out / "regularization.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "resources" / "golden")
