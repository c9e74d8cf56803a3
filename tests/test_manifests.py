"""kubernetes/: what others' tools say about the manifests; what we ask ourselves: test_manifest_rules.py."""

import json
import os
import re
import subprocess
from datetime import datetime, timezone

import pytest
import yaml

from pipeline.kubeflow import cron
from tests.manifests import OVERLAYS, RENDERED, ROOT, Objects, overlay_folder, render, tool

SKIP_ANNOTATION = re.compile(r"checkov\.io/skip\d+")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Files with what kubectl makes of each overlay."""
    scratch = tmp_path_factory.mktemp("rendered")
    files = {}
    for name in RENDERED:
        files[name] = scratch / f"{name}.yaml"
        files[name].write_text(render(overlay_folder(name, scratch)))
    return files


def validate(file) -> subprocess.CompletedProcess:
    """Runs kubernetes-validate, against the newest version that it has."""
    command = [tool("kubernetes-validate"), "--strict", str(file)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("name", RENDERED)
def test_every_object_fits_the_schemas_of_the_newest_kubernetes(rendered, name):
    done = validate(rendered[name])
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    documents = list(yaml.safe_load_all(rendered[name].read_text()))
    assert said.count(" passed for resource ") == len(documents)
    assert "against version 1." in said


def test_the_schemas_know_the_fields(rendered, tmp_path):
    text = rendered["gpu"].read_text()
    assert text.count("startingDeadlineSeconds:") == 1
    broken = tmp_path / "broken.yaml"
    broken.write_text(text.replace("startingDeadlineSeconds:", "startingDeadlineSecond:"))
    done = validate(broken)
    assert done.returncode != 0
    assert "startingDeadlineSecond" in done.stdout + done.stderr


@pytest.fixture(scope="module")
def findings(rendered):
    """What checkov says, as (file, object, check) with the reason of those that are skipped."""
    arguments = [option for file in rendered.values() for option in ("--file", str(file))]
    command = [
        tool("checkov"),
        "--framework",
        "kubernetes",
        "--skip-download",
        "--output",
        "json",
        *arguments,
    ]
    # Away from any .checkov.yaml, which could hide findings.
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=rendered["gpu"].parent,
        env={**os.environ, "LOG_LEVEL": "ERROR"},
    )
    results = json.loads(done.stdout)["results"]
    assert not results["parsing_errors"]

    def listed(kind):
        return {
            (os.path.basename(entry["file_path"]), entry["resource"], entry["check_id"]): entry[
                "check_result"
            ]
            for entry in results[kind]
        }

    return {kind: listed(f"{kind}_checks") for kind in ("passed", "failed", "skipped")}


def test_checkov_finds_nothing_that_is_not_justified(findings):
    assert findings["failed"] == {}
    assert len(findings["passed"]) > 1000


def test_every_justification_has_a_reason_and_still_has_its_finding(rendered, findings):
    written = set()
    for file in rendered.values():
        for owner in yaml.safe_load_all(file.read_text()):
            for key, text in (owner["metadata"].get("annotations") or {}).items():
                if SKIP_ANNOTATION.fullmatch(key):
                    check, _, reason = text.partition("=")
                    assert len(reason.split()) > 5, f"{key} of {owner['metadata']['name']}: say why"
                    names = (
                        owner["kind"],
                        owner["metadata"].get("namespace", "default"),
                        owner["metadata"]["name"],
                    )
                    written.add((file.name, ".".join(names), check))
    assert written == set(findings["skipped"])


@pytest.mark.parametrize("name", RENDERED)
def test_schedules_are_such_as_kubernetes_can_read(rendered, name):
    noon = datetime(2030, 1, 1, 12, tzinfo=timezone.utc)
    first = {}
    for job in Objects(rendered[name].read_text()).of("CronJob").values():
        schedule = job["spec"]["schedule"]
        # Kubernetes refuses six fields, and a time zone inside of the expression; its schema passes both.
        assert cron.to_kubernetes(schedule) == schedule
        (first[job["metadata"]["name"]],) = cron.parse(schedule).next_times(noon, count=1)
        assert job["spec"]["timeZone"] == "Etc/UTC"
    assert first == {
        "headstart-retrain": datetime(2030, 1, 2, 2, 30, tzinfo=timezone.utc),
        "headstart-rollback": datetime(2031, 1, 1, tzinfo=timezone.utc),
    }


def test_the_schemas_do_not_read_a_schedule(rendered, tmp_path):
    text = rendered["gpu"].read_text().replace("30 2 * * *", "30 25 * * 8")
    (tmp_path / "broken.yaml").write_text(text)
    assert validate(tmp_path / "broken.yaml").returncode == 0  # else the test above could go
    with pytest.raises(cron.CronError, match="hour"):
        cron.parse("30 25 * * 8")


def test_gpu_and_tpu_differ_in_the_config_alone(rendered):
    gpu, tpu = (Objects(rendered[name].read_text()) for name in ("gpu", "tpu"))
    names = {overlay: overlay.only("ConfigMap", "headstart")["metadata"]["name"] for overlay in (gpu, tpu)}
    without_config = [
        [
            json.loads(json.dumps(document).replace(names[overlay], "headstart"))
            for document in overlay.documents
            if document["metadata"]["name"] != names[overlay]
        ]
        for overlay in (gpu, tpu)
    ]
    assert names[gpu] != names[tpu]
    assert without_config[0] == without_config[1]


def test_every_overlay_is_looked_at():
    folders = {folder.name for folder in (ROOT / "kubernetes" / "overlays").iterdir() if folder.is_dir()}
    assert folders == set(OVERLAYS)
