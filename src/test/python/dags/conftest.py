"""A home of Airflow of its own, made before anything imports Airflow, and what the tests share."""

import json
import os
import pathlib
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

ROOT = pathlib.Path(__file__).parents[4]

_home = tempfile.TemporaryDirectory(prefix="grft-airflow-")
os.environ.update(
    AIRFLOW_HOME=_home.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "jobs/dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__PLUGINS_FOLDER=f"{_home.name}/plugins",
    GRFT_DEPLOY_MODE="client",
    NO_PROXY="127.0.0.1",
)


class Refused(Exception):
    """What an answer raises in place of an answer: a status of HTTP and its content."""


class Service:
    """Plays a service by HTTP: answers JSON to JSON by what ``answer(name, request)`` returns, and keeps paths and requests."""

    def __init__(self, answer):
        requests, paths = [], []
        self.requests, self.paths = requests, paths

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                paths.append(self.path)
                name = self.headers.get("X-Amz-Target", self.path.partition("?")[0]).rpartition(".")[2].rpartition("/")[2]
                requests.append((name, json.loads(body or b"{}")))
                try:
                    status, content = 200, answer(*requests[-1])
                except Refused as e:
                    status, content = e.args
                content = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *failure):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="session")
def dags():
    """Every DAG of the project by its name, as Airflow imports them."""
    from airflow.dag_processing.dagbag import BundleDagBag

    bag = BundleDagBag(bundle_path=ROOT / "jobs/dags", bundle_name="grft")
    assert bag.import_errors == {}
    return bag.dags


@pytest.fixture
def context(dags):
    """Makes what Airflow hands to a task of a DAG."""

    def make(dag_id, **params):
        dag = dags[dag_id]
        return {
            "dag": dag,
            "run_id": "manual__2026-01-02T03:04:05.678+00:00",
            "params": dag.params.dump() | params,
        }

    return make


def rendered(dags, context, dag_id, verb, **params):
    """A task as it is before it is executed."""
    task = dags[dag_id].get_task(verb)
    task = task.prepare_for_execution()
    task.render_template_fields({**context(dag_id, **params), "task": task}, dags[dag_id].get_template_env())
    return task
