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
from pyspark.ml.evaluation import MulticlassClassificationEvaluator  # noqa: E402
from pyspark.ml.feature import StringIndexer  # noqa: E402
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

from grft_spark import GrftClassificationModel, GrftClassifier  # noqa: E402


def main(pretrained, images):
    jar = [j for j in glob.glob(os.path.join(root, "target", "grft-spark-*.jar")) if "job" not in j][0]
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
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
