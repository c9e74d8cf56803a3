"""What a person sees while a run goes on; everything else goes to the log file."""

import contextlib
import logging
import os
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from rich.console import Console


class _ProductLines(logging.Handler):
    """Shows what our own code has to say, indented below the step that says it."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self.addFilter(logging.Filter("headstart"))

    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else "dim"
        self._console.print(textwrap.indent(record.getMessage(), " " * 6), style=style)


def plain_console(file: TextIO | None = None) -> Console:
    """Returns a console that prints texts as they are: a folder called runs/[new] is no markup."""
    return Console(file=file, soft_wrap=True, markup=False, highlight=False, emoji=False)


@contextlib.contextmanager
def quiet_console(log_file: Path) -> Iterator[Console]:
    """Sends stdout, stderr and all logging of this process to a file; yields a console that a person sees.

    TensorFlow, Beam and gRPC write to the file descriptors directly, from C++ too, so those are
    what is redirected. Loggers below "headstart" reach both the file and the console.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    handlers, level = logging.root.handlers[:], logging.root.level
    # A message may name a file whose name is not UTF-8.
    with (
        open(saved[0], "w", encoding="utf-8", errors="backslashreplace", closefd=False) as screen,
        open(log_file, "ab", 0) as log,
    ):
        console = plain_console(screen)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        to_file = logging.FileHandler(log_file, encoding="utf-8", errors="backslashreplace")
        to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.root.handlers = [to_file, _ProductLines(console)]
        logging.root.setLevel(logging.INFO)
        logging.captureWarnings(True)
        warnings.simplefilter("default")
        try:
            yield console
        finally:
            logging.captureWarnings(False)
            logging.root.handlers, logging.root.level = handlers, level
            with contextlib.suppress(OSError):  # a full disk, of which the run itself tells
                to_file.close()
            _flush_or_drop(sys.stdout, 1)
            _flush_or_drop(sys.stderr, 2)
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            for descriptor in saved:
                os.close(descriptor)


def _flush_or_drop(stream: TextIO, descriptor: int) -> None:
    """Writes what a stream holds back; without room it goes nowhere, never to the screen."""
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
        stream.flush()


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Drops what is written to stderr, from C++ too; exceptions pass.

    TensorFlow 2.21 says which CPU and GPU libraries it found while it is loaded, before it minds a log level.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
