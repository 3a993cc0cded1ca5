"""Runs the verbs as steps of an existing Amazon EMR cluster, with spark-submit on its YARN.

The connection ``aws_default`` names the account and region. The job jar, the configuration and the run directory are in S3. The task
waits in the triggerer and holds no worker. EMR reports no exit code of a step, so a mistake in the input is retried, too. A verb
that starts within ten minutes ends by itself, with a checkpoint, before the task stops waiting for it. A step that has not ended by then
is canceled. The time of a verb begins with its driver, after its step was pending.
"""

from __future__ import annotations

import grft_pipeline as grft
from airflow.providers.amazon.aws.operators.emr import EmrAddStepsOperator
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowException, TaskDeferred
from botocore.exceptions import BotoCoreError, ClientError

POLL = 30  # seconds
SPARE = 600  # seconds, between the end of a verb by itself and that of the waiting for it

# EMR allocates executors dynamically by default. The driver runs on YARN with an environment of its own.
SPARK_CONF = grft.SPARK_CONF | {
    "spark.dynamicAllocation.enabled": "false",
    **{f"spark.yarn.appMasterEnv.{name}": value for name, value in grft.ENVIRONMENT.items()},
}


def steps(verb: str):
    """Returns a template, the step of a verb."""
    arguments = grft.arguments(verb)

    def render(context, jinja_env):
        conf = {key: jinja_env.from_string(value).render(context) for key, value in SPARK_CONF.items()}
        return [
            {
                "Name": f"grft {verb}",
                "ActionOnFailure": "CONTINUE",  # the cluster stays
                "HadoopJarStep": {
                    "Jar": "command-runner.jar",
                    "Args": [
                        *("spark-submit", "--deploy-mode", "cluster", "--name", f"grft {verb}"),
                        *(word for key, value in conf.items() for word in ("--conf", f"{key}={value}")),
                        *("--class", "dev.grft.cli.Main", context["params"]["jar"], *arguments(context)),
                        *("--max-time", f"{grft.timeout_seconds(verb) - SPARE}s"),
                    ],
                },
            }
        ]

    return render


class EmrVerb(EmrAddStepsOperator):
    """One verb as a step, which is canceled if it has not ended when the task stops waiting for it."""

    def execute(self, context):
        try:
            return super().execute(context)
        except TaskDeferred as deferred:
            # A trigger that fails does not return them.
            context["ti"].xcom_push(key="steps", value=deferred.trigger.serialize()[1]["step_ids"])
            raise

    def resume_execution(self, next_method, next_kwargs, context):
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowException:
            self._cancel(context["ti"].xcom_pull(task_ids=self.task_id, key="steps"))
            raise

    def _cancel(self, steps):
        try:
            found = self.hook.conn.list_steps(ClusterId=self.job_flow_id, StepIds=steps)["Steps"]
            going = [step["Id"] for step in found if step["Status"]["State"] in ("PENDING", "RUNNING")]
            if going:
                answer = self.hook.conn.cancel_steps(ClusterId=self.job_flow_id, StepIds=going)
                self.log.info("Canceled what has not ended: %s", answer.get("CancelStepsInfoList"))
        except (BotoCoreError, ClientError) as e:
            self.log.warning("The steps %s cannot be canceled and may go on: %s", steps, e)


def submit(task_id: str, **settings) -> EmrVerb:
    return EmrVerb(
        task_id=task_id,
        job_flow_id="{{ params.cluster }}",
        steps=steps(task_id),
        deferrable=True,
        waiter_delay=POLL,
        waiter_max_attempts=grft.timeout_seconds(task_id) // POLL,
        **settings,
    )


with DAG(
    "grft_emr",
    description="Fine-tunes a ViT by GRFT on Amazon EMR; publishes it if it beats the last one",
    params=grft.CLOUD_PARAMS
    | {
        "cluster": Param("j-0000000000000", type="string", pattern="^j-[0-9A-Z]+$", title="Cluster", description="Its id; with EMR 7."),
        "jar": grft.job_jar("s3://bucket/job.jar"),
    },
    **grft.DAG_ARGUMENTS,
):
    grft.pipeline(submit)
