"""How Beam runs the data steps: the section `beam` of a config. Imports no Beam."""

from typing import Annotated, Literal, Optional

from pydantic import AfterValidator, Field

from modules.settings import settings


def check_beam_argument(argument: str) -> str:
    """Returns the text unchanged when it can be an argument for Beam.

    Raises:
      ValueError: when it does not begin with two dashes.
    """
    if not argument.startswith("--"):
        raise ValueError("an argument for Beam begins with two dashes, such as --direct_num_workers=4")
    return argument


BeamArgument = Annotated[str, AfterValidator(check_beam_argument)]


@settings
class Beam:
    runner: Literal["direct", "portable", "flink", "spark", "dataflow"] = "direct"
    """direct is this machine (in a cluster: the step's pod); portable is any job service; the others are engines."""
    mode: Literal["in_memory", "threads", "processes"] = "in_memory"
    """How the direct runner uses this machine."""
    workers: Annotated[int, Field(ge=0)] = 1
    """Workers of the direct runner; 0 means one a core."""
    job_endpoint: Optional[str] = None
    """HOST:PORT of the job service: portable, flink and spark need it."""
    worker_pool: Optional[str] = None
    """HOST:PORT of a pool of workers that has this code installed; without it each worker starts on the job's machine."""
    shared_folder: Optional[str] = None
    """Folder that steps in containers and the engine's workers both see; such a step works there."""
    args: tuple[BeamArgument, ...] = ()
    """Further arguments for Beam, such as --direct_num_workers=4 or --project=my-project."""
