"""How a long command ends on Ctrl-C and SIGTERM."""

import contextlib
import os
import signal
from collections.abc import Iterator

import psutil

from modules.storage import remove_temporary_folders

INTERRUPTED = 130


@contextlib.contextmanager
def stopped_by_signals(message: str, descriptor: int = 1) -> Iterator[None]:
    """Ends the process at once on Ctrl-C (exit code 130) or SIGTERM (143), with a word on how to go on.

    A KeyboardInterrupt would not do: Beam turns it into an error of the step it hits, threads of Beam and
    TensorFlow would keep the process alive, and objects that it leaves half made complain on their way out.
    So only what may end at any moment runs inside: a run whose files are written whole or not at all, or one
    that is only watched.

    Args:
      message: printed last.
      descriptor: of the open file that a person sees.
    """

    def stop(number, _frame):
        # Past every buffer: the signal may have come while one was being written, and Python refuses to
        # enter it twice.
        with contextlib.suppress(OSError):  # nobody may be looking any more
            os.write(descriptor, f"\n{message}\n".encode())
        remove_temporary_folders()  # os._exit leaves out what atexit would do
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        os._exit(INTERRUPTED if number == signal.SIGINT else 128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
