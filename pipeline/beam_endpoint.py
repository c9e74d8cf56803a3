"""Whether Beam's job service answers, asked before a run: Beam itself waits a minute and says little."""

import socket

from pipeline.beam_config import Beam


def unreachable_job_service(beam: Beam, timeout_seconds: float = 5.0) -> str | None:
    """Returns why the job service cannot be used from here; None when it answers or there is none.

    The pool of workers is not asked: its address is the engine's, which may mean nothing here.
    """
    if beam.job_endpoint is None:
        return None
    host, _, port = beam.job_endpoint.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout_seconds).close()
    except OSError as error:
        return (
            f"beam.job_endpoint: no job service answers at {beam.job_endpoint} "
            f"({error.strerror or 'no answer'}). Start it, correct the address, or take `beam` out to run on "
            "this machine alone: see docs/scaling.md."
        )
    return None
