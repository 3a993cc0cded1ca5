"""Writes the golden files: what PyTorch and timm compute, for the Java tests to agree with.

    python golden.py [OUTPUT]        OUTPUT defaults to ../resources/golden beside this script

Conventions
-----------
* Names are timm's. A matrix is [out, in] row-major; patch_embed.proj.weight counts as [D, C*P*P].
* Weights are stored as F32 (or F16, BF16). Everything computed from them is computed in double and stored as F64.
  Inputs are F64 values that a float holds exactly, so that float and double start from the same numbers.
* The loss of an example is its cross-entropy. Gradients and scores are of the SUM over examples, training is by the MEAN.
* Delta and gradient of slices are slice-major, [k, length], for rows and for columns.

Each part asserts what it can know by a second way before anything is written.
"""

import copy
import json
import math
import sys
from pathlib import Path

import numpy as np
import peft
import timm
import torch
import transformers
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed, set_fused_attn
from timm.models import save_for_hf
from torch.func import functional_call
from torch.nn import functional as F

TINY = dict(img_size=16, patch_size=4, embed_dim=24, depth=3, num_heads=3, mlp_ratio=2, num_classes=5)
EXAMPLES = 6
BATCHES = [(0, 3), (3, 6)]  # of the scores by batch: examples from (inclusive), to (exclusive)
LABELS = [0, 3, 1, 3, 4, 0]  # two classes come twice, one never: the contrastive loss needs both kinds
K = 2  # slices per matrix

STEPS = 10
LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-2, 0.9, 0.999, 1e-8
LAMBDA, HEAD_L2 = 1e-2, 1e-3
PENALIZED = ("blocks.1.", "blocks.2.")  # the last two blocks

TEMPERATURE = BASE_TEMPERATURE = 0.07


def main(out: Path) -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    set_fused_attn(False)

    random = np.random.RandomState(20250700)  # the legacy generator: its stream is frozen across NumPy versions
    model = tiny_model(random)
    images = normal(random, EXAMPLES, 3, 16, 16).double()
    second_view = normal(random, EXAMPLES, 3, 16, 16).double()
    positions = normal(random, 1, 1 + 4 * 4, 6)
    labels = torch.tensor(LABELS)

    save_checkpoint(model, out / "tiny", torch.float32)
    selections = save_gradients(model, images, labels, out / "tiny")
    save_scores(model, images, labels, out / "tiny" / "scores.safetensors")
    save_training(model, images, labels, selections, out / "tiny" / "training.safetensors")
    save_contrastive(model, images, second_view, labels, out / "tiny" / "contrastive.safetensors")
    save_methods(model, images, labels, out / "tiny" / "methods.safetensors")
    for name, dtype in (("tiny-fp16", torch.float16), ("tiny-bf16", torch.bfloat16)):
        rounded = save_checkpoint(model, out / name, dtype)
        logits, features = forward(rounded, images)
        save({"input": images, "logits": logits, "features": features}, out / name / "golden.safetensors")
    save_positions(positions, out / "positions" / "golden.safetensors")
    save_vit_base(out / "vit_base_patch16_224")
    save_counts(out / "counts.json")


# ---------------------------------------------------------------------------------------------------- the tiny model


def tiny_model(random: np.random.RandomState) -> torch.nn.Module:
    """Returns a timm ViT small enough for a test, with weights large enough that no part of it is nearly linear."""
    model = timm.create_model(
        "vit_tiny_patch16_224",
        **TINY,
        # Not the defaults of the architecture, so that a reader of config.json cannot be right by accident.
        pretrained_cfg_overlay=dict(tag="random", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), crop_pct=0.875),
    )
    for name, parameter in model.named_parameters():
        values = normal(random, *parameter.shape)
        if "norm" in name and name.endswith(".weight"):
            values = 1 + 0.2 * values
        elif name in ("cls_token", "pos_embed"):
            values = 0.5 * values
        else:
            values = 0.2 * values
        parameter.data.copy_(values)
    return model.eval()


def normal(random: np.random.RandomState, *shape: int) -> torch.Tensor:
    """Returns standard normal floats."""
    return torch.from_numpy(random.standard_normal(shape).astype(np.float32))


def save_checkpoint(model: torch.nn.Module, folder: Path, dtype: torch.dtype) -> torch.nn.Module:
    """Saves model.safetensors and config.json as timm does; returns the model in double, with the weights as saved."""
    rounded = timm.create_model("vit_tiny_patch16_224", **TINY, pretrained_cfg=model.pretrained_cfg).eval().to(dtype)
    rounded.load_state_dict({name: value.to(dtype) for name, value in model.state_dict().items()})
    save_for_hf(rounded, folder, safe_serialization=True)
    # Again with the metadata that published checkpoints carry and save_for_hf leaves out.
    save_file(rounded.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})

    # What was saved is what timm loads.
    again = timm.create_model(f"local-dir:{folder}", pretrained=True)
    assert all(torch.equal(value.to(dtype), rounded.state_dict()[name]) for name, value in again.state_dict().items())
    return rounded.double()


def matrices(model: torch.nn.Module) -> list[str]:
    """Returns the names of the matrices that slices are taken from, in network order."""
    ends = ("patch_embed.proj.weight", "attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight")
    return [name for name, _ in model.named_parameters() if name.endswith(ends)]


def parameters(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Returns the parameters in double, by name, as leaves of their own."""
    return {name: p.detach().double().clone().requires_grad_() for name, p in model.named_parameters()}


def forward(model: torch.nn.Module, x: torch.Tensor, p: dict[str, torch.Tensor] | None = None):
    """Returns the logits [B, K] and the features [B, D], the class token behind the last norm; in double."""
    p = p if p is not None else parameters(model)
    kept = []
    hook = model.norm.register_forward_hook(lambda _module, _inputs, output: kept.append(output[:, 0]))
    try:
        logits = functional_call(model, p, (x,))
    finally:
        hook.remove()
    return logits, kept[0]


# ----------------------------------------------------------------------------------- gradients, scores and selections


def save_gradients(model: torch.nn.Module, x: torch.Tensor, labels: torch.Tensor, folder: Path) -> dict:
    """Saves golden.safetensors and selection.json; returns the selections by orientation."""
    p = parameters(model)
    logits, features = forward(model, x, p)
    losses = F.cross_entropy(logits, labels, reduction="none")
    summed = gradients(losses.sum(), p)
    example = [range_gradients(model, p, x, labels, i, i + 1) for i in range(EXAMPLES)]
    batch = [range_gradients(model, p, x, labels, a, b) for a, b in BATCHES]
    for name in p:
        for parts in (example, batch):
            torch.testing.assert_close(sum(g[name] for g in parts), summed[name], rtol=1e-10, atol=1e-12)

    tensors = {
        "input": x,
        "labels": labels.int(),
        "logits": logits,
        "features": features,
        "loss": losses,
        "loss.sum": losses.sum().reshape(1),
    }
    tensors |= {f"grad.{name}": g for name, g in summed.items()}
    scores = {}
    for kind, parts in (("example", example), ("batch", batch), ("summed", [summed])):
        for matrix in matrices(model):
            squares = sum(g[matrix].flatten(1) ** 2 for g in parts)
            tensors[f"score.{kind}.rows.{matrix}"] = squares.sum(1)
            tensors[f"score.{kind}.columns.{matrix}"] = squares.sum(0)
            if kind == "example":
                scores[matrix] = {"row": squares.sum(1), "column": squares.sum(0)}
    save(tensors, folder / "golden.safetensors")

    selections = {
        orientation: {matrix: select(scores[matrix], orientation) for matrix in scores}
        for orientation in ("row", "column", "min-axis")
    }
    save_json({"score": "example", "k": K, **selections}, folder / "selection.json")
    return selections


def save_scores(model: torch.nn.Module, x: torch.Tensor, labels: torch.Tensor, file: Path) -> None:
    """Saves the scores beside squared gradients: relative-gradient, weight-activation, and what fisher is expected to be."""
    p = parameters(model)
    w = {matrix: p[matrix].detach().flatten(1) for matrix in matrices(model)}
    probabilities = forward(model, x, p)[0].softmax(1)
    example = {name: 0 for name in w}
    fisher = {name: 0 for name in w}
    for b in range(EXAMPLES):
        for k in range(TINY["num_classes"]):
            one = range_gradients(model, p, x, torch.full_like(labels, k), b, b + 1)
            for name in w:
                square = one[name].flatten(1) ** 2
                fisher[name] = fisher[name] + probabilities[b, k].detach() * square
                example[name] = example[name] + (square if labels[b] == k else 0)

    tensors = {}
    inputs = {name: norms for name, norms in input_norms(copy.deepcopy(model).double(), x)}
    for name in w:
        out, width = w[name].shape
        square = w[name] ** 2
        tensors[f"score.relative-gradient.rows.{name}"] = width * example[name].sum(1) / square.sum(1)
        tensors[f"score.relative-gradient.columns.{name}"] = out * example[name].sum(0) / square.sum(0)
        activation = w[name].abs() * inputs[name]
        for kind, matrix in (("weight-activation", activation), ("fisher", fisher[name])):
            tensors[f"score.{kind}.rows.{name}"] = matrix.sum(1)
            tensors[f"score.{kind}.columns.{name}"] = matrix.sum(0)
    save(tensors, file)


@torch.no_grad()
def input_norms(model: torch.nn.Module, x: torch.Tensor):
    """Yields each matrix and the L2 norm of each of its inputs over the tokens that the head can see."""
    seen = {}
    modules = {name.removesuffix(".weight"): name for name in matrices(model)}
    for module, name in modules.items():
        # In the last block only the class token goes on behind the attention.
        last = module.startswith(f"blocks.{TINY['depth'] - 1}.") and "qkv" not in module
        model.get_submodule(module).register_forward_pre_hook(
            lambda _module, inputs, name=name, last=last: seen.update({name: inputs[0][:, :1] if last else inputs[0]})
        )
    model(x)
    for name, tokens in seen.items():
        if tokens.ndim == 4:  # the patch embedding's images
            size = TINY["patch_size"]
            tokens = F.unfold(tokens, size, stride=size).transpose(1, 2)
        yield name, tokens.flatten(0, 1).pow(2).sum(0).sqrt()


def gradients(loss: torch.Tensor, p: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return dict(zip(p, torch.autograd.grad(loss, list(p.values()), retain_graph=True)))


def range_gradients(model, p, x, labels, start: int, end: int) -> dict[str, torch.Tensor]:
    """Returns the gradient of the summed loss of some examples, which see nothing of the others."""
    logits, _ = forward(model, x[start:end], p)
    return gradients(F.cross_entropy(logits, labels[start:end], reduction="sum"), p)


def select(scores: dict[str, torch.Tensor], orientation: str) -> dict:
    """Returns axis and ascending indices of the K best slices of one matrix."""
    axis = orientation
    if orientation == "min-axis":
        axis = "row" if len(scores["row"]) <= len(scores["column"]) else "column"
    values = scores[axis].tolist()
    ranked = sorted(range(len(values)), key=lambda i: (-values[i], i))
    # A float implementation must come to the same choice.
    assert values[ranked[K - 1]] > values[ranked[K]] * (1 + 1e-3), f"{orientation}: the choice is too close"
    return {"axis": axis, "indices": sorted(ranked[:K])}


# ------------------------------------------------------------------------------------------------------------ training


def torch_adam(numbers: list[torch.Tensor]) -> torch.optim.Optimizer:
    return torch.optim.Adam(numbers, lr=LEARNING_RATE, betas=(BETA1, BETA2), eps=EPSILON, foreach=False)


def save_training(model, x, labels, selections: dict, file: Path) -> None:
    tensors = {}
    for orientation, selection in selections.items():
        result = train_slices(model, x, labels, selection)
        tensors |= {f"{orientation}.{key}": value for key, value in result.items()}
        single = train_slices(model, x, labels, selection, torch.float32)
        report(f"{orientation}, float against double", single, tensors, f"{orientation}.")
    save(tensors, file)


def train_slices(model, x, labels, selection: dict, dtype=torch.float64) -> dict[str, torch.Tensor]:
    """Returns losses and final numbers of STEPS steps on the selected slices and the head, the same batch each step.

    loss = mean cross-entropy
         + LAMBDA * sum of delta^2 over the slices in PENALIZED blocks
         + HEAD_L2 * (sum of head.weight^2 + sum of head.bias^2)

    A trained matrix is its pretrained numbers + delta; delta starts at 0, the head at the checkpoint's. The losses are
    those of the numbers before each step's update.
    """
    frozen = {name: value.detach().to(dtype) for name, value in parameters(model).items()}
    head = {name: frozen[name].clone().requires_grad_() for name in ("head.weight", "head.bias")}
    deltas = {}
    for matrix, slices in selection.items():
        out, length = frozen[matrix].flatten(1).shape
        size = length if slices["axis"] == "row" else out
        deltas[matrix] = torch.zeros(len(slices["indices"]), size, dtype=dtype, requires_grad=True)

    optimizer = torch_adam([*deltas.values(), *head.values()])
    totals, data = [], []
    for _ in range(STEPS):
        p = frozen | head
        for matrix, slices in selection.items():
            rows = slices["axis"] == "row"
            delta = deltas[matrix] if rows else deltas[matrix].T
            changed = frozen[matrix].flatten(1).index_add(0 if rows else 1, torch.tensor(slices["indices"]), delta)
            p[matrix] = changed.reshape(frozen[matrix].shape)
        loss = F.cross_entropy(functional_call(model, p, (x.to(dtype),)), labels)
        pull = sum((delta**2).sum() for matrix, delta in deltas.items() if matrix.startswith(PENALIZED))
        total = loss + LAMBDA * pull + HEAD_L2 * sum((w**2).sum() for w in head.values())
        totals.append(total.item())
        data.append(loss.item())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    assert totals[-1] < totals[0]
    return {
        "loss": torch.tensor(totals, dtype=torch.float64),
        "loss.data": torch.tensor(data, dtype=torch.float64),
        **{f"delta.{matrix}": delta.detach() for matrix, delta in deltas.items()},
        **{name: w.detach() for name, w in head.items()},
    }


def report(what: str, single: dict, double: dict, prefix: str) -> None:
    """Prints how far float arithmetic is off, for whoever chooses a tolerance."""
    errors = {key: (value.double() - double[prefix + key]).abs().max().item() for key, value in single.items()}
    worst = max(errors, key=errors.get)
    print(f"{what}: at most {errors[worst]:.1e}, in {worst}")


# ------------------------------------------------------------------------------------------------------ other methods


def save_methods(model, x, labels, file: Path) -> None:
    """Saves what GPS, LoRA and adapters compute with some trained numbers: logits, and the gradients of the summed loss.

    LoRA is Hugging Face's peft; the others are written here as their papers say. Names are those of a delta's file.
    """
    random = np.random.RandomState(231210136)
    tensors = {}
    for name, method in (("gps", gps), ("lora", lora), ("adapter", adapter)):
        trained, constants, logits = method(model, x, labels, random)
        loss = F.cross_entropy(logits, labels, reduction="sum")
        grads = torch.autograd.grad(loss, list(trained.values()))
        tensors |= {f"{name}.{key}": value for key, value in (trained | constants).items()}
        tensors |= {f"{name}.grad.{key}": g for key, g in zip(trained, grads)}
        tensors[f"{name}.logits"] = logits
        tensors[f"{name}.loss.sum"] = loss.reshape(1)
    save(tensors, file)


def trained(random: np.random.RandomState, *shape: int) -> torch.Tensor:
    """Returns numbers that training could have come to, which a float holds exactly."""
    return (0.1 * normal(random, *shape)).double().requires_grad_()


def gps(model, x, labels, random):
    """The K entries of each neuron with the largest summed gradient, and the biases of the linear maps."""
    p = parameters(model)
    full = gradients(F.cross_entropy(forward(model, x, p)[0], labels, reduction="sum"), p)
    p = {name: value.detach() for name, value in p.items()}
    numbers, constants = {}, {}
    for matrix in matrices(model):
        size = full[matrix].flatten(1).abs()
        ranked = size.argsort(dim=1, descending=True, stable=True)
        best = size.gather(1, ranked[:, : K + 1])
        assert (best[:, :-1] > best[:, 1:]).all(), "the choice is too close"
        columns = ranked[:, :K].T.contiguous()  # [K, out]
        values = trained(random, *columns.shape)
        numbers[f"{matrix}.entries"] = values
        constants[f"{matrix}.entries.columns"] = columns.flatten().int()
        changed = p[matrix].flatten(1).scatter_add(1, columns.T, values.T)
        p[matrix] = changed.reshape(p[matrix].shape)
    for name in list(p):
        if name.endswith(".bias") and "norm" not in name and not name.startswith("head."):
            numbers[name] = trained(random, *p[name].shape)
            p[name] = p[name] + numbers[name]
    return numbers, constants, forward(model, x, p)[0]


def lora(model, x, labels, random):
    config = peft.LoraConfig(r=3, lora_alpha=1.5, target_modules=r".*\.(attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)")
    adapted = peft.get_peft_model(copy.deepcopy(model).double(), config).eval()
    numbers = {}
    for name, parameter in adapted.named_parameters():
        if ".lora_" in name:
            parameter.data.copy_(trained(random, *parameter.shape).detach())
            map_, factor = name.removeprefix("base_model.model.").removesuffix(".default.weight").rsplit(".", 1)
            numbers[f"{map_}.weight.{factor.lower()}"] = parameter
    assert len(numbers) == 2 * 4 * TINY["depth"]
    return numbers, {}, adapted(x)


def adapter(model, x, labels, random):
    """Bottlenecks of size 4 and scale 0.5 behind attn.proj and mlp.fc2 (Houlsby et al. 2019), GELU between."""
    width, size, scale = TINY["embed_dim"], 4, 0.5
    adapted = copy.deepcopy(model).double()
    numbers, hooks = {}, []
    for name, module in adapted.named_modules():
        if name.endswith(("attn.proj", "mlp.fc2")):
            down, c = trained(random, size, width), trained(random, size)
            up, d = trained(random, width, size), trained(random, width)
            layers = {"down.weight": down, "down.bias": c, "up.weight": up, "up.bias": d}
            numbers |= {f"{name}.adapter.{key}": value for key, value in layers.items()}

            def behind(_module, _inputs, y, down=down, c=c, up=up, d=d):
                return y + scale * F.linear(F.gelu(F.linear(y, down, c)), up, d)

            hooks.append(module.register_forward_hook(behind))
    assert len(hooks) == 2 * TINY["depth"]
    return numbers, {}, adapted(x)


# --------------------------------------------------------------------------------------- supervised contrastive loss


def save_contrastive(model, view1, view2, labels, file: Path) -> None:
    """Saves the supervised contrastive loss (arXiv 2004.11362) of two views of each example, and its gradients.

    Order: all of view 1, then all of view 2; row n of the 2B features is example n mod B. With z = f / max(||f||, 1e-12)
    for the features f (the class token behind the last norm), P(a) = all others of the label of a, and n, a in 0..2B-1:

        loss = mean over a of
               -(temperature / base temperature) * mean over p in P(a) of
               ( z_a.z_p / temperature - log( sum over n != a of exp(z_a.z_n / temperature) ) )
    """
    p = parameters(model)
    _, features = forward(model, torch.cat([view1, view2]), p)
    normalized = F.normalize(features, dim=1)
    loss = contrastive_loss(normalized, labels.repeat(2))
    assert abs(loss.item() - contrastive_loss_by_definition(normalized.tolist(), LABELS * 2)) < 1e-12
    weight = "blocks.1.mlp.fc1.weight"
    grad_features, grad_normalized, grad_weight = torch.autograd.grad(loss, [features, normalized, p[weight]])
    save(
        {
            "input.view1": view1,
            "input.view2": view2,
            "labels": labels.int(),
            "features": features,
            "features.normalized": normalized,
            "loss": loss.reshape(1),
            "grad.features": grad_features,
            "grad.features.normalized": grad_normalized,
            f"grad.{weight}": grad_weight,
        },
        file,
    )


def contrastive_loss(z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Returns the loss of normalized features [2B, D] with labels [2B]; every view is an anchor (contrast_mode all)."""
    similarity = z @ z.T / TEMPERATURE
    similarity = similarity - similarity.max(dim=1, keepdim=True).values.detach()
    others = ~torch.eye(len(z), dtype=torch.bool)
    positives = (labels[:, None] == labels[None, :]) & others
    log_probability = similarity - (similarity.exp() * others).sum(1, keepdim=True).log()
    mean_of_positives = (log_probability * positives).sum(1) / positives.sum(1)
    return -(TEMPERATURE / BASE_TEMPERATURE) * mean_of_positives.mean()


def contrastive_loss_by_definition(z: list[list[float]], labels: list[int]) -> float:
    total = 0.0
    for a in range(len(z)):
        dots = [sum(s * t for s, t in zip(z[a], z[n])) / TEMPERATURE for n in range(len(z))]
        log_sum = math.log(sum(math.exp(dots[n]) for n in range(len(z)) if n != a))
        positives = [n for n in range(len(z)) if n != a and labels[n] == labels[a]]
        total -= TEMPERATURE / BASE_TEMPERATURE * sum(dots[n] - log_sum for n in positives) / len(positives)
    return total / len(z)


# ---------------------------------------------------------------------------------------------------------- positions


def save_positions(positions: torch.Tensor, file: Path) -> None:
    """Saves a 4x4 grid of positions behind a class token, and what timm and transformers (.plain) make of it for other grids.

    Both interpolate in float. The same in double is stored beside it as .double.
    """
    tensors = {"pos_embed.4x4": positions}
    for side in (3, 6, 8):
        resampled = resample_abs_pos_embed(positions, [side, side])
        grid = positions[:, 1:].double().reshape(1, 4, 4, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, size=(side, side), mode="bicubic", antialias=True)
        double = torch.cat([positions[:, :1].double(), grid.permute(0, 2, 3, 1).reshape(1, side * side, -1)], dim=1)
        torch.testing.assert_close(double.float(), resampled, rtol=1e-5, atol=1e-6)
        tensors[f"pos_embed.{side}x{side}"] = resampled
        tensors[f"pos_embed.{side}x{side}.double"] = double
    config = transformers.ViTConfig(hidden_size=6, num_attention_heads=1, image_size=16, patch_size=4)
    embeddings = transformers.models.vit.modeling_vit.ViTEmbeddings(config)
    embeddings.position_embeddings.data = positions
    for side in (1, 3, 6, 8):
        for suffix, dtype in ((".plain", torch.float32), (".plain.double", torch.float64)):
            embeddings.position_embeddings.data = positions.to(dtype)
            # A sequence of another length, or the positions would be taken as they are.
            tokens = torch.zeros(1, 1 + side * side, 6, dtype=dtype)
            resampled = embeddings.interpolate_pos_encoding(tokens, 4 * side, 4 * side)
            tensors[f"pos_embed.{side}x{side}{suffix}"] = resampled.detach()
    save(tensors, file)


# ---------------------------------------------------------------------------------- a published size, weights by hash

MASK = (1 << 64) - 1


def fnv1a64(name: str) -> int:
    """Returns the 64-bit FNV-1a hash of the name's UTF-8 bytes."""
    h = 0xCBF29CE484222325
    for byte in name.encode("utf-8"):
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def splitmix64(x: np.ndarray) -> np.ndarray:
    """Returns the first output of SplitMix64 seeded with each x; uint64, arrays wrap around without a warning."""
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def hashed(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Returns the made-up values of a tensor, F32, row-major; element i depends on the name and i only.

    bits  = splitmix64(fnv1a64(name) + i mod 2^64) >>> 40          the upper 24 bits
    w     = 2 * (bits / 2^24 - 0.5)                                in [-1, 1), exact in double and in float
    value = (float) (1.0 + 0.1 * w)    norm1.weight, norm2.weight, norm.weight
            (float) (0.05 * w)         cls_token, pos_embed
            (float) (0.02 * w)         every .bias
            (float) (0.03 * w)         every other .weight
            (float) w                  input
    with the product and the sum in double, rounded to float once at the end.
    """
    index = np.arange(math.prod(shape), dtype=np.uint64)
    bits = splitmix64(index + np.uint64(fnv1a64(name))) >> np.uint64(40)
    w = 2.0 * (bits.astype(np.float64) / 2.0**24 - 0.5)
    if name == "input":
        values = w
    elif name in ("cls_token", "pos_embed"):
        values = 0.05 * w
    elif name.endswith(".bias"):
        values = 0.02 * w
    elif name.endswith(("norm1.weight", "norm2.weight", "norm.weight")):
        values = 1.0 + 0.1 * w
    else:
        values = 0.03 * w
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def hashed_value(name: str, i: int) -> float:
    """Returns w of element i in Python's unbounded integers, the second witness of the array arithmetic."""
    z = (fnv1a64(name) + i + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return 2 * (((z ^ (z >> 31)) >> 40) / 2**24 - 0.5)


def save_vit_base(folder: Path) -> None:
    assert fnv1a64("") == 0xCBF29CE484222325 and fnv1a64("a") == 0xAF63DC4C8601EC8C  # published values
    assert splitmix64(np.zeros(1, np.uint64))[0] == np.uint64(0xE220A8397B1DCDAF)
    x = hashed("input", (2, 3, 224, 224))
    flat = x.flatten().tolist()
    assert all(flat[i] == hashed_value("input", i) for i in range(0, len(flat), 997))

    model = timm.create_model("vit_base_patch16_224").eval()
    for name, parameter in model.named_parameters():
        parameter.data.copy_(hashed(name, tuple(parameter.shape)))
    samples = {}
    for name, values in [("input", x), *model.named_parameters()]:
        if name.startswith(("blocks.0.", "blocks.11.")) or "blocks." not in name:
            values = values.detach().flatten()
            samples[name] = {
                "fnv1a64": f"{fnv1a64(name):016x}",
                "first": values[:3].tolist(),
                "last": values[-1].item(),
            }
    with torch.no_grad():
        single = model(x)
        model = model.double()
        logits, features = forward(model, x.double())
    assert (logits[0] - logits[1]).abs().max() > 1e-2  # the images must make a difference
    print(f"vit_base_patch16_224, float against double: at most {(single - logits).abs().max():.1e} of logits up to"
          f" {logits.abs().max():.2f}, which differ by up to {(logits[0] - logits[1]).abs().max():.2f}")
    save({"logits": logits, "features": features}, folder / "golden.safetensors")
    save_json(samples, folder / "values.json")
    timm.models._hub.save_config_for_hf(model, folder / "config.json")


def save_counts(file: Path) -> None:
    """Saves the number of parameters of the published sizes with 1000 classes, head included."""
    counts = {}
    for size in ("tiny", "small", "base", "large"):
        name = f"vit_{size}_patch16_224"
        with torch.device("meta"):
            model = timm.create_model(name, num_classes=1000)
        counts[name] = sum(p.numel() for p in model.parameters())
    assert counts["vit_base_patch16_224"] == 86_567_656
    save_json(counts, file)


# ------------------------------------------------------------------------------------------------------------- writing


def save(tensors: dict[str, torch.Tensor], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: t.detach().clone().contiguous() for name, t in tensors.items()}, file)


def save_json(content: dict, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "resources" / "golden")
