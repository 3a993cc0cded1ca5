"""Writes golden/augmentation: what timm, torchvision and Pillow make of an image, for the Java tests to agree with.

    python augmentation.py [OUTPUT]        OUTPUT defaults to ../resources/golden/augmentation beside this script

image.png is a made-up image, results.png what becomes of it by each of operations.json, one below the other in that order.
sets.json has the operations of timm's sets with their weights. mixing.safetensors has a batch and what timm's Mixup makes of it.
"""

import json
import random
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import auto_augment
from timm.data.mixup import Mixup
from torchvision.transforms import functional as F

SIDE = 24
FILL = (124, 116, 104)  # the rounded mean of ImageNet

INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
PLACES = ("Rotate", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel")


def image() -> Image.Image:
    """A gradient with noise and plain parts, so that no operation leaves all of it as it is."""
    noise = np.random.RandomState(7)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    red = 20 + 8 * rows + noise.randint(0, 30, (SIDE, SIDE))
    green = 200 - 6 * columns + noise.randint(0, 40, (SIDE, SIDE))
    blue = 30 + 3 * (rows + columns) + noise.randint(0, 60, (SIDE, SIDE))
    pixels = np.stack([red, green, blue], axis=2).clip(0, 255)
    pixels[2:7, 15:22] = (250, 10, 40)
    pixels[16:21, 3:9] = (90, 90, 90)
    return Image.fromarray(pixels.astype(np.uint8))


def rand_augment(original: Image.Image):
    for increasing, names in ((False, auto_augment._RAND_TRANSFORMS), (True, auto_augment._RAND_INCREASING_TRANSFORMS)):
        for number, name in enumerate(names):
            if increasing and name == auto_augment._RAND_TRANSFORMS[number]:
                continue  # the same operation
            for magnitude in (0.7, 3, 5.5, 9, 10):
                if name == "Posterize" and magnitude < 2.5 or name == "PosterizeIncreasing" and magnitude == 10:
                    continue  # no bit is left, which Pillow 13 refuses; before, the image was black
                for negative in (False, True):
                    for interpolation in INTERPOLATIONS if name in PLACES else ["bilinear"]:
                        operation = auto_augment.AugmentOp(
                            name,
                            prob=1,
                            magnitude=magnitude,
                            hparams=dict(img_mean=FILL, interpolation=INTERPOLATIONS[interpolation]),
                        )
                        with mock.patch.object(random, "random", lambda: 0.75 if negative else 0.25):
                            result = operation(original)
                        yield dict(
                            operation=number,
                            increasing=increasing,
                            magnitude=magnitude,
                            negative=negative,
                            cubic=interpolation == "bicubic",
                        ), result


def sets(original: Image.Image):
    """The operations that only timm's sets have, whose numbers follow those of the others."""
    known = len(auto_augment._RAND_TRANSFORMS)
    for number, name in enumerate(("Desaturate", "GaussianBlur"), known):
        for magnitude in (0, 0.7, 3, 5.5, 9, 10, 20):
            operation = auto_augment.AugmentOp(name, prob=1, magnitude=magnitude, hparams=dict(magnitude_max=30))
            yield dict(operation=number, increasing=True, magnitude=magnitude, negative=False, cubic=False), operation(
                original
            )


def color_jitter(original: Image.Image):
    for name in ("brightness", "contrast", "saturation"):
        for factor in (0, 0.35, 0.9, 1, 1.4, 2.2):
            yield dict(jitter=name, value=factor), getattr(F, "adjust_" + name)(original, factor)
    for factor in (-0.5, -0.31, -0.05, 0, 0.12, 0.4, 0.5):
        yield dict(jitter="hue", value=factor), F.adjust_hue(original, factor)


def places(original: Image.Image):
    for degrees in (90, 180, 270):
        yield dict(turned=degrees // 90), original.rotate(degrees)
    yield dict(upsideDown=True), original.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    for down, right in ((-4, 3), (4, -4), (0, 2), (1, 0)):
        padded = F.pad(original, 4)
        yield dict(down=down, right=right), F.crop(padded, 4 - down, 4 - right, SIDE, SIDE)


def mixing() -> dict:
    side, batch = 8, 4
    images = torch.from_numpy(np.random.RandomState(3).randn(batch, 3, side, side)).float()
    labels = torch.tensor([0, 2, 2, 1])
    order = torch.tensor([0, 2, 3, 1])  # timm mixes the first with the last, Java the first with the second
    tensors = {"images": images, "labels": labels.int()}
    for name, share, center in (("mixup", 0.3, None), ("cut", 0.4, (2, 6)), ("corner", 0.9, (0, 7))):
        mixup = Mixup(1 if center is None else 0, 0 if center is None else 1, label_smoothing=0, num_classes=3)
        randint = mock.Mock(side_effect=list(center or ()))
        with mock.patch.multiple(np.random, beta=lambda *_: share, randint=randint):
            mixed, targets = mixup(images[order], labels[order])
        tensors[name], tensors[name + ".targets"] = mixed[order.argsort()], targets[order.argsort()]
        tensors[name + ".drawn"] = torch.tensor([share, *(center or ())], dtype=torch.float64)
    return tensors


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    original = image()
    original.save(out / "image.png")
    results = [*rand_augment(original), *color_jitter(original), *places(original), *sets(original)]
    sheet = Image.new("RGB", (SIDE, SIDE * len(results)))
    for number, (_, result) in enumerate(results):
        sheet.paste(result, (0, SIDE * number))
    sheet.save(out / "results.png", optimize=True)
    lines = ",\n".join(json.dumps(operation) for operation, _ in results)
    (out / "operations.json").write_text(f"[\n{lines}\n]\n")
    choices = {name: auto_augment.rand_augment_choices(name) for name in ("3a", "3aw", "weights")}
    weights = {name: dict.fromkeys(of, 1) if isinstance(of, list) else of for name, of in choices.items()}
    (out / "sets.json").write_text(json.dumps(weights, indent=1) + "\n")
    save_file(mixing(), out / "mixing.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "resources/golden/augmentation")
