"""The section `beam` of a config in Beam's own words. Imports no Beam."""

from collections.abc import Sequence

from pipeline.beam_config import Beam

# Engines end a worker between two stages of a job unless told otherwise, and each new one imports TensorFlow.
IDLE_WORKER_MILLISECONDS = 60_000
RUNNING_MODES = {"threads": "multi_threading", "processes": "multi_processing"}


def beam_arguments(beam: Beam, image: str | None = None, further: Sequence[str] = ()) -> list[str]:
    """Returns the arguments of the Beam pipelines in the data steps; none for the direct runner as it is.

    Args:
      beam: the section `beam`, checked.
      image: container image with this code; Dataflow starts its workers from it.
      further: arguments of a single step; they come last, and so win over equal ones.
    """
    arguments = {"direct": _direct, "portable": _portable, "dataflow": _dataflow}[beam.runner](beam)
    arguments += [*beam.args, *further]
    if not arguments:
        return []
    # As soon as there is one argument, TFX packs itself into a source distribution that workers shall install
    # (tfx/utils/dependency_utils.py), which takes time and a package index. Not so when an image is named,
    # even by runners that start no containers and never read the name.
    return [*arguments, f"--sdk_container_image={image or 'none'}"]


def _direct(beam: Beam) -> list[str]:
    if beam.mode == "in_memory":
        return []
    return [
        f"--direct_running_mode={RUNNING_MODES[beam.mode]}",
        f"--direct_num_workers={beam.workers}",
    ]


def _portable(beam: Beam) -> list[str]:
    # Not FlinkRunner or SparkRunner: beside a job service that runs already, they only add a way to start
    # one, with Java and a jar from the internet. The job service knows its engine.
    arguments = ["--runner=PortableRunner", f"--job_endpoint={beam.job_endpoint}"]
    if beam.worker_pool is None:
        return [*arguments, "--environment_type=LOOPBACK"]
    return [
        *arguments,
        "--environment_type=EXTERNAL",
        f"--environment_config={beam.worker_pool}",
        f"--environment_cache_millis={IDLE_WORKER_MILLISECONDS}",
    ]


def _dataflow(beam: Beam) -> list[str]:
    return [
        "--runner=DataflowRunner",
        f"--project={beam.project}",
        f"--region={beam.region}",
        f"--temp_location={beam.temp_location}",
    ]
