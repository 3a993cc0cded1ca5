"""Tries the recipes of models.md that need no program of this project: ONNX, and a function on the columns of a Spark data frame.

Needs what `requirements.txt` names and, of PyPI, onnx, onnxscript, onnxruntime, pandas and pyspark 3.5 or newer; and what ExportTest leaves:

    python3 src/test/python/serving.py target/exports/timm-deit-as-timm
"""

import io
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import timm
import torch
from PIL import Image
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, FloatType
from safetensors.torch import load_file

GOLDEN = Path(__file__).resolve().parents[1] / "resources/golden/formats"


def main(export: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        onnx_agrees(export, Path(folder) / "model.onnx")
    spark_agrees(export)


def onnx_agrees(export: Path, file: Path) -> None:
    images = load_file(GOLDEN / "inputs.safetensors")["input"].float()

    model = timm.create_model(f"local-dir:{export}", pretrained=True).eval()
    side = model.pretrained_cfg["input_size"][-1]
    torch.onnx.export(
        model,
        (torch.zeros(2, 3, side, side),),
        file,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: "batch"},),
        dynamo=True,
    )

    (logits,) = onnxruntime.InferenceSession(file).run(["logits"], {"images": images.numpy()})
    difference = np.abs(logits - load_file(export / "logits.safetensors")["logits"].numpy()).max()
    print(f"ONNX, {len(images)} images at once: {difference:.1e}")
    assert difference < 1e-4


def spark_agrees(export: Path) -> None:
    def make_predict():
        model = timm.create_model(f"local-dir:{export}", pretrained=True).eval()
        transform = timm.data.create_transform(**timm.data.resolve_data_config(model=model))

        def predict(contents):
            batch = torch.stack([transform(Image.open(io.BytesIO(content)).convert("RGB")) for content in contents])
            with torch.inference_mode():
                return model(batch).softmax(-1).numpy()

        return predict

    random = np.random.default_rng(1)
    photos = []
    for _ in range(10):
        encoded = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (20, 24, 3), np.uint8)).save(encoded, "PNG")
        photos.append((bytearray(encoded.getvalue()),))
    spark = SparkSession.builder.master("local[2]").config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    probabilities = predict_batch_udf(make_predict, return_type=ArrayType(FloatType()), batch_size=4)
    rows = spark.createDataFrame(photos, ["content"]).select(probabilities("content").alias("p")).collect()
    spark.stop()

    expected = make_predict()([bytes(photo) for (photo,) in photos])
    difference = np.abs(np.array([row.p for row in rows]) - expected).max()
    print(f"predict_batch_udf, {len(photos)} photos: {difference:.1e}")
    assert difference < 1e-6


if __name__ == "__main__":
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    main(Path(sys.argv[1]).resolve())
