"""The DAGs of EMR and Databricks by the real operators, hooks and triggers, whose services a server of the tests plays."""

import asyncio
import contextlib
import copy
import json

import pytest
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    ParamValidationError,
    TaskDeferred,
)
from botocore.exceptions import EndpointConnectionError
from conftest import Refused, Service, rendered

VERBS = ("check", "select", "train", "merge", "evaluate")


class Pushed:
    """What a task instance is told."""

    def __init__(self):
        self.values = {}

    def xcom_push(self, key, value):
        self.values[key] = value

    def xcom_pull(self, task_ids, key):
        assert task_ids == "train"
        return self.values[key]


def deferred(task, context):
    """Executes a task until it gives its worker back, waits as the triggerer does, and returns the event."""
    with pytest.raises(TaskDeferred) as given_back:
        task.execute(context)
    trigger = given_back.value.trigger
    path, arguments = trigger.serialize()
    trigger = type(trigger)(**arguments)  # the triggerer is another process
    assert path.endswith(type(trigger).__name__)

    async def first():
        async for event in trigger.run():
            return event.payload
        return None

    assert given_back.value.method_name == "execute_complete"
    return asyncio.run(asyncio.wait_for(first(), 300))


@pytest.fixture
def run(dags, context):
    """Makes a rendered task and its context."""

    def make(dag_id, verb, **params):
        task = rendered(dags, context, dag_id, verb, **params)
        assert task.deferrable
        return task, {**context(dag_id, **params), "ti": Pushed(), "task": task}

    return make


@pytest.mark.parametrize("dag_id", ["grft_emr", "grft_databricks"])
@pytest.mark.parametrize("folder", ["runs", "published"])
def test_runs_and_published_models_lie_in_an_object_store(dags, dag_id, folder):
    params = copy.deepcopy(dags[dag_id].params)
    params.validate()
    assert params[folder].startswith("s3://bucket/")
    for wrong in ("runs", "/tmp/runs", "hdfs/runs"):
        with pytest.raises(ParamValidationError, match=folder):
            params.update({folder: wrong})
            params.validate()


@pytest.mark.parametrize("verb", VERBS)
def test_a_step_of_emr_is_spark_submit_with_the_verb(run, verb):
    task, _ = run("grft_emr", verb, cluster="j-ABC", jar="s3://b/job.jar", set=["training.epochs=5"], runs="s3://b/runs", executors=7)
    assert task.job_flow_id == "j-ABC"
    (step,) = task.steps
    assert step["ActionOnFailure"] == "CONTINUE"
    assert step["HadoopJarStep"]["Jar"] == "command-runner.jar"
    words = step["HadoopJarStep"]["Args"]
    assert words[:5] == ["spark-submit", "--deploy-mode", "cluster", "--name", f"grft {verb}"]
    conf = dict(word.split("=", 1) for before, word in zip(words, words[1:], strict=False) if before == "--conf")
    assert (conf["spark.executor.instances"], conf["spark.executor.memory"]) == ("7", "4g")
    assert conf["spark.dynamicAllocation.enabled"] == "false", "EMR would add executors"
    for process in ("spark.executorEnv.", "spark.yarn.appMasterEnv."):
        assert (conf[process + "OMP_NUM_THREADS"], conf[process + "OMP_WAIT_POLICY"]) == ("1", "PASSIVE"), process
    assert words[words.index("--class") :] == [
        *("--class", "dev.grft.cli.Main", "s3://b/job.jar", verb, "--config", "s3://bucket/my.yaml", "--set", "training.epochs=5"),
        *("--set", "run.directory=s3://b/runs/grft_emr-manual__2026-01-02T03-04-05.678-00-00"),
        *("--max-time", f"{int(task.execution_timeout.total_seconds()) - 600}s"),
    ]
    assert task.waiter_delay * task.waiter_max_attempts == task.execution_timeout.total_seconds()


def resumed(task, context, event, method="execute_complete"):
    """Goes on as a worker does: with another object than the one that has given its worker back."""
    return copy.copy(task).resume_execution(method, {"event": event} if method == "execute_complete" else event, context)


@contextlib.contextmanager
def emr(monkeypatch, state, cancel=lambda: {"CancelStepsInfoList": [{"StepId": "s-1", "Status": "SUBMITTED"}]}):
    """Plays EMR, whose step s-1 is in a state."""

    def answer(name, request):
        return {
            "DescribeCluster": lambda: {"Cluster": {"Id": "j-ABC"}},
            "AddJobFlowSteps": lambda: {"StepIds": ["s-1"]},
            "ListSteps": lambda: {"Steps": [{"Id": "s-1", "Status": {"State": state}}]},
            "CancelSteps": cancel,
        }[name]()

    with Service(answer) as service:
        where = {"region_name": "eu-west-1", "endpoint_url": service.url}
        aws = {"conn_type": "aws", "login": "key", "password": "of-this-test", "extra": where}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(aws))
        yield service


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED"])
def test_a_step_of_emr_is_waited_for_without_a_worker(run, monkeypatch, state):
    with emr(monkeypatch, state) as service:
        task, context = run("grft_emr", "train", cluster="j-ABC")
        task.waiter_delay, task.waiter_max_attempts = 1, 3
        if state == "COMPLETED":
            assert resumed(task, context, deferred(task, context)) == ["s-1"]
        else:
            with pytest.raises(AirflowException, match="Error while running steps: .*terminal failure"):
                resumed(task, context, deferred(task, context))
        assert "CancelSteps" not in [name for name, _ in service.requests], "it has ended"
    (sent,) = (request for name, request in service.requests if name == "AddJobFlowSteps")
    assert sent == {"JobFlowId": "j-ABC", "Steps": task.steps}


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
@pytest.mark.parametrize("allowed", [True, False])
def test_a_step_of_emr_that_is_there_when_the_waiting_ends_is_canceled(run, monkeypatch, state, allowed):
    def refuse():
        raise Refused(400, {"__type": "AccessDeniedException", "message": "no right to cancel"})

    with emr(monkeypatch, state, *([] if allowed else [refuse])) as service:
        task, context = run("grft_emr", "train", cluster="j-ABC")
        task.waiter_delay, task.waiter_max_attempts = 1, 2
        with pytest.raises(AirflowException, match="Error while running steps: .*max attempts"):
            resumed(task, context, deferred(task, context))
    (sent,) = (request for name, request in service.requests if name == "CancelSteps")
    assert sent == {"ClusterId": "j-ABC", "StepIds": ["s-1"]}


@pytest.mark.parametrize(
    ("method", "event", "error"),
    [
        ("execute_complete", None, "event is None"),
        ("__fail__", {"error": "Trigger failure", "traceback": ["no connection"]}, "Trigger failure"),
        ("__fail__", {"error": "Trigger timeout"}, "Trigger timeout"),
    ],
)
@pytest.mark.parametrize("reached", [True, False])
def test_a_step_of_emr_is_canceled_when_its_trigger_fails(run, monkeypatch, method, event, error, reached):
    with emr(monkeypatch, "RUNNING") as service:
        task, context = run("grft_emr", "train", cluster="j-ABC")
        with pytest.raises(TaskDeferred):
            task.execute(context)
        if not reached:
            monkeypatch.setattr(type(task.hook), "conn", property(lambda hook: (_ for _ in ()).throw(EndpointConnectionError(endpoint_url="emr"))))
        with pytest.raises(AirflowException, match=error):
            resumed(task, context, event, method)
    sent = [request for name, request in service.requests if name == "CancelSteps"]
    assert sent == ([{"ClusterId": "j-ABC", "StepIds": ["s-1"]}] if reached else [])


@pytest.mark.parametrize("verb", VERBS)
def test_a_run_of_databricks_is_a_jar_task_with_the_verb(run, verb):
    task, _ = run("grft_databricks", verb, runs="s3://b/runs", node_type="large", executors=3)
    (only,) = task.json["tasks"]
    assert only["spark_jar_task"] == {
        "main_class_name": "dev.grft.cli.Main",
        "parameters": [
            *(verb, "--config", "s3://bucket/my.yaml"),
            *("--set", "run.directory=s3://b/runs/grft_databricks-manual__2026-01-02T03-04-05.678-00-00"),
        ],
    }
    assert only["libraries"] == [{"jar": "/Volumes/main/default/grft/job.jar"}]
    cluster = only["new_cluster"]
    assert (cluster["spark_version"], cluster["node_type_id"], cluster["num_workers"]) == ("16.4.x-scala2.12", "large", 3)
    environment = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "LC_ALL": "C.UTF-8"}
    assert cluster["spark_env_vars"] == environment
    assert cluster["spark_conf"] == {f"spark.executorEnv.{name}": value for name, value in environment.items()}
    assert "aws_attributes" not in cluster
    assert task.json["timeout_seconds"] == task.execution_timeout.total_seconds()


def test_a_cluster_of_databricks_takes_an_instance_profile(run):
    profile = "arn:aws:iam::123456789012:instance-profile/grft"
    task, _ = run("grft_databricks", "train", instance_profile=profile)
    assert task.json["tasks"][0]["new_cluster"]["aws_attributes"] == {"instance_profile_arn": profile}


@pytest.mark.parametrize("code", [0, 2, 3])
def test_a_run_of_databricks_is_waited_for_and_a_mistake_is_not_tried_again(run, monkeypatch, code):
    result = {"life_cycle_state": "TERMINATED", "result_state": "FAILED" if code else "SUCCESS", "state_message": ""}
    asked = []

    def answer(name, request):
        if name == "get":
            asked.append(name)
            state = {"life_cycle_state": "PENDING"} if len(asked) < 5 else result
            done = [{"run_id": 2, "task_key": "train", "state": state}]
            return {"job_id": 1, "run_page_url": "http://page", "state": state, "tasks": done}
        error = f"org.apache.spark.SparkUserAppException: User application exited with {code}"
        return {"submit": {"run_id": 7}, "get-output": {"error": error}}[name]

    with Service(answer) as databricks:
        connection = {"conn_type": "databricks", "host": "127.0.0.1", "port": databricks.port, "schema": "http"}
        monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", json.dumps({**connection, "password": "of-this-test"}))
        task, context = run("grft_databricks", "train")
        task.polling_period_seconds = 1
        event = deferred(task, context)
        if code == 0:
            task.execute_complete(context, event)
        else:
            with pytest.raises(AirflowException, match=f"exited with {code}") as raised:
                task.execute_complete(context, event)
            assert isinstance(raised.value, AirflowFailException) == (code == 2)
    (sent,) = (request for name, request in databricks.requests if name == "submit")
    assert sent["tasks"][0]["spark_jar_task"] == task.json["tasks"][0]["spark_jar_task"]
