"""The classes of dev.grft.ml in Python. `grft_spark` exports them."""

from __future__ import annotations

import inspect
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Type, TypedDict, TypeVar, get_type_hints

import pyspark
from py4j.java_gateway import JavaPackage  # type: ignore[import-untyped]
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import (
    HasLabelCol,
    HasPredictionCol,
    HasProbabilityCol,
    HasRawPredictionCol,
    HasThresholds,
    HasValidationIndicatorCol,
    HasWeightCol,
)
from pyspark.ml.util import JavaMLReadable, JavaMLReader, JavaMLWritable
from pyspark.ml.wrapper import JavaEstimator, JavaModel, JavaWrapper
from pyspark.sql import DataFrame
from pyspark.sql.utils import is_remote

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

_JAVA = "dev.grft.ml."

# Pipelines look for the Python class of a Java stage by the name of the Java class.
sys.modules.setdefault("dev.grft.ml", sys.modules[__name__])


class _ModelOptions(TypedDict, total=False):
    imageCol: str
    predictionCol: str
    embeddingCol: str
    handleInvalid: str
    pretrained: str


class _ProbableModelOptions(_ModelOptions, total=False):
    probabilityCol: str


class _ClassModelOptions(_ProbableModelOptions, total=False):
    rawPredictionCol: str
    thresholds: List[float]


class _Options(_ModelOptions, total=False):
    labelCol: str
    nameCol: str
    weightCol: str
    validationIndicatorCol: str
    config: List[str]
    settings: List[str]
    method: str
    preset: str
    count: int
    lambda_: float
    epochs: int
    batchSize: int
    learningRate: float
    shards: int
    patience: int
    seed: int
    runDirectory: str
    verbose: bool


class _ProbableOptions(_Options, total=False):
    probabilityCol: str


class _ClassOptions(_ProbableOptions, total=False):
    rawPredictionCol: str
    thresholds: List[float]


class _ValueOptions(_Options, total=False):
    labelCols: List[str]


def _signature(options: Any) -> inspect.Signature:
    """Returns the keywords of options, for notebooks to complete."""
    return inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=None) for name, kind in get_type_hints(options).items()]
    )


def _text(name: str, doc: str) -> "Param[str]":
    return Param(Params._dummy(), name, doc, TypeConverters.toString)


def _texts(name: str, doc: str) -> "Param[List[str]]":
    return Param(Params._dummy(), name, doc, TypeConverters.toListString)


def _whole(name: str, doc: str) -> "Param[int]":
    return Param(Params._dummy(), name, doc, TypeConverters.toInt)


def _number(name: str, doc: str) -> "Param[float]":
    return Param(Params._dummy(), name, doc, TypeConverters.toFloat)


def _is_connect() -> bool:
    """Returns whether the session is a client of Spark Connect, which has no JVM of its own."""
    return is_remote() and not pyspark.__version__.startswith("3.")  # whose Connect has no such estimators


def _java_class(name: str) -> str:
    """Returns the full name of a Java class, which the session must have; the server of Spark Connect says so itself."""
    if _is_connect():
        return _JAVA + name
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    if context is None:
        raise RuntimeError(f"{_JAVA}{name} needs a Spark session; start it first, with SparkSession.builder")
    found: Any = context._jvm
    for part in (_JAVA + name).split("."):
        found = getattr(found, part)
    if isinstance(found, JavaPackage):  # for Py4J, what it does not find is a package
        raise RuntimeError(
            f"this Spark session has no class {_JAVA}{name}; start it with .config('spark.jars', PATH) of the job jar (mvn -Pjob-jar -DskipTests package, for Spark 4.1 mvn -Pspark4,job-jar -DskipTests package),"
            " or with spark.jars.packages and spark.jars.repositories, if grft-spark is deployed to a repository"
        )
    return _JAVA + name


class UserError(ValueError):
    """A mistake that the user can mend. The message names the place, what was found, what was expected and the remedy."""


# The Java classes of such mistakes: Spark Connect sends the name of the class, not those of its superclasses.
_USER_ERRORS = ("dev.grft.UserError", "dev.grft.spark.run.InUse", "dev.grft.train.Divergence$Ended")


@contextmanager
def _user_errors() -> Iterator[None]:
    """Raises such mistakes of Java as those of Python, without Java's stack."""
    try:
        yield
    except PySparkException as e:  # of Spark Connect
        kind, _, message = str(e).partition(") ")
        if kind[1:] not in _USER_ERRORS:
            raise
        raise UserError(message.partition("\n\nJVM stacktrace:\n")[0]) from None
    except Py4JJavaError as e:
        kind = e.java_exception.getClass()
        while kind is not None and kind.getName() != "dev.grft.UserError":
            kind = kind.getSuperclass()
        if kind is None:
            raise
        raise UserError(e.java_exception.getMessage()) from None


class _Reader(JavaMLReader):
    def load(self, path: str) -> Any:
        with _user_errors():
            return super().load(path)

    @classmethod
    def _java_loader_class(cls, clazz: Any) -> str:
        return _java_class(clazz._of)  # clazz may be a subclass of a user's


class _Stage(HasPredictionCol, JavaMLReadable, JavaMLWritable):
    """What estimators and models have in common."""

    _of: str  # the name of the Java class
    _keywords: inspect.Signature

    imageCol = _text("imageCol", "column of the images: the bytes of JPEG or PNG files, a struct with a field bytes, or Spark's image struct")
    embeddingCol = _text("embeddingCol", "column that gets the features that the head reads, a vector; '' for none")
    handleInvalid = _text("handleInvalid", "what becomes of rows with a null or broken image, or in fit without a label: error, skip, or keep (with nulls; not in fit)")
    pretrained = _text("pretrained", "path of the pretrained checkpoint: model.pretrained; of a model, where it lies now")

    @classmethod
    def read(cls) -> JavaMLReader:
        """Returns a reader of what was saved."""
        if not _is_connect():
            return _Reader(cls)
        from pyspark.ml.connect.readwrite import RemoteMLReader

        class Reader(RemoteMLReader):
            def load(self, path: str) -> Any:
                with _user_errors():
                    return super().load(path)

        return Reader(type(cls._of, (cls,), {"__module__": "dev.grft.ml"}))  # by the name of the Java class

    def _with(self, values: Dict[str, Any]) -> "Self":
        self._keywords.bind(**values)  # TypeError if one is unknown
        return self._set(**{"lambda" if name == "lambda_" else name: value for name, value in values.items()})


_M = TypeVar("_M", bound="_Model")


class _Estimator(JavaEstimator[_M], _Stage, HasLabelCol, HasWeightCol, HasValidationIndicatorCol):
    _model: Type[_M]

    nameCol = _text("nameCol", "column of the images' names, which decide their order in the training; not set: found")
    config = _texts("config", "YAML files over conf/base.yaml, a later over an earlier one")
    settings = _texts("settings", "any keys of conf/base.yaml, such as selection.axis=column")
    method = _text("method", "tuning.method: what trains beside the head, such as grft or lora")
    preset = _text("preset", "selection.preset: a reading of the paper, decides axis and budget")
    count = _whole("count", "selection.budget.count: slices of each matrix")
    locals()["lambda"] = _number("lambda", "penalty.lambda of the method: the pull toward pretrained")
    epochs = _whole("epochs", "training.epochs: passes over the images")
    batchSize = _whole("batchSize", "training.batchSize: examples a step, over all shards together")
    learningRate = _number("learningRate", "training.learningRate: the largest")
    shards = _whole("shards", "training.shards: parts that work side by side")
    patience = _whole("patience", "training.patience: stop after so many epochs that are not better by training.watch")
    seed = _whole("seed", "run.seed: of every random number")
    runDirectory = _text("runDirectory", "folder that keeps a run directory of each training, in which an interrupted one resumes; not set: none")
    verbose = Param(Params._dummy(), "verbose", "whether progress is printed to standard error", TypeConverters.toBoolean)

    def _of_java(self) -> None:
        self._java_obj = self._new_java_obj(_java_class(self._of), self.uid)
        if not _is_connect():  # whose server has them
            self._transfer_params_from_java()  # the defaults
        self._setDefault(config=[], settings=[])  # which are arrays of Java

    def _fit(self, dataset: DataFrame) -> _M:
        with _user_errors():
            return super()._fit(dataset)

    @property
    def lambda_(self) -> "Param[float]":
        """The parameter ``lambda``, whose name is a word of Python."""
        return getattr(self, "lambda")

    def _create_model(self, java_model: Any) -> _M:
        return self._copyValues(self._model(java_model))


class GrftTrainingSummary(JavaWrapper):
    """How the training of a model went, with the names of Spark's training summaries. With ``method="linear"`` the histories are empty."""

    @property
    def objectiveHistory(self) -> List[float]:
        """The mean training loss of each epoch."""
        return list(self._call_java("objectiveHistory"))

    @property
    def totalIterations(self) -> int:
        """How many steps the optimizer has made."""
        return self._call_java("totalIterations")

    @property
    def validationHistory(self) -> Dict[str, List[float]]:
        """The measures on the rows of ``validationIndicatorCol``, such as ``accuracy``: after each epoch, NaN if undefined.

        Empty without ``patience``.
        """
        return {name: list(self._call_java("validationHistory", name)) for name in self._call_java("validationMeasures")}

    @property
    def bestEpoch(self) -> int:
        """The number of the epoch, from 1, whose parameters the model has; 0 if there is none."""
        return self._call_java("bestEpoch")

    @property
    def images(self) -> int:
        """How many images trained."""
        return self._call_java("images")

    @property
    def skippedRows(self) -> int:
        """How many rows ``handleInvalid`` left out, because they have no label or a null image."""
        return self._call_java("skippedRows")

    @property
    def brokenImages(self) -> int:
        """How many images could not be read and were left out."""
        return self._call_java("brokenImages")

    @property
    def trained(self) -> int:
        """The number of parameters that were trained, with those of the head."""
        return self._call_java("trained")

    @property
    def seconds(self) -> float:
        """The seconds that ``fit`` took."""
        return self._call_java("seconds")

    @property
    def runDirectory(self) -> Optional[str]:
        """The path of the run directory, of which the verb ``report`` makes a page; None if ``runDirectory`` was not set."""
        return self._call_java("runDirectory")


class _Model(JavaModel, _Stage):
    def _call_java(self, name: str, *args: Any) -> Any:
        if _is_connect():
            raise RuntimeError(
                f"{name}: a server of Spark Connect returns attributes of Spark's own models only; transform, save and load work."
                " The metadata of the prediction's column has the names of the classes, delta.safetensors of a saved model has the rest"
            )
        return super()._call_java(name, *args)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        with _user_errors():
            return super()._transform(dataset)

    def setParams(self, **values: "Unpack[_ModelOptions]") -> "Self":
        """Sets parameters by name."""
        return self._with(dict(values))

    @property
    def trained(self) -> int:
        """The number of parameters that were trained, with those of the head."""
        return self._call_java("trained")

    @property
    def hasSummary(self) -> bool:
        """Whether the model comes from ``fit`` in this application, and so has a `summary`."""
        return self._call_java("hasSummary")

    @property
    def summary(self) -> "GrftTrainingSummary":
        """How the training went. A UserError if the model was loaded, for a summary is not saved."""
        with _user_errors():
            return GrftTrainingSummary(self._call_java("summary"))

    @property
    def pretrainedSha256(self) -> str:
        """The SHA-256 of the pretrained checkpoint."""
        return self._call_java("pretrainedSha256")


class GrftClassificationModel(_Model, HasProbabilityCol, HasRawPredictionCol, HasThresholds):
    """A fine-tuned Vision Transformer that finds the class of an image.

    ``transform`` adds the columns ``predictionCol``, the number of the likeliest class, and ``probabilityCol`` and ``rawPredictionCol``,
    vectors with the probability and the logit of each class. ``thresholds`` divide the probabilities that the prediction compares.
    `GrftClassifier.fit` makes it, ``load`` reads it.
    """

    _of = "GrftClassificationModel"
    _keywords = _signature(_ClassModelOptions)

    def setParams(self, **values: "Unpack[_ClassModelOptions]") -> "Self":
        """Sets parameters by name."""
        return self._with(dict(values))

    @property
    def labels(self) -> List[str]:
        """The classes, by number."""
        return list(self._call_java("labels"))


class GrftMultiLabelModel(_Model, HasProbabilityCol):
    """A fine-tuned Vision Transformer that finds which classes an image shows.

    ``transform`` adds the columns ``predictionCol``, an array of the classes that are not below their thresholds, and ``probabilityCol``, a
    vector with the probability of each class. `GrftMultiLabelClassifier.fit` makes it, ``load`` reads it.
    """

    _of = "GrftMultiLabelModel"
    _keywords = _signature(_ProbableModelOptions)

    @property
    def labels(self) -> List[str]:
        """The classes, by number."""
        return list(self._call_java("labels"))

    @property
    def thresholds(self) -> List[float]:
        """The thresholds of the classes, by number."""
        return list(self._call_java("thresholds"))


class GrftRegressionModel(_Model):
    """A fine-tuned Vision Transformer that predicts values of an image.

    ``transform`` adds the column ``predictionCol``: a number, of several values a vector. `GrftRegressor.fit` makes it, ``load`` reads it.
    """

    _of = "GrftRegressionModel"
    _keywords = _signature(_ModelOptions)

    @property
    def targets(self) -> List[str]:
        """The names of the values, in their order."""
        return list(self._call_java("targets"))


class GrftClassifier(_Estimator[GrftClassificationModel], HasProbabilityCol, HasRawPredictionCol, HasThresholds):
    """Fine-tunes a Vision Transformer to find the class of an image.

    ``labelCol`` holds text, booleans, or numbers from 0, such as StringIndexer's. Keywords are parameters, which ``explainParams()``
    explains. The others of conf/base.yaml go into ``settings``:

        GrftClassifier(pretrained="/models/vit-b16", imageCol="content", epochs=5, settings=["selection.axis=column"]).fit(frame)
    """

    _of = "GrftClassifier"
    _model = GrftClassificationModel
    _keywords = __signature__ = _signature(_ClassOptions)

    def __init__(self, **values: "Unpack[_ClassOptions]") -> None:
        super().__init__()
        self._of_java()
        self._with(dict(values))

    def setParams(self, **values: "Unpack[_ClassOptions]") -> "Self":
        """Sets parameters by name."""
        return self._with(dict(values))


class GrftMultiLabelClassifier(_Estimator[GrftMultiLabelModel], HasProbabilityCol):
    """Fine-tunes a Vision Transformer to find which classes an image shows.

    ``labelCol`` holds arrays of text; an empty one stands for none of the classes. The rows of ``validationIndicatorCol`` choose the
    thresholds. Keywords are parameters, as of `GrftClassifier`.
    """

    _of = "GrftMultiLabelClassifier"
    _model = GrftMultiLabelModel
    _keywords = __signature__ = _signature(_ProbableOptions)

    def __init__(self, **values: "Unpack[_ProbableOptions]") -> None:
        super().__init__()
        self._of_java()
        self._with(dict(values))

    def setParams(self, **values: "Unpack[_ProbableOptions]") -> "Self":
        """Sets parameters by name."""
        return self._with(dict(values))


class GrftRegressor(_Estimator[GrftRegressionModel]):
    """Fine-tunes a Vision Transformer to predict one value of an image or several.

    ``labelCol`` holds a number, or ``labelCols`` names several columns of them. Keywords are parameters, as of `GrftClassifier`.
    """

    _of = "GrftRegressor"
    _model = GrftRegressionModel
    _keywords = __signature__ = _signature(_ValueOptions)

    labelCols = _texts("labelCols", "columns of the values, numbers; empty: labelCol alone")

    def __init__(self, **values: "Unpack[_ValueOptions]") -> None:
        super().__init__()
        self._of_java()
        self._with(dict(values))

    def setParams(self, **values: "Unpack[_ValueOptions]") -> "Self":
        """Sets parameters by name."""
        return self._with(dict(values))
