"""Runs the verbs by spark-submit, on YARN or on the master that the connection ``grft_spark`` names.

The machine of the worker needs a ``spark-submit`` on its PATH. Environment of Airflow's processes:

- ``GRFT_DEPLOY_MODE``: ``cluster`` (the driver runs on YARN, and Airflow polls YARN's REST interface) or ``client`` (on the worker).
  For ``cluster`` the connection's extra needs ``yarn_resourcemanager_webapp_address``, such as ``http://rm:8088``.
"""

from __future__ import annotations

import os

import grft_pipeline as grft
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG

CLUSTER = os.environ.get("GRFT_DEPLOY_MODE", "cluster") == "cluster"


class SubmitVerb(SparkSubmitOperator):
    """One verb by spark-submit; exit code 2 fails without a retry."""

    def execute(self, context):
        with grft.no_retry_of_mistakes():
            super().execute(context)


def submit(task_id: str, **settings) -> SparkSubmitOperator:
    return SubmitVerb(
        task_id=task_id,
        conn_id="grft_spark",
        name=f"grft {task_id}",
        java_class="dev.grft.cli.Main",
        application="{{ params.jar }}",
        application_args=grft.arguments(task_id),
        deploy_mode="cluster" if CLUSTER else "client",
        # Airflow then sets spark.yarn.submit.waitAppCompletion to false, and polls YARN. A retry after a lost worker finds the
        # application that runs.
        yarn_track_via_rm_api=CLUSTER,
        conf=grft.SPARK_CONF,
        env_vars=grft.ENVIRONMENT,
        **settings,
    )


with DAG(
    "grft_spark_submit",
    description="Fine-tunes a ViT by GRFT with spark-submit; publishes it if it beats the last one",
    params=grft.PARAMS
    | {"jar": grft.job_jar("hdfs:///grft/job.jar")},
    **grft.DAG_ARGUMENTS,
):
    grft.pipeline(submit)
