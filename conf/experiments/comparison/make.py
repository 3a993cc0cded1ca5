"""Divides the images of the comparison: for each set FOLDER/NAME/{train,validation,test}/CLASS/*.

Needs the archives flowers5-128.zip and sign-digits-100.zip (folders CLASS/*.jpg), Debian's package
dataset-fashion-mnist and, from PyPI, numpy and pillow:

    python3 make.py FOLDER --archives FOLDER_OF_THE_ARCHIVES

Of each set 1,000 images are for training, 300 for validation, up to 700 for the test, classes in equal parts as far as there are
images. The order within a class is that of the SHA-256 of the files, and files of the same content count once, so no image is
in two parts. There is no other randomness.
"""

import argparse
import gzip
import hashlib
import io
import pathlib
import zipfile

import numpy as np
from PIL import Image

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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--archives", type=pathlib.Path, required=True)
    parser.add_argument("--fashion", default="/usr/share/datasets/fashion-mnist")
    given = parser.parse_args()
    divide(archive(given.archives / "flowers5-128.zip"), given.folder / "flowers")
    divide(archive(given.archives / "sign-digits-100.zip"), given.folder / "signs")
    divide(fashion(given.fashion), given.folder / "fashion")


if __name__ == "__main__":
    main()
