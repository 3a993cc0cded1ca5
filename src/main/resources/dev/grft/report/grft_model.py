"""Serves a model that GRFT on Spark has trained and merged: encoded images in, predictions out. MLflow imports this module from the model's folder.

The model is timm's or transformers', as its config.json says, and computes without Spark. The input is a table whose first column holds
the bytes of image files. The output has a row for each of them:

    one class an image   label, probability of that label, probabilities of all classes
    several classes      labels whose probability is not below their threshold, probabilities of all classes
    values               predicted_NAME for each target
"""

import io
import json
from pathlib import Path

import pandas
import torch
from PIL import Image, ImageOps

BATCH = 32


class Model:
    def __init__(self, folder: Path):
        self.told = json.loads((folder / "grft.json").read_text(encoding="utf-8"))
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if "architecture" in config:
            import timm

            network = timm.create_model(f"local-dir:{folder}", pretrained=True)
            for module in network.modules():  # timm does not read this key
                if isinstance(module, torch.nn.LayerNorm) and "layer_norm_eps" in config:
                    module.eps = config["layer_norm_eps"]
            self.prepare = timm.data.create_transform(**timm.data.resolve_data_config(model=network))
        else:
            import transformers

            network = transformers.AutoModelForImageClassification.from_pretrained(folder)
            processor = transformers.AutoImageProcessor.from_pretrained(folder)
            self.prepare = lambda image: processor(image, return_tensors="pt").pixel_values[0]
        self.network = network.float().eval().to(self.device)

    def predict(self, data: pandas.DataFrame) -> pandas.DataFrame:
        images = list(data[data.columns[0]])
        parts = [self.outputs(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        names, task = self.told["labels"], self.told["task"]
        outputs = torch.cat(parts) if parts else torch.empty(0, len(names))
        if task == "regression":
            return pandas.DataFrame(outputs.numpy(), columns=[f"predicted_{name}" for name in names])
        probabilities = outputs
        if task == "multi-label":
            chosen = probabilities >= torch.tensor(self.told["thresholds"])
            labels = [[name for name, one in zip(names, row) if one] for row in chosen.tolist()]
            return pandas.DataFrame({"labels": labels, "probabilities": list(probabilities.numpy())})
        best = probabilities.argmax(dim=1).tolist()
        of_best = probabilities.gather(1, torch.tensor(best, dtype=torch.int64).reshape(-1, 1)).flatten()
        return pandas.DataFrame(
            {"label": [names[k] for k in best], "probability": of_best.numpy(), "probabilities": list(probabilities.numpy())}
        )

    def outputs(self, images: list) -> torch.Tensor:
        """Returns probabilities, or values, [B, K]; with evaluation.flip their means over each image and its mirror image."""
        batch = torch.stack([self.prepare(self.decoded(image)) for image in images]).to(self.device)
        seen = [batch, batch.flip(-1)] if self.told["flip"] else [batch]
        with torch.inference_mode():
            return sum(self.seen(self.network(one)) for one in seen).cpu() / len(seen)

    def seen(self, outputs) -> torch.Tensor:
        outputs = getattr(outputs, "logits", outputs)
        if self.told["task"] == "regression":
            return outputs
        return torch.sigmoid(outputs) if self.told["task"] == "multi-label" else torch.softmax(outputs, dim=1)

    def decoded(self, image: bytes) -> Image.Image:
        opened = Image.open(io.BytesIO(image))
        return (ImageOps.exif_transpose(opened) if self.told["exif"] == "transpose" else opened).convert("RGB")


def _load_pyfunc(path: str) -> Model:
    return Model(Path(path))
