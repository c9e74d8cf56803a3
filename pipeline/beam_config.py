"""How Beam runs the data steps: the section `beam` of a config. Imports no Beam."""

import re
from typing import Annotated, Literal, Optional

from pydantic import AfterValidator, Field, model_validator

from modules.settings import settings


def check_beam_argument(argument: str) -> str:
    """Returns the text unchanged when it can be an argument for Beam.

    Raises:
      ValueError: when it does not begin with two dashes.
    """
    if not argument.startswith("--"):
        raise ValueError(
            "an argument for Beam begins with two dashes, such as --number_of_worker_harness_threads=4"
        )
    return argument


def check_host_and_port(endpoint: str) -> str:
    """Returns the text unchanged when it is HOST:PORT.

    Raises:
      ValueError: for anything else, a scheme such as http:// included.
    """
    found = re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", endpoint)
    if found is None or not 1 <= int(found[1]) <= 65535:
        raise ValueError("it must be HOST:PORT without a scheme, such as beam-job-server:8099")
    return endpoint


def check_gcs_address(address: str) -> str:
    """Returns the text unchanged when it is an address in a GCS bucket.

    Raises:
      ValueError: for anything else.
    """
    if not re.fullmatch(r"gs://[a-z0-9][a-z0-9._-]+(/.*)?", address):
        raise ValueError("it must be an address such as gs://my-bucket/beam")
    return address


def check_absolute(folder: str) -> str:
    """Returns the text unchanged when it is an absolute path.

    Raises:
      ValueError: for a relative path, which would be another folder for each worker, and for an address.
    """
    if not folder.startswith("/"):
        raise ValueError("it must be an absolute path, such as /shared, at which steps and workers mount it")
    return folder


BeamArgument = Annotated[str, AfterValidator(check_beam_argument)]
HostAndPort = Annotated[str, AfterValidator(check_host_and_port)]
GcsAddress = Annotated[str, AfterValidator(check_gcs_address)]
AbsolutePath = Annotated[str, AfterValidator(check_absolute)]

FIELDS_OF_RUNNER = {
    "direct": ("mode", "workers"),
    "portable": ("job_endpoint", "worker_pool", "shared_folder"),
    "dataflow": ("project", "region", "temp_location"),
}
NEEDED_BY_RUNNER = {
    "direct": (),
    "portable": ("job_endpoint",),
    "dataflow": ("project", "region", "temp_location"),
}
FIELD_OF_ARGUMENT = {
    "runner": "runner",
    "direct_running_mode": "mode",
    "direct_num_workers": "workers",
    "job_endpoint": "job_endpoint",
    "project": "project",
    "region": "region",
    "temp_location": "temp_location",
}
"""Arguments for Beam that are given by a field: said twice, they could contradict each other."""


@settings
class Beam:
    runner: Literal["direct", "portable", "dataflow"] = "direct"
    """direct is this machine (in a cluster: the step's pod); portable is a job service, such as Flink's or Spark's; dataflow is Google's."""
    mode: Literal["in_memory", "threads", "processes"] = "in_memory"
    """How the direct runner works: one image after the other in the step's process, in threads of it, or in processes beside it."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Threads or processes of the direct runner; 0 is one a core of the machine, which in a container is the node."""
    job_endpoint: Optional[HostAndPort] = None
    """HOST:PORT of the job service. portable needs it."""
    worker_pool: Optional[HostAndPort] = None
    """HOST:PORT, as the engine sees it, of a pool of Beam workers that have this code; without one the step's own process works, which only an engine on the same machine can reach."""
    shared_folder: Optional[AbsolutePath] = None
    """Folder that steps in Kubeflow and the engine's workers both see, such as /shared; a step's artifacts lie there while it runs."""
    project: Optional[str] = None
    """Google Cloud project. dataflow needs it."""
    region: Optional[str] = None
    """Region of Dataflow, such as europe-west4. dataflow needs it."""
    temp_location: Optional[GcsAddress] = None
    """Address for Dataflow's own files, such as gs://bucket/beam. dataflow needs it."""
    args: tuple[BeamArgument, ...] = ()
    """Further arguments for Beam, for what has no key here, such as --sdk_worker_parallelism=2."""

    @model_validator(mode="after")
    def check_fields_of_runner(self):
        allowed, needed = FIELDS_OF_RUNNER[self.runner], NEEDED_BY_RUNNER[self.runner]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"runner {self.runner} needs {' and '.join(missing)}")
        for runner, names in FIELDS_OF_RUNNER.items():
            for name in names:
                if name not in allowed and getattr(self, name) != self.__pydantic_fields__[name].default:
                    raise ValueError(
                        f"{name} is for runner {runner}, not {self.runner}. "
                        "Take it out, or use another runner"
                    )
        if self.workers and self.mode == "in_memory":
            raise ValueError(
                f"workers: {self.workers} has no effect while mode is in_memory. "
                "Use mode: threads or processes"
            )
        return self

    @model_validator(mode="after")
    def check_arguments_have_no_field(self):
        for argument in self.args:
            field = FIELD_OF_ARGUMENT.get(argument.removeprefix("--").split("=")[0])
            if field is not None:
                raise ValueError(f"args: {argument} has a key of its own, beam.{field}. Use that")
        return self
