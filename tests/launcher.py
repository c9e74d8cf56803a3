"""Runs a compiled pipeline as open-source Kubeflow Pipelines does, without a cluster.

It plays the driver (backend/src/v2/driver: what every task is told) and the launcher
(backend/src/v2/component: what is copied around a task) of https://github.com/kubeflow/pipelines, 2.14 to
2.17. A container is a process of this machine, in an empty working directory, with nothing of this process'
environment but PATH; what it leaves on the disk is removed before the next one starts, so that only the
pipeline root connects them.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import yaml

TASK_TIMEOUT_SECONDS = 600
EXECUTOR_LOGS = {"type": {"schemaTitle": "system.Artifact", "schemaVersion": "0.0.1"}}


class Refused(Exception):
    """What the driver or the API server would not accept."""


@dataclasses.dataclass
class TaskRun:
    """How a task ended."""

    exit_code: int
    log: str
    outputs: dict[str, dict]  # RuntimeArtifact by output name, as the next tasks are given it


@dataclasses.dataclass
class PipelineRun:
    """How a run ended: the tasks that were run, in order; the last one is the failed one, if any failed."""

    tasks: dict[str, TaskRun]

    @property
    def failed(self) -> str | None:
        return next((name for name, task in self.tasks.items() if task.exit_code), None)


class Cluster:
    """An object store with the secrets and volumes of a namespace."""

    def __init__(
        self, endpoint: str, credentials: dict[str, str], secrets: dict[str, dict], claims: dict[str, Path]
    ):
        """
        Args:
          endpoint, credentials: of the S3 server that holds pipeline roots; the launcher's, not the tasks'.
          secrets: name to key to value.
          claims: name of a PersistentVolumeClaim to the folder that plays it, mounted where it lies.
        """
        self._s3 = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
            region_name=credentials["AWS_DEFAULT_REGION"],
        )
        self.secrets, self.claims = secrets, claims

    def run(self, file: Path, pipeline_root: str, parameters: dict | None = None) -> PipelineRun:
        """Runs every task of a compiled pipeline in the order of their dependencies, until one fails."""
        spec, platform = yaml.safe_load_all(file.read_text(encoding="utf-8"))
        run = _Run(self, spec, platform, pipeline_root, parameters or {})
        tasks = run.spec["root"]["dag"]["tasks"]
        done: dict[str, TaskRun] = {}
        while len(done) < len(tasks):
            ready = [
                name
                for name in tasks
                if name not in done and set(tasks[name].get("dependentTasks", ())) <= set(done)
            ]
            if not ready:
                raise Refused(f"the tasks {sorted(set(tasks) - set(done))} wait for each other")
            done[ready[0]] = run.task(ready[0], done)
            if done[ready[0]].exit_code:
                break
        return PipelineRun(done)

    def download(self, address: str, path: Path) -> None:
        bucket, prefix = _bucket_and_key(address)
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + "/")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        if not keys:
            raise Refused(f"failed to download input artifact: nothing lies at {address}")
        for key in keys:
            target = path / key.removeprefix(prefix + "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            self._s3.download_file(bucket, key, str(target))

    def upload(self, path: Path, address: str) -> None:
        bucket, prefix = _bucket_and_key(address)
        for file in [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]:
            key = prefix if file == path else f"{prefix}/{file.relative_to(path).as_posix()}"
            self._s3.upload_file(str(file), bucket, key)


class _Run:
    def __init__(self, cluster: Cluster, spec: dict, platform: dict, pipeline_root: str, parameters: dict):
        if spec["schemaVersion"] != "2.1.0":
            raise Refused(f"schema version {spec['schemaVersion']} is not supported")
        self.cluster, self.spec = cluster, spec
        self.executor_configs = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        self.run_id = str(uuid.uuid4())
        self.root = f"{pipeline_root.rstrip('/')}/{spec['pipelineInfo']['name']}/{self.run_id}"
        self.parameters = self._parameters(parameters)

    def _parameters(self, given: dict) -> dict:
        declared = self.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        if unknown := set(given) - set(declared):
            raise Refused(f"unknown parameters {sorted(unknown)}; the pipeline has {sorted(declared)}")
        values = {
            name: definition["defaultValue"]
            for name, definition in declared.items()
            if "defaultValue" in definition
        }
        values |= given
        if missing := set(declared) - set(values):
            raise Refused(f"parameters without a value: {sorted(missing)}")
        return values

    def task(self, name: str, done: dict[str, TaskRun]) -> TaskRun:
        """Tells a task what the driver would, runs its container, and puts its outputs into the store."""
        task = self.spec["root"]["dag"]["tasks"][name]
        component = self.spec["components"][task["componentRef"]["name"]]
        container = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        with tempfile.TemporaryDirectory(prefix="container-") as folder:
            executor_input = {
                "inputs": {
                    "parameterValues": self._task_parameters(name, task, component),
                    "artifacts": self._task_artifacts(name, task, component, done),
                },
                "outputs": {
                    "artifacts": self._outputs(name, component),
                    "outputFile": f"{folder}/kfp_outputs/output_metadata.json",
                },
            }
            local_folders = set()
            try:
                for _, artifact in _listed(executor_input["inputs"]):
                    local_folders.add(_local_path(artifact["uri"]).parents[-3])
                    self.cluster.download(artifact["uri"], _local_path(artifact["uri"]))
                for _, artifact in _listed(executor_input["outputs"]):
                    local_folders.add(_local_path(artifact["uri"]).parents[-3])
                    _local_path(artifact["uri"]).parent.mkdir(parents=True, exist_ok=True)
                command = [
                    part.replace("{{$}}", json.dumps(executor_input))
                    for part in (*container["command"], *container["args"])
                ]
                environment = self._environment(component["executorLabel"], container, folder)
                finished = self._start(command, environment, folder)
                (logs,) = executor_input["outputs"]["artifacts"]["executor-logs"]["artifacts"]
                _local_path(logs["uri"]).write_text(finished.stdout, encoding="utf-8")
                outputs = {"executor-logs": logs}
                if not finished.returncode:
                    outputs = self._produced(executor_input["outputs"])
                for artifact in outputs.values():
                    self.cluster.upload(_local_path(artifact["uri"]), artifact["uri"])
                return TaskRun(finished.returncode, finished.stdout, outputs)
            finally:
                for local_folder in local_folders:
                    shutil.rmtree(local_folder, ignore_errors=True)

    def _start(self, command: list[str], environment: dict, folder: str) -> subprocess.CompletedProcess:
        working_directory = Path(folder, "work")
        working_directory.mkdir()
        return subprocess.run(
            command,
            cwd=working_directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TASK_TIMEOUT_SECONDS,
        )

    def _environment(self, executor: str, container: dict, folder: str) -> dict[str, str]:
        """Returns what the pod would have: of the image, of the container, and of Secrets."""
        Path(folder, "tmp").mkdir()
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": f"{folder}/tmp",
            "TMPDIR": f"{folder}/tmp",
            "CUDA_VISIBLE_DEVICES": "-1",
        }
        environment |= {variable["name"]: variable["value"] for variable in container.get("env", ())}
        config = self.executor_configs.get(executor, {})
        for secret in config.get("secretAsEnv", ()):
            for pair in secret["keyToEnv"]:
                environment[pair["envVar"]] = self.cluster.secrets[secret["secretName"]][pair["secretKey"]]
        for mount in config.get("pvcMount", ()):
            if mount["mountPath"] != str(self.cluster.claims[mount["constant"]]):
                raise Refused(f"this test mounts {mount['constant']} elsewhere than at {mount['mountPath']}")
        return environment

    def _task_parameters(self, name: str, task: dict, component: dict) -> dict:
        declared = component.get("inputDefinitions", {}).get("parameters", {})
        values = {}
        for parameter, source in task.get("inputs", {}).get("parameters", {}).items():
            if parameter not in declared:
                raise Refused(f"{name}: parameter {parameter} is not declared by its component")
            if "componentInputParameter" in source:
                value = self.parameters[source["componentInputParameter"]]
            else:
                value = source["runtimeValue"]["constant"]
                value = (
                    {"{{$.pipeline_job_uuid}}": self.run_id}.get(value, value)
                    if isinstance(value, str)
                    else value
                )
            _check_type(f"{name}.{parameter}", value, declared[parameter]["parameterType"])
            values[parameter] = value
        for parameter, definition in declared.items():
            if parameter not in values and not definition.get("isOptional"):
                raise Refused(f"{name}: parameter {parameter} has no value")
        return values

    def _task_artifacts(self, name: str, task: dict, component: dict, done: dict[str, TaskRun]) -> dict:
        declared = component.get("inputDefinitions", {}).get("artifacts", {})
        artifacts = {}
        for key, source in task.get("inputs", {}).get("artifacts", {}).items():
            producer = source["taskOutputArtifact"]["producerTask"]
            if producer not in task.get("dependentTasks", ()):
                raise Refused(f"{name}: {key} comes from {producer}, which is no dependent task")
            if key not in declared:
                raise Refused(f"{name}: artifact {key} is not declared by its component")
            output = source["taskOutputArtifact"]["outputArtifactKey"]
            artifacts[key] = {"artifacts": [_as_recorded(output, done[producer].outputs[output])]}
        return artifacts

    def _outputs(self, name: str, component: dict) -> dict:
        declared = component.get("outputDefinitions", {}).get("artifacts", {})
        types = {key: {"type": definition["artifactType"]} for key, definition in declared.items()}
        execution = uuid.uuid4()
        return {
            key: {"artifacts": [{"name": key, "uri": f"{self.root}/{name}/{execution}/{key}", **artifact}]}
            for key, artifact in {**types, "executor-logs": EXECUTOR_LOGS}.items()
        }

    @staticmethod
    def _produced(outputs: dict) -> dict[str, dict]:
        """Returns the outputs with what the task said of them: metadata, and the URI when it gave one."""
        said = json.loads(Path(outputs["outputFile"]).read_text(encoding="utf-8")).get("artifacts", {})
        produced = {}
        for key, artifact in _listed(outputs):
            update = said.get(key, {"artifacts": [{}]})["artifacts"][0]
            metadata = artifact.get("metadata", {}) | update.get("metadata", {})
            produced[key] = {**artifact, "uri": update.get("uri") or artifact["uri"], "metadata": metadata}
        return produced


def _as_recorded(output: str, produced: dict) -> dict:
    """Returns an artifact as it comes back from ML Metadata: under a number, and without its type."""
    return {
        "name": str(zlib.crc32(produced["uri"].encode())),
        "uri": produced["uri"],
        "type": {"instanceSchema": ""},
        "metadata": produced["metadata"] | {"display_name": output},
    }


def _listed(side: dict) -> list[tuple[str, dict]]:
    return [(key, artifact) for key, listed in side["artifacts"].items() for artifact in listed["artifacts"]]


def _local_path(uri: str) -> Path:
    """Returns where the launcher keeps an artifact: s3://bucket/key at /s3/bucket/key."""
    return Path("/s3") / uri.removeprefix("s3://")


def _bucket_and_key(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.netloc, parts.path.strip("/")


def _check_type(where: str, value, parameter_type: str) -> None:
    """Checks what the backend checks of a parameter's value; numbers of a spec are all floats in JSON."""
    fits = {
        "STRING": isinstance(value, str),
        "BOOLEAN": isinstance(value, bool),
        "NUMBER_DOUBLE": isinstance(value, (int, float)) and not isinstance(value, bool),
        "NUMBER_INTEGER": isinstance(value, (int, float)) and float(value).is_integer(),
    }[parameter_type]
    if not fits:
        raise Refused(f"{where}: {value!r} is no {parameter_type}")
