"""Runs the demo's model with everything in an object store, moto's S3 on 127.0.0.1, and compares each artefact with those of local files.
Packs its photos there and labels them, twice.

    python3 -m venv target/s3-venv
    target/s3-venv/bin/pip install 'moto[server]==5.2.5'
    target/s3-venv/bin/python src/test/python/s3.py

Fetches Hadoop's client of S3 from Maven Central, 280 MB.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
from collections import Counter

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ROOT = pathlib.Path(__file__).parents[3]
JARS = ROOT / "target/s3"
CLIENT = ["org.apache.hadoop:hadoop-aws:3.3.4", "com.amazonaws:aws-java-sdk-bundle:1.12.262"]
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "of-no-worth"}
SAME = ["selection.safetensors", "delta.safetensors", "merged.safetensors", "evaluation.json"]
SETS = ["training.epochs=2", "training.checkpointEvery=10", "data.crop=squash", "selection.budget.count=4", "training.shards=2"]


class Quiet(WSGIRequestHandler):
    def log(self, *_):
        pass


def serve(requests):
    """Starts the server on a free port of 127.0.0.1 and returns its address; counts requests by method, copies apart."""
    application = DomainDispatcherApplication(create_backend_app)

    def counting(environ, start):
        requests["copy" if "HTTP_X_AMZ_COPY_SOURCE" in environ else environ["REQUEST_METHOD"]] += 1
        return application(environ, start)

    server = make_server("127.0.0.1", 0, counting, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.port}"


def numbers(file):
    """Returns the numbers of a safetensors file without its header, which tells of where the data lay; of any other file all bytes."""
    return file if file.startswith(b"{") else file[8 + int.from_bytes(file[:8], "little") :]


def run(options, sets, verb=("run",)):
    command = ["jobs/submit.sh", *options, *verb, *(word for each in sets + SETS for word in ("--set", each))]
    print(" ".join(command), file=sys.stderr)
    subprocess.run(command, cwd=ROOT, env=os.environ | KEYS, check=True, timeout=900)


def main():
    if not JARS.is_dir():
        for each in CLIENT:
            copy = "org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy"
            subprocess.run(
                ["mvn", "-B", "-q", "-ntp", copy, f"-Dartifact={each}", f"-DoutputDirectory={JARS}"], cwd=ROOT, check=True
            )
    shutil.rmtree(ROOT / "target/s3-run", ignore_errors=True)
    here = ROOT / "target/s3-run"
    data = {"model.pretrained": "vit-demo", "data.train": "hands/train.parquet", "data.test": "hands/test.parquet"}
    run([], [f"run.directory={here}"] + [f"{key}=conf/demo/{path}" for key, path in data.items()])

    requests = Counter()
    address = serve(requests)
    s3 = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    s3.create_bucket(Bucket="bucket")
    for file in (ROOT / "conf/demo").rglob("*"):
        if file.is_file():
            s3.upload_file(str(file), "bucket", str(file.relative_to(ROOT / "conf/demo")))
    requests.clear()
    options = [
        f"spark.driver.extraClassPath={':'.join(map(str, sorted(JARS.glob('*.jar'))))}",
        f"spark.hadoop.fs.s3a.endpoint={address}",
        "spark.hadoop.fs.s3a.path.style.access=true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled=false",
    ]
    options = [word for each in options for word in ("--conf", each)]
    sets = ["run.directory=s3a://bucket/run"] + [f"{key}=s3a://bucket/{path}" for key, path in data.items()]
    run(options, sets)

    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="bucket", Prefix="run/")["Contents"]]
    print(f"{len(keys)} objects; requests: {dict(requests)}")
    assert not any("_tmp" in key for key in keys), keys
    assert requests["copy"] == 0, "an artefact was renamed"
    for name in SAME:
        there, local = s3.get_object(Bucket="bucket", Key=f"run/{name}")["Body"].read(), (here / name).read_bytes()
        assert numbers(there) == numbers(local), name
    secret = KEYS["AWS_SECRET_ACCESS_KEY"].encode()
    for key in keys:
        assert secret not in s3.get_object(Bucket="bucket", Key=key)["Body"].read(), key
    print(f"the same bits: {', '.join(SAME)}")
    folders(s3, requests, options, sets)


def folders(s3, requests, options, sets):
    """Packs and predicts, then again over what is there: nothing is moved, and the note names what is left."""
    photos = ["--images", "s3a://bucket/hands/test.parquet"]
    for folder, note, verb in [("packed", "_packed.json", ["pack"]), ("table", "_predicted.json", ["predict"])]:
        files = []
        for more in ([], ["--force"]):
            requests.clear()
            run(options, sets, (*verb, *photos, "--output", f"s3a://bucket/{folder}", *more))
            assert requests["copy"] == 0, f"{folder} was moved"
            keys = [each["Key"] for each in s3.list_objects_v2(Bucket="bucket", Prefix=f"{folder}/")["Contents"]]
            named = json.loads(s3.get_object(Bucket="bucket", Key=f"{folder}/{note}")["Body"].read())["files"]
            assert sorted(keys) == sorted(f"{folder}/{name}" for name in [*named, note, "_SUCCESS"]), keys
            assert not set(named) & set(files), "a file was overwritten"
            files = list(named)
            print(f"{folder}: {len(named)} files; requests: {dict(requests)}")
    run(options, [*sets, "data.test=s3a://bucket/packed"], ("evaluate",))


if __name__ == "__main__":
    main()
