"""Trains, transforms, saves and reads with the wheel grft_spark as a client of a real Spark Connect server, which it starts on 127.0.0.1 and ends.

    python3 -m venv .venv-connect && .venv-connect/bin/pip install 'pyspark[connect]==4.1.*' ./jobs/python
    mvn -Pspark4,job-jar -DskipTests package
    .venv-connect/bin/python src/test/python/connect.py target/spark4/grft-spark_2.13-job.jar
"""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pyspark
from pyspark.sql import SparkSession

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEMO = ROOT / "conf/demo"
SETTINGS = ["training.headInit=fresh", "tuning.method=bitfit"]
SECONDS = 300


@contextlib.contextmanager
def server(jar, folder):
    """Runs a server for so long; yields its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = pathlib.Path(pyspark.__file__).parent
    conf = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.log.level": "WARN",
        "spark.sql.warehouse.dir": folder / "warehouse",
    }
    command = [home / "bin/spark-submit", "--master", "local[2]", "--driver-memory", "2g", "--jars", jar]
    for key, value in conf.items():
        command += ["--conf", f"{key}={value}"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with open(folder / "server.log", "w") as log:
        process = subprocess.Popen(["timeout", str(SECONDS), *command], cwd=folder, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        for _ in range(120):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.5)
        yield port
    except BaseException:
        print((folder / "server.log").read_text()[-6000:])
        raise
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def mistake(place, action):
    """Fails unless an action is refused with a message that begins with the place."""
    import grft_spark

    try:
        action()
    except grft_spark.UserError as e:
        print("a mistake:", e)
        assert str(e).startswith(place)
        assert "JVM stacktrace" not in str(e)
    else:
        raise AssertionError(f"not refused: {place}")


def tries(spark, folder):
    import grft_spark
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator
    from pyspark.ml.feature import StringIndexer

    photos = spark.read.parquet(str(DEMO / "hands/train.parquet")).where("label IN ('0', '5')")
    photos = photos.selectExpr("image", "label", "row_number() OVER (PARTITION BY label ORDER BY image) AS i").where("i <= 16")
    indexer = StringIndexer(inputCol="label", outputCol="number")
    classifier = grft_spark.GrftClassifier(pretrained=str(DEMO / "vit-demo"), labelCol="number", epochs=1, batchSize=16, shards=2, settings=SETTINGS)
    fitted = Pipeline(stages=[indexer, classifier]).fit(photos)
    labeled = fitted.transform(photos)
    accuracy = MulticlassClassificationEvaluator(labelCol="number", metricName="accuracy")
    print("accuracy", accuracy.evaluate(labeled))
    probabilities = labeled.select("probability").collect()
    assert len(probabilities) == 32

    fitted.save(f"{folder}/pipeline")
    read = PipelineModel.load(f"{folder}/pipeline")
    assert read.transform(photos).select("probability").collect() == probabilities
    model = fitted.stages[1]
    model.write().overwrite().save(f"{folder}/model")
    again = grft_spark.GrftClassificationModel.load(f"{folder}/model")
    assert again.uid == model.uid
    indexed = fitted.stages[0].transform(photos)
    assert again.transform(indexed).select("probability").collect() == probabilities
    classifier.save(f"{folder}/classifier")
    assert grft_spark.GrftClassifier.load(f"{folder}/classifier").getOrDefault("epochs") == 1

    other = again.copy().setParams(thresholds=[1.0, 0.0], embeddingCol="features", rawPredictionCol="logits", handleInvalid="keep").transform(
        indexed.selectExpr("if(i = 1, NULL, image) AS image", "number")
    )
    rows = other.select("prediction", "logits", "features").collect()
    assert [row.prediction for row in rows].count(1.0) == 30 and [row.logits for row in rows].count(None) == 2
    assert all(row.features.size > 2 for row in rows if row.features is not None)
    area = BinaryClassificationEvaluator(labelCol="number")
    assert area.evaluate(labeled) == area.setRawPredictionCol("probability").evaluate(labeled)
    unlabeled = indexed.selectExpr("image", "if(i = 1, NULL, number) AS number")
    assert classifier.copy().setParams(handleInvalid="skip").fit(unlabeled).transform(indexed).count() == 32

    several = grft_spark.GrftMultiLabelClassifier(pretrained=str(DEMO / "vit-demo"), labelCol="names", epochs=1, settings=SETTINGS)
    frame = photos.selectExpr("image", "array(label, 'image') AS names", "CAST(label AS double) AS value")
    assert any("image" in row.prediction for row in several.fit(frame).transform(frame).select("prediction").collect())
    values = grft_spark.GrftRegressor(pretrained=str(DEMO / "vit-demo"), labelCol="value", epochs=1, settings=SETTINGS).fit(frame)
    assert values.transform(frame).where("prediction IS NOT NULL").count() == 32

    mistake("/no/such", lambda: classifier.copy({classifier.pretrained: "/no/such"}).fit(indexed))
    for kind in (grft_spark.GrftClassifier, grft_spark.GrftClassificationModel):
        mistake(f"file:{folder}/none: there is no such folder", lambda kind=kind: kind.load(f"{folder}/none"))
    names = labeled.schema["prediction"].metadata["ml_attr"]["vals"]
    for attribute in ("labels", "summary"):
        try:
            getattr(model, attribute)
        except RuntimeError as e:
            assert str(e).startswith(f"{attribute}: a server of Spark Connect returns attributes of Spark's own models only"), e
        else:
            raise AssertionError(f"the server returns {attribute} now; let the wheel return it")
    assert sorted(names) == ["0", "5"]


def main(jar):
    with tempfile.TemporaryDirectory(prefix="grft-connect-") as folder, server(pathlib.Path(jar).resolve(), pathlib.Path(folder)) as port:
        started = time.time()
        spark = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
        try:
            tries(spark, folder)
        finally:
            spark.stop()  # while there is a server: the client would wait for it
        print(f"Spark Connect {pyspark.__version__}: all in {time.time() - started:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
