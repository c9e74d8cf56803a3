"""An engine as a cluster has one, on this machine: Beam's job service, and a pool of workers for it."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from pipeline.beam_config import Beam

ROOT = Path(__file__).parent.parent
START_SECONDS = 90

# Python runs a module of this name in every process at its start: it notes which images a worker opens.
SITECUSTOMIZE = """
import os, sys

def note_images(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".png"):
        file = os.open(os.environ["OPENED_IMAGES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{os.getpid()} {arguments[0]}\\n".encode())
        os.close(file)

sys.addaudithook(note_images)
"""


class Engine:
    """A running engine, and what it can tell about the work that it did."""

    def __init__(self, folder: Path, job_port: int, pool_port: int):
        self.folder = folder
        self.beam = Beam(
            runner="portable", job_endpoint=f"localhost:{job_port}", worker_pool=f"localhost:{pool_port}"
        )

    def job_states(self) -> list[str]:
        """Returns the state of every job that was handed in."""
        with grpc.insecure_channel(self.beam.job_endpoint) as channel:
            stub = beam_job_api_pb2_grpc.JobServiceStub(channel)
            jobs = stub.GetJobs(beam_job_api_pb2.GetJobsRequest()).job_info
        return [beam_job_api_pb2.JobState.Enum.Name(job.state) for job in jobs]

    def workers_started(self) -> int:
        return len(re.findall("Starting worker with command", (self.folder / "pool.log").read_text()))

    def images_opened(self) -> dict[str, set[int]]:
        """Returns which processes of the pool opened each image, by path."""
        opened = {}
        for line in (self.folder / "opened.txt").read_text().splitlines():
            process, path = line.split(maxsplit=1)
            opened.setdefault(path, set()).add(int(process))
        return opened


@contextlib.contextmanager
def running_engine(folder: Path) -> Iterator[Engine]:
    """Starts job service and worker pool, and ends both with all workers."""
    try:  # workers look for the job service under this name, and would try until the job's time is over
        socket.getaddrinfo(socket.getfqdn(), None)
    except OSError:
        pytest.skip(f"/etc/hosts has no line for {socket.getfqdn()}, the name of this machine")
    (folder / "hooks").mkdir()
    (folder / "hooks" / "sitecustomize.py").write_text(SITECUSTOMIZE)
    port_file = folder / "port.txt"
    pool_port = _free_port()
    with (
        _process(folder, "job", "portability.local_job_service_main", f"--port_file={port_file}"),
        _process(folder, "pool", "worker.worker_pool_main", f"--service_port={pool_port}"),
    ):
        _wait_until(port_file.exists, "the job service writes its port")
        _wait_until(lambda: _listens(pool_port), "the worker pool listens")
        yield Engine(folder, int(port_file.read_text()), pool_port)


@contextlib.contextmanager
def _process(folder: Path, name: str, module: str, argument: str) -> Iterator[None]:
    environment = os.environ | {
        # The pool starts its workers as `python`, and they find this code as any process does.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{folder / 'hooks'}{os.pathsep}{ROOT}",
        "OPENED_IMAGES": str(folder / "opened.txt"),
    }
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"apache_beam.runners.{module}", argument],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, 9)  # workers too: they are of the pool's session
        process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("localhost", port)) == 0


def _wait_until(happened, what: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {START_SECONDS} s until {what}")
        time.sleep(0.1)
