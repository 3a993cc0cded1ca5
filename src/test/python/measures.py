"""Writes what scikit-learn and torchmetrics measure of made-up probabilities, for the Java tests to agree with.

    python measures.py [OUTPUT]      OUTPUT defaults to ../resources/golden/measures beside this script

Of each case, in `CASE.safetensors`: `probabilities` [N, K] (F32), `labels` [N] (I32). In `measures.json`, by case,
the measures by their keys in evaluation.json, and `classes`, a row of precision, recall, F1 and AUROC (null if it is undefined) for
each class.

Of several labels, `sets.safetensors`: `probabilities` [N, K], `shown` [N, K] (I32, 1 or 0), `thresholds` [K]. Of values,
`values.safetensors`: `predicted` and `actual` [N, T] (F32). In `tasks.json` the measures of both, and rows for each class or target.

Where this project and a library differ, the script asks the library so that it means the same:
- of equal probabilities the lowest class comes first, which scikit-learn's top_k_accuracy_score does of reversed classes;
- AUROC is the mean over the classes that have images and are not all there is; roc_auc_score refuses absent classes;
- the ECE of several labels is that of all pairs of an image and a class, whose probability is that of the class; it is also computed in numpy;
- of several labels, the means over classes are those over the classes that occur, and of areas over those that have one;
- torchmetrics has a 16th bin for probabilities of exactly 1, here they belong to the 15th: no case has one.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from sklearn import metrics
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "resources/golden/measures")


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)


def drawn(seed, images, classes, signal, sharpness, present=None):
    """Returns probabilities of a softmax over noise, larger at the label; labels of the first `present` classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, present or classes, images)
    logits = rng.normal(size=(images, classes)) + rng.normal(size=classes)
    logits[np.arange(images), labels] += signal
    return softmax(sharpness * logits), labels


def tied(seed, images, classes):
    """Returns probabilities of few values, many of them equal; no image has the last class, and class 3 is never predicted."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes - 1, images)
    weights = rng.integers(0, 4, (images, classes)) + 2 * (np.arange(classes) == labels[:, None])
    weights[:, :2] += 1
    weights[:, 3] = 1
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32), labels


CASES = {
    "two": drawn(1, 400, 2, 1.0, 1.0),
    "seven": drawn(2, 600, 7, 1.5, 2.0),
    "sharp": drawn(3, 500, 12, 3.0, 8.0, present=9),
    "tied": tied(4, 500, 6),
}


def auroc(labels, probabilities, k):
    here = labels == k
    return None if here.all() or not here.any() else float(metrics.roc_auc_score(here, probabilities[:, k]))


def measured(probabilities, labels, predicted):
    classes = probabilities.shape[1]
    every = np.arange(classes)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    by_class = [auroc(labels, probabilities, k) for k in every]
    known = [value for value in by_class if value is not None]
    if classes > 2 and len(known) == classes:
        np.testing.assert_allclose(
            np.mean(known), metrics.roc_auc_score(labels, normalized(probabilities), multi_class="ovr"), rtol=1e-6)
    result = {
        "accuracy": metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "auroc": by_class[1] if classes == 2 else float(np.mean(known)),
        "ece": float(multiclass_calibration_error(
            torch.tensor(probabilities).double(), torch.tensor(labels), classes, n_bins=15)),
        "loss": metrics.log_loss(labels, normalized(probabilities), labels=every),
    }
    for average in ("macro", "weighted"):
        values = metrics.precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)
        result |= dict(zip((f"{average}_precision", f"{average}_recall", f"{average}_f1"), map(float, values)))
    if classes > 5:
        result["top5_accuracy"] = metrics.top_k_accuracy_score(
            classes - 1 - labels, probabilities[:, ::-1], k=5, labels=every)
    result["classes"] = [list(row) for row in zip(precision, recall, f1, by_class)]
    return result


def normalized(probabilities):
    wide = probabilities.astype(np.float64)
    return wide / wide.sum(axis=1, keepdims=True)


warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
OUTPUT.mkdir(parents=True, exist_ok=True)
everything = {}
for name, (probabilities, labels) in CASES.items():
    predicted = probabilities.argmax(axis=1)
    save_file({
        "probabilities": probabilities,
        "labels": labels.astype(np.int32),
    }, OUTPUT / f"{name}.safetensors")
    everything[name] = measured(probabilities, labels, predicted)
(OUTPUT / "measures.json").write_text(json.dumps(everything, indent=1) + "\n")


def sets(seed, images, classes, signal):
    """Returns sigmoids of noise, larger for the classes shown; the last class is never shown, the one before never likely."""
    rng = np.random.default_rng(seed)
    shown = (rng.random((images, classes)) < np.linspace(0.5, 0.05, classes)).astype(np.int32)
    shown[:, -1] = 0
    logits = rng.normal(size=(images, classes)) - 1 + signal * shown
    logits[:, -2:] -= 9
    return (1 / (1 + np.exp(-logits))).astype(np.float32), shown


def calibration_error(probabilities, shown, bins=15):
    """Returns the mean over the pairs of how far, in its bin of the probability, the share of shown ones is from the mean probability."""
    p, y = probabilities.ravel().astype(np.float64), shown.ravel()
    bin_of = np.minimum((p * bins).astype(int), bins - 1)
    error = sum(abs(y[bin_of == b].sum() - p[bin_of == b].sum()) for b in range(bins)) / len(p)
    torchs = binary_calibration_error(torch.tensor(p), torch.tensor(y), n_bins=bins)
    np.testing.assert_allclose(error, float(torchs), rtol=1e-6)
    return float(error)


def of_sets(probabilities, shown, thresholds):
    result = {"loss": metrics.log_loss(shown.ravel(), probabilities.ravel().astype(np.float64)), "classes": []}
    every = np.arange(shown.shape[1])
    for prefix, threshold in (("", np.float32(0.5)), ("tuned_", thresholds)):
        said = (probabilities >= threshold).astype(np.int32)
        occur = np.flatnonzero(shown.any(axis=0) | said.any(axis=0))
        for average in ("macro", "micro"):
            values = metrics.precision_recall_fscore_support(
                shown[:, occur], said[:, occur], average=average, zero_division=0)
            result |= dict(zip((f"{prefix}{average}_{name}" for name in ("precision", "recall", "f1")), map(float, values)))
        result[f"{prefix}subset_accuracy"] = metrics.accuracy_score(shown, said)
        result[f"{prefix}hamming_loss"] = metrics.hamming_loss(shown, said)
    average_precisions = [float(metrics.average_precision_score(shown[:, k], probabilities[:, k])) if shown[:, k].any() else None for k in every]
    areas = [auroc(np.where(shown[:, k], k, -1), probabilities, k) for k in every]
    result["map"] = float(np.mean([value for value in average_precisions if value is not None]))
    result["auroc"] = float(np.mean([value for value in areas if value is not None]))
    result["ece"] = calibration_error(probabilities, shown)
    errors = [calibration_error(probabilities[:, k], shown[:, k]) for k in every]
    result["classes"] = [list(row) for row in zip(average_precisions, areas, errors)]
    return result


def values(seed, images):
    """Returns a target near 0 and one whose variance is small beside its mean, on which naive sums lose their digits."""
    rng = np.random.default_rng(seed)
    actual = np.stack([rng.normal(size=images), 50_000 + 0.5 * rng.normal(size=images)], axis=1).astype(np.float32)
    return (actual + np.array([0.3, 0.25]) * rng.normal(size=(images, 2)) + 0.1).astype(np.float32), actual


def of_values(predicted, actual):
    wide = predicted.astype(np.float64), actual.astype(np.float64)
    each = {"multioutput": "raw_values"}
    return {
        "rmse": metrics.root_mean_squared_error(*wide[::-1]),
        "mae": metrics.mean_absolute_error(*wide[::-1]),
        "r2": metrics.r2_score(*wide[::-1]),
        "loss": metrics.mean_squared_error(*wide[::-1]),
        "targets": [list(map(float, row)) for row in zip(
            metrics.root_mean_squared_error(*wide[::-1], **each),
            metrics.mean_absolute_error(*wide[::-1], **each),
            metrics.r2_score(*wide[::-1], **each))],
    }


probabilities, shown = sets(5, 500, 8, 2.0)
thresholds = np.array([0.5, 0.25, 0.3, 0.75, 0.4, 0.2, 0.001, 0.9], dtype=np.float32)
save_file({"probabilities": probabilities, "shown": shown, "thresholds": thresholds}, OUTPUT / "sets.safetensors")
predicted, actual = values(6, 400)
save_file({"predicted": predicted, "actual": actual}, OUTPUT / "values.safetensors")
(OUTPUT / "tasks.json").write_text(json.dumps(
    {"sets": of_sets(probabilities, shown, thresholds), "values": of_values(predicted, actual)}, indent=1) + "\n")
