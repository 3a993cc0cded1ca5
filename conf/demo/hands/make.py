"""Makes train.parquet and test.parquet, small copies of a data set of hands, beside this file.

Needs pillow and pyarrow of PyPI, and the data set's folder with a folder of photos for each digit:

    python3 make.py FOLDER

The photos are numbered person by person, each with the digits from 0 to 9. They are divided where a person begins, so the people of
the test are not those of the training.
"""

import io
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SIDE = 32
TRAINING = 1002  # photo 1003 shows a 0: another person


def jpeg(path):
    """Returns a photo in the side of the demo's ViT, as JPEG bytes."""
    small = Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=None)
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=95, subsampling=0)
    return encoded.getvalue()


def write(photos, path):
    table = pa.table({"image": [jpeg(photo) for photo in photos], "label": [photo.parent.name for photo in photos]})
    pq.write_table(table, path, compression="zstd")


def main(folder):
    photos = sorted(folder.glob("[0-9]/*.JPG"), key=lambda photo: int(photo.stem.removeprefix("IMG_")))
    here = pathlib.Path(__file__).parent
    write(photos[:TRAINING], here / "train.parquet")
    write(photos[TRAINING:], here / "test.parquet")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
