"""Runs the image as Kubernetes would, with no Kubernetes.

spark-submit asks the API server of the tests (KubernetesApi) for a driver, in cluster mode and with conf/spark/kubernetes.conf, the driver
asks for two executors, and each pod becomes a container of podman, on this machine's network with an address of its own in 127.0.0.0/8. The
demo's images and model are a volume. The same run in local mode, in the same image, has to make the same merged model and evaluation.

    mvn -Pclusters -DskipTests package
    python3 src/test/python/pods.py IMAGE [FOLDER]

Needs podman, as root. crun refuses machines that have cgroups of both versions; there, in a mount namespace in which it sees none:

    unshare -m sh -c 'mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/memory && python3 src/test/python/pods.py IMAGE'
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).parents[3]
SECONDS = 900
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
PODMAN = ["podman", "--cgroup-manager=cgroupfs"]
RUN = [*PODMAN, "run", "--rm", "--cgroups=disabled", "--network=host", "--cap-drop=ALL", "--security-opt=no-new-privileges",
       "--ulimit=nofile=1024:4096", "--ulimit=nproc=4000:4000"]
SETS = ["model.pretrained=/data/vit-demo", "data.train=/data/hands/train.parquet", "data.test=/data/hands/train.parquet",
        "data.crop=squash", "training.maxSteps=6", "training.shards=2", "selection.loss=fresh", "training.headInit=fresh"]


def program(directory):
    """What the program is told to do."""
    return ["run", *(word for each in [f"run.directory={directory}", *SETS] for word in ("--set", each))]


class Kubelet:
    """Starts a container for each pod of an API server, and ends those that are deleted."""

    def __init__(self, api, image, folder):
        self.pods, self.image, self.folder = f"{api}/api/v1/namespaces/grft/", image, folder
        self.containers, self.addresses = {}, {}

    def ask(self, method, path, body=None):
        data = body and json.dumps(body).encode()
        request = urllib.request.Request(self.pods + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def tell(self, pod, phase, state):
        """Tells the server how a pod is."""
        name = pod["spec"]["containers"][0]["name"]
        pod["status"] = {"phase": phase, "podIP": self.addresses[pod["metadata"]["name"]], "containerStatuses": [
            {"name": name, "state": state, "ready": phase == "Running", "restartCount": 0, "image": self.image, "imageID": ""}]}
        self.ask("PUT", "pods/" + pod["metadata"]["name"], pod)

    def volume(self, name, volume):
        """Makes a volume of a pod and returns where it is."""
        if "hostPath" in volume:
            return volume["hostPath"]["path"]
        place = self.folder / name / volume["name"]
        place.mkdir(parents=True)
        if "configMap" in volume:
            files = self.ask("GET", "configmaps/" + volume["configMap"]["name"])["data"]
            for item in volume["configMap"].get("items", [{"key": key, "path": key} for key in files]):
                (place / item["path"]).write_text(files[item["key"]])
        else:  # emptyDir
            place.chmod(0o777)
        return place

    def start(self, pod):
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]
        self.addresses[name] = f"127.0.1.{len(self.addresses) + 1}"
        words = [*RUN, "--name", name, "-v", f"{self.folder}/account:{ACCOUNT}:ro"]
        for service in self.ask("GET", "services")["items"]:  # the driver's, whose pod is the first
            words += ["--add-host", f"{service['metadata']['name']}.grft.svc:127.0.1.1"]
        fields = {"status.podIP": self.addresses[name], "metadata.name": name}
        for variable in container["env"]:
            value = variable.get("value") or fields[variable["valueFrom"]["fieldRef"]["fieldPath"]]
            words += ["-e", f"{variable['name']}={value}"]
        places = {volume["name"]: self.volume(name, volume) for volume in pod["spec"]["volumes"]}
        for mount in container["volumeMounts"]:
            words += ["-v", f"{places[mount['name']]}:{mount['mountPath']}"]
        with open(self.folder / f"{name}.log", "w") as log:
            self.containers[name] = subprocess.Popen([*words, self.image, *container["args"]], stdout=log, stderr=log)
        print("started", name, flush=True)
        self.tell(pod, "Running", {"running": {}})

    def end(self, name):
        if self.containers[name].poll() is None:
            subprocess.run([*PODMAN, "kill", name], check=False, capture_output=True)

    def run(self):
        """Runs pods until the driver has ended, and returns its exit code."""
        until, driver = time.monotonic() + SECONDS, None
        try:
            while time.monotonic() < until:
                pods = {pod["metadata"]["name"]: pod for pod in self.ask("GET", "pods")["items"]}
                for name in pods.keys() - self.containers.keys():
                    driver = driver or name
                    self.start(pods[name])
                for name in self.containers.keys() - pods.keys():
                    self.end(name)
                if driver and self.containers[driver].poll() is not None:
                    return self.containers[driver].returncode
                time.sleep(0.5)
            raise TimeoutError(f"the driver has not ended within {SECONDS} s")
        finally:
            for name in self.containers:
                self.end(name)


def submitted(api, folder, data):
    """Asks for the driver."""
    options = [word for role in ("driver", "executor") for name, at, path in (("data", "/data", data), ("out", "/out", folder / "out"))
               for word in ("--conf", f"spark.kubernetes.{role}.volumes.hostPath.{name}.mount.path={at}",
                            "--conf", f"spark.kubernetes.{role}.volumes.hostPath.{name}.options.path={path}")]
    for conf in ["container.image=" + sys.argv[1], "driver.master=" + api.removeprefix("k8s://"), "submission.waitAppCompletion=false",
                 "executor.apiPollingInterval=2s", "executor.request.cores=1", "executor.limit.cores=1"]:
        options += ["--conf", "spark.kubernetes." + conf]
    for conf in ["executor.memory=1g", "executor.cores=1", "ui.enabled=false"]:
        options += ["--conf", "spark." + conf]
    subprocess.run(["jobs/submit.sh", "--spark-conf", "conf/spark/kubernetes.conf", "--master", api, "--driver-memory", "1g", *options,
                    *program("/out/pods")], check=True, env={**os.environ, "SPARK_HOME": f"{ROOT}/target/spark-home", "SPARK_LOCAL_IP": "127.0.0.1",
                                                             "GRFT_JOB_JAR": "local:///opt/grft/job.jar"})


def main():
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="pods-")).resolve()
    os.chdir(ROOT)
    subprocess.run(["jobs/submit.sh", "--version"], check=True, capture_output=True)  # makes target/spark-home
    for made in ("account", "out"):
        (folder / made).mkdir(parents=True)
    (folder / "out").chmod(0o777)
    data = shutil.copytree("conf/demo", folder / "data")
    (folder / "account/token").write_text("none")
    (folder / "account/ca.crt").write_text(pathlib.Path("/etc/ssl/certs/ca-certificates.crt").read_text())
    classpath = f"target/test-classes:{pathlib.Path('target/bench.classpath').read_text()}"
    with subprocess.Popen(["java", "-cp", classpath, "dev.grft.cli.KubernetesApi"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        api = server.stdout.readline().strip()
        submitted(api, folder, data)
        code = Kubelet(api.removeprefix("k8s://"), sys.argv[1], folder).run()
        server.stdin.close()
    if code:
        sys.exit(f"the driver has ended with {code}; see {folder}/*.log")
    subprocess.run([*RUN, "-e", "SPARK_DRIVER_BIND_ADDRESS=127.0.0.1", "-v", f"{data}:/data", "-v", f"{folder}/out:/out", sys.argv[1], "driver",
                    "--master", "local[1]", "--driver-memory", "1g", "--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.ui.enabled=false",
                    "--class", "dev.grft.cli.Main", "local:///opt/grft/job.jar", *program("/out/local")], check=True, stderr=subprocess.DEVNULL)
    for file in ("merged.safetensors", "evaluation.json"):
        if (folder / "out/pods" / file).read_bytes() != (folder / "out/local" / file).read_bytes():
            sys.exit(f"{file} of pods and of local mode differ; see {folder}/out")
    print(f"the same bits as in local mode: {folder}/out/pods")


main()
