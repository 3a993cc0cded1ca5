"""GRFT in PySpark: the estimators of dev.grft.ml and their models, see src/site/markdown/spark-ml.md.

    spark-submit --jars grft-spark_2.12-job.jar --py-files grft_spark.py ...
    model = GrftClassifier(pretrained="/models/vit-b16", epochs=5, settings=["selection.axis=column"]).fit(frame)

GrftMultiLabelClassifier learns arrays of classes, GrftRegressor numbers. Parameters are those of the Java classes, where explainParams() has
their meaning.
"""
import sys

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.util import JavaMLReadable, JavaMLReader, JavaMLWritable
from pyspark.ml.wrapper import JavaEstimator, JavaModel

_JAVA = "dev.grft.ml."
_TEXT, _WHOLE, _NUMBER = TypeConverters.toString, TypeConverters.toInt, TypeConverters.toFloat
_TEXTS, _TRUTH = TypeConverters.toListString, TypeConverters.toBoolean

# Pipelines look for the Python class of a Java stage by the name of the Java class.
sys.modules.setdefault("dev.grft.ml", sys.modules[__name__])


class _Reader(JavaMLReader):
    @classmethod
    def _java_loader_class(cls, clazz):
        return _JAVA + clazz._of  # clazz may be a subclass of a user's


class _Readable(JavaMLReadable):
    @classmethod
    def read(cls):
        return _Reader(cls)


class _Columns(Params):
    imageCol = Param(Params._dummy(), "imageCol", "column of the images", _TEXT)
    predictionCol = Param(Params._dummy(), "predictionCol", "column that gets the prediction", _TEXT)
    handleInvalid = Param(Params._dummy(), "handleInvalid", "of broken images: error, skip or keep", _TEXT)
    pretrained = Param(Params._dummy(), "pretrained", "path of the pretrained checkpoint", _TEXT)

    def setParams(self, **values):
        """Sets parameters by name."""
        return self._set(**values)


class _Probabilities(_Columns):
    probabilityCol = Param(Params._dummy(), "probabilityCol", "column that gets the probabilities", _TEXT)


class _Estimator(JavaEstimator, JavaMLWritable, _Readable):
    labelCol = Param(Params._dummy(), "labelCol", "column of what the images show", _TEXT)
    nameCol = Param(Params._dummy(), "nameCol", "column of the images' names", _TEXT)
    weightCol = Param(Params._dummy(), "weightCol", "column of the rows' weights in the loss", _TEXT)
    validationIndicatorCol = Param(
        Params._dummy(), "validationIndicatorCol", "boolean column of the rows that choose the epoch", _TEXT)
    config = Param(Params._dummy(), "config", "YAML files over conf/base.yaml", _TEXTS)
    settings = Param(Params._dummy(), "settings", "any keys, such as selection.axis=column", _TEXTS)
    method = Param(Params._dummy(), "method", "tuning.method", _TEXT)
    preset = Param(Params._dummy(), "preset", "selection.preset", _TEXT)
    count = Param(Params._dummy(), "count", "selection.budget.count", _WHOLE)
    # A word of Python's: getattr(classifier, "lambda"), GrftClassifier(**{"lambda": 0.1}).
    locals()["lambda"] = Param(Params._dummy(), "lambda", "penalty.lambda", _NUMBER)
    epochs = Param(Params._dummy(), "epochs", "training.epochs", _WHOLE)
    batchSize = Param(Params._dummy(), "batchSize", "training.batchSize", _WHOLE)
    learningRate = Param(Params._dummy(), "learningRate", "training.learningRate", _NUMBER)
    shards = Param(Params._dummy(), "shards", "training.shards", _WHOLE)
    patience = Param(Params._dummy(), "patience", "training.patience", _WHOLE)
    seed = Param(Params._dummy(), "seed", "run.seed", _WHOLE)
    runDirectory = Param(Params._dummy(), "runDirectory", "folder that keeps a run directory of each training", _TEXT)
    verbose = Param(Params._dummy(), "verbose", "whether progress is printed", _TRUTH)

    def __init__(self, **values):
        super().__init__()
        self._java_obj = self._new_java_obj(_JAVA + self._of, self.uid)
        self._set(**values)

    def _create_model(self, java_model):
        return self._copyValues(self._model(java_model))


class _Model(JavaModel, JavaMLWritable, _Readable):
    @property
    def trained(self):
        """How many parameters were trained, with those of the head."""
        return self._call_java("trained")

    @property
    def pretrainedSha256(self):
        """The SHA-256 of the pretrained checkpoint."""
        return self._call_java("pretrainedSha256")


class GrftClassificationModel(_Model, _Probabilities):
    """A fine-tuned Vision Transformer, tells the class of the images of a data frame."""

    _of = "GrftClassificationModel"

    @property
    def labels(self):
        """The classes, by number."""
        return list(self._call_java("labels"))


class GrftMultiLabelModel(_Model, _Probabilities):
    """A fine-tuned Vision Transformer, tells which classes the images of a data frame show."""

    _of = "GrftMultiLabelModel"

    @property
    def labels(self):
        """The classes, by number."""
        return list(self._call_java("labels"))

    @property
    def thresholds(self):
        """The thresholds of the classes, by number."""
        return list(self._call_java("thresholds"))


class GrftRegressionModel(_Model, _Columns):
    """A fine-tuned Vision Transformer, predicts values of the images of a data frame."""

    _of = "GrftRegressionModel"

    @property
    def targets(self):
        """The names of the values, in their order."""
        return list(self._call_java("targets"))


class GrftClassifier(_Estimator, _Probabilities):
    """Fine-tunes a Vision Transformer to tell the class of an image."""

    _of = "GrftClassifier"
    _model = GrftClassificationModel


class GrftMultiLabelClassifier(_Estimator, _Probabilities):
    """Fine-tunes a Vision Transformer to tell which classes an image shows, any number of them."""

    _of = "GrftMultiLabelClassifier"
    _model = GrftMultiLabelModel


class GrftRegressor(_Estimator, _Columns):
    """Fine-tunes a Vision Transformer to predict one value of an image or several."""

    _of = "GrftRegressor"
    _model = GrftRegressionModel

    labelCols = Param(Params._dummy(), "labelCols", "columns of the values; empty: labelCol alone", _TEXTS)
