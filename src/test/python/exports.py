"""Loads what `export` has written with the libraries that it was written for, and compares.

    mvn -B test -Dtest=ExportTest && python exports.py [FOLDER]     FOLDER defaults to target/exports

ExportTest writes each export beside the logits that Java computes of it (`logits.safetensors`). Models are loaded as the
documentation says. Fails at the first difference above 1e-4.
"""

import sys
from pathlib import Path

import peft
import timm
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file
from torchvision.models import VisionTransformer

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "src/test/resources/golden/formats"
PLAIN = {"timm-deit", "transformers", "npz", "torchvision"}
TIMM = dict(img_size=16, patch_size=4, embed_dim=24, depth=2, num_heads=3, mlp_ratio=2)


def main(folder: Path) -> None:
    images = load_file(GOLDEN / "inputs.safetensors")["input"].float()
    exports = sorted(path.parent for path in folder.glob("*/logits.safetensors"))
    assert exports, f"nothing in {folder}; run ExportTest first"
    for export in exports:
        expected = load_file(export / "logits.safetensors")["logits"]
        for way, model in ways(export, expected.shape[1]):
            with torch.no_grad():
                result = model.float().eval()(images)
            actual = getattr(result, "logits", result)
            difference = (actual - expected).abs().max().item()
            print(f"{export.name:32} {way:50} {difference:.1e}")
            assert difference < 1e-4
    images_agree(folder / "transformers-as-transformers", folder / "transformers-as-timm")


def ways(export: Path, classes: int):
    """Yields the ways to load an export, and the models."""
    base, _, kind = export.name.partition("-as-")
    if kind.startswith("peft"):
        for merge in (False, True):
            model = peft.PeftModel.from_pretrained(pretrained(base, classes), export)
            yield "PeftModel.from_pretrained" + (", merged" if merge else ""), model.merge_and_unload() if merge else model
        if kind in ("peft", "peft-biases") and base.startswith("transformers"):
            yield "AutoPeftModel.from_pretrained", peft.AutoPeftModel.from_pretrained(
                export, num_labels=classes, ignore_mismatched_sizes=True
            )
    elif kind.startswith("timm"):
        yield "timm.create_model(local-dir:, pretrained)", timm.create_model(f"local-dir:{export}", pretrained=True)
        if base not in PLAIN:
            return
        yield "timm.create_model(checkpoint_path)", timm.create_model(
            "vit_base_patch16_224", **TIMM, num_classes=classes, checkpoint_path=export / "model.safetensors"
        )
    elif kind.startswith("transformers"):
        model = transformers.AutoModelForImageClassification.from_pretrained(export)
        assert list(model.config.id2label.values()) == ["a", "b", "c", "d"]
        losses_agree(model)
        yield type(model).__name__ + ".from_pretrained", model
    elif kind == "npz":
        yield "timm.create_model(checkpoint_path)", timm.create_model(
            "vit_base_patch16_224", **TIMM, num_classes=classes, checkpoint_path=export / "model.npz"
        )
    else:
        model = VisionTransformer(16, 4, 2, 3, 24, 48, num_classes=classes)
        model.load_state_dict(load_file(export / "model.safetensors"))
        yield "load_state_dict", model


LOSSES = {
    "single_label_classification": (torch.tensor([2]), torch.nn.functional.cross_entropy),
    "multi_label_classification": (torch.tensor([[0.0, 1, 1, 0]]), torch.nn.functional.binary_cross_entropy_with_logits),
    "regression": (torch.tensor([[0.5, -1, 3, 0]]), torch.nn.functional.mse_loss),
}


def losses_agree(model: torch.nn.Module) -> None:
    """Checks that a fine-tuning goes on with the loss of the task."""
    labels, loss = LOSSES[model.config.problem_type]
    size = model.config.image_size if hasattr(model.config, "image_size") else model.config.vision_config.image_size
    output = model(torch.zeros(1, 3, size, size), labels=labels)
    torch.testing.assert_close(output.loss, loss(output.logits, labels))


def pretrained(base: str, classes: int) -> torch.nn.Module:
    if base.startswith("transformers"):
        return transformers.AutoModelForImageClassification.from_pretrained(
            GOLDEN / base, num_labels=classes, ignore_mismatched_sizes=True
        )
    model = timm.create_model(f"local-dir:{GOLDEN / base}", pretrained=True)
    model.reset_classifier(classes)
    return model


def images_agree(hf: Path, for_timm: Path) -> None:
    """Checks that both descriptions of how images are prepared give the same numbers."""
    image = Image.effect_noise((40, 30), 60).convert("RGB")
    by_hf = transformers.AutoImageProcessor.from_pretrained(hf)(image, return_tensors="pt").pixel_values[0]
    config = timm.data.resolve_data_config(model=timm.create_model(f"local-dir:{for_timm}", pretrained=True))
    by_timm = timm.data.create_transform(**config)(image)
    difference = (by_hf - by_timm).abs().max().item()
    print(f"{'image processor and transform':83} {difference:.1e}")
    assert difference < 0.05  # a step of one in 255, over the standard deviation, where they round differently


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target/exports")
