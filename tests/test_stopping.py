"""How a long command ends on a signal: at once, with its children, and with a word on how to go on."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

from pipeline.stopping import stopped_by_signals
from tests.child_process import start

STOPPED_BY_ITSELF = """
import os, signal, subprocess, sys, threading
from pipeline.stopping import stopped_by_signals
child = subprocess.Popen(["sleep", "60"])
threading.Thread(target=threading.Event().wait).start()  # as Beam's do, it would keep the process alive
with stopped_by_signals("Go on with the same command."):
    print(child.pid, flush=True)
    os.kill(os.getpid(), int(sys.argv[1]))
    signal.pause()
"""


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_threads_and_children_at_once_and_says_how_to_go_on(number, exit_code):
    command = [sys.executable, "-c", STOPPED_BY_ITSELF, str(int(number))]
    with start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        shown, errors = process.communicate(timeout=30)
    child, *lines = shown.split("\n")
    assert process.returncode == exit_code
    assert errors == ""
    assert lines == ["", "Go on with the same command.", ""]
    deadline = time.monotonic() + 10  # a killed process is not gone at once; unkilled, it lives 60 s
    while is_alive(int(child)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(int(child))


PRINTING = """
import io, signal
from pipeline.console import plain_console
from pipeline.stopping import stopped_by_signals

class Screen(io.FileIO):
    def write(self, data):
        signal.raise_signal(signal.SIGINT)
        return super().write(data)

console = plain_console(io.TextIOWrapper(io.BufferedWriter(Screen(1, "w", closefd=False))))
with stopped_by_signals("Go on with the same command."):
    console.print("epoch 1")
"""


def test_ctrl_c_in_the_middle_of_a_printed_line_ends_the_run_like_any_other():
    stopped = subprocess.run([sys.executable, "-c", PRINTING], capture_output=True, text=True, timeout=60)
    assert (stopped.returncode, stopped.stderr) == (130, "")
    assert stopped.stdout == "\nGo on with the same command.\n"


def test_signals_are_handled_as_before_when_the_work_is_done():
    before = signal.getsignal(signal.SIGINT)
    with stopped_by_signals("Go on with the same command."):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_reaches_the_children_of_tests_that_ignore_it_themselves():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with start(["sleep", "30"]) as child:
            child.send_signal(signal.SIGINT)
            assert child.wait(timeout=10) == -signal.SIGINT
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
