"""kubernetes/Dockerfile and .dockerignore, read as text: what a build would fail at, or must never contain.

A real build takes minutes and a daemon; kubernetes/README.md says how, and what was tried.
"""

import json
import os
import re
import runpy
import subprocess
from pathlib import Path

import pytest

import pipeline
from pipeline.kubeflow.paths import IMAGE_HOLDS
from tests.manifests import tool

ROOT = Path(pipeline.__file__).parents[1]
TEXT = (ROOT / "kubernetes" / "Dockerfile").read_text()
RUNTIME_LOCK = runpy.run_path(str(ROOT / "kubernetes" / "image" / "runtime_lock.py"))["runtime_lock"]


def read_instructions() -> list[tuple[str, str]]:
    """Returns the instructions as (name, arguments), comments and line continuations taken out."""
    lines = [line for line in TEXT.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


INSTRUCTIONS = read_instructions()


def arguments_of(name: str) -> list[str]:
    return [arguments for instruction, arguments in INSTRUCTIONS if instruction == name]


def last_stage() -> list[tuple[str, str]]:
    starts = [i for i, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM"]
    return INSTRUCTIONS[starts[-1] :]


def copied_sources() -> list[str]:
    """Returns what comes from the checkout, not from another stage."""
    copies = [arguments.split() for arguments in arguments_of("COPY")]
    return [source for words in copies if not words[0].startswith("--from=") for source in words[:-1]]


def is_ignored(path: str) -> bool:
    """Tells whether .dockerignore keeps a path out: the last line that fits it or a parent decides."""
    parts = path.rstrip("/").split("/")
    parents = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").rstrip("/")
        expression = re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(expression, parent) for parent in parents):
            ignored = not line.startswith("!")
    return ignored


def test_the_base_of_every_stage_is_the_argument_or_another_stage():
    assert INSTRUCTIONS[0] == ("ARG", "BASE=debian:13-slim")
    assert arguments_of("FROM") == ["${BASE} AS ground", "ground AS build", "ground"]


def test_nothing_needs_buildkit():
    assert not re.search(r"^#\s*syntax\s*=", TEXT, re.MULTILINE)
    for name, arguments in INSTRUCTIONS:
        assert not re.match(r"--(?!from=)", arguments), (
            f"{name} {arguments}: a flag that the classic builder lacks"
        )
        assert "<<" not in arguments, f"{name} {arguments}: a here-document"
    assert not re.search(r"\b(TARGET|BUILD)(PLATFORM|ARCH|OS)\b", TEXT)


def test_the_user_is_a_high_number_and_set_before_anything_runs_in_the_last_stage():
    names = [name for name, _ in last_stage()]
    user = dict(last_stage())["USER"]
    assert user == "10001:10001"
    assert names.count("USER") == 1
    assert "RUN" not in names[: names.index("USER")]


def test_the_last_stage_installs_nothing_and_has_no_entrypoint():
    stage = last_stage()
    assert not any(re.search("apt|pip|uv", arguments) for name, arguments in stage if name == "RUN")
    assert "ENTRYPOINT" not in dict(stage)
    assert dict(stage)["CMD"] == '["headstart", "--help"]'


def test_home_and_temporary_files_are_below_tmp():
    environment = dict(word.split("=", 1) for word in dict(last_stage())["ENV"].split())
    assert environment["HOME"] == environment["TMPDIR"] == "/tmp"
    assert environment["PATH"].startswith("/opt/venv/bin:")


def test_every_argument_is_used():
    scripts = "".join(path.read_text() for path in (ROOT / "kubernetes" / "image").glob("*.sh"))
    for name in {argument.split("=")[0] for argument in arguments_of("ARG")}:
        # uv and pip read theirs from the environment.
        uses = len(re.findall(rf"\$\{{{name}[:}}]", TEXT + scripts)) + (name == "UV_PYTHON_INSTALL_MIRROR")
        assert uses, f"ARG {name} is read by nothing"


def test_the_version_is_the_one_of_the_code():
    assert f"VERSION={pipeline.__version__}" in arguments_of("ARG")


@pytest.mark.parametrize("source", copied_sources())
def test_what_is_copied_exists_and_reaches_the_builder(source):
    assert (ROOT / source).exists()
    assert not is_ignored(source)
    assert source not in (".", "./"), "a copy of everything takes along what nobody looked at"


@pytest.mark.parametrize(
    "path",
    [
        ".git/config", ".venv/bin/python", ".venvs/current/bin/python", ".tools/uv/bin/uv",
        "runs/quickstart/state.json", "tests/conftest.py", "data/fashion_mnist/train/bag/1.png", ".env",
        "kubernetes/base/cronjob.yaml", "docs/design.md", "pipeline/__pycache__/cli.cpython-310.pyc",
        "components/pusher/__pycache__/x.pyc", "headstart.egg-info/PKG-INFO", "key.json",
    ],
)  # fmt: skip
def test_what_no_image_needs_stays_out(path):
    assert is_ignored(path)


@pytest.mark.parametrize(
    "path",
    [
        "pipeline/configs/quickstart.yaml", "components/report/executor.py", "kubernetes/image/packages.sh",
        "data/weights/mobilenet_v2_1.0_notop.weights.h5", "requirements/wheels/make_pyfarmhash.sh",
    ],
)  # fmt: skip
def test_what_the_image_needs_reaches_the_builder(path):
    assert not is_ignored(path)


def test_compile_knows_what_the_image_holds():
    removed = {
        word.rstrip("/") for text in arguments_of("RUN") for word in text.partition("rm -rf")[2].split()
    }
    held = {source.removesuffix("/__init__.py").rstrip("/") for source in copied_sources()}
    assert {path for path in held if path.partition("/")[0] not in removed} == set(IMAGE_HOLDS)


def test_hadolint_finds_nothing():
    linted = subprocess.run([tool("hadolint"), "--no-color", "-"], input=TEXT, capture_output=True, text=True)
    assert linted.stdout == ""
    assert linted.returncode == 0


def test_checkov_finds_nothing_that_is_not_justified(tmp_path):
    command = [tool("checkov"), "--framework", "dockerfile", "--skip-download", "--output", "json", "--file"]
    environment = {**os.environ, "LOG_LEVEL": "ERROR"}
    done = subprocess.run(
        [*command, ROOT / "kubernetes" / "Dockerfile"],
        capture_output=True,
        text=True,
        cwd=tmp_path,  # away from any .checkov.yaml, which could hide findings
        env=environment,
    )
    results = json.loads(done.stdout)["results"]
    assert {entry["check_id"] for entry in results["failed_checks"]} == set()
    assert {entry["check_id"] for entry in results["skipped_checks"]} == {"CKV_DOCKER_2", "CKV_DOCKER_7"}
    assert len(results["passed_checks"]) > 50


def test_no_address_of_a_package_index_is_written_down():
    files = [ROOT / "kubernetes" / "Dockerfile", *(ROOT / "kubernetes" / "image").iterdir()]
    for file in files:
        if file.is_file():
            assert "://" not in file.read_text(), file


@pytest.mark.parametrize("stack", ["1.16", "1.21"])
def test_the_image_has_the_packages_of_the_lock_without_those_of_development(stack):
    full = (ROOT / "requirements" / f"tfx-{stack}.txt").read_text()
    filtered = RUNTIME_LOCK(full)
    packages = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ]+)", filtered, re.MULTILINE))
    assert {"tfx", "tensorflow", "kfp", "tensorboard", "click", "s3fs", "gcsfs", "setuptools"} <= set(
        packages
    )
    assert not {"pytest", "ruff", "moto", "flask", "flask-cors", "iniconfig", "responses"} & set(packages)
    assert set(filtered.splitlines()) < set(full.splitlines())
    assert not re.search(r"==[^\n]*\n(?! +--hash=sha256:)", filtered), "a package without a hash"


@pytest.mark.parametrize("stack", ["1.16", "1.21"])
def test_cudas_packages_go_beside_the_lock_and_not_into_it(stack):
    def names(file):
        return set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements" / file).read_text(), re.MULTILINE))

    cuda = names(f"cuda-{stack}.txt")
    assert {"nvidia-cudnn-cu12", "nvidia-cublas-cu12"} <= cuda
    assert all(name.startswith("nvidia-") for name in cuda)
    assert not cuda & names(f"tfx-{stack}.txt")


def test_tensorflow_for_tpus_takes_the_place_of_the_same_version():
    locks = {name: (ROOT / "requirements" / f"{name}-1.16.txt").read_text() for name in ("tfx", "tpu")}
    version = re.search(r"^tensorflow==(\S+)", locks["tfx"], re.MULTILINE)[1]
    assert re.findall(r"^([a-z-]+==\S+)", locks["tpu"], re.MULTILINE) == [f"tensorflow-tpu=={version}"]
    without = RUNTIME_LOCK(locks["tfx"], "tensorflow")
    whole = RUNTIME_LOCK(locks["tfx"])
    names = [set(re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)) for text in (whole, without)]
    assert names[0] - names[1] == {"tensorflow"}


def test_a_package_that_only_development_asks_for_is_left_out_with_what_it_brought():
    lock = (
        "# made by make lock\n"
        "boto==1 \\\n    --hash=sha256:aa\n    # via moto\n"
        "core==2 ; python_full_version < '3.12' \\\n    --hash=sha256:bb\n"
        "    # via\n    #   moto\n    #   tfx\n"
        "core==3 ; python_full_version >= '3.12' \\\n    --hash=sha256:cc\n    # via tfx\n"
        "moto==4 \\\n    --hash=sha256:dd\n    # via -r requirements/dev.in\n"
        "tfx==5 \\\n    --hash=sha256:ee\n    # via -r requirements/tfx-1.21.in\n"
    )
    assert RUNTIME_LOCK(lock) == (
        "core==2 ; python_full_version < '3.12' \\\n    --hash=sha256:bb\n"
        "core==3 ; python_full_version >= '3.12' \\\n    --hash=sha256:cc\n"
        "tfx==5 \\\n    --hash=sha256:ee\n"
    )


def test_a_lock_without_reasons_is_refused():
    with pytest.raises(ValueError, match="does not say what needs boto"):
        RUNTIME_LOCK("boto==1 \\\n    --hash=sha256:aa\n")


@pytest.mark.parametrize(
    ("stack", "accelerator", "message"),
    [
        ("1.21", "cpu", "STACK is auto, default (TFX 1.16, Python 3.10) or current"),
        ("default", "npu", "ACCELERATOR is cpu, gpu or tpu, not 'npu'."),
        ("current", "tpu", "ACCELERATOR=tpu goes with STACK=default"),
    ],
)
def test_a_wrong_choice_ends_the_build_at_once(stack, accelerator, message):
    script = ROOT / "kubernetes" / "image" / "python.sh"
    done = subprocess.run([script, stack, accelerator], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert message in done.stderr


def test_the_current_stack_on_an_old_debian_ends_the_build_at_once(tmp_path):
    getconf = tmp_path / "getconf"
    getconf.write_text("#!/bin/sh\necho glibc 2.36\n")
    for name in ("apt-get", "uname"):
        (tmp_path / name).write_text("#!/bin/sh\necho x86_64\n")
    for program in tmp_path.iterdir():
        program.chmod(0o755)
    script = ROOT / "kubernetes" / "image" / "python.sh"
    path = f"{tmp_path}:/usr/bin:/bin"
    done = subprocess.run(
        [script, "current", "cpu"], env={"PATH": path}, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 1
    assert "STACK=current (TFX 1.21) needs glibc 2.39 or later" in done.stderr
    assert "has 2.36. Take a Debian 13, as BASE=debian:13-slim, or STACK=default." in done.stderr
