"""Trains, transforms, saves and reads with the wheel grft_spark in a real PySpark, and runs the notebook that begins with it.

src/test/coordinates/run.sh makes what it needs and calls it: an environment with the wheel and PySpark, and a repository of files that
has the jars. By hand, in an environment with pyspark 3.5 or 4.1, numpy and the wheel:

    python src/test/python/spark_ml.py target/coordinates/repository target/coordinates/ivy

With a job jar in place of the repository the session gets its classes by spark.jars.
"""

import contextlib
import inspect
import json
import os
import pathlib
import sys
import tempfile
import time

import grft_spark
import pyspark
from grft_spark import GrftClassificationModel, GrftClassifier, GrftMultiLabelClassifier, GrftMultiLabelModel, GrftRegressor
from pyspark.ml.clustering import KMeans
from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator, RegressionEvaluator
from pyspark.ml.feature import StringIndexer
from pyspark.sql import SparkSession

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEMO = ROOT / "conf/demo"
SETTINGS = ["training.headInit=fresh", "tuning.method=bitfit"]  # no pass to select: this is about Python
# Parameters of Spark, which have its meanings.
SPARKS = ("labelCol", "predictionCol", "probabilityCol", "rawPredictionCol", "thresholds", "weightCol", "validationIndicatorCol")


def session(classes, ivy):
    builder = SparkSession.builder.master("local[2]").config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    if classes.endswith(".jar"):
        builder = builder.config("spark.jars", classes)
    else:
        builder = builder.config("spark.jars.packages", grft_spark.coordinates()).config("spark.jars.repositories", pathlib.Path(classes).resolve().as_uri())
        builder = builder.config("spark.jars.ivy", str(pathlib.Path(ivy).resolve()))
    builder = builder.config("spark.ui.showConsoleProgress", "false").config("spark.sql.shuffle.partitions", "2")
    return builder.config("spark.ui.enabled", "false").config("spark.driver.memory", "2g").config("spark.log.level", "ERROR").getOrCreate()


def parameters(classifier):
    """Python's parameters are Java's, with their defaults and meanings."""
    for stage in (classifier, GrftMultiLabelClassifier(), GrftRegressor()):
        java = {each.name(): each.doc() for each in stage._java_obj.params()}
        assert sorted(java) == sorted(each.name for each in stage.params), stage
        own = [each for each in stage.params if each.name not in SPARKS]
        for each in own:
            assert each.doc == java[each.name], (each.name, each.doc, java[each.name])
        assert sorted(inspect.signature(type(stage)).parameters) == sorted({"lambda": "lambda_"}.get(each, each) for each in java)
    assert GrftClassifier().getLabelCol() == "label" and classifier.getOrDefault("verbose") is False
    assert GrftClassifier().getOrDefault("settings") == []
    assert GrftClassifier(lambda_=0.5).getOrDefault("lambda") == 0.5
    assert classifier.copy().setParams(epochs=3).getOrDefault(classifier.epochs) == 3
    try:
        GrftClassifier(epoch=3)
    except TypeError as e:
        assert "epoch" in str(e)
    else:
        raise AssertionError("epoch is no parameter")

    class Missing(GrftClassifier):
        _of = "Missing"

    for use in (Missing, lambda: Missing.load("/models/fitted")):
        with refused("no class dev.grft.ml.Missing", "spark.jars"):
            use()


@contextlib.contextmanager
def refused(*parts):
    try:
        yield
    except (RuntimeError, grft_spark.UserError) as e:
        assert all(part in str(e) for part in parts), e
    else:
        raise AssertionError(f"not refused: {parts}")


def without_session():
    """What the wheel does before a session exists."""
    with refused("needs a Spark session"):
        GrftClassifier()
    installed = pyspark.__version__
    for version, scala in (("3.5.7", "2.12"), ("4.1.1", "2.13")):
        pyspark.__version__ = version
        assert grft_spark.coordinates() == f"dev.grft:grft-spark_{scala}:{grft_spark.__version__}"
    for version in ("3.4.1", "4.0.1", "4.10.0"):
        pyspark.__version__ = version
        with refused(f"no jars for PySpark {version}", "3.5 or 4.1"):
            grft_spark.coordinates()
    pyspark.__version__ = installed


def one_class(pretrained, frame):
    accuracy = MulticlassClassificationEvaluator(labelCol="number", metricName="accuracy")
    classifier = GrftClassifier(pretrained=pretrained, labelCol="number", epochs=1, batchSize=16, shards=2, settings=SETTINGS)
    parameters(classifier)
    with refused("/no/such/model.safetensors: no such file"):
        classifier.copy({classifier.pretrained: "/no/such"}).fit(frame)
    model = classifier.fit(frame)
    labeled = model.transform(frame)
    print("labels", model.labels, "trained", model.trained, "accuracy", accuracy.evaluate(labeled))
    assert len(model.labels) == 2 and model.trained > 0 and len(model.pretrainedSha256) == 64
    area = BinaryClassificationEvaluator(labelCol="number")
    assert area.evaluate(labeled) == area.setRawPredictionCol("probability").evaluate(labeled)
    always = model.copy().setParams(thresholds=[1.0, 0.0], embeddingCol="features", rawPredictionCol="")
    columns = always.transform(frame)
    assert {row.prediction for row in columns.select("prediction").collect()} == {1.0}
    assert columns.first().features.size > 2 and "rawPrediction" not in columns.columns
    assert KMeans(k=2, seed=1, predictionCol="cluster").fit(columns).transform(columns).where("cluster IS NOT NULL").count() == 32
    summary = model.summary
    assert model.hasSummary and summary.totalIterations == 2 and len(summary.objectiveHistory) == 1 and summary.bestEpoch == 1, summary
    assert summary.images > 0 and summary.skippedRows == summary.brokenImages == 0, summary
    assert summary.trained == model.trained and summary.seconds > 0 and summary.runDirectory is None and summary.validationHistory == {}
    broken = frame.selectExpr("if(held, NULL, image) AS image", "if(i = 1, NULL, number) AS number")
    with refused("2 of 32 rows have none in number; set handleInvalid to skip"):
        classifier.fit(broken)
    assert classifier.copy().setParams(handleInvalid="skip").fit(broken).transform(frame).count() == 32
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder + "/model")
        read = GrftClassificationModel.load(folder + "/model")
        assert not read.hasSummary
        with refused("has no training summary"):
            read.summary
        assert read.labels == model.labels and read.uid == model.uid
        assert read.transform(frame).select("probability").collect() == labeled.select("probability").collect()
        classifier.save(folder + "/classifier")
        assert GrftClassifier.load(folder + "/classifier").getOrDefault("epochs") == 1
        for kind in (GrftClassifier, GrftClassificationModel):
            try:
                kind.load(folder + "/missing")
                raise AssertionError(f"{kind.__name__} of a missing folder")
            except grft_spark.UserError as e:
                assert f"/missing: there is no such folder, expected what {kind.__name__}.save has written" in str(e), e


def other_tasks(pretrained, frame):
    frame = frame.selectExpr("image", "array(label, 'image') AS names", "number AS value", "held")
    several = GrftMultiLabelClassifier(pretrained=pretrained, labelCol="names", epochs=1, validationIndicatorCol="held", patience=1, settings=SETTINGS).fit(frame)
    assert len(several.summary.validationHistory["macro_f1"]) == 1, several.summary.validationHistory
    with tempfile.TemporaryDirectory() as folder:
        several.save(folder + "/model")
        assert GrftMultiLabelModel.load(folder + "/model").thresholds == several.thresholds
    print("labels", several.labels, "thresholds", several.thresholds)
    assert any("image" in row.prediction for row in several.transform(frame).select("prediction").collect())
    values = GrftRegressor(pretrained=pretrained, labelCol="value", epochs=1, settings=SETTINGS).fit(frame)
    print("targets", values.targets, "rmse", RegressionEvaluator(labelCol="value").evaluate(values.transform(frame)))


def notebook(path):
    """Runs the cells in the session that there is: a pipeline, which is saved and read, and a cross-validation."""
    os.chdir(path.parent)
    os.environ["GRFT_PHOTOS"] = "60"
    names = {"display": print}
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"], "notebooks in git have no outputs"
            exec(compile("".join(cell["source"]), path.name, "exec"), names)
    fitted, again, found = (names[each] for each in ("fitted", "again", "found"))
    assert isinstance(again.stages[1], GrftClassificationModel) and again.stages[1].uid == fitted.uid
    assert isinstance(found.bestModel, GrftClassificationModel) and min(found.avgMetrics) > 1 / len(fitted.labels)


def main(classes, ivy=""):
    started = time.time()
    without_session()
    spark = session(classes, ivy)
    print(f"PySpark {spark.version}: the session has started after {time.time() - started:.0f} s")
    photos = spark.read.parquet(str(DEMO / "hands/train.parquet")).where("label IN ('0', '5')")
    photos = photos.selectExpr("image", "label", "row_number() OVER (PARTITION BY label ORDER BY image) AS i").where("i <= 16")
    frame = StringIndexer(inputCol="label", outputCol="number").fit(photos).transform(photos).selectExpr("*", "i % 4 = 0 AS held").cache()
    assert frame.count() == 32
    one_class(str(DEMO / "vit-demo"), frame)
    other_tasks(str(DEMO / "vit-demo"), frame)
    print(f"estimators and models: {time.time() - started:.0f} s")
    notebook(ROOT / "notebooks/04-train-in-pyspark.ipynb")
    print(f"PySpark {spark.version}: all in {time.time() - started:.0f} s")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
