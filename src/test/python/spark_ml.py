"""Trains, transforms, saves, reads and cross-validates jobs/grft_spark.py in a real PySpark.

    pip install pyspark==3.5.5 numpy
    mvn -q -DskipTests package && python src/test/python/spark_ml.py conf/demo/vit-demo IMAGES

IMAGES is a folder with a folder for each class, some dozens of images each.
"""
import glob
import os
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.join(here, "..", "..", "..")
sys.path.insert(0, os.path.join(root, "jobs"))

from pyspark.ml import Pipeline, PipelineModel  # noqa: E402
from pyspark.ml.evaluation import MulticlassClassificationEvaluator, RegressionEvaluator  # noqa: E402
from pyspark.ml.feature import StringIndexer  # noqa: E402
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

from grft_spark import (GrftClassificationModel, GrftClassifier, GrftMultiLabelClassifier,  # noqa: E402
                        GrftMultiLabelModel, GrftRegressor)


def main(pretrained, images):
    jar = glob.glob(os.path.join(root, "target", "grft-spark_?.??.jar"))[0]
    with open(os.path.join(root, "target", "job.classpath")) as libraries:
        path = jar + ":" + libraries.read().strip()
    spark = (SparkSession.builder.master("local[2]").config("spark.driver.extraClassPath", path)
             .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
             .config("spark.ui.enabled", "false").config("spark.driver.memory", "2g").getOrCreate())
    frame = (spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(images)
             .selectExpr("path", "content", "element_at(split(path, '/'), -2) AS name"))
    frame = StringIndexer(inputCol="name", outputCol="label").fit(frame).transform(frame)
    accuracy = MulticlassClassificationEvaluator(metricName="accuracy")
    classifier = GrftClassifier(pretrained=pretrained, imageCol="content", epochs=1, batchSize=16, shards=2,
                                settings=["probe.epochs=20"])
    assert len(classifier.params) == 22, classifier.params
    model = classifier.fit(frame)
    print("labels", model.labels, "trained", model.trained, "accuracy", accuracy.evaluate(model.transform(frame)))
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder + "/model")
        read = GrftClassificationModel.load(folder + "/model")
        assert read.transform(frame).select("prediction").collect() == model.transform(frame).select("prediction").collect()
        classifier.save(folder + "/classifier")
        assert GrftClassifier.load(folder + "/classifier").getOrDefault("epochs") == 1
        fitted = Pipeline(stages=[classifier.copy({classifier.method: "linear"})]).fit(frame)
        fitted.save(folder + "/pipeline")
        print("pipeline", accuracy.evaluate(PipelineModel.load(folder + "/pipeline").transform(frame)))
    grid = ParamGridBuilder().addGrid(classifier.learningRate, [1e-4, 1e-3]).build()
    best = CrossValidator(estimator=classifier, estimatorParamMaps=grid, evaluator=accuracy, numFolds=2, seed=1).fit(frame)
    print("cross-validation", best.avgMetrics)
    assert min(best.avgMetrics) > 1.0 / len(model.labels)
    other_tasks(pretrained, frame)
    spark.stop()


def other_tasks(pretrained, frame):
    frame = frame.selectExpr("path", "content", "array(name, 'image') AS names", "label AS value", "path LIKE '%0.%' AS held")
    settings = ["tuning.method=bitfit", "training.headInit=fresh"]
    several = GrftMultiLabelClassifier(pretrained=pretrained, imageCol="content", labelCol="names", epochs=1,
                                       validationIndicatorCol="held", settings=settings).fit(frame)
    with tempfile.TemporaryDirectory() as folder:
        several.save(folder + "/model")
        assert GrftMultiLabelModel.load(folder + "/model").thresholds == several.thresholds
    print("labels", several.labels, "thresholds", several.thresholds)
    assert any("image" in row.prediction for row in several.transform(frame).select("prediction").collect())
    values = GrftRegressor(pretrained=pretrained, imageCol="content", labelCol="value", epochs=1, settings=settings).fit(frame)
    print("targets", values.targets, "rmse", RegressionEvaluator(labelCol="value").evaluate(values.transform(frame)))


if __name__ == "__main__":
    main(*sys.argv[1:])
