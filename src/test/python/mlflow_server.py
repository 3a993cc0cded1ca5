"""Trains on a tiny data set while a real MLflow server is told of it, asks the server what it knows, serves the registered model without Spark, and loads it by mlflow.spark.

    python3 -m venv .venv-mlflow && .venv-mlflow/bin/pip install mlflow torch timm 'pyspark==3.5.*' ./jobs/python
    .venv-mlflow/bin/python src/test/python/mlflow_server.py

The server listens on 127.0.0.1 alone, wants a user and a password if MLflow's basic-auth app is installed
(mlflow[auth]), keeps its files in a folder that is gone afterwards, and takes files itself (artifacts are proxied).
"""

import importlib.util
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).parents[3]
SUBMIT = ["jobs/submit.sh", "--conf", "spark.ui.enabled=false"]
TEST = "conf/demo/hands/train.parquet"
DEMO = ["--config", "conf/demo/demo.yaml"]
SMALL = {
    "training.maxSteps": "6",
    "training.checkpointEvery": "2",
    "selection.loss": "fresh",
    "selection.batchSize": "64",
    "data.test": TEST,
    "compare.methods": "[]",
    "tracking.model": "true",
    "tracking.registerAs": "hands@champion",
}


def verb(name, run, uri, **environment):
    command = [*SUBMIT, name, *DEMO]
    for key, value in {**SMALL, "run.directory": run, "tracking.uri": uri}.items():
        command += ["--set", f"{key}={value}"]
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", **environment}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def serves(home, run, client, credentials):
    """Loads the registered model without Spark and compares it with what `evaluate` has predicted; then asks it over HTTP."""
    import mlflow
    import pandas
    import pyarrow.parquet

    model = mlflow.pyfunc.load_model("models:/hands@champion")
    assert model.metadata.signature.inputs.input_names() == ["image"]
    example = model.input_example
    assert list(model.predict(example).columns) == ["label", "probability", "probabilities"]
    images = pyarrow.parquet.read_table(ROOT / TEST, columns=["image"]).column("image").to_pylist()
    predictions = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
    by_mlflow = model.predict(pandas.DataFrame({"image": images}))
    assert len(by_mlflow) == len(predictions) == len(images)
    differences = [
        abs(line["probability"] - row["probabilities"].max()) for line, (_, row) in zip(predictions, by_mlflow.iterrows())
    ]
    other = sum(line["predicted"] != label for line, label in zip(predictions, by_mlflow["label"]))
    print(f"by mlflow.pyfunc.load_model: {other} of {len(images)} labels differ, probabilities by at most {max(differences):.1e}")
    assert other <= len(images) // 100 and max(differences) < 0.02

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = open(home / "serving.log", "w")
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/hands/1", "--env-manager", "local", "--host", "127.0.0.1",
         "--port", str(port), "--workers", "1"],
        cwd=home, stdout=log, stderr=log, start_new_session=True,
        env={**os.environ, **credentials, "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    try:
        answered(f"http://127.0.0.1:{port}/health", server, home / "serving.log")
        version = client.get_model_version("hands", "1")
        body = pathlib.Path(mlflow.artifacts.download_artifacts(f"{version.source}/serving_input_example.json")).read_bytes()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            (row,) = json.load(answer)["predictions"]
        assert row["label"] == model.predict(example)["label"][0], row
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)


def by_spark(uri, model, predictions, classes):
    """Loads a model by mlflow.spark in a session with these classes, and compares it with what `evaluate` has predicted."""
    import grft_spark
    import mlflow
    from pyspark.sql import SparkSession

    mlflow.set_tracking_uri(uri)
    spark = SparkSession.builder.master("local[2]").config("spark.driver.extraClassPath", classes).config("spark.driver.memory", "2g")
    spark = spark.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1").config("spark.ui.enabled", "false").getOrCreate()
    try:
        loaded = mlflow.spark.load_model(model)
        (stage,) = loaded.stages
        assert isinstance(stage, grft_spark.GrftClassificationModel), stage
        rows = loaded.transform(spark.read.parquet(str(ROOT / TEST))).select("prediction", "probability").collect()
        difference = max(abs(line["probability"] - row.probability.values.max()) for line, row in zip(predictions, rows, strict=True))
        other = sum(line["predicted"] != stage.labels[int(row.prediction)] for line, row in zip(predictions, rows, strict=True))
        print(f"by mlflow.spark.load_model: {other} of {len(rows)} labels differ, probabilities by at most {difference:.1e}")
        assert other == 0 and difference < 1e-5
    finally:
        spark.stop()


def answered(url, server, log):
    for _ in range(240):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def main():
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    auth = importlib.util.find_spec("flask_wtf") is not None
    credentials = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": "a-password-of-this-test"} if auth else {}
    with tempfile.TemporaryDirectory(prefix="grft-mlflow-") as folder:
        home = pathlib.Path(folder)
        options = ["--app-name", "basic-auth"] if auth else []
        log = open(home / "server.log", "w")
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
             "--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--artifacts-destination", str(home / "files"), *options],
            cwd=home, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "MLFLOW_FLASK_SERVER_SECRET_KEY": "of the test", "MLFLOW_AUTH_ADMIN_PASSWORD": "a-password-of-this-test"},
        )  # fmt: skip
        try:
            answered(f"{uri}/health", server, home / "server.log")
            run = home / "run"
            printed = verb("run", run, uri, **credentials)
            said = [line for line in printed.splitlines() if "tracking:" in line]
            assert len(said) == 2 and said[1].endswith("the model is models:/hands/1"), printed
            verb("evaluate", run, uri, **credentials)  # does nothing again

            os.environ.update(credentials)
            client = MlflowClient(uri)
            experiment = client.get_experiment_by_name("grft")
            (told,) = client.search_runs([experiment.experiment_id])
            assert told.info.status == "FINISHED", told.info
            assert told.data.params["training.maxSteps"] == "6"
            metrics = json.loads((run / "metrics.json").read_text())["grft"]
            assert told.data.metrics["result.accuracy"] == metrics["accuracy"]
            history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
            for key, name in (("loss", "loss"), ("learning_rate", "learningRate"), ("gradient_norm", "gradientNorm")):
                known = {m.step: m.value for m in client.get_metric_history(told.info.run_id, key)}
                assert known == {line["step"]: line[name] for line in history}, key
            files = {file.path for file in client.list_artifacts(told.info.run_id) if not file.is_dir}
            assert files == {"README.md", "delta.safetensors", "evaluation.json", "report.html"}, files
            os.environ["MLFLOW_TRACKING_URI"] = uri
            for name in files:
                copy = download_artifacts(run_id=told.info.run_id, artifact_path=name, dst_path=str(home / "copy"))
                assert pathlib.Path(copy).read_bytes() == (run / name).read_bytes(), name

            serves(home, run, client, credentials)
            (jar,) = (ROOT / "target").glob("grft-spark_?.??.jar")
            predictions = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
            by_spark(uri, "models:/hands@champion", predictions, f"{jar}:{(ROOT / 'target/job.classpath').read_text().strip()}")
            verb("merge", run, uri, **credentials)
            assert client.get_model_version_by_alias("hands", "champion").version == "1", "once"

            # Another training by the same server, which then is away.
            again = verb("train", home / "again", uri, **credentials)
            assert "tracking:" not in again, again
            assert len(client.search_runs([experiment.experiment_id])) == 2
            if auth:
                refused = verb("train", home / "refused", uri, **{**credentials, "MLFLOW_TRACKING_PASSWORD": "wrong-password"})
                assert "tracking: " in refused and "refuses (status 401" in refused, refused
                assert "wrong-password" not in refused
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
                server.wait(30)
        away = verb("train", home / "away", uri)
        assert away.count("cannot be reached") == 1, away
        import mlflow

        print(f"MLflow {mlflow.__version__}, {'with a password' if auth else 'open'}: parameters, every number of {len(history)} steps, "
              f"{len(files)} files and the status are as they are here; away, it is said once")  # fmt: skip


if __name__ == "__main__":
    main()
