"""Runs the verbs as JAR tasks on Databricks, each on a cluster of its own that ends with it.

The connection ``databricks_default`` names the workspace and holds the credentials. The job jar is in a volume (``/Volumes/...``), the
configuration and the run directory are in an object store that the cluster and the workers of Airflow reach. The task waits in the triggerer and
holds no worker.
"""

from __future__ import annotations

import grft_pipeline as grft
from airflow.providers.databricks.operators.databricks import (
    DatabricksSubmitRunOperator,
)
from airflow.sdk import DAG, Param


class DatabricksVerb(DatabricksSubmitRunOperator):
    """One verb as a run; exit code 2 of its program fails without a retry."""

    def execute(self, context):
        with grft.no_retry_of_mistakes():
            return super().execute(context)

    def execute_complete(self, context, event):
        with grft.no_retry_of_mistakes():
            super().execute_complete(context, event)


def run(verb: str):
    """Returns a template, the run of a verb."""
    arguments = grft.arguments(verb)

    def render(context, jinja_env):
        params = context["params"]
        profile = params["instance_profile"]
        return {
            "run_name": f"grft {verb}",
            "timeout_seconds": grft.timeout_seconds(verb),
            "tasks": [
                {
                    "task_key": verb,
                    "spark_jar_task": {"main_class_name": "dev.grft.cli.Main", "parameters": arguments(context)},
                    "libraries": [{"jar": params["jar"]}],
                    "new_cluster": {
                        "spark_version": params["runtime"],
                        "node_type_id": params["node_type"],
                        "num_workers": params["executors"],
                        "data_security_mode": "SINGLE_USER",  # dedicated: others have no RDDs
                        "spark_conf": {key: value for key, value in grft.SPARK_CONF.items() if key.startswith("spark.executorEnv.")},
                        "spark_env_vars": grft.ENVIRONMENT,
                        **({"aws_attributes": {"instance_profile_arn": profile}} if profile else {}),
                    },
                }
            ],
        }

    return render


def submit(task_id: str, **settings) -> DatabricksVerb:
    return DatabricksVerb(task_id=task_id, json=run(task_id), deferrable=True, **settings)


OF_NODES = ("executor_cores", "executor_memory", "executor_memory_overhead", "driver_memory", "driver_memory_overhead")

with DAG(
    "grft_databricks",
    description="Fine-tunes a ViT by GRFT on Databricks; publishes it if it beats the last one",
    params={key: param for key, param in grft.CLOUD_PARAMS.items() if key not in OF_NODES}
    | {
        "jar": grft.job_jar("/Volumes/main/default/grft/job.jar"),
        "runtime": Param(
            "16.4.x-scala2.12", type="string", minLength=1, title="Runtime", description="With Spark 3.5, Scala 2.12, Java 17."
        ),
        "node_type": Param("m5d.2xlarge", type="string", minLength=1, title="Nodes", description="Of driver and workers; their size decides about memory."),
        "instance_profile": Param(
            None,
            type=["null", "string"],
            pattern="^arn:",
            title="Instance profile",
            description="ARN of what lets the cluster reach S3; empty: none is needed.",
        ),
    },
    **grft.DAG_ARGUMENTS,
):
    grft.pipeline(submit)
