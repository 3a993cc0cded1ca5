"""Writes tiny models as other libraries save them, and what these compute with them, for the Java tests to agree with.

    python formats.py [OUTPUT]       OUTPUT defaults to ../resources/golden/formats beside this script

Every model has random weights and is built, filled and saved by its own library. The exception is npz: the code that wrote
the published files (google-research/vision_transformer) is not on PyPI, so the arrays are laid out here, and timm's reader of
the published files has to understand them.

`golden.safetensors` of each folder: `logits` for `input` of `inputs.safetensors`, `logits.32` for `input.32`, `logits.224` for
`input.32` as tiles, seven by seven; in double, from the saved weights. At 32 and 224 pixels a model of transformers resamples its
positions itself; others run with positions that timm has resampled.
"""

import copy
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import peft
import timm
import torch
import transformers
from safetensors.torch import load_file, save_file
from timm.layers import resample_abs_pos_embed, set_fused_attn
from timm.models import save_for_hf
from torch.nn import functional as F
from torchvision.models import VisionTransformer

WIDTH, DEPTH, HEADS, MLP, PATCH, SIDE, LARGER, CLASSES = 24, 2, 3, 48, 4, 16, 32, 5
SIZES = dict(
    hidden_size=WIDTH,
    num_hidden_layers=DEPTH,
    num_attention_heads=HEADS,
    intermediate_size=MLP,
    patch_size=PATCH,
    attn_implementation="eager",
)
TIMM = dict(patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, mlp_ratio=MLP / WIDTH)
# Of models that are no plain ViTs, smaller still.
SMALL = dict(patch_size=PATCH, embed_dim=12, depth=2, num_heads=3, mlp_ratio=2)
SMALL_TOWER = dict(
    hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=24, patch_size=PATCH, image_size=SIDE
)
SMALL_TEXT = dict(hidden_size=12, num_hidden_layers=1, num_attention_heads=3, intermediate_size=24, vocab_size=9)
LABELS = ["tench", "goldfish", "shark", "ray", "cock"]


def main(out: Path) -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    set_fused_attn(False)
    random = np.random.RandomState(25070016)
    images = {"input": normal(random, 3, 3, SIDE, SIDE).double(), "input.32": normal(random, 2, 3, LARGER, LARGER).double()}
    save(images, out / "inputs.safetensors")
    images["input.224"] = images["input.32"].repeat(1, 1, 7, 7)
    save_transformers(random, images, out)
    save_torchvision(random, images, out / "torchvision")
    save_npz(random, images, out / "npz")
    save_deit(random, images, out / "timm-deit")
    save_refused(out / "refused.json")
    save_peft(random, images, out)
    save_timm_variants(random, images, out)
    save_transformers_variants(random, images, out)


# ------------------------------------------------------------------------------------------------------- transformers


def save_transformers(random, images, out: Path) -> None:
    config = dict(SIZES, image_size=SIDE, id2label=dict(enumerate(LABELS)), label2id={k: i for i, k in enumerate(LABELS)})
    model = fill(random, transformers.ViTForImageClassification(transformers.ViTConfig(**config)))
    processor = transformers.BitImageProcessor(
        size=dict(shortest_edge=20),
        crop_size=dict(height=SIDE, width=SIDE),
        image_mean=(0.485, 0.456, 0.406),
        image_std=(0.229, 0.224, 0.225),
    )
    for folder, shard in ((out / "transformers", "5GB"), (out / "transformers-sharded", "30KB")):
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder, max_shard_size=shard)
        processor.save_pretrained(folder)
    assert (out / "transformers-sharded" / "model.safetensors.index.json").exists()
    assert not (out / "transformers-sharded" / "model.safetensors").exists()

    def logits(x):
        return copy.deepcopy(model).double().eval()(x, interpolate_pos_encoding=True).logits

    golden(images, logits, out / "transformers")
    shutil.copy(out / "transformers" / "golden.safetensors", out / "transformers-sharded")

    # Without a head, with biases neither in query, key nor value, a pooler that nothing here uses, and an epsilon that matters.
    config = dict(SIZES, image_size=SIDE, qkv_bias=False, layer_norm_eps=0.01)
    bare = fill(random, transformers.ViTModel(transformers.ViTConfig(**config)))
    bare.save_pretrained(out / "transformers-features")

    def features(x):
        return copy.deepcopy(bare).double().eval()(x, interpolate_pos_encoding=True).last_hidden_state[:, 0]

    golden(images, features, out / "transformers-features")


# -------------------------------------------------------------------------------------------------- torchvision and JAX


def save_torchvision(random, images, folder: Path) -> None:
    def build(side):
        return VisionTransformer(side, PATCH, DEPTH, HEADS, WIDTH, MLP, num_classes=CLASSES)

    model = fill(random, build(SIDE))
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "model.safetensors")
    # torchvision saves no description, and a width of 24 tells no number of heads.
    save_json(
        {"model_args": {"num_heads": HEADS}, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "crop_pct": 0.875},
        folder / "config.json",
    )

    def logits(x):
        other = build(x.shape[-1])
        other.load_state_dict(resampled(model.state_dict(), "encoder.pos_embedding", x.shape[-1]))
        return other.double().eval()(x)

    golden(images, logits, folder)


def save_npz(random, images, folder: Path) -> None:
    """Writes ViT-B_16.npz in small, and lets timm read it."""

    def array(*shape, scale=0.2, mean=0.0):
        return (mean + scale * random.standard_normal(shape)).astype(np.float32)

    size = WIDTH // HEADS
    arrays = {
        "cls": array(1, 1, WIDTH, scale=0.5),
        "embedding/kernel": array(PATCH, PATCH, 3, WIDTH),
        "embedding/bias": array(WIDTH),
        "Transformer/posembed_input/pos_embedding": array(1, 1 + (SIDE // PATCH) ** 2, WIDTH, scale=0.5),
        "Transformer/encoder_norm/scale": array(WIDTH, mean=1),
        "Transformer/encoder_norm/bias": array(WIDTH),
        "head/kernel": array(WIDTH, CLASSES),
        "head/bias": array(CLASSES),
    }
    for i in range(DEPTH):
        block = f"Transformer/encoderblock_{i}/"
        for norm in ("LayerNorm_0", "LayerNorm_2"):
            arrays[block + norm + "/scale"] = array(WIDTH, mean=1)
            arrays[block + norm + "/bias"] = array(WIDTH)
        attention = block + "MultiHeadDotProductAttention_1/"
        for part in ("query", "key", "value"):
            arrays[attention + part + "/kernel"] = array(WIDTH, HEADS, size)
            arrays[attention + part + "/bias"] = array(HEADS, size)
        arrays[attention + "out/kernel"] = array(HEADS, size, WIDTH)
        arrays[attention + "out/bias"] = array(WIDTH)
        arrays[block + "MlpBlock_3/Dense_0/kernel"] = array(WIDTH, MLP)
        arrays[block + "MlpBlock_3/Dense_0/bias"] = array(MLP)
        arrays[block + "MlpBlock_3/Dense_1/kernel"] = array(MLP, WIDTH)
        arrays[block + "MlpBlock_3/Dense_1/bias"] = array(WIDTH)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "ViT-Tiny_4.npz", **arrays)

    def logits(x):
        sizes = dict(TIMM, num_classes=CLASSES)
        model = timm.create_model("vit_base_patch16_224", **sizes, img_size=SIDE)
        model.load_pretrained(str(folder / "ViT-Tiny_4.npz"))
        other = timm.create_model("vit_base_patch16_224", **sizes, img_size=x.shape[-1])
        other.load_state_dict(resampled(model.state_dict(), "pos_embed", x.shape[-1]))
        return other.double().eval()(x)

    golden(images, logits, folder)


# -------------------------------------------------------------------------------------------------------- timm's others


def save_deit(random, images, folder: Path) -> None:
    sizes = dict(TIMM, num_classes=CLASSES)
    model = fill(random, timm.create_model("deit_tiny_patch16_224", **sizes, img_size=SIDE))
    save_for_hf(model, folder, safe_serialization=True, model_args=dict(sizes, img_size=SIDE))
    (folder / "pytorch_model.bin").unlink(missing_ok=True)
    (folder / "README.md").unlink(missing_ok=True)

    def logits(x):
        other = timm.create_model("deit_tiny_patch16_224", **sizes, img_size=x.shape[-1])
        other.load_state_dict(resampled(model.state_dict(), "pos_embed", x.shape[-1]))
        return other.double().eval()(x)

    golden(images, logits, folder)


def save_refused(file: Path) -> None:
    """Saves the names of the tensors outside the later blocks of models that the Java side has to refuse with a reason."""
    t = transformers
    sizes = {k: v for k, v in SIZES.items() if k != "attn_implementation"}
    models = {
        "distilled DeiT of timm": timm.create_model("deit_tiny_distilled_patch16_224"),
        "CLIP of transformers": t.CLIPModel(
            t.CLIPConfig(vision_config=dict(sizes, image_size=SIDE), text_config=dict(SMALL_TEXT), projection_dim=24)
        ),
        "SigLIP of timm": timm.create_model("vit_base_patch16_siglip_224"),
        "DINOv3 of timm": timm.create_model("vit_small_patch16_dinov3"),
        "DeiT of transformers": t.DeiTForImageClassification(t.DeiTConfig(**sizes)),
        "DINOv3 of transformers": t.DINOv3ViTModel(t.DINOv3ViTConfig(**sizes)),
        "giant DINOv2 of transformers": t.Dinov2Model(
            t.Dinov2Config(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, use_swiglu_ffn=True)
        ),
        "BEiT of transformers": t.BeitModel(t.BeitConfig(**sizes, use_relative_position_bias=True)),
        "MAE of transformers": t.ViTMAEForPreTraining(
            t.ViTMAEConfig(**sizes, decoder_hidden_size=24, decoder_num_hidden_layers=1, decoder_num_attention_heads=3)
        ),
        "SigLIP of transformers": t.SiglipVisionModel(t.SiglipVisionConfig(**sizes)),
    }
    names = {what: saved(model) for what, model in models.items()}
    save_json({what: [n for n in all if not any(f".{i}." in n for i in range(1, 24))] for what, all in names.items()}, file)


def saved(model: torch.nn.Module) -> list[str]:
    """Returns the names under which a library saves the tensors: with transformers not those of the model in memory."""
    if not isinstance(model, transformers.PreTrainedModel):
        return list(model.state_dict())
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return list(load_file(Path(folder) / "model.safetensors"))


# ----------------------------------------------------------------------------------------------------- other than plain

# timm's models: the architecture and what is told beside its sizes.
TIMM_VARIANTS = {
    "timm-deit3": ("deit3_small_patch16_224", {}),
    "timm-dinov2": ("vit_small_patch14_reg4_dinov2", {}),
    "timm-mean": ("vit_base_patch16_224", dict(reg_tokens=2, global_pool="avg")),
    "timm-gap": ("vit_medium_patch16_reg4_gap_256", {}),
    "timm-clip": ("vit_base_patch16_clip_quickgelu_224", {}),
    "timm-siglip": ("vit_large_patch16_siglip_gap_512", {}),
}


def save_timm_variants(random, images, out: Path) -> None:
    for folder, (name, options) in TIMM_VARIANTS.items():
        sizes = dict(SMALL, num_classes=CLASSES, **options)
        model = fill(random, timm.create_model(name, **sizes, img_size=SIDE))
        save_for_hf(model, out / folder, safe_serialization=True, model_args=dict(sizes, img_size=SIDE))
        (out / folder / "pytorch_model.bin").unlink(missing_ok=True)
        (out / folder / "README.md").unlink(missing_ok=True)
        before = 0 if model.no_embed_class else model.num_prefix_tokens

        def logits(x):
            other = timm.create_model(name, **sizes, img_size=x.shape[-1])
            other.load_state_dict(resampled(model.state_dict(), "pos_embed", x.shape[-1], before))
            return other.double().eval()(x)

        golden(images, logits, out / folder)


def save_transformers_variants(random, images, out: Path) -> None:
    t = transformers
    labels = dict(id2label=dict(enumerate(LABELS)), label2id={k: i for i, k in enumerate(LABELS)})
    dinov2 = {k: v for k, v in SMALL_TOWER.items() if k != "intermediate_size"} | dict(mlp_ratio=2) | labels
    siglip = t.SiglipConfig(vision_config=SMALL_TOWER, text_config=SMALL_TEXT | dict(bos_token_id=0, eos_token_id=1), **labels)
    clip = t.CLIPVisionConfig(**SMALL_TOWER)
    models = {
        "transformers-dinov2": (t.Dinov2ForImageClassification, t.Dinov2Config(**dinov2)),
        "transformers-dinov2-registers": (
            t.Dinov2WithRegistersForImageClassification,
            t.Dinov2WithRegistersConfig(**dinov2, num_register_tokens=2),
        ),
        "transformers-siglip": (t.SiglipForImageClassification, siglip),
        "transformers-clip": (t.CLIPVisionModel, clip),
    }
    for folder, (kind, config) in models.items():
        config._attn_implementation = "eager"
        model = fill(random, kind(config))
        shutil.rmtree(out / folder, ignore_errors=True)
        model.save_pretrained(out / folder)
        own = {} if "dinov2" in folder else dict(interpolate_pos_encoding=True)  # DINOv2 does it unasked

        def logits(x):
            result = copy.deepcopy(model).double().eval()(x, **own)
            return result.pooler_output if folder == "transformers-clip" else result.logits

        golden(images, logits, out / folder)


# ---------------------------------------------------------------------------------------------------------------- PEFT

# Slices of the tiny models by timm's names: axis and indices. Those of the first qkv lie in all three parts.
SLICES = {
    "patch_embed.proj.weight": ("rows", [1, 5]),
    "blocks.0.attn.qkv.weight": ("rows", [3, 30, 31, 71]),
    "blocks.0.attn.proj.weight": ("columns", [4]),
    "blocks.0.mlp.fc1.weight": ("columns", [2, 3, 20]),
    "blocks.1.attn.qkv.weight": ("columns", [0, 7]),
    "blocks.1.mlp.fc2.weight": ("rows", [0, 23]),
}
NEW_CLASSES = 4


def save_peft(random, images, out: Path) -> None:
    """Saves a delta of slices, and for two bases the adapter that PEFT itself saves of it."""
    delta = {"head.weight": normal(random, NEW_CLASSES, WIDTH), "head.bias": normal(random, NEW_CLASSES)}
    for matrix, (axis, indices) in SLICES.items():
        inputs = PATCH * PATCH * 3 if "patch" in matrix else MLP if "fc2" in matrix else WIDTH
        outputs = 3 * WIDTH if "qkv" in matrix else MLP if "fc1" in matrix else WIDTH
        delta[f"{matrix}.{axis}"] = torch.tensor(indices, dtype=torch.int32)
        delta[f"{matrix}.delta"] = 0.3 * normal(random, len(indices), inputs if axis == "rows" else outputs)
    save(delta, out / "peft" / "delta.safetensors")

    config = transformers.ViTConfig.from_pretrained(out / "transformers", num_labels=NEW_CLASSES)
    bases = {
        "timm": lambda: timm_deit(out / "timm-deit"),
        "transformers": lambda: transformers.ViTForImageClassification.from_pretrained(
            out / "transformers", config=config, ignore_mismatched_sizes=True
        ),
    }
    for library, base in bases.items():
        parts = modules(delta, base(), library)
        lora = dict(
            target_modules=list(parts),
            rank_pattern={name: len(a) for name, (a, _) in parts.items()},
            alpha_pattern={name: len(a) for name, (a, _) in parts.items()},
            modules_to_save=["head" if library == "timm" else "classifier"],
        )
        adapted = peft.get_peft_model(base(), peft.LoraConfig(r=1, lora_alpha=1, **lora))
        state = dict(adapted.named_parameters())
        for name, (a, b) in parts.items():
            for which, factor in (("A", a), ("B", b)):
                parameter = state[f"base_model.model.{name}.lora_{which}.default.weight"]
                parameter.data.copy_(factor.reshape(parameter.shape))
        for part in ("weight", "bias"):
            state[f"base_model.model.{lora['modules_to_save'][0]}.modules_to_save.default.{part}"].data.copy_(
                delta[f"head.{part}"]
            )
        shutil.rmtree(out / "peft" / library, ignore_errors=True)
        adapted.save_pretrained(out / "peft" / library)
        (out / "peft" / library / "README.md").unlink()
        model = adapted.merge_and_unload().double().eval()
        golden(dict.fromkeys(["input", "input.32"], images["input"]), lambda x: output(model(x)), out / "peft" / library)


def output(result):
    return getattr(result, "logits", result)


def timm_deit(folder: Path) -> torch.nn.Module:
    sizes = dict(TIMM, img_size=SIDE)
    model = timm.create_model("deit_tiny_patch16_224", **sizes, num_classes=CLASSES)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    model.reset_classifier(NEW_CLASSES)
    return model.eval()


def modules(delta, base: torch.nn.Module, library: str) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Returns A and B of each module that the delta changes, by the library's own names in memory."""
    updates = {}
    for matrix, (axis, indices) in SLICES.items():
        values = delta[f"{matrix}.delta"]
        out = 3 * WIDTH if "qkv" in matrix else MLP if "fc1" in matrix else WIDTH
        inputs = PATCH * PATCH * 3 if "patch" in matrix else MLP if "fc2" in matrix else WIDTH
        module = matrix.removesuffix(".weight")
        if axis == "columns":
            parts = {module: (F.one_hot(torch.tensor(indices), inputs).float(), values.T)}
        else:
            parts = {module: (values, F.one_hot(torch.tensor(indices), out).float().T)}
        if library == "transformers":
            parts = {name: ab for whole, (a, b) in parts.items() for name, ab in split(whole, a, b).items()}
        updates |= parts
    return updates


def split(module: str, a: torch.Tensor, b: torch.Tensor) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    block = ".".join(["vit.layers", *module.split(".")[1:2]]) + "."
    names = {
        "patch_embed.proj": "vit.embeddings.patch_embeddings.projection",
        "attn.proj": block + "attention.o_proj",
        "mlp.fc1": block + "mlp.fc1",
        "mlp.fc2": block + "mlp.fc2",
    }
    for end, name in names.items():
        if module.endswith(end):
            return {name: (a, b)}
    parts = {}
    for name, rows in zip(("q_proj", "k_proj", "v_proj"), b.chunk(3)):
        kept = rows.abs().sum(0) != 0
        if kept.any():
            parts[block + "attention." + name] = (a[kept], rows[:, kept])
    return parts


# ------------------------------------------------------------------------------------------------------------- numbers


def fill(random, model: torch.nn.Module) -> torch.nn.Module:
    """Gives every parameter random numbers, large enough that no part of the model is nearly linear."""
    for name, parameter in model.named_parameters():
        values = normal(random, *parameter.shape)
        norm = parameter.dim() == 1 and name.endswith(".weight")
        scale = "gamma" in name or "lambda" in name  # of a branch of a block
        parameter.data.copy_(
            1 + 0.5 * values if scale else 1 + 0.2 * values if norm else 0.5 * values if "pos" in name else 0.2 * values
        )
    return model.eval()


def normal(random, *shape: int) -> torch.Tensor:
    return torch.from_numpy(random.standard_normal(shape).astype(np.float32))


def resampled(state: dict[str, torch.Tensor], positions: str, side: int, before: int = 1) -> dict[str, torch.Tensor]:
    """Returns the state for another image size; `before` is the number of positions that are of no patch."""
    grid = side // PATCH
    changed = resample_abs_pos_embed(state[positions], (grid, grid), num_prefix_tokens=before)
    return state | {positions: changed.contiguous()}


def golden(images, logits, folder: Path) -> None:
    with torch.no_grad():
        tensors = {"logits" + name.removeprefix("input"): logits(x) for name, x in images.items()}
    for one in tensors.values():
        assert (one[0] - one[1]).abs().max() > 1e-2  # the images must make a difference
    save(tensors, folder / "golden.safetensors")


def save(tensors: dict[str, torch.Tensor], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: t.detach().clone().contiguous() for name, t in tensors.items()}, file)


def save_json(content: dict, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "resources/golden/formats")
