"""Runs one step in a container of open-source Kubeflow Pipelines.

    python -m pipeline.kubeflow.entrypoint --executor_class_path CLASS --json_serialized_invocation_args JSON

TFX's own entrypoint is made for Vertex. Kubeflow's launcher differs in three ways, which are bridged here:

- It downloads inputs before the step and uploads outputs after it, from local paths that it derives from the
  addresses: s3://bucket/key lies at /s3/bucket/key. TFX would read and write the address itself.
- It makes no folders for the outputs; TFX's local launcher does, and executors rely on it.
- Its driver adds an output `executor-logs`, which the launcher writes and whose type TFX cannot import.

See backend/src/v2 in https://github.com/kubeflow/pipelines: driver/driver.go and component/launcher_v2.go.
"""

import argparse
import json
import logging
import shutil
import sys
import uuid
from pathlib import Path

LOCAL_FOLDERS = {"s3://": "/s3/", "gs://": "/gcs/", "minio://": "/minio/"}
EXECUTOR_LOGS = "executor-logs"
FAILED, STOPPED = 1, 4


def main(arguments: list[str]) -> int:
    """Runs the step and returns its exit code: 0, 1 for a fault, 4 when the step stopped the run on purpose."""
    flags, beam_arguments = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    step = flags.executor_class_path.removesuffix(".executor.Executor").rpartition(".")[2]
    executor_input = json.loads(flags.json_serialized_invocation_args)

    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    from components.errors import RunStopped

    workspace = Workspace(executor_input, flags.headstart_shared_folder)
    workspace.prepare()
    flags.json_serialized_invocation_args = json.dumps(workspace.executor_input)
    try:
        kubeflow_v2_run_executor.main((flags, beam_arguments))
    except RunStopped as stopped:
        print(f"\n{step} stopped the run: {stopped}", file=sys.stderr, flush=True)
        return STOPPED
    except Exception as error:
        logging.exception("The step failed")
        print(f"\n{step} failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return FAILED
    workspace.hand_over()
    return 0


class Workspace:
    """Where a step finds its inputs and leaves its outputs, while the launcher knows them by their addresses.

    Attributes:
      executor_input: the driver's ExecutorInput as the executor shall see it, every URI a local path.
    """

    def __init__(self, executor_input: dict, shared_folder: str | None = None):
        """Maps the URIs of an ExecutorInput to paths; touches no file.

        Args:
          executor_input: the JSON document that the launcher puts in place of {{$}}.
          shared_folder: a folder that workers of a Beam engine see too. With it the step works on copies below
            it, because what the launcher downloaded lies in this container alone.
        """
        self._shared = Path(shared_folder) / f"step-{uuid.uuid4().hex}" if shared_folder else None
        self.executor_input = json.loads(json.dumps(executor_input))
        self.executor_input.get("outputs", {}).get("artifacts", {}).pop(EXECUTOR_LOGS, None)
        self._addresses = {
            name: artifact["uri"] for name, artifact in self._artifacts("outputs") if "uri" in artifact
        }
        self._inputs = [artifact["uri"] for _, artifact in self._artifacts("inputs")]
        for side in ("inputs", "outputs"):
            for _, artifact in self._artifacts(side):
                artifact["uri"] = str(self._work_path(artifact["uri"]))

    def prepare(self) -> None:
        """Makes the folders of the outputs and, with a shared folder, the copies of the inputs."""
        if self._shared:
            for uri in self._inputs:
                shutil.copytree(launcher_path(uri), self._work_path(uri))
        for uri in self._addresses.values():
            self._work_path(uri).mkdir(parents=True, exist_ok=True)

    def hand_over(self) -> None:
        """Puts outputs where the launcher uploads them from, and their addresses into the ExecutorOutput."""
        output_file = Path(self.executor_input["outputs"]["outputFile"])
        executor_output = json.loads(output_file.read_text(encoding="utf-8"))
        for name, produced in executor_output.get("artifacts", {}).items():
            (artifact,) = produced["artifacts"]
            artifact["uri"] = self._addresses[name]
        output_file.write_text(json.dumps(executor_output), encoding="utf-8")
        if self._shared:
            for uri in self._addresses.values():
                shutil.copytree(self._work_path(uri), launcher_path(uri), dirs_exist_ok=True)
            shutil.rmtree(self._shared)

    def _work_path(self, uri: str) -> Path:
        path = launcher_path(uri)
        return self._shared / path.relative_to(path.anchor) if self._shared else path

    def _artifacts(self, side: str) -> list[tuple[str, dict]]:
        """Returns name and RuntimeArtifact of every artifact on one side of the ExecutorInput."""
        by_name = self.executor_input.get(side, {}).get("artifacts", {})
        return [(name, artifact) for name, listed in by_name.items() for artifact in listed["artifacts"]]


def launcher_path(uri: str) -> Path:
    """Returns the local path where Kubeflow's launcher keeps what it knows by an address.

    Raises:
      ValueError: for an address that the launcher does not download.
    """
    for scheme, folder in LOCAL_FOLDERS.items():
        if uri.startswith(scheme):
            return Path(folder + uri.removeprefix(scheme))
    raise ValueError(
        f"the artifact {uri} lies where Kubeflow's launcher does not download from. Set cluster.pipeline_root to an "
        f"address that begins with one of {', '.join(LOCAL_FOLDERS)} and compile again."
    )


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Returns the flags that TFX's entrypoint has, with ours, and all further arguments, which are Beam's."""
    parser = argparse.ArgumentParser(description="Runs one step of a compiled pipeline.", allow_abbrev=False)
    parser.add_argument("--executor_class_path", required=True, help="Python class of the step's executor.")
    parser.add_argument(
        "--json_serialized_invocation_args", required=True, help="The driver's ExecutorInput."
    )
    parser.add_argument("--json_serialized_inputs_spec_args", help="Types of the parameters, as JSON.")
    parser.add_argument("--headstart_shared_folder", help="Folder that remote Beam workers see too.")
    return parser.parse_known_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
