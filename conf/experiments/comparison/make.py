"""Divides the images of the comparison: for each set FOLDER/NAME/{train,validation,test}/CLASS/*.

    python3 make.py FOLDER --archives FOLDER_OF_THE_ARCHIVES [--sets clothes,caltech]

For the demo's ViT: signs, flowers and fashion. Needs the archives flowers5-128.zip and sign-digits-100.zip (folders
CLASS/*.jpg), Debian's package dataset-fashion-mnist and, from PyPI, numpy and pillow. Of each 1,000 images are for training,
300 for validation, up to 700 for the test, classes in equal parts as far as there are images, in the order of their SHA-256.

For a ViT-S/14: clothes and caltech. Needs the archives clothing-128.zip and caltech101-128.zip, folders
{train,validation,test}/CLASS/*.jpg. Their test part is the test. Training images are the first 100 and 10 of each class of
their training part, in the order of the names; for validation there are as many of their validation part and of what is left.

Files of the same content count once, so no image is in two parts. There is no randomness.
"""

import argparse
import gzip
import hashlib
import io
import pathlib
import zipfile

PARTS = {"train": 1000, "validation": 300, "test": 700}
CLOTHES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]


def archive(path):
    """Yields class, ending and bytes of each file of an archive of folders of classes."""
    with zipfile.ZipFile(path) as file:
        for name in file.namelist():
            if name.lower().endswith((".jpg", ".jpeg")):
                yield name.split("/")[-2], ".jpg", file.read(name)


def fashion(folder, per_class=200):
    """Yields class, ending and bytes of the first images of each class of Fashion-MNIST's training images."""
    import numpy as np
    from PIL import Image

    def idx(name, header):
        with gzip.open(pathlib.Path(folder) / name, "rb") as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)

    images = idx("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    labels = idx("train-labels-idx1-ubyte.gz", 8)
    taken = [0] * len(CLOTHES)
    for image, label in zip(images, labels):
        if taken[label] < per_class:
            taken[label] += 1
            encoded = io.BytesIO()
            Image.fromarray(image).save(encoded, "PNG")
            yield CLOTHES[label], ".png", encoded.getvalue()


def divide(images, folder):
    """Writes the parts of a set."""
    classes, seen = {}, set()
    for label, ending, content in images:
        digest = hashlib.sha256(content).hexdigest()
        if digest not in seen:
            seen.add(digest)
            classes.setdefault(label, []).append((digest, ending, content))
    counts = dict.fromkeys(PARTS, 0)
    for label, files in sorted(classes.items()):
        files.sort()
        at = 0
        for part, total in PARTS.items():
            some = files[at : at + total // len(classes)]
            at += len(some)
            counts[part] += len(some)
            place = folder / part / label
            place.mkdir(parents=True, exist_ok=True)
            for digest, ending, content in some:
                (place / (digest[:16] + ending)).write_bytes(content)
    print(folder, counts)


def keep_parts(path, of_each_class, folder):
    """Writes the parts of a set whose archive has parts: all for the test, and some of each class for the others."""
    seen = set()

    def write(part, label, names, most):
        place = folder / part / label
        place.mkdir(parents=True, exist_ok=True)
        written = 0
        for name in names:
            content = file.read(name)
            digest = hashlib.sha256(content).hexdigest()
            if written < most and digest not in seen:
                seen.add(digest)
                with open(place / pathlib.Path(name).name, "xb") as photo:
                    photo.write(content)
                written += 1
        return written

    with zipfile.ZipFile(path) as file:
        names = {}
        for name in sorted(file.namelist()):
            if name.lower().endswith((".jpg", ".jpeg")):
                part, label = name.split("/")[-3:-1]
                names.setdefault(label, {}).setdefault(part, []).append(name)
        counts = dict.fromkeys(PARTS, 0)
        for label, of in names.items():
            counts["test"] += write("test", label, of["test"], len(of["test"]))
        for label, of in names.items():
            counts["train"] += write("train", label, of["train"], of_each_class)
            counts["validation"] += write("validation", label, of["validation"] + of["train"], of_each_class)
    print(folder, counts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--archives", type=pathlib.Path, required=True)
    parser.add_argument("--sets", default="signs,flowers,fashion", help="which, separated by commas (%(default)s)")
    parser.add_argument("--fashion", default="/usr/share/datasets/fashion-mnist")
    given = parser.parse_args()
    make = {
        "signs": lambda folder: divide(archive(given.archives / "sign-digits-100.zip"), folder),
        "flowers": lambda folder: divide(archive(given.archives / "flowers5-128.zip"), folder),
        "fashion": lambda folder: divide(fashion(given.fashion), folder),
        "clothes": lambda folder: keep_parts(given.archives / "clothing-128.zip", 100, folder),
        "caltech": lambda folder: keep_parts(given.archives / "caltech101-128.zip", 10, folder),
    }
    for name in given.sets.split(","):
        if name not in make:
            parser.error(f"--sets has {name!r}, known are {', '.join(make)}")
        make[name](given.folder / name)


if __name__ == "__main__":
    main()
