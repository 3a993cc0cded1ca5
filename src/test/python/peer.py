"""Does one kind of work as a PyTorch or JAX user would write it, one step for each line it is sent: jobs/bench.sh --peer.

    python peer.py WORK [--model NAME] [--batch B] [--threads N] [--rows K] [--classes K] [--images FOLDER] [--precision P] [--device D]
    python peer.py check

The first line of output is {"peer": ..., "trained": ...}. Then `step` is answered by the milliseconds that the step took,
`memory` by the resident megabytes, now and at most. The end of input ends it. `check` compares the ways with each other on
a small model: the same gradients, the same scores.

The work of torch is timm's ViT with random weights, attention by scaled_dot_product_attention. With --precision bf16 it runs under
torch.autocast, and weights that do not train are bfloat16; the forward alone has everything in bfloat16. Where slices train,
K rows of each weight matrix do, the patch embedding's included, and the head.
"""

import argparse
import json
import math
import os
import re
import sys
import time
from pathlib import Path

PENALTY = 1e-4  # lambda of the pull toward the pretrained slices
LEARNING_RATE = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=["check", "decode", *TORCH, *JAX])
    parser.add_argument("--model", default="vit_base_patch16_224")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if args.work == "check":
        check()
        return
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    name, trained, step = prepare(args)
    print(json.dumps({"peer": name, "trained": trained}), file=answers)
    for line in sys.stdin:
        if line.strip() == "memory":
            print(*memory(), file=answers)
        else:
            start = time.perf_counter()
            step()
            wait(args.device)
            print(1e3 * (time.perf_counter() - start), file=answers)


def wait(device):
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


def prepare(args):
    """Returns the name of the peer, how many numbers it trains, and the step."""
    if args.work == "decode":
        return decoding(args)
    if args.work in JAX:
        # XLA takes a thread for each processor that it may run on.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
        return JAX[args.work](args)
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float32)
    torch.backends.cuda.matmul.allow_tf32 = args.precision == "tf32"
    trained, step = TORCH[args.work](TorchVit(args))
    return f"torch {torch.__version__.split('+')[0]}, {args.work.removeprefix('torch-')}", trained, step


def memory():
    status = Path("/proc/self/status").read_text()
    return [int(re.search(rf"{key}:\s+(\d+) kB", status).group(1)) / 1024 for key in ("VmRSS", "VmHWM")]


# -------------------------------------------------------------------------------------------------------------- torch


class TorchVit:
    """timm's model, a batch, and which rows train."""

    def __init__(self, args):
        import timm
        import torch

        self.bf16 = getattr(args, "precision", "fp32") == "bf16"
        self.device = getattr(args, "device", "cpu")
        self.model = timm.create_model(args.model, num_classes=args.classes).to(self.device)
        self.images = torch.randn(args.batch, *self.model.default_cfg["input_size"]).to(self.device)
        self.labels = torch.randint(args.classes, (args.batch,)).to(self.device)
        # The patch embedding's weight counts as a matrix [D, C*P*P].
        self.matrices = [
            name
            for name, p in self.model.named_parameters()
            if p.dim() in (2, 4) and name.endswith(".weight") and not name.startswith("head")
        ]
        self.rows = {
            name: torch.randperm(self.model.get_parameter(name).shape[0])[: args.rows].sort().values.to(self.device)
            for name in self.matrices
        }

    def loss(self, reduction="mean"):
        import torch
        from torch.nn import functional as F

        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.bf16):
            logits = self.model(self.images)
        return F.cross_entropy(logits.float(), self.labels, reduction=reduction)

    def slices(self) -> int:
        return sum(self.model.get_parameter(n)[r].numel() for n, r in self.rows.items())

    def freeze(self) -> None:
        for name, p in self.model.named_parameters():
            p.requires_grad_(name.startswith("head"))


def adam(parameters):
    import torch

    return torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)


def count(parameters) -> int:
    return sum(p.numel() for p in parameters if p.requires_grad)


def forward(vit):
    import torch

    vit.model.eval()
    images = vit.images
    if vit.bf16:
        vit.model.bfloat16()
        images = images.bfloat16()

    def step():
        with torch.inference_mode():
            vit.model(images)

    return 0, step


def full(vit):
    optimizer = adam(vit.model.parameters())

    def step():
        optimizer.zero_grad()
        vit.loss().backward()
        optimizer.step()

    return count(vit.model.parameters()), step


def masked(vit):
    """All gradients, then a dense mask on each, as GPS does (arXiv 2312.10136)."""
    import torch

    optimizer = adam(vit.model.parameters())
    zero = torch.zeros((), device=vit.device)
    masks = {}
    for name, p in vit.model.named_parameters():
        masks[p] = torch.full(p.shape, name.startswith("head"), device=vit.device)
        if name in vit.rows:
            masks[p][vit.rows[name]] = True

    def step():
        optimizer.zero_grad()
        vit.loss().backward()
        for p, mask in masks.items():
            p.grad = torch.where(mask, p.grad, zero)
        optimizer.step()

    return sum(int(m.sum()) for m in masks.values()), step


def lora(vit):
    """LoRA by peft on the four matrices of every block, with the rank that trains about as many numbers as the slices."""
    from peft import LoraConfig, get_peft_model

    targets = [n for n in vit.matrices if n.startswith("blocks.")]
    of_rank_one = sum(sum(vit.model.get_parameter(n).shape) for n in targets)
    config = LoraConfig(
        r=max(1, round(vit.slices() / of_rank_one)),
        target_modules=r"blocks\..*\.(attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)",
        modules_to_save=["head"],
    )
    vit.model = get_peft_model(vit.model, config)
    if vit.bf16:
        for p in vit.model.parameters():
            if not p.requires_grad and p.dim() in (2, 4):
                p.data = p.data.bfloat16()
    parameters = [p for p in vit.model.parameters() if p.requires_grad]
    optimizer = adam(parameters)

    def step():
        optimizer.zero_grad()
        vit.loss().backward()
        optimizer.step()

    return count(parameters), step


def with_rows(vit):
    """Puts linear maps into the model whose backward computes the gradient of the trained rows only; returns these maps.

    The trained rows are written into the weight, so that the forward is that of the whole matrix.
    """
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, slices, weight, bias, rows):
            x = x.to(weight.dtype)
            ctx.save_for_backward(x, weight, rows)
            return F.linear(x, weight, bias)

        @staticmethod
        def backward(ctx, dy):
            x, weight, rows = ctx.saved_tensors
            dx = dy @ weight if ctx.needs_input_grad[0] else None
            dslices = dy.flatten(0, -2).index_select(1, rows).T @ x.flatten(0, -2)
            return dx, dslices.float(), None, None, None

    class Rows(nn.Module):
        def __init__(self, linear, rows):
            super().__init__()
            weight = linear.weight.detach().flatten(1)
            kind = torch.bfloat16 if vit.bf16 else torch.float32
            self.register_buffer("weight", weight.to(kind))
            self.register_buffer("bias", linear.bias.detach().to(kind))
            self.register_buffer("rows", rows)
            self.register_buffer("start", weight[rows])
            self.slices = nn.Parameter(weight[rows].clone())

        def forward(self, x):
            return Function.apply(x, self.slices, self.weight, self.bias, self.rows)

        @torch.no_grad()
        def penalize(self):
            self.slices.grad.add_(self.slices - self.start, alpha=2 * PENALTY)

        @torch.no_grad()
        def write(self):
            self.weight.index_copy_(0, self.rows, self.slices.to(self.weight.dtype))

    return replaced(vit, Rows)


def replaced(vit, linear):
    """Freezes all but the head and replaces every linear map, the patch embedding included; returns the new ones."""
    from torch import nn

    class Patches(nn.Module):
        def __init__(self, embedding, rows):
            super().__init__()
            self.side = embedding.patch_size[0]
            self.proj = linear(embedding.proj, rows)

        def forward(self, images):
            b, c, s, _ = images.shape
            p = self.side
            x = images.reshape(b, c, s // p, p, s // p, p).permute(0, 2, 4, 1, 3, 5).reshape(b, -1, c * p * p)
            return self.proj(x)

    vit.freeze()
    made = []
    for name, rows in vit.rows.items():
        path = name.removesuffix(".weight")
        if path == "patch_embed.proj":
            vit.model.patch_embed = Patches(vit.model.patch_embed, rows)
            made.append(vit.model.patch_embed.proj)
        else:
            parent, _, last = path.rpartition(".")
            module = linear(vit.model.get_submodule(path), rows)
            setattr(vit.model.get_submodule(parent), last, module)
            made.append(module)
    return made


def slices(vit):
    maps = with_rows(vit)
    parameters = [p for p in vit.model.parameters() if p.requires_grad]
    optimizer = adam(parameters)

    def step():
        optimizer.zero_grad()
        vit.loss().backward()
        for one in maps:
            one.penalize()
        optimizer.step()
        for one in maps:
            one.write()

    return count(parameters), step


# Scores: for each matrix of the blocks the row and column sums of the squared gradient of each example.


def score_loop(vit, sums=None):
    """One example after the other."""
    import torch
    from torch.nn import functional as F

    names = [n for n in vit.matrices if n.startswith("blocks.")]
    matrices = [vit.model.get_parameter(n) for n in names]
    vit.freeze()
    for p in matrices:
        p.requires_grad_()
    sums = zeros(vit, names) if sums is None else sums

    def step():
        for x, y in zip(vit.images, vit.labels):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=vit.bf16):
                logits = vit.model(x[None])
            gradients = torch.autograd.grad(F.cross_entropy(logits.float(), y[None]), matrices)
            for name, g in zip(names, gradients):
                squares = g.square_()
                sums[name][0].add_(squares.sum(1))
                sums[name][1].add_(squares.sum(0))

    return 0, step


def score_vmap(vit, sums=None):
    """torch.func: vmap of grad, a few examples at once, for each of which a whole gradient is in memory."""
    import torch
    from torch.func import functional_call, grad, vmap
    from torch.nn import functional as F

    names = [n for n in vit.matrices if n.startswith("blocks.")]
    everything = {n: p.detach() for n, p in vit.model.named_parameters()}
    matrices = {n: everything.pop(n) for n in names}
    sums = zeros(vit, names) if sums is None else sums
    for block in vit.model.blocks:
        block.attn.fused_attn = False  # vmap would call it once for each example

    def loss(parameters, x, y):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=vit.bf16):
            logits = functional_call(vit.model, {**everything, **parameters}, (x[None],))
        return F.cross_entropy(logits.float(), y[None])

    def squares(x, y):
        gradients = grad(loss)(matrices, x, y)
        return {n: (g.square().sum(1), g.square().sum(0)) for n, g in gradients.items()}

    every = vmap(squares, chunk_size=4)

    def step():
        with torch.no_grad():
            for name, (rows, columns) in every(vit.images, vit.labels).items():
                sums[name][0].add_(rows.sum(0))
                sums[name][1].add_(columns.sum(0))

    return 0, step


def score_hooks(vit, sums=None):
    """One backward for the batch; each layer squares what goes by, by ghost norms where these are cheaper."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight, bias, into):
            x = x.to(weight.dtype)
            ctx.save_for_backward(x, weight)
            ctx.into = into
            return F.linear(x, weight, bias)

        @staticmethod
        def backward(ctx, dy):
            x, weight = ctx.saved_tensors
            rows, columns = ctx.into
            tokens, out, size = x.shape[1], dy.shape[2], x.shape[2]
            if 2 * tokens * tokens * (out + size) < tokens * out * size:
                rows.add_((torch.bmm(torch.bmm(x, x.mT), dy) * dy).sum((0, 1), dtype=torch.float32))
                columns.add_((torch.bmm(torch.bmm(dy, dy.mT), x) * x).sum((0, 1), dtype=torch.float32))
            else:
                for one_dy, one_x in zip(dy, x):  # in cache, where a batch of gradients would not be
                    squares = (one_dy.T @ one_x).square_()
                    rows.add_(squares.sum(1, dtype=torch.float32))
                    columns.add_(squares.sum(0, dtype=torch.float32))
            return dy @ weight, None, None, None

    class Watched(nn.Module):
        def __init__(self, linear, into):
            super().__init__()
            kind = torch.bfloat16 if vit.bf16 else torch.float32
            self.weight, self.bias = linear.weight.detach().flatten(1).to(kind), linear.bias.detach().to(kind)
            self.into = into

        def forward(self, x):
            return Function.apply(x, self.weight, self.bias, self.into)

    names = [n for n in vit.matrices if n.startswith("blocks.")]
    sums = zeros(vit, names) if sums is None else sums
    vit.rows = {n: sums[n] for n in names}  # what each new map is made with
    replaced(vit, Watched)
    vit.model.pos_embed.requires_grad_()  # so that the backward reaches the first block

    def step():
        vit.loss("sum").backward()
        vit.model.pos_embed.grad = None

    return 0, step


def zeros(vit, names):
    import torch

    shapes = {n: vit.model.get_parameter(n).shape for n in names}
    return {n: (torch.zeros(shape[0]), torch.zeros(shape[1])) for n, shape in shapes.items()}


TORCH = {
    "torch-forward": forward,
    "torch-full": full,
    "torch-masked": masked,
    "torch-slices": slices,
    "torch-lora": lora,
    "torch-score-loop": score_loop,
    "torch-score-vmap": score_vmap,
    "torch-score-hooks": score_hooks,
}


# ---------------------------------------------------------------------------------------------------------------- JAX


def jax_vit(args):
    """Returns jax, weights [in, out] by name, the function of their logits, and a batch."""
    import jax
    from jax import numpy as jnp

    kind, patch, side = re.fullmatch(r"vit_(\w+)_patch(\d+)_(\d+)", args.model).groups()
    patch, side = int(patch), int(side)
    d, depth, heads = dict(tiny=(192, 12, 3), small=(384, 12, 6), base=(768, 12, 12), large=(1024, 24, 16))[kind]
    key = jax.random.key(1)
    weights = {"patch_embed": (3 * patch * patch, d), "head": (d, args.classes)}
    for b in range(depth):
        weights |= {f"{b}.qkv": (d, 3 * d), f"{b}.proj": (d, d), f"{b}.fc1": (d, 4 * d), f"{b}.fc2": (4 * d, d)}
    parameters = {}
    for i, (name, shape) in enumerate(weights.items()):
        parameters[name] = 0.03 * jax.random.normal(jax.random.fold_in(key, i), shape)
        parameters[name + ".bias"] = jnp.zeros(shape[1])
    for name in ["norm"] + [f"{b}.norm{i}" for b in range(depth) for i in (1, 2)]:
        parameters |= {name: jnp.ones(d), name + ".bias": jnp.zeros(d)}
    parameters["cls"] = jnp.zeros((1, 1, d))
    parameters["positions"] = 0.02 * jax.random.normal(key, (1, (side // patch) ** 2 + 1, d))

    def norm(p, name, x):
        centered = x - x.mean(-1, keepdims=True)
        return centered * jax.lax.rsqrt((centered**2).mean(-1, keepdims=True) + 1e-6) * p[name] + p[name + ".bias"]

    def logits(p, images, linear):
        n, c, g = images.shape[0], images.shape[1], side // patch
        x = images.reshape(n, c, g, patch, g, patch).transpose(0, 2, 4, 1, 3, 5).reshape(n, g * g, -1)
        x = linear(p, "patch_embed", x)
        x = jnp.concatenate([jnp.broadcast_to(p["cls"], (n, 1, d)), x], 1) + p["positions"]
        t = x.shape[1]
        for b in range(depth):
            qkv = linear(p, f"{b}.qkv", norm(p, f"{b}.norm1", x)).reshape(n, t, 3, heads, d // heads)
            q, k, v = qkv.transpose(2, 0, 3, 1, 4)
            weights = jax.nn.softmax(q @ k.swapaxes(-1, -2) / math.sqrt(d // heads), axis=-1)
            x = x + linear(p, f"{b}.proj", (weights @ v).transpose(0, 2, 1, 3).reshape(n, t, d))
            h = jax.nn.gelu(linear(p, f"{b}.fc1", norm(p, f"{b}.norm2", x)), approximate=False)
            x = x + linear(p, f"{b}.fc2", h)
        return norm(p, "norm", x)[:, 0] @ p["head"] + p["head.bias"]

    images = jax.random.normal(key, (args.batch, 3, side, side))
    labels = jax.random.randint(key, (args.batch,), 0, args.classes)
    return jax, parameters, logits, images, labels


def dense(p, name, x):
    return x @ p[name] + p[name + ".bias"]


def jax_adam(jax, p, g, state):
    from jax import numpy as jnp

    m, v, t = state
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    t = t + 1
    rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), p, m, v), (m, v, t)


def jax_start(jax, p):
    zeros = lambda: jax.tree.map(jax.numpy.zeros_like, p)
    return zeros(), zeros(), jax.numpy.zeros(())


def jax_mean_loss(jax, logits, labels):
    return -jax.numpy.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


def jax_named(jax, args, trained, step):
    return f"jax {jax.__version__}, {args.work.removeprefix('jax-')}", trained, step


def jax_forward(args):
    jax, parameters, logits, images, _ = jax_vit(args)
    run = jax.jit(lambda p, x: logits(p, x, dense))
    return jax_named(jax, args, 0, lambda: run(parameters, images).block_until_ready())


def jax_full(args):
    jax, parameters, logits, images, labels = jax_vit(args)
    loss = lambda p: jax_mean_loss(jax, logits(p, images, dense), labels)

    def update(p, state):
        return jax_adam(jax, p, jax.grad(loss)(p), state)

    trained = sum(p.size for p in parameters.values())
    return jax_named(jax, args, trained, jax_steps(jax, update, parameters, jax_start(jax, parameters)))


def jax_slices(args):
    jax, weights, logits, images, labels = jax_vit(args)
    from jax import numpy as jnp

    names = [n for n in weights if n == "patch_embed" or n.endswith(("qkv", "proj", "fc1", "fc2"))]
    key = jax.random.key(2)
    rows = {n: jnp.sort(jax.random.permutation(key, weights[n].shape[1])[: args.rows]) for n in names}
    start = {n: weights[n][:, rows[n]].T for n in names}
    head = ("head", "head.bias")
    trained = start | {n: weights.pop(n) for n in head}

    @jax.custom_vjp
    def linear(x, slices, weight, chosen):
        return x @ weight

    def backward(saved, dy):
        x, weight, chosen = saved
        return dy @ weight.T, jnp.einsum("btk,bti->ki", dy[..., chosen], x), None, None

    linear.defvjp(lambda x, slices, weight, chosen: (x @ weight, (x, weight, chosen)), backward)

    def loss(trained, weights):
        sliced = lambda p, n, x: linear(x, trained[n], weights[n], rows[n]) + weights[n + ".bias"]
        return jax_mean_loss(jax, logits(weights | {n: trained[n] for n in head}, images, sliced), labels)

    def update(both, state):
        trained, weights = both
        gradients = jax.grad(loss)(trained, weights)
        for n in names:
            gradients[n] += 2 * PENALTY * (trained[n] - start[n])
        trained, state = jax_adam(jax, trained, gradients, state)
        return (trained, weights | {n: weights[n].at[:, rows[n]].set(trained[n].T) for n in names}), state

    size = sum(p.size for p in trained.values())
    return jax_named(jax, args, size, jax_steps(jax, update, (trained, weights), jax_start(jax, trained)))


def jax_steps(jax, update, parameters, state):
    """Returns a step that changes parameters and state in place."""
    run = jax.jit(update, donate_argnums=(0, 1))
    now = [parameters, state]

    def step():
        now[:] = jax.block_until_ready(run(*now))

    return step


JAX = {"jax-forward": jax_forward, "jax-full": jax_full, "jax-slices": jax_slices}


# ------------------------------------------------------------------------------------------------------------- photos


def decoding(args):
    """Decodes the photos of a folder and resizes them as Preprocess does, by Pillow, which torchvision uses."""
    import PIL
    from PIL import Image

    files = [path.read_bytes() for path in sorted(args.images.glob("*.jpg"))]
    resize = int(int(args.model.rpartition("_")[2]) / 0.9)

    def step():
        from io import BytesIO

        for file in files:
            image = Image.open(BytesIO(file)).convert("RGB")
            scale = resize / min(image.size)
            image.resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.BILINEAR)

    return f"Pillow {PIL.__version__}", 0, step


# -------------------------------------------------------------------------------------------------------------- check


def check() -> None:
    """Compares the ways with each other: a benchmark of work that is done wrong says nothing."""
    import torch

    args = argparse.Namespace(model="vit_tiny_patch16_224", batch=3, rows=4, classes=10)

    def vit():
        torch.manual_seed(1)
        return TorchVit(args)

    dense_vit = vit()
    dense_vit.loss().backward()
    sliced = vit()
    maps = with_rows(sliced)
    sliced.loss().backward()
    for name, one in zip(sliced.matrices, maps):
        expected = dense_vit.model.get_parameter(name).grad.flatten(1)[dense_vit.rows[name]]
        torch.testing.assert_close(one.slices.grad, expected, rtol=1e-3, atol=1e-6, msg=lambda m: f"{name}: {m}")

    scores = {}
    for way in (score_loop, score_vmap, score_hooks):
        one = vit()
        names = [n for n in one.matrices if n.startswith("blocks.")]
        scores[way] = zeros(one, names)
        way(one, scores[way])[1]()
    for way in (score_vmap, score_hooks):
        for name, sums in scores[way].items():
            for some, expected in zip(sums, scores[score_loop][name]):
                scale = expected.max().item()
                torch.testing.assert_close(some, expected, rtol=1e-2, atol=1e-4 * scale)
    print("the ways agree")


if __name__ == "__main__":
    main()
