"""Whether the workers of a Beam engine would find a step's files in a cluster. Imports no TFX."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from pipeline.config import Config
from pipeline.kubeflow.steps import BEAM_STEPS
from pipeline.problems import Problem


def beam_problems(config: Config, target: str, claims: Mapping[str, Sequence[str]]) -> list[Problem]:
    """Returns what in the section `beam` would not work in a cluster.

    Args:
      config: complete.
      target: kfp or vertex.
      claims: by step, the paths at which it mounts PersistentVolumeClaims.
    """
    beam = config.beam
    if target == "kfp" and beam.runner == "dataflow":
        message = (
            "got dataflow; its workers cannot see the files that Kubeflow's launcher keeps in a step's pod. "
            "Compile with --target vertex, or use direct or portable"
        )
        return [Problem("beam.runner", message)]
    if target == "vertex" and beam.shared_folder:
        message = "Vertex' steps work on addresses that the workers reach too. Leave it out"
        return [Problem("beam.shared_folder", f"got {beam.shared_folder!r}; {message}")]
    if beam.runner != "portable":
        return []
    problems = []
    if beam.worker_pool is None:
        message = (
            "missing. Without a pool the engine would look for workers in the step's own pod: "
            "see docs/scaling.md"
        )
        problems.append(Problem("beam.worker_pool", message))
    if target == "kfp":
        problems += _shared_folder_problems(beam.shared_folder, claims)
    return problems


def _shared_folder_problems(folder: str | None, claims: Mapping[str, Sequence[str]]) -> list[Problem]:
    if folder is None:
        message = (
            "missing. The engine's workers cannot see what Kubeflow's launcher keeps in a step's pod. "
            "Give a folder of a volume that these steps and the workers mount: see docs/scaling.md"
        )
        return [Problem("beam.shared_folder", message)]
    without = [
        step
        for step in BEAM_STEPS
        if not any(PurePosixPath(folder).is_relative_to(path) for path in claims[step])
    ]
    if not without:
        return []
    message = (
        f"got {folder!r}; no PersistentVolumeClaim is mounted there in {', '.join(without)}. Add one to the "
        "volumes of cluster.defaults or of these steps, and to the workers"
    )
    return [Problem("beam.shared_folder", message)]
