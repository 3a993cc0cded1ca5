"""Makes train.parquet and test.parquet, a sample of Fashion-MNIST, beside this file.

Needs Debian's package dataset-fashion-mnist and, from PyPI, numpy, pillow and pyarrow:

    python3 make.py [FOLDER WITH THE IDX FILES]

The sample has no randomness: the first images of each class, in the order of the original files.
"""

import gzip
import io
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CLASSES = [
    "t-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
]
TRAIN_PER_CLASS = 100
TEST_PER_CLASS = 200


def idx(path, header):
    """Returns the bytes of an IDX file after its header."""
    with gzip.open(path, "rb") as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def first(images, labels, per_class, without):
    """Returns the first images of each class whose pixels are not in `without`, in file order, with their class."""
    taken = [0] * len(CLASSES)
    sample = []
    for image, label in zip(images, labels):
        if taken[label] < per_class and image.tobytes() not in without:
            taken[label] += 1
            sample.append((image, CLASSES[label]))
    return sample


def png(image):
    """Returns the [28, 28] grey image as PNG bytes."""
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, "PNG", optimize=True)
    return encoded.getvalue()


def write(sample, path):
    """Writes the columns image and label."""
    table = pa.table(
        {
            "image": pa.array([png(image) for image, _ in sample], pa.binary()),
            "label": pa.array([label for _, label in sample], pa.string()),
        }
    )
    pq.write_table(table, path, compression="snappy", use_dictionary=["label"], write_statistics=["label"])
    print(f"{path.name}: {len(sample)} images, {path.stat().st_size} bytes")


def main():
    source = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist")
    here = pathlib.Path(__file__).parent

    def read(name):
        images = idx(source / f"{name}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
        return images, idx(source / f"{name}-labels-idx1-ubyte.gz", 8)

    train = first(*read("train"), TRAIN_PER_CLASS, without=set())
    # No image is both trained on and tested on.
    test = first(*read("t10k"), TEST_PER_CLASS, without={image.tobytes() for image, _ in train})
    write(train, here / "train.parquet")
    write(test, here / "test.parquet")


if __name__ == "__main__":
    main()
