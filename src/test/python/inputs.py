"""Writes src/test/resources/golden/data: images as the libraries datasets and webdataset write them.

    .venv-golden/bin/python src/test/python/inputs.py
"""
import io
import os

import webdataset
from datasets import ClassLabel, Dataset, Features, Image
from PIL import Image as Pillow

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "resources", "golden", "data")
CLASSES = ["dog", "cat", "ant", "bird"]  # not in the order of the alphabet, and no image shows a bird
LABELS = [0, 1, 2, 0, 1, 2]


def png(red):
    out = io.BytesIO()
    Pillow.new("RGB", (4, 4), (red, 0, 0)).save(out, "PNG")
    return out.getvalue()


def huggingface(file, classes):
    features = Features({"image": Image(), "label": ClassLabel(names=classes)})
    rows = {"image": [{"bytes": png(i), "path": f"{i}.png"} for i in range(6)], "label": LABELS}
    Dataset.from_dict(rows, features=features).to_parquet(os.path.join(OUT, file))


def shard(number, samples):
    with webdataset.TarWriter(os.path.join(OUT, f"shard-{number:06d}.tar"), mtime=0) as tar:
        for sample in samples:
            tar.write(sample)


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    huggingface("huggingface.parquet", CLASSES)
    huggingface("other-classes.parquet", CLASSES[::-1])
    # A number in .cls, a word in .json, and a sample of a folder with further entries.
    shard(0, [{"__key__": f"{i:04d}", "png": png(i), "cls": LABELS[i]} for i in range(3)])
    shard(1, [{"__key__": f"more/{i:04d}", "seg.png": png(200), "png": png(i), "json": {"label": LABELS[i], "text": "ä"}}
              for i in range(3, 6)])
