"""What the scheduled pod executes: `headstart fresh`, and `headstart submit` when there is something new."""

import os
import shutil
import stat
import subprocess

import pytest
import yaml

from tests.manifests import ROOT

# Writes down how it was called, and ends as the test says.
HEADSTART = """#!/bin/sh
echo "$@" >> "$CALLS"
case $1 in
  fresh) echo "Stale: the images changed."; exit $FRESH ;;
  submit) exit $SUBMIT ;;
esac
exit 99
"""


@pytest.fixture(params=["sh", "bash"])
def run(request, tmp_path):
    """Executes the container's command with an impostor of headstart; returns the exit code and its calls."""
    shell = shutil.which(request.param)
    if shell is None:
        pytest.skip(f"no {request.param} on this machine")
    impostor = tmp_path / "headstart"
    impostor.write_text(HEADSTART)
    impostor.chmod(impostor.stat().st_mode | stat.S_IXUSR)
    job = yaml.safe_load((ROOT / "kubernetes" / "base" / "retrain.yaml").read_text())
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["/bin/sh", "-c"]
    assert "$(" not in container["args"][0]  # Kubernetes would put something else in its place

    def run(fresh: int, submit: int = 99) -> tuple[int, list[str]]:
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        environment = {variable["name"]: variable["value"] for variable in container["env"]}
        environment |= {"PATH": f"{tmp_path}:{os.defpath}", "CALLS": str(calls)}
        environment |= {"FRESH": str(fresh), "SUBMIT": str(submit)}
        done = subprocess.run(
            [shell, "-c", *container["args"]], env=environment, capture_output=True, text=True
        )
        assert (done.stdout, done.stderr) == ("Stale: the images changed.\n", "")
        return done.returncode, calls.read_text().splitlines()

    return run


CONFIG = "/headstart/kubernetes/overlays/deployed/config.yaml"


def test_nothing_is_submitted_when_nothing_has_changed(run):
    assert run(fresh=0) == (0, [f"fresh {CONFIG}"])


@pytest.mark.parametrize("verdict", [0, 3, 4, 1])
def test_a_change_is_submitted_with_its_reason_and_the_verdict_of_the_run_is_that_of_the_job(run, verdict):
    submit = f"submit {CONFIG} --wait --because Stale: the images changed."
    assert run(fresh=5, submit=verdict) == (verdict, [f"fresh {CONFIG}", submit])


@pytest.mark.parametrize("refusal", [3, 4])
def test_while_nothing_has_changed_a_refusal_stays_the_verdict_of_the_job(run, refusal):
    assert run(fresh=refusal) == (refusal, [f"fresh {CONFIG}"])


@pytest.mark.parametrize("failure", [1, 2, 127, 137])
def test_the_job_fails_when_nobody_can_say_whether_something_has_changed(run, failure):
    assert run(fresh=failure) == (failure, [f"fresh {CONFIG}"])
