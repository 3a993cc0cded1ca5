"""Fine-tune Vision Transformers on the images of a Spark data frame, by estimators and models of ``pyspark.ml``.

    spark = SparkSession.builder.config("spark.jars", "/jars/grft-spark_2.12-job.jar").getOrCreate()
    model = grft_spark.GrftClassifier(pretrained="/models/vit-b16", imageCol="content", epochs=5).fit(frame)
    labeled = model.transform(frame)

The JVM does the work. A session needs its classes: of the job jar as above, or by `coordinates` from a repository to which they are deployed.

==========================  ===========================  =========================================
estimator                   model                        learns
==========================  ===========================  =========================================
`GrftClassifier`            `GrftClassificationModel`    the class of an image
`GrftMultiLabelClassifier`  `GrftMultiLabelModel`        classes of an image, any number of them
`GrftRegressor`             `GrftRegressionModel`        a value of an image, or several
==========================  ===========================  =========================================
"""

from grft_spark.ml import (
    GrftClassificationModel,
    GrftClassifier,
    GrftMultiLabelClassifier,
    GrftMultiLabelModel,
    GrftRegressionModel,
    GrftRegressor,
    GrftTrainingSummary,
    UserError,
)

__version__ = "0.2.0"

_SCALA = {"3.5": "2.12", "4.1": "2.13"}  # by version of Spark

__all__ = [
    "GrftClassificationModel",
    "GrftClassifier",
    "GrftMultiLabelClassifier",
    "GrftMultiLabelModel",
    "GrftRegressionModel",
    "GrftRegressor",
    "GrftTrainingSummary",
    "UserError",
    "coordinates",
]


def coordinates() -> str:
    """Returns what ``spark.jars.packages`` needs for the PySpark that is installed. ``spark.jars.repositories`` names the place of it.

    Raises:
        RuntimeError: if there are no jars for this PySpark
    """
    import pyspark

    for version, scala in _SCALA.items():
        if pyspark.__version__.startswith(version + "."):
            return f"dev.grft:grft-spark_{scala}:{__version__}"
    expected = " or ".join(_SCALA)
    raise RuntimeError(f"grft-spark {__version__} has no jars for PySpark {pyspark.__version__}: install PySpark {expected}, as the cluster has it")
