"""Runs one step in a container of open-source Kubeflow Pipelines.

    python -m pipeline.kubeflow.entrypoint --executor_class_path CLASS --json_serialized_invocation_args JSON

TFX's own entrypoint is made for Vertex. Open-source Kubeflow differs in four ways, which are bridged here:

- The launcher downloads inputs before the step and uploads outputs after it, from local paths that it derives
  from the addresses: s3://bucket/key lies at /s3/bucket/key. TFX would read and write the address itself.
- It makes no folders for the outputs; TFX's local launcher does, and executors rely on it.
- The driver adds an output `executor-logs`, which the launcher writes and whose type TFX cannot import.
- The driver names no types of inputs: their schema is empty, or (without ML Metadata, as of 2026) moved to a
  field of another meaning. TFX takes the class of an artifact from there.

See backend/src/v2 in https://github.com/kubeflow/pipelines: driver/driver.go, component/launcher_v2.go and
metadata/client.go (GetOutputArtifactsByExecutionId).
"""

import argparse
import contextlib
import copy
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

LOCAL_FOLDERS = {"s3://": "/s3/", "gs://": "/gcs/", "minio://": "/minio/"}
EXECUTOR_LOGS = "executor-logs"
FAILED, NOT_BLESSED, STOPPED = 1, 3, 4


def main(arguments: list[str]) -> int:
    """Runs the step; returns the exit code.

    Those of `headstart run`: 0 done, 1 a fault, 3 the model may not serve, 4 the data was refused.
    """
    flags, beam_arguments = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    step = flags.executor_class_path.removesuffix(".executor.Executor").rpartition(".")[2]
    executor_input = json.loads(flags.json_serialized_invocation_args)
    declare_types(executor_input, json.loads(flags.json_serialized_inputs_spec_args or "{}"))

    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    from components.errors import NotBlessed, RunStopped

    try:
        with workspace(executor_input, flags.headstart_shared_folder) as local_input:
            flags.json_serialized_invocation_args = json.dumps(local_input)
            kubeflow_v2_run_executor.main((flags, beam_arguments))
    except RunStopped as stopped:
        print(f"\n{step} stopped the run: {stopped}", file=sys.stderr, flush=True)
        return NOT_BLESSED if isinstance(stopped, NotBlessed) else STOPPED
    except Exception as error:
        logging.exception("%s failed", step)
        print(f"\n{step} failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return FAILED
    return 0


@contextlib.contextmanager
def workspace(executor_input: dict, shared_folder: str | None = None) -> Iterator[dict]:
    """Yields an ExecutorInput of local paths; at the end the launcher finds outputs and addresses it knows.

    Args:
      executor_input: the document that the launcher puts in place of {{$}}, artifacts by their addresses.
      shared_folder: a folder that the workers of a Beam engine see too. With it the step works on copies
        below it, because what the launcher downloaded lies in this container alone.

    Raises:
      ValueError: for an address that the launcher does not download.
    """
    local_input = copy.deepcopy(executor_input)
    local_input.get("outputs", {}).get("artifacts", {}).pop(EXECUTOR_LOGS, None)
    inputs, outputs = _artifacts(local_input, "inputs"), _artifacts(local_input, "outputs")
    addresses = {name: artifact["uri"] for name, artifact in outputs}
    if shared_folder is None:
        root, shared = Path("/"), contextlib.nullcontext()
    else:
        os.makedirs(shared_folder, exist_ok=True)
        shared = tempfile.TemporaryDirectory(prefix="step-", dir=shared_folder)
        root = Path(shared.name)
    with shared:
        for _, artifact in inputs:
            downloaded = launcher_path(artifact["uri"])
            artifact["uri"] = str(root / downloaded.relative_to("/"))
            if shared_folder is not None:
                shutil.copytree(downloaded, artifact["uri"], dirs_exist_ok=True)
        for _, artifact in outputs:
            artifact["uri"] = str(root / launcher_path(artifact["uri"]).relative_to("/"))
            os.makedirs(artifact["uri"], exist_ok=True)
        output_file = Path(local_input["outputs"]["outputFile"])
        if shared_folder is not None:
            # TFX keeps a step's temporary files beside it, and the workers read and write those too.
            local_input["outputs"]["outputFile"] = str(root / "executor_output.json")
        yield local_input
        if shared_folder is not None:
            for name, artifact in outputs:
                shutil.copytree(artifact["uri"], launcher_path(addresses[name]), dirs_exist_ok=True)
            os.makedirs(output_file.parent, exist_ok=True)
            shutil.copyfile(local_input["outputs"]["outputFile"], output_file)
        _name_by_address(output_file, addresses)


def declare_types(executor_input: dict, inputs_spec: dict) -> None:
    """Gives the input artifacts the types that the step's component declares, in place.

    Args:
      executor_input: the document that the launcher puts in place of {{$}}.
      inputs_spec: ComponentInputsSpec of the step as JSON.
    """
    declared = inputs_spec.get("artifacts", {})
    for name, artifact in _artifacts(executor_input, "inputs"):
        if name in declared:
            artifact["type"] = declared[name]["artifactType"]


def _name_by_address(output_file: Path, addresses: dict[str, str]) -> None:
    """Puts the addresses of the outputs back into the ExecutorOutput that TFX wrote."""
    executor_output = json.loads(output_file.read_text(encoding="utf-8"))
    for name, produced in executor_output.get("artifacts", {}).items():
        for artifact in produced["artifacts"]:
            artifact["uri"] = addresses[name]
    output_file.write_text(json.dumps(executor_output), encoding="utf-8")


def _artifacts(executor_input: dict, side: str) -> list[tuple[str, dict]]:
    """Returns name and RuntimeArtifact of every artifact on one side, "inputs" or "outputs"."""
    by_name = executor_input.get(side, {}).get("artifacts", {})
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
        f"the artifact {uri} lies where Kubeflow's launcher does not download from. Compile again with a "
        f"cluster.pipeline_root that begins with one of {', '.join(LOCAL_FOLDERS)}."
    )


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Returns the flags that TFX's entrypoint has, with ours, and all further arguments, which are Beam's."""
    parser = argparse.ArgumentParser(description="Runs one step of a compiled pipeline.", allow_abbrev=False)
    parser.add_argument("--executor_class_path", required=True, help="Python class of the step's executor.")
    parser.add_argument(
        "--json_serialized_invocation_args", required=True, help="The driver's ExecutorInput."
    )
    parser.add_argument("--json_serialized_inputs_spec_args", help="Types of the inputs, as JSON.")
    parser.add_argument("--headstart_shared_folder", help="Folder that remote Beam workers see too.")
    return parser.parse_known_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
