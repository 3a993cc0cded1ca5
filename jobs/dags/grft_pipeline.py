"""What the DAGs share: parameters, retries, and the tasks around the verbs of ``jobs/submit.sh``.

A DAG defines how a verb runs on Spark. :func:`pipeline` puts the verbs in order and adds the tasks after an evaluation. The
verbs can be retried: with the same inputs they do nothing, and ``train`` resumes where it was interrupted.
XCom holds paths and metrics, never data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    BaseOperator,
    Metadata,
    ObjectStoragePath,
    Param,
    chain,
    task,
)
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

VERBS = ("check", "select", "train", "merge", "evaluate")

# Its events have the path and the accuracy of the model. Downstream DAGs have schedule=[PUBLISHED].
PUBLISHED = Asset("grft_published_model")

PUBLISHED_FILES = ("delta.safetensors", "manifest.json", "metrics.json")
MERGED_FILES = ("config.json", "merged.safetensors")  # what merge makes

# The measure that decides whether a model of a task is published: the first that it has. Lower is better for RMSE, higher for the others.
MEASURES = {"single-label": ("accuracy",), "multi-label": ("map", "micro_f1"), "regression": ("rmse",)}

SIZE = "^[1-9][0-9]*[mg]$"

PARAMS = {
    "config": Param(
        ["conf/demo/demo.yaml"],
        type="array",
        items={"type": "string", "minLength": 1},
        minItems=1,
        title="Configuration",
        description="YAML files over conf/base.yaml, later over earlier, on any file system of Hadoop's.",
    ),
    "set": Param(
        [],
        type="array",
        items={"type": "string", "pattern": r"^[A-Za-z]+(\.[A-Za-z-]+)+="},
        title="Single keys",
        description="KEY=VALUE over the files, one a line, such as training.epochs=5.",
    ),
    "select": Param(
        True,
        type="boolean",
        title="Select slices",
        description="Off: the task select is skipped. Its scores are for grft and last-layers, and where steps go by score.",
    ),
    "runs": Param(
        "runs",
        type="string",
        minLength=1,
        title="Folder of the runs",
        description="Each DAG run has a run directory below it. The workers of Airflow read metrics.json there.",
    ),
    "published": Param(
        "runs/published",
        type="string",
        minLength=1,
        title="Folder of published models",
        description="latest.json there names the baseline: the model that was published last.",
    ),
    "margin": Param(
        0.002,
        type="number",
        minimum=0,
        title="Margin",
        description="A model is published if its accuracy, mAP (of more than 1,000 classes micro F1) or RMSE is better than the last one's by more than this.",
    ),
    "storage_conn_id": Param(
        None,
        type=["null", "string"],
        title="Connection of the storage",
        description="For the workers of Airflow to read runs and write published models; empty: none is needed.",
    ),
    "executors": Param(2, type="integer", minimum=1, title="Executors"),
    "executor_cores": Param(2, type="integer", minimum=1, title="Cores of an executor"),
    "executor_memory": Param("4g", type="string", pattern=SIZE, title="Heap of an executor"),
    "executor_memory_overhead": Param(
        "3g",
        type="string",
        pattern=SIZE,
        title="Memory of an executor beside its heap",
        description="Its networks and their activations lie there; the verb inspect --plan predicts it.",
    ),
    "driver_memory": Param("3g", type="string", pattern=SIZE, title="Heap of the driver"),
    "driver_memory_overhead": Param("2g", type="string", pattern=SIZE, title="Memory of the driver beside its heap"),
}


def job_jar(default: str) -> Param:
    """Returns the parameter of the job jar."""
    return Param(
        default,
        type="string",
        minLength=1,
        title="Job jar",
        description='What "mvn -Pjob-jar -DskipTests package" makes; a path or URL that Spark can read.',
    )


def redefined(name: str, default: Any, **schema: Any) -> Param:
    """Returns a parameter of PARAMS with another default, and more that a value has to meet."""
    return Param(default, description=PARAMS[name].description, **PARAMS[name].schema, **schema)


# In a cloud a relative folder would end with the cluster, and the workers of Airflow would not find it.
URL = "^[a-z0-9]+://"
CLOUD_PARAMS = PARAMS | {
    "config": redefined("config", ["s3://bucket/my.yaml"]),
    "runs": redefined("runs", "s3://bucket/runs", pattern=URL),
    "published": redefined("published", "s3://bucket/runs/published", pattern=URL),
}

# The environment of drivers and executors. A task computes with one thread, and threads that wait do not spin. Java reads names beyond ASCII in a
# locale of UTF-8 only. CentOS 7 and its kin lack C.UTF-8; for these set en_US.UTF-8.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "LC_ALL": "C.UTF-8"}

# The Spark settings of a verb.
SPARK_CONF = {
    "spark.executor.instances": "{{ params.executors }}",
    "spark.executor.cores": "{{ params.executor_cores }}",
    "spark.executor.memory": "{{ params.executor_memory }}",
    "spark.executor.memoryOverhead": "{{ params.executor_memory_overhead }}",
    "spark.driver.memory": "{{ params.driver_memory }}",
    "spark.driver.memoryOverhead": "{{ params.driver_memory_overhead }}",
    **{f"spark.executorEnv.{name}": value for name, value in ENVIRONMENT.items()},
    "spark.yarn.maxAppAttempts": "1",
}

# One run at a time: no two write into one folder, and each sees what the last one has published.
DAG_ARGUMENTS: dict[str, Any] = {
    "schedule": None,
    "catchup": False,
    "max_active_runs": 1,
    "dagrun_timeout": timedelta(days=2),
    "tags": ["grft"],
    "doc_md": __doc__,
    "default_args": {
        "retries": 2,
        "retry_delay": timedelta(minutes=2),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=30),
        "execution_timeout": timedelta(hours=1),
    },
}

TIMEOUTS = {"select": timedelta(hours=6), "train": timedelta(days=1)}


def run_directory(context: Mapping[str, Any]) -> str:
    """Returns the run directory of a DAG run, the same at every try; without what Hadoop refuses in a name."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{context['dag'].dag_id}-{context['run_id']}")
    return f"{context['params']['runs'].rstrip('/')}/{name}"


def timeout_seconds(verb: str) -> int:
    """Returns how long a verb may run, for deferred tasks: they have no process that an execution_timeout could end."""
    return int(TIMEOUTS.get(verb, DAG_ARGUMENTS["default_args"]["execution_timeout"]).total_seconds())


def arguments(verb: str) -> Callable[..., list[str]]:
    """Returns a template of the arguments of a verb."""

    def render(context: Mapping[str, Any], jinja_env: Any = None) -> list[str]:
        words = [verb]
        for file in context["params"]["config"]:
            words += ["--config", file]
        for single in (*context["params"]["set"], f"run.directory={run_directory(context)}"):
            words += ["--set", single]
        return words

    return render


@contextmanager
def no_retry_of_mistakes(exit_code: Callable[[], int | None] = lambda: None) -> Iterator[None]:
    """Fails the task without a retry if the program ended with 2: the input must be corrected.

    The code comes from ``exit_code``, or from the message of the failure: that of spark-submit, of YARN's diagnostics, of
    the Kubernetes operator for Spark or of Databricks.
    """
    try:
        yield
    except AirflowFailException:
        raise
    except Exception as failure:
        said = re.search(r"(?:Error code is: |exited with (?:status )?|ExitCode: )(\d+)", str(failure))
        code = exit_code()
        if code is None and said:
            code = int(said[1])
        if code == 2:
            raise AirflowFailException(f"not retried: the input must be corrected. {failure}") from failure
        raise


def storage(place: str, params: Mapping[str, Any]) -> ObjectStoragePath:
    """Returns a path by Hadoop's name as one that Airflow can read."""
    return ObjectStoragePath(re.sub(r"^s3[an]://", "s3://", place), conn_id=params["storage_conn_id"])


def trained_by(directory: ObjectStoragePath) -> str:
    """Returns the method that the manifest of a run directory names."""
    return json.loads((directory / "manifest.json").read_text())["settings"]["tuning"]["method"]


def skip_unless_selecting(context: Mapping[str, Any]) -> None:
    """Skips the task select if its parameter is off."""
    if not context["params"]["select"]:
        raise AirflowSkipException("nothing is selected: the parameter select is off")


def skip_unless_merging(context: Mapping[str, Any]) -> None:
    """Skips the task merge for adapters, which the verb refuses."""
    if trained_by(storage(run_directory(context), context["params"])) == "adapter":
        raise AirflowSkipException("not merged: adapters cannot be merged into a plain ViT")


SKIPS = {"select": skip_unless_selecting, "merge": skip_unless_merging}


def measured(place: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns method, the measure of the task and its value, the directory as Spark calls it, and ``comparable``: whether there is a value, of an epoch that was not chosen on test images."""
    directory = storage(place, params)
    method = trained_by(directory)
    metrics = json.loads((directory / "metrics.json").read_text())[method]
    measures = MEASURES[metrics.get("task", "single-label")]
    measure = next((measure for measure in measures if measure in metrics), measures[0])
    return {
        "method": method,
        "measure": measure,
        measure: metrics[measure],
        "comparable": metrics.get("chosen_on") != "test" and metrics[measure] is not None,
        "directory": place,
    }


def last_published(published: ObjectStoragePath) -> dict[str, Any] | None:
    """Returns what latest.json says, or null."""
    latest = published / "latest.json"
    return json.loads(latest.read_text()) if latest.exists() else None


def is_better(result: Mapping[str, Any], last: Mapping[str, Any] | None, margin: float) -> bool:
    """Returns whether to publish a result: the first, the very one that is published, or one better by more than the margin."""
    if not result["comparable"]:
        return False
    if last is None or last["run"] == result["directory"]:
        return True
    measure = result["measure"]
    if any(name in last and last[name] is None for names in MEASURES.values() for name in names):
        return True  # an undefined measure, which nothing can beat
    if measure not in last:
        return False  # a model of another task is published there
    better = last[measure] - result[measure] if measure == "rmse" else result[measure] - last[measure]
    return round(better - margin, 12) > 0  # 0.71 is not better than 0.7 by more than 0.01


def copy_published(result: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Copies a run's model into the folder of published ones and then names it the latest; returns what latest.json says."""
    source = storage(result["directory"], params)
    place = f"{params['published'].rstrip('/')}/{source.name}"
    published = storage(params["published"], params)
    target = published / source.name
    target.mkdir(parents=True, exist_ok=True)
    for name in (*PUBLISHED_FILES, *(file for file in MERGED_FILES if (source / file).exists())):
        (source / name).copy(target / name)
    latest = {
        result["measure"]: result[result["measure"]],
        "method": result["method"],
        "directory": place,
        "run": result["directory"],
    }
    # Readers find the old or the new file, never a part of it.
    unfinished = published / "latest.json.tmp"
    unfinished.write_text(json.dumps(latest, indent=2) + "\n")
    unfinished.move(published / "latest.json")
    return latest


def pipeline(verb: Callable[..., BaseOperator]) -> None:
    """Adds the tasks to the DAG that is being defined.

    ``verb(task_id=..., ...)`` returns the operator that runs a verb on Spark.
    """

    @task
    def read_metrics(**context: Any) -> dict[str, Any]:
        return measured(run_directory(context), context["params"])

    @task.branch
    def compare(result: dict[str, Any], **context: Any) -> str:
        params = context["params"]
        last = last_published(storage(params["published"], params))
        print(f"this one: {result}\nthe last: {last}")
        return "publish" if is_better(result, last, params["margin"]) else "keep_the_last"

    @task(outlets=[PUBLISHED])
    def publish(result: dict[str, Any], **context: Any):
        yield Metadata(PUBLISHED, copy_published(result, context["params"]))

    @task
    def keep_the_last() -> None:
        print("not better by more than the margin, or chosen on the test images; nothing is published")

    timeout = DAG_ARGUMENTS["default_args"]["execution_timeout"]
    verbs = [
        # A verb runs after one that was skipped.
        verb(task_id=name, execution_timeout=TIMEOUTS.get(name, timeout), pre_execute=SKIPS.get(name), trigger_rule="none_failed")
        for name in VERBS
    ]
    result = read_metrics()
    chain(*verbs, result, compare(result), [publish(result), keep_the_last()])
