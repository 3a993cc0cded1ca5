"""Writes what torch.optim, timm and transformers compute, for the updaters, the decays and the learning rates to agree with.

    python optimizers.py [OUTPUT]        OUTPUT defaults to ../resources/golden/tiny beside this script

It reads the tiny model, the images and the labels that golden.py has written. `optimizers.safetensors` has STEPS steps of each
optimizer, in double: the losses before each step and some parameters after the last. `rates.json` has the learning rates of
schedules, step by step, and the factors of timm's layer-wise decay, by parameter.
"""

import json
import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file, save_file
from timm.layers import set_fused_attn
from timm.optim import param_groups_layer_decay, param_groups_weight_decay
from timm.scheduler import PolyLRScheduler, StepLRScheduler
from torch.func import functional_call
from torch.nn import functional as F
from transformers import get_linear_schedule_with_warmup, get_polynomial_decay_schedule_with_warmup

STEPS = 10
DECAY = 0.1
EPSILON = 1e-3  # large: gradients of about that size tell where it is added, and rounding errors of a float move nothing
LAYER_DECAY, HEAD_RATE = 0.6, 4
KEPT = (
    "cls_token",
    "pos_embed",
    "patch_embed.proj.weight",
    "blocks.0.attn.proj.bias",
    "blocks.1.attn.qkv.weight",
    "blocks.2.norm2.weight",
    "norm.weight",
    "head.weight",
    "head.bias",
)


def main(out: Path) -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    set_fused_attn(False)
    model = timm.create_model(f"local-dir:{out}", pretrained=True).eval().double()
    golden = load_file(out / "golden.safetensors")
    x, labels = golden["input"], golden["labels"].long()

    adam = dict(lr=1e-2, betas=(0.9, 0.999), eps=EPSILON, foreach=False)
    sgd = dict(lr=5e-2, momentum=0.9, foreach=False)
    optimizers = {
        "adam": lambda groups: torch.optim.Adam(groups, **adam),
        "adamw": lambda groups: torch.optim.AdamW(groups, **adam),
        "sgd": lambda groups: torch.optim.SGD(groups, **sgd),
        "sgd-nesterov": lambda groups: torch.optim.SGD(groups, nesterov=True, **sgd),
        "sgd-plain": lambda groups: torch.optim.SGD(groups, **(sgd | dict(momentum=0))),
    }
    tensors = {}
    for name, optimizer in optimizers.items():
        tensors |= named(name, train(model, x, labels, optimizer, decays))
    tensors |= named("adam-all", train(model, x, labels, optimizers["adam"], decays_all))
    tensors |= named("adamw-all", train(model, x, labels, optimizers["adamw"], decays_all))
    tensors |= named("adamw-layers", train(model, x, labels, optimizers["adamw"], layer_wise))
    rows = json.loads((out / "selection.json").read_text())["row"]
    for name in ("adam", "adamw"):
        tensors |= named(f"{name}-rows", train_rows(model, x, labels, optimizers[name], rows))
    save_file({k: v.contiguous() for k, v in sorted(tensors.items())}, out / "optimizers.safetensors")
    rates = {"schedules": schedules(), "layerDecay": LAYER_DECAY, "factors": factors(model)}
    (out / "rates.json").write_text(json.dumps(rates, indent=1) + "\n")


def named(prefix: str, tensors: dict) -> dict:
    return {f"{prefix}.{key}": value for key, value in tensors.items()}


# ---------------------------------------------------------------------------------------------------------- optimizers


def decays(model) -> list:
    return param_groups_weight_decay(model, DECAY, no_weight_decay_list=model.no_weight_decay())


def decays_all(model) -> list:
    return [dict(params=list(model.parameters()), weight_decay=DECAY)]


def layer_wise(model) -> list:
    """Returns timm's groups, with the learning rates that timm's schedulers make of lr_scale; the head has a factor of its own."""
    groups = param_groups_layer_decay(
        model, DECAY, no_weight_decay_list=model.no_weight_decay(), layer_decay=LAYER_DECAY
    )
    head = {id(p) for p in model.head.parameters()}
    for group in groups:
        mine = {id(p) in head for p in group["params"]}
        assert len(mine) == 1, "the head is a group of its own"
        group["lr"] = 1e-2 * group.pop("lr_scale") * (HEAD_RATE if mine.pop() else 1)
    return groups


def train(model, x, labels, optimizer, groups) -> dict[str, torch.Tensor]:
    """Returns losses and final parameters of STEPS steps on all examples at once, with every parameter trained."""
    model = copy(model)
    step = optimizer(groups(model))
    losses = []
    for _ in range(STEPS):
        loss = F.cross_entropy(model(x), labels)
        losses.append(loss.item())
        step.zero_grad()
        loss.backward()
        step.step()
    kept = dict(model.named_parameters())
    return {"loss": torch.tensor(losses).double(), **{name: kept[name].detach() for name in KEPT}}


def train_rows(model, x, labels, optimizer, rows: dict) -> dict[str, torch.Tensor]:
    """Returns the same of selected rows, parameters themselves and not differences, and the head; weight decay is for all but its bias."""
    frozen = {name: p.detach() for name, p in model.named_parameters()}
    index = {matrix: torch.tensor(slices["indices"]) for matrix, slices in rows.items()}
    trained = {matrix: frozen[matrix].flatten(1)[index[matrix]].clone().requires_grad_() for matrix in rows}
    head = {name: frozen[name].clone().requires_grad_() for name in ("head.weight", "head.bias")}
    step = optimizer(
        [
            dict(params=[*trained.values(), head["head.weight"]], weight_decay=DECAY),
            dict(params=[head["head.bias"]], weight_decay=0),
        ]
    )
    losses = []
    for _ in range(STEPS):
        p = frozen | head
        for matrix, values in trained.items():
            whole = frozen[matrix].flatten(1).index_copy(0, index[matrix], values)
            p[matrix] = whole.reshape(frozen[matrix].shape)
        loss = F.cross_entropy(functional_call(model, p, (x,)), labels)
        losses.append(loss.item())
        step.zero_grad()
        loss.backward()
        step.step()
    result = {matrix: values.detach() - frozen[matrix].flatten(1)[index[matrix]] for matrix, values in trained.items()}
    return {
        "loss": torch.tensor(losses).double(),
        **named("delta", result),
        **{name: value.detach() for name, value in head.items()},
    }


def copy(model):
    again = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=16,
        patch_size=4,
        embed_dim=24,
        depth=3,
        num_heads=3,
        mlp_ratio=2,
        num_classes=5,
    )
    again.load_state_dict(model.state_dict())
    return again.eval().double()


# ------------------------------------------------------------------------------------------------------ learning rates


def schedules() -> dict:
    """Returns learning rates of steps 0, 1, ... of 24, with a peak of 0.8."""
    return {
        # timm counts its steps from the beginning, the warm-up included.
        "timm.step": of_timm(StepLRScheduler(sgd(), decay_t=7, decay_rate=0.3, t_in_epochs=False)),
        "timm.polynomial": of_timm(PolyLRScheduler(sgd(), t_initial=24, power=2, lr_min=0.05, t_in_epochs=False)),
        "transformers.linear": of_torch(lambda one: get_linear_schedule_with_warmup(one, 4, 24)),
        "transformers.polynomial": of_torch(
            lambda one: get_polynomial_decay_schedule_with_warmup(one, 4, 24, lr_end=0.05, power=3)
        ),
        "torch.step": of_torch(lambda one: torch.optim.lr_scheduler.StepLR(one, step_size=7, gamma=0.3)),
    }


def sgd() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.8)


def of_timm(scheduler) -> list[float]:
    rates = []
    for step in range(25):
        scheduler.step_update(step)
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
    return rates


def of_torch(make) -> list[float]:
    optimizer = sgd()
    scheduler = make(optimizer)
    rates = []
    for _ in range(25):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def factors(model) -> dict[str, float]:
    """Returns timm's factor of each parameter's learning rate."""
    names = {id(p): name for name, p in model.named_parameters()}
    groups = param_groups_layer_decay(model, layer_decay=LAYER_DECAY)
    return {names[id(p)]: group["lr_scale"] for group in groups for p in group["params"]}


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "resources" / "golden" / "tiny")
