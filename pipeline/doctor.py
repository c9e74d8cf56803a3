"""What fits on this machine and what does not. Imports neither TensorFlow nor TFX."""

import dataclasses
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from modules.installed import installed_version
from pipeline.check import megabytes, nearest_existing
from pipeline.weights_server import reach_weights

PACKAGES = ("tfx", "tensorflow", "keras", "tensorflow-model-analysis", "apache-beam", "pydantic", "pillow")
# Estimates: TFX and TensorFlow take 1 GB once imported, and the InfraCheck's process comes on top.
MEMORY_BYTES, COMFORTABLE_MEMORY_BYTES = 3e9, 8e9
DISK_BYTES, COMFORTABLE_DISK_BYTES = 1e9, 10e9
TENSORFLOW_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    verdict: str
    """fits, note or fails."""
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.verdict:6} {self.subject:18} {self.message}"


@dataclasses.dataclass(frozen=True)
class SeenGpus:
    """What TensorFlow answers when asked for its GPUs."""

    count: int | None
    """None where it did not answer."""
    words: str
    """The last that it said about GPUs, if anything; or why it did not answer."""


@dataclasses.dataclass(frozen=True)
class Stack:
    """A set of versions that Headstart supports."""

    name: str
    python: tuple[tuple[int, int], tuple[int, int]]
    """First and last Python."""
    glibc: tuple[int, int]
    """Smallest GNU C library that its wheels were built for."""
    versions: str


STACKS = (
    Stack("default stack", ((3, 10), (3, 10)), (2, 17), "TFX 1.16, TensorFlow 2.16, Keras 3.12"),
    Stack("current stack", ((3, 11), (3, 13)), (2, 39), "TFX 1.21, TensorFlow 2.21, Keras 3.15"),
)


def examine(folder: Path, ask_network: bool = True) -> list[Finding]:
    """Looks at the machine.

    Args:
      folder: where runs would write, for the disk.
      ask_network: whether to try the server of Keras' weights; takes up to 3 seconds.
    """
    return [
        *judge_stacks(sys.version_info[:2], glibc_version()),
        *judge_packages({package: installed_version(package) for package in PACKAGES}),
        judge_processor(platform.machine(), len(os.sched_getaffinity(0))),
        judge_amount(
            "memory", psutil.virtual_memory().available, MEMORY_BYTES, COMFORTABLE_MEMORY_BYTES, "free"
        ),
        judge_amount(
            "disk",
            shutil.disk_usage(nearest_existing(str(folder))).free,
            DISK_BYTES,
            COMFORTABLE_DISK_BYTES,
            "free",
        ),
        examine_gpu(),
        *([judge_weights(reach_weights())] if ask_network else []),
    ]


def judge_stacks(python: tuple[int, int], glibc: tuple[int, int] | None) -> list[Finding]:
    """Says for each stack whether it fits; that of the running Python must."""
    findings = []
    for stack in STACKS:
        first, last = stack.python
        reasons = []
        if not first <= python <= last:
            wanted = _dotted(first) if first == last else f"{_dotted(first)} to {_dotted(last)}"
            reasons.append(f"it needs Python {wanted}, this is {_dotted(python)}")
        is_of_this_python = not reasons
        if glibc is None:
            reasons.append("it needs Linux with glibc")
        elif glibc < stack.glibc:
            reasons.append(f"it needs glibc {_dotted(stack.glibc)} or newer, this is {_dotted(glibc)}")
        verdict = "fits" if not reasons else "fails" if is_of_this_python else "note"
        findings.append(Finding(verdict, stack.name, "; ".join([stack.versions, *reasons])))
    if not any(first <= python <= last for first, last in (stack.python for stack in STACKS)):
        findings.append(
            Finding("fails", "Python", f"{_dotted(python)} fits no stack; `make setup` finds one that does")
        )
    return findings


def judge_packages(versions: dict[str, str | None]) -> list[Finding]:
    """Says which packages are there, by name and version; None is one that is missing."""
    missing = [package for package, version in versions.items() if version is None]
    found = ", ".join(f"{package} {version}" for package, version in versions.items() if version)
    if missing:
        return [Finding("fails", "packages", f"missing: {', '.join(missing)}. Run `make setup`")]
    return [Finding("fits", "packages", found)]


def judge_processor(machine: str, cores: int) -> Finding:
    """Says whether TFX's wheels exist for the processor."""
    if machine != "x86_64":
        return Finding(
            "fails", "processor", f"{machine}: TFX publishes wheels for x86_64 only; use the container image"
        )
    return Finding("fits", "processor", f"{machine}, {cores} cores")


def judge_amount(subject: str, size: float, least: float, comfortable: float, unit: str) -> Finding:
    """Says whether an amount of bytes is enough for quickstart, and for larger runs."""
    text = f"{megabytes(size)} {unit}"
    if size < least:
        return Finding("fails", subject, f"{text}; even quickstart needs {megabytes(least)}")
    if size < comfortable:
        return Finding(
            "note", subject, f"{text}: enough for quickstart; larger runs want {megabytes(comfortable)}"
        )
    return Finding("fits", subject, text)


def examine_gpu() -> Finding:
    """Asks the driver, and TensorFlow only where there is one: that takes some 10 seconds."""
    names = gpu_names()
    has_cuda = installed_version("nvidia-cudnn-cu12") is not None
    return judge_gpu(names, ask_tensorflow() if names else None, has_cuda)


def judge_gpu(names: list[str], seen: SeenGpus | None, has_cuda: bool) -> Finding:
    """Says what trains.

    Args:
      names: the GPUs that the driver knows.
      seen: those that TensorFlow sees; None where there is no driver, and nothing to ask.
      has_cuda: whether CUDA's libraries are installed beside TensorFlow.
    """
    if not names:
        return Finding(
            "note", "GPU", "none: training runs on the CPU, which suits small backbones and image sizes"
        )
    found = ", ".join(names)
    if seen.count is None:
        return Finding("fails", "GPU", f"{found}; asking TensorFlow about it failed: {seen.words}")
    if seen.count == 0:
        if not has_cuda:
            reason = (
                "CUDA's libraries are missing: `make setup` brings them, and so does an image made with "
                "ACCELERATOR=gpu; ACCELERATOR=cpu leaves them out"
            )
        elif seen.words:
            reason = f"It says: {seen.words}"
        else:
            # NVIDIA's CUDA Compatibility guide, minor version compatibility.
            reason = (
                "It does not say why. CUDA 12 needs a driver of version 525 or newer, and "
                "CUDA_VISIBLE_DEVICES can hide GPUs"
            )
        return Finding("note", "GPU", f"{found}; TensorFlow sees none and trains on the CPU. {reason}")
    hint = "; training.distribution: mirrored uses all of them" if seen.count > 1 else ""
    return Finding("fits", "GPU", f"{found}; TensorFlow sees {seen.count}{hint}")


def judge_weights(error: str | None) -> Finding:
    """Says whether `weights: imagenet` can be downloaded; error is None when it can."""
    if error is None:
        return Finding("fits", "ImageNet weights", "their server answers: model.weights may be imagenet")
    message = f"their server does not answer ({error}). Use weights by path, such as the bundled data/weights"
    return Finding("note", "ImageNet weights", message)


def glibc_version() -> tuple[int, int] | None:
    """Returns the version of the GNU C library, or None on a system without it."""
    name, version = platform.libc_ver()
    if name != "glibc":
        return None
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def gpu_names() -> list[str]:
    """Returns the names of the NVIDIA GPUs that the driver knows; empty without a driver."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (subprocess.SubprocessError, OSError):
        return []
    return [line.strip() for line in output.splitlines() if line.strip()]


def ask_tensorflow() -> SeenGpus:
    """Counts the GPUs that TensorFlow sees, in a process of its own: it is not imported here."""
    code = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"}  # its reasons are information, not errors
    try:
        answer = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=TENSORFLOW_SECONDS,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return SeenGpus(None, f"no answer within {TENSORFLOW_SECONDS} seconds")
    # Each line starts with time and place, which ends in a bracket.
    lines = [line.rpartition("] ")[2].strip() for line in answer.stderr.splitlines() if line.strip()]
    if answer.returncode:
        return SeenGpus(None, lines[-1] if lines else f"exit code {answer.returncode}")
    reasons = [line for line in lines if "GPU" in line or "CUDA" in line]
    return SeenGpus(int(answer.stdout.split()[-1]), reasons[-1] if reasons else "")


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
