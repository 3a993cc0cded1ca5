"""Fine-tune Vision Transformers on the images of a Spark data frame, by estimators and models of ``pyspark.ml``.

    spark = SparkSession.builder.config("spark.jars.packages", grft_spark.coordinates()).getOrCreate()
    model = grft_spark.GrftClassifier(pretrained="/models/vit-b16", imageCol="content", epochs=5).fit(frame)
    labeled = model.transform(frame)

The JVM does the work. A session needs its classes: by coordinates as above, or of a file with ``spark.jars``.

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
)

__version__ = "0.2.0"

__all__ = [
    "GrftClassificationModel",
    "GrftClassifier",
    "GrftMultiLabelClassifier",
    "GrftMultiLabelModel",
    "GrftRegressionModel",
    "GrftRegressor",
    "coordinates",
]


def coordinates() -> str:
    """Returns what ``spark.jars.packages`` needs for the PySpark that is installed: 3.5 has Scala 2.12, Spark 4 has 2.13."""
    import pyspark

    scala = "2.12" if pyspark.__version__.startswith("3.") else "2.13"
    return f"dev.grft:grft-spark_{scala}:{__version__}"
