"""The DAGs of jobs/dags by the real Airflow: imported, rendered, decided, and once run on Spark."""

import contextlib
import copy
import itertools
import json
import os
import pathlib
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time

import psutil
import pytest
import yaml
from airflow.providers.cncf.kubernetes.operators.custom_object_launcher import (
    CustomObjectLauncher,
)
from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    ParamValidationError,
)
from conftest import ROOT, Service, rendered
from kubeflow_spark_api.models import SparkV1beta2SparkApplication
from kubernetes.client import models as k8s

DAGS = ("grft_spark_submit", "grft_kubernetes", "grft_emr", "grft_databricks")
VERBS = ("check", "select", "train", "merge", "evaluate")
DIRECTORY = "-manual__2026-01-02T03-04-05.678-00-00"


@pytest.fixture
def grft(dags):
    """The module that the DAGs share."""
    return sys.modules["grft_pipeline"]


def test_there_are_the_four_ways_of_running_and_nothing_else(dags):
    assert sorted(dags) == sorted(DAGS)


@pytest.mark.parametrize("dag_id", DAGS)
def test_the_verbs_come_one_after_the_other_and_then_the_decision(dags, dag_id):
    dag = dags[dag_id]
    order = [*VERBS, "read_metrics", "compare"]
    for before, after in itertools.pairwise(order):
        assert after in dag.get_task(before).downstream_task_ids
    assert dag.get_task("compare").downstream_task_ids == {"publish", "keep_the_last"}
    assert [asset.name for asset in dag.get_task("publish").outlets] == ["grft_published_model"]


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_task_has_a_limit_of_time_and_is_retried(dags, dag_id):
    for task in dags[dag_id].tasks:
        assert task.execution_timeout is not None, task.task_id
        assert task.retries == 2, task.task_id
    assert dags[dag_id].dagrun_timeout is not None


@pytest.mark.parametrize("dag_id", DAGS)
@pytest.mark.parametrize(
    "wrong",
    [
        {"config": []},
        {"set": ["training.epochs"]},
        {"margin": -0.1},
        {"executors": 0},
        {"executor_memory": "4 GB"},
        {"runs": ""},
    ],
)
def test_the_form_refuses(dags, dag_id, wrong):
    params = copy.deepcopy(dags[dag_id].params)
    params.validate()
    if dag_id == "grft_databricks" and "executor_memory" in wrong:  # there the nodes decide
        wrong = {"node_type": ""}
    with pytest.raises(ParamValidationError, match=next(iter(wrong))):
        params.update(wrong)
        params.validate()


@pytest.mark.parametrize("verb", VERBS)
def test_spark_submit_is_told_the_verb_with_files_and_keys(dags, context, verb):
    task = rendered(
        dags,
        context,
        "grft_spark_submit",
        verb,
        config=["a.yaml", "s3a://b/c.yaml"],
        set=["training.epochs=5", "tuning.lora.targets=[attn.qkv, mlp.fc1]"],
        runs="s3a://bucket/runs/",
        jar="hdfs:///job.jar",
        executors=7,
    )
    assert task.application == "hdfs:///job.jar"
    assert task.application_args == [
        *(verb, "--config", "a.yaml", "--config", "s3a://b/c.yaml"),
        *("--set", "training.epochs=5", "--set", "tuning.lora.targets=[attn.qkv, mlp.fc1]"),
        *("--set", f"run.directory=s3a://bucket/runs/grft_spark_submit{DIRECTORY}"),
    ]
    assert task.conf["spark.executor.instances"] == "7"
    assert task.conf["spark.executor.memory"] == "4g"
    assert "spark.yarn.submit.waitAppCompletion" not in task.conf, "set by the operator itself"


@pytest.mark.parametrize("verb", VERBS)
def test_kubernetes_is_asked_for_an_application_that_its_operator_for_spark_knows(dags, context, verb):
    task = rendered(
        dags, context, "grft_kubernetes", verb, image='registry/grft@sha256:0"', executors=7, set=["data.root='a: b'"]
    )
    application = yaml.safe_load(task.application_file)
    spec = application["spec"]
    assert spec["image"] == 'registry/grft@sha256:0"'
    assert spec["executor"]["instances"] == 7
    assert spec["arguments"] == [
        *(verb, "--config", "conf/demo/demo.yaml", "--set", "data.root='a: b'"),
        *("--set", f"run.directory=runs/grft_kubernetes{DIRECTORY}"),
    ]
    assert spec["restartPolicy"] == {"type": "Never"}
    assert task.namespace == "grft"
    task.name = "grft-0"
    body = CustomObjectLauncher(task.name, task.namespace, None, None, task.template_body).body
    assert body["metadata"] == {"name": "grft-0", "namespace": "grft"}
    assert body["spec"] == spec
    # A key that the operator for Spark does not know is gone from its model.
    assert SparkV1beta2SparkApplication.from_dict(body).to_dict() == body


def write_run(directory, accuracy, **more):
    directory.mkdir(parents=True)
    (directory / "manifest.json").write_text(json.dumps({"settings": {"tuning": {"method": "grft"}}}))
    metrics = {"linear": {"accuracy": 0.99}, "grft": {"accuracy": accuracy, **more}}
    (directory / "metrics.json").write_text(json.dumps(metrics))
    for name in ("delta.safetensors", "merged.safetensors", "config.json"):
        (directory / name).write_text(f"{name} {accuracy}")


def test_a_model_is_published_if_it_beats_the_last_by_the_margin(grft, tmp_path):
    params = {"published": f"file://{tmp_path}/published/", "storage_conn_id": None}

    def decide(name, accuracy, **more):
        write_run(tmp_path / name, accuracy, **more)
        result = grft.measured(f"file://{tmp_path}/{name}", params)
        better = grft.is_better(result, grft.last_published(grft.storage(params["published"], params)), 0.01)
        if better:
            grft.copy_published(result, params)
        return better

    assert decide("first", 0.7), "there is none yet"
    assert not decide("equal", 0.7)
    assert not decide("within", 0.709)
    assert decide("better", 0.72)
    assert not decide("chosen", 0.9, chosen_on="test"), "not comparable"
    latest = json.loads((tmp_path / "published/latest.json").read_text())
    assert latest["accuracy"] == 0.72
    assert latest["method"] == "grft"
    assert latest["directory"] == f"file://{tmp_path}/published/better"
    assert (tmp_path / "published/better/merged.safetensors").read_text() == "merged.safetensors 0.72"
    assert (tmp_path / "published/first/merged.safetensors").read_text() == "merged.safetensors 0.7"
    again = grft.measured(f"file://{tmp_path}/better", params)
    assert grft.is_better(again, latest, 0.01), "a run that is done again publishes itself again"
    assert sorted(path.name for path in (tmp_path / "published").iterdir()) == ["better", "first", "latest.json"]


def test_the_latest_is_named_as_spark_reads_it(grft, tmp_path, monkeypatch):
    write_run(tmp_path / "runs/one", 0.7)
    monkeypatch.setattr(grft, "storage", lambda place, params: ObjectStoragePath(place.replace("s3a://bucket", f"file://{tmp_path}")))
    params = {"published": "s3a://bucket/published/", "storage_conn_id": "aws_s3"}
    result = grft.measured("s3a://bucket/runs/one", params)
    latest = grft.copy_published(result, params)
    assert latest["directory"] == "s3a://bucket/published/one"
    assert latest["run"] == "s3a://bucket/runs/one"
    assert grft.is_better(result, latest, 0.01), "the very one that is published"


@pytest.mark.parametrize("dag_id", DAGS)
def test_what_a_method_does_not_need_is_skipped_and_the_rest_runs(dags, context, dag_id, tmp_path):
    verbs = {verb: dags[dag_id].get_task(verb) for verb in VERBS}
    assert {task.trigger_rule for task in verbs.values()} == {"none_failed"}
    for on in (True, False):
        with contextlib.nullcontext() if on else pytest.raises(AirflowSkipException):
            verbs["select"]._pre_execute_hook(context(dag_id, select=on))
    for method, merges in (("lora", True), ("adapter", False)):
        here = context(dag_id, runs=f"file://{tmp_path}/{method}")
        directory = tmp_path / method / f"{dag_id}{DIRECTORY}"
        directory.mkdir(parents=True)
        (directory / "manifest.json").write_text(json.dumps({"settings": {"tuning": {"method": method}}}))
        with contextlib.nullcontext() if merges else pytest.raises(AirflowSkipException):
            verbs["merge"]._pre_execute_hook(here)


def test_a_model_that_is_not_merged_is_published_without_a_merged_file(grft, tmp_path):
    write_run(tmp_path / "adapter", 0.7)
    for name in grft.MERGED_FILES:
        (tmp_path / "adapter" / name).unlink()
    params = {"published": str(tmp_path / "published"), "storage_conn_id": None}
    grft.copy_published(grft.measured(str(tmp_path / "adapter"), params), params)
    names = sorted(path.name for path in (tmp_path / "published/adapter").iterdir())
    assert names == ["delta.safetensors", "manifest.json", "metrics.json"]


def test_a_model_of_another_task_is_published_by_its_own_measure(grft):
    def result(measure, value):
        return {"comparable": True, "directory": "new", "measure": measure, measure: value}

    assert grft.is_better(result("map", 0.75), {"run": "old", "map": 0.7}, 0.01)
    assert grft.is_better(result("rmse", 2.5), {"run": "old", "rmse": 3.0}, 0.1), "the lower is better"
    assert not grft.is_better(result("rmse", 3.5), {"run": "old", "rmse": 3.0}, 0.1)
    assert not grft.is_better(result("rmse", 0.1), {"run": "old", "accuracy": 0.9}, 0.1), "another task"
    assert not grft.is_better(result("accuracy", 0.71), {"run": "old", "accuracy": 0.7}, 0.01), "by exactly the margin"
    assert not grft.is_better(result("rmse", 0.3), {"run": "old", "rmse": 0.4}, 0.1), "by exactly the margin"


def test_an_undefined_measure_is_not_published_and_is_beaten_by_any(grft, tmp_path):
    write_run(tmp_path / "undefined", None)
    undefined = grft.measured(f"file://{tmp_path}/undefined", {"storage_conn_id": None})
    assert not grft.is_better(undefined, None, 0.01)
    defined = {"comparable": True, "directory": "new", "measure": "accuracy", "accuracy": 0.1}
    assert grft.is_better(defined, {"run": "old", "accuracy": None}, 0.01)


def test_a_model_of_too_many_classes_for_map_is_published_by_its_micro_f1(grft, tmp_path):
    write_run(tmp_path / "many", 0, task="multi-label", micro_f1=0.4)
    result = grft.measured(f"file://{tmp_path}/many", {"storage_conn_id": None})
    assert (result["measure"], result["micro_f1"]) == ("micro_f1", 0.4)


def test_a_place_by_the_name_of_hadoop_is_one_of_airflow(grft):
    assert str(grft.storage("s3a://bucket/runs", {"storage_conn_id": None})).startswith("s3://bucket/runs")


@pytest.fixture
def spark_submit(tmp_path, monkeypatch):
    """Puts a spark-submit of the test's on the PATH."""

    def put(script):
        file = tmp_path / "bin/spark-submit"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{file.parent}:{os.environ['PATH']}")

    return put


def connection(monkeypatch, **extra):
    monkeypatch.setenv(
        "AIRFLOW_CONN_GRFT_SPARK", json.dumps({"conn_type": "spark", "host": "yarn", "extra": extra})
    )


@pytest.mark.parametrize(("code", "failure"), [(2, AirflowFailException), (3, AirflowException)])
def test_a_mistake_in_the_input_is_not_tried_again(dags, context, monkeypatch, spark_submit, code, failure):
    connection(monkeypatch)
    spark_submit(f"echo 'error: a.yaml: there is no such file'; exit {code}")
    task = rendered(dags, context, "grft_spark_submit", "check")
    with pytest.raises(failure, match="there is no such file") as raised:
        task.execute(context("grft_spark_submit"))
    assert isinstance(raised.value, AirflowFailException) == (code == 2)


@pytest.mark.parametrize("code", [2, 3])
def test_on_yarn_the_diagnostics_tell_a_mistake(dags, context, monkeypatch, spark_submit, tmp_path, code):
    spark_submit(f"echo $@ >{tmp_path}/words; echo Submitted application application_1_0001")
    task = rendered(dags, context, "grft_spark_submit", "train")
    cluster = type(task)(
        task_id="train",
        conn_id="grft_spark",
        application="job.jar",
        application_args=task.application_args,
        deploy_mode="cluster",
        yarn_track_via_rm_api=True,
        conf=task.conf,
    )
    failed = {"state": "FINISHED", "finalStatus": "FAILED", "diagnostics": f"User application exited with status {code}"}
    with Service(lambda name, request: {"app": failed}) as yarn:  # YARN's resource manager, which has one application
        connection(monkeypatch, yarn_resourcemanager_webapp_address=yarn.url)
        with pytest.raises(Exception, match=f"exited with status {code}") as raised:
            cluster.execute(context("grft_spark_submit"))
        assert yarn.paths == ["/ws/v1/cluster/apps/application_1_0001"]
    assert isinstance(raised.value, AirflowFailException) == (code == 2)
    words = (tmp_path / "words").read_text()
    assert "--deploy-mode cluster" in words
    assert "spark.yarn.submit.waitAppCompletion=false" in words


@pytest.mark.parametrize("code", [2, 3])
def test_on_kubernetes_the_exit_code_of_the_driver_tells_a_mistake(dags, code):
    task = dags["grft_kubernetes"].get_task("train").prepare_for_execution()
    ended = k8s.V1ContainerStatus(
        name="spark-kubernetes-driver",
        image="",
        image_id="",
        ready=False,
        restart_count=0,
        state=k8s.V1ContainerState(terminated=k8s.V1ContainerStateTerminated(exit_code=code)),
    )
    pod = k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(name="grft-driver", labels={}, annotations={}),
        spec=k8s.V1PodSpec(containers=[]),
        status=k8s.V1PodStatus(phase="Failed", container_statuses=[ended]),
    )
    task.patch_already_checked = task.process_pod_deletion = lambda *arguments, **named: None
    with pytest.raises(AirflowException) as raised:
        task.cleanup(pod, pod)
    assert isinstance(raised.value, AirflowFailException) == (code == 2)


@pytest.mark.parametrize(("code", "known"), [(2, True), (3, False)])
def test_a_driver_that_ends_before_it_is_seen_tells_it_by_the_state_of_its_application(grft, code, known):
    message = f"Spark Job Failed. Error stack: driver container failed with ExitCode: {code}, Reason: Error"
    with pytest.raises(AirflowException) as raised, grft.no_retry_of_mistakes():
        raise AirflowException(message)
    assert isinstance(raised.value, AirflowFailException) == known


TINY = [
    "training.maxSteps=2",
    "selection.loss=fresh",
    "compare.methods=[]",
    "data.test=conf/demo/hands/train.parquet",
    "selection.batchSize=64",
    "evaluation.batchSize=200",
]


@pytest.fixture(scope="session")
def spark_environment(tmp_path_factory):
    """The environment of a worker of Airflow whose spark-submit is the project's own, in local mode, with a database."""
    jar = list((ROOT / "target").glob("grft-spark_?.??.jar"))
    assert jar, "there is no target/grft-spark_*.jar; run mvn package first"
    subprocess.run([ROOT / "jobs/submit.sh", "--version"], check=True)  # makes target/spark-home
    conf = tmp_path_factory.mktemp("spark-conf")
    libraries = (ROOT / "target/job.classpath").read_text().strip()
    (conf / "spark-defaults.conf").write_text(
        f"spark.driver.extraClassPath {libraries}\n"
        "spark.driver.bindAddress 127.0.0.1\n"
        "spark.ui.enabled false\n"
        "spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1\n"  # short lives: half the time
    )
    (conf / "log4j2.properties").write_text((ROOT / "target/spark-home/conf/log4j2.properties").read_text())
    environment = {
        **os.environ,
        "PATH": f"{ROOT}/target/spark-home/bin:{os.environ['PATH']}",
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "AIRFLOW_CONN_GRFT_SPARK": json.dumps({"conn_type": "spark", "host": "local[2]"}),
    }
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, env=environment, capture_output=True)
    return environment, str(jar[0])


def run_dag(environment, conf, seconds=900):
    command = [sys.executable, "-m", "airflow", "dags", "test", "grft_spark_submit", "-c", json.dumps(conf)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as airflow:
        try:
            stdout, stderr = airflow.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            family = [*psutil.Process(airflow.pid).children(recursive=True), psutil.Process(airflow.pid)]
            for process in family:
                if process.name() == "java":
                    process.send_signal(signal.SIGQUIT)  # it says what its threads do
            time.sleep(5)
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            stdout, stderr = airflow.communicate()
            pytest.fail(f"the DAG has not ended after {seconds} s:\n{stdout[-30000:]}\n{stderr[-5000:]}", pytrace=False)
    return subprocess.CompletedProcess(command, airflow.returncode, stdout, stderr)


def test_the_command_of_the_page_makes_the_connection(spark_environment):
    page = (ROOT / "src/site/markdown/airflow.md").read_text()
    command = re.search(r"```sh\n(airflow connections .*?)```", page, re.DOTALL).group(1)
    environment = {key: value for key, value in spark_environment[0].items() if key != "AIRFLOW_CONN_GRFT_SPARK"}
    environment["PATH"] = f"{pathlib.Path(sys.executable).parent}:{environment['PATH']}"
    shown = "airflow connections get grft_spark --output json"
    ended = subprocess.run(
        ["bash", "-ec", f"{command}\n{shown}"], check=False, env=environment, capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (known,) = json.loads(ended.stdout[ended.stdout.index("[{") :])
    assert (known["conn_type"], known["host"]) == ("spark", "yarn")
    assert "yarn_resourcemanager_webapp_address" in known["extra_dejson"]


def test_a_dag_run_publishes_a_model_that_spark_trained(spark_environment, tmp_path):
    environment, jar = spark_environment
    conf = {"jar": jar, "runs": str(tmp_path / "runs"), "published": str(tmp_path / "published"), "set": TINY}
    ended = run_dag(environment, conf)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-5000:]
    latest = json.loads((tmp_path / "published/latest.json").read_text())
    assert latest["method"] == "grft"
    assert 0.3 < latest["accuracy"] <= 1, "by a trained head"
    (directory,) = (tmp_path / "runs").iterdir()
    merged = (directory / "merged.safetensors").read_bytes()
    assert (tmp_path / "published" / directory.name / "merged.safetensors").read_bytes() == merged
    assert json.loads((directory / "metrics.json").read_text())["grft"]["accuracy"] == latest["accuracy"]
    # What downstream DAGs are started by.
    with sqlite3.connect(f"{os.environ['AIRFLOW_HOME']}/airflow.db") as database:
        ((name, event),) = database.execute(
            "select asset.name, asset_event.extra from asset_event join asset on asset.id = asset_event.asset_id"
        ).fetchall()
    assert name == "grft_published_model"
    assert json.loads(event) == latest


def test_a_dag_run_with_a_mistake_fails_at_once(spark_environment, tmp_path):
    environment, jar = spark_environment
    ended = run_dag(environment, {"jar": jar, "runs": str(tmp_path / "runs"), "set": ["training.epochs=0"]})
    output = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert "training.epochs must be >= 1, got 0" in output
    assert "AirflowFailException" in output
    assert not (tmp_path / "published").exists()
