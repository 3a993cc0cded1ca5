"""Runs the verbs as SparkApplications of the Kubernetes operator for Spark, in the image of ``docker/``.

``spark_application.yaml`` beside this file describes the application. The connection ``kubernetes_default`` names the cluster.
The run directory must be on storage that the driver, the executors and the workers of Airflow reach, such as S3.
"""

from __future__ import annotations

import grft_pipeline as grft
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import (
    SparkKubernetesOperator,
)
from airflow.sdk import DAG, Param


class KubernetesVerb(SparkKubernetesOperator):
    """One verb as a SparkApplication; exit code 2 of its driver fails without a retry."""

    def execute(self, context):
        with grft.no_retry_of_mistakes():
            return super().execute(context)

    def cleanup(self, pod, remote_pod, xcom_result=None, context=None):
        with grft.no_retry_of_mistakes(lambda: self.driver_exit_code(remote_pod)):
            super().cleanup(pod, remote_pod, xcom_result, context)

    def driver_exit_code(self, pod) -> int | None:
        """Returns the exit code of the driver's container; null if it has not ended."""
        for container in (pod.status.container_statuses or []) if pod and pod.status else []:
            if container.name == self.base_container_name and container.state and container.state.terminated:
                return container.state.terminated.exit_code
        return None


def submit(task_id: str, **settings) -> SparkKubernetesOperator:
    return KubernetesVerb(
        task_id=task_id,
        name=f"grft-{task_id}",
        namespace="{{ params.namespace }}",
        application_file="spark_application.yaml",
        **settings,
    )


with DAG(
    "grft_kubernetes",
    description="Fine-tunes a ViT by GRFT with the Kubernetes operator for Spark; publishes it if it beats the last one",
    params=grft.PARAMS
    | {
        "image": Param("grft-spark:0.2.0", type="string", minLength=1, title="Image", description="Made by docker/Dockerfile. A new tag for each build: Spark does not pull a tag that a node has."),
        "namespace": Param("grft", type="string", pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", title="Namespace"),
        "service_account": Param(
            "grft",
            type="string",
            pattern="^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$",
            title="Service account",
            description="Of the driver: may make pods. Credentials of the storage are its role's or those of the secret grft-s3, never in a parameter.",
        ),
    },
    user_defined_macros={"grft_arguments": grft.arguments},
    **grft.DAG_ARGUMENTS,
):
    grft.pipeline(submit)
