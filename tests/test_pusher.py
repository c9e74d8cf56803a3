"""A push is seen whole or not at all, happens only with all blessings, and never twice for one model."""

import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tensorflow_data_validation as tfdv
from tfx.types import Channel, standard_artifacts

from components import artifacts, serving_versions
from components.pusher.component import Pusher
from components.pusher.push import push
from components.pusher.rollback import rollback
from tests.tiny_push import STATISTICS, run_step, write_model


def relative_files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "serving"


def test_a_version_is_a_folder_whose_name_is_a_number(destination):
    for name in ("3", "12", "007", "v4", ".incoming-13", "1.5", "-2", "²"):
        (destination / name).mkdir(parents=True)
    (destination / "99").write_text("a file")

    assert list(serving_versions.versions(destination)) == [3, 7, 12]
    assert serving_versions.versions(destination)[7].name == "007"
    assert serving_versions.serving_version(destination) == 12


@pytest.mark.parametrize("name", ["13", "013", "0000013"])
@pytest.mark.parametrize("kind", ["file", "broken link", "link to a file"])
def test_a_file_or_link_that_is_named_as_a_number_keeps_it_and_stops_no_push(
    tmp_path, destination, name, kind
):
    push(write_model(tmp_path / "older"), destination)
    (destination / "1").rename(destination / "12")
    (tmp_path / "notes").write_text("mine")
    if kind == "file":
        (destination / name).write_text("mine")
    else:
        (destination / name).symlink_to("absent" if kind == "broken link" else tmp_path / "notes")

    assert serving_versions.serving_version(destination) == 12
    assert push(write_model(tmp_path / "newer", b"newer"), destination).version == 14
    assert push(write_model(tmp_path / "newest", b"newest"), destination).version == 15
    assert (destination / name).is_symlink() or (destination / name).read_text() == "mine"


def test_nothing_serves_from_a_destination_that_is_not_there(destination):
    assert serving_versions.serving_version(destination) is None
    assert serving_versions.state(destination) == "none"


def test_the_first_push_is_version_1_and_holds_the_model_its_manifest_and_its_data(tmp_path, destination):
    model = write_model(tmp_path / "model")

    pushed = push(model, destination, {"training_statistics.pb": b"statistics"})

    assert (pushed.version, pushed.path, pushed.new) == (1, destination / "1", True)
    records = {serving_versions.MANIFEST, serving_versions.TRAINING_STATISTICS}
    assert relative_files(pushed.path) == relative_files(model) | records
    assert (pushed.path / serving_versions.TRAINING_STATISTICS).read_bytes() == b"statistics"
    manifest = json.loads((pushed.path / serving_versions.MANIFEST).read_text())
    assert manifest["version"] == 1
    assert manifest["labels"] == ["cat", "dog"]
    assert manifest["content_hash"] == serving_versions.content_hash(model)


def test_a_pushed_model_has_the_hash_of_the_model_that_it_was_copied_from(tmp_path, destination):
    model = write_model(tmp_path / "model")

    assert serving_versions.content_hash(push(model, destination).path) == (
        serving_versions.content_hash(model)
    )


def test_another_model_becomes_the_next_version_and_the_old_one_stays(tmp_path, destination):
    push(write_model(tmp_path / "old", b"old"), destination)

    pushed = push(write_model(tmp_path / "new", b"new"), destination)

    assert list(serving_versions.versions(destination)) == [1, 2]
    assert (destination / "1" / "saved_model.pb").read_bytes() == b"old"
    assert (pushed.path / "saved_model.pb").read_bytes() == b"new"


def test_the_model_that_serves_is_not_pushed_again(tmp_path, destination):
    push(write_model(tmp_path / "model"), destination)

    again = push(write_model(tmp_path / "retrained_to_the_same"), destination)

    assert (again.version, again.new) == (1, False)
    assert list(serving_versions.versions(destination)) == [1]


def test_a_model_that_served_before_the_newest_is_pushed_as_a_new_version(tmp_path, destination):
    old = write_model(tmp_path / "old", b"old")
    push(old, destination)
    push(write_model(tmp_path / "new", b"new"), destination)

    assert push(old, destination).version == 3


def test_the_state_tells_which_model_serves(tmp_path, destination):
    push(write_model(tmp_path / "old", b"old"), destination)
    before = serving_versions.state(destination)
    push(write_model(tmp_path / "new", b"new"), destination)

    assert before == f"1 {serving_versions.content_hash(tmp_path / 'old')}"
    assert serving_versions.state(destination) == f"2 {serving_versions.content_hash(tmp_path / 'new')}"


def test_a_number_without_a_model_in_it_is_never_reused(tmp_path, destination):
    (destination / "5").mkdir(parents=True)

    assert serving_versions.state(destination) == "5 without a model"
    assert push(write_model(tmp_path / "model"), destination).version == 6


def test_a_version_that_is_removed_does_not_give_its_number_back(tmp_path, destination):
    for name in ("first", "second"):
        pushed = push(write_model(tmp_path / name, name.encode()), destination)
    shutil.rmtree(pushed.path)

    assert push(write_model(tmp_path / "third", b"third"), destination).version == 3


def test_pushed_files_can_be_read_by_the_model_servers_user(tmp_path, destination):
    model = write_model(tmp_path / "model")
    os.chmod(model / "saved_model.pb", 0o600)
    os.chmod(model / "variables", 0o700)
    umask = os.umask(0o077)
    try:
        push(model, destination)
    finally:
        os.umask(umask)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (destination / "1").rglob("*") if path.is_file()}
    folders = [destination, destination / "1", *(p for p in (destination / "1").rglob("*") if p.is_dir())]
    assert modes == {0o644}
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o755}


def test_pushes_at_the_same_time_get_versions_of_their_own(tmp_path, destination):
    models = [write_model(tmp_path / str(n), content=bytes([n])) for n in range(6)]

    with ThreadPoolExecutor(6) as pool:
        versions = list(pool.map(lambda model: push(model, destination).version, models))

    assert sorted(versions) == [1, 2, 3, 4, 5, 6]


def test_a_folder_without_a_model_is_not_pushed(tmp_path, destination):
    with pytest.raises(FileNotFoundError, match=r"no SavedModel in .*there is no saved_model\.pb"):
        push(tmp_path, destination)


def test_a_reader_never_sees_half_a_model_when_the_push_is_killed_at_any_moment(tmp_path, destination):
    model = write_model(tmp_path / "model", files=80)
    complete = relative_files(model) | {serving_versions.MANIFEST, serving_versions.TRAINING_STATISTICS}
    # Each push has another graph, so that none is taken for the model that serves already.
    code = (
        "import sys, pathlib; from components.pusher.push import push;"
        "model, destination, seed = sys.argv[1:];"
        "pathlib.Path(model, 'saved_model.pb').write_text(seed); print('go', flush=True);"
        "push(model, destination, {'training_statistics.pb': b'statistics'}); print('done', flush=True)"
    )

    def start(seed: int) -> subprocess.Popen:
        command = [sys.executable, "-c", code, str(model), str(destination), str(seed)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "go\n"
        return process

    first = start(-1)
    started = time.monotonic()
    assert first.communicate()[0] == "done\n"
    push_seconds = time.monotonic() - started

    killed = leftovers = 0
    chance = random.Random(0)
    seeds = iter(range(100))
    while killed < 5 or not leftovers:  # a push that ends before it is killed does not count
        process = start(next(seeds))
        deadline = time.monotonic() + chance.uniform(0.0, push_seconds)
        while time.monotonic() < deadline:
            for folder in serving_versions.versions(destination).values():
                assert relative_files(folder) == complete
        process.kill()
        killed += "done" not in process.communicate()[0]
        leftovers += len(list(destination.glob(".incoming-*")))
        for folder in serving_versions.versions(destination).values():
            assert relative_files(folder) == complete

    assert start(100).communicate()[0] == "done\n"
    assert not list(destination.glob(".incoming-*"))
    newest = serving_versions.versions(destination)[serving_versions.serving_version(destination)]
    assert (newest / "saved_model.pb").read_text() == "100"


def test_a_blessed_model_is_pushed_with_the_statistics_of_its_data(tmp_path, destination):
    artifact, result = run_step(tmp_path, destination)

    assert result == {
        "outcome": "pushed",
        "version": 1,
        "path": str(destination / "1"),
        "reason": "blessed",
        "serving_state": serving_versions.state(destination),
    }
    assert result["serving_state"].startswith("1 ")
    assert artifact.get_int_custom_property("pushed") == 1
    assert artifact.get_string_custom_property("pushed_version") == "1"
    assert artifact.get_string_custom_property("pushed_destination") == str(destination / "1")
    recorded = tfdv.load_stats_binary(str(destination / "1" / serving_versions.TRAINING_STATISTICS))
    assert recorded == STATISTICS


def test_the_step_pushes_to_an_address_just_the_same(tmp_path, s3_bucket):
    destination = f"{s3_bucket}/serving"

    artifact, result = run_step(tmp_path, destination)
    _, again = run_step(tmp_path, destination)
    _, refused = run_step(tmp_path, destination, blessed=0)

    state = serving_versions.state(destination)
    assert state.startswith("1 ")
    pushed = {"version": 1, "path": f"{destination}/1", "serving_state": state}
    assert result == {"outcome": "pushed", "reason": "blessed", **pushed}
    assert again == {
        "outcome": "unchanged",
        "reason": "version 1 is this very model: equal weights, equal code",
        **pushed,
    }
    assert refused == {"outcome": "not_blessed", "reason": "not blessed by Evaluator", **pushed}
    assert artifact.get_string_custom_property("pushed_destination") == f"{destination}/1"


def test_the_same_model_again_is_reported_as_unchanged(tmp_path, destination):
    run_step(tmp_path, destination)

    artifact, result = run_step(tmp_path, destination)

    assert (result["outcome"], result["version"]) == ("unchanged", 1)
    assert artifact.get_int_custom_property("pushed") == 0


@pytest.mark.parametrize(
    ("blessed", "infra_blessed", "refused_by"),
    [(0, 1, "Evaluator"), (1, 0, "InfraCheck"), (0, 0, "Evaluator and InfraCheck")],
)
def test_a_model_that_is_not_blessed_is_not_pushed(tmp_path, destination, blessed, infra_blessed, refused_by):
    artifact, result = run_step(tmp_path, destination, blessed, infra_blessed)

    assert result == {
        "outcome": "not_blessed",
        "version": None,
        "path": None,
        "reason": f"not blessed by {refused_by}",
        "serving_state": "none",
    }
    assert artifact.get_int_custom_property("pushed") == 0
    assert not destination.exists()


def test_the_old_model_stays_when_the_new_one_is_not_blessed(tmp_path, destination):
    run_step(tmp_path, destination)

    _, result = run_step(tmp_path, destination, blessed=0)

    assert (result["version"], result["path"]) == (1, str(destination / "1"))


def test_the_step_gives_a_pushed_model():
    step = Pusher(
        model=Channel(type=standard_artifacts.Model),
        blessing=Channel(type=standard_artifacts.ModelBlessing),
        infra_blessing=Channel(type=standard_artifacts.InfraBlessing),
        statistics=Channel(type=standard_artifacts.ExampleStatistics),
        ingest_report=Channel(type=artifacts.IngestReport),
        push_destination="serving",
        push=True,
        because="",
        origin="{}",
        run_id="1",
        source_hash="1",
    )

    assert step.outputs["pushed_model"].type is standard_artifacts.PushedModel
    assert step.exec_properties["push_destination"] == "serving"


def test_a_model_that_was_rolled_back_is_not_pushed_again_by_a_later_run(tmp_path, destination):
    push(write_model(tmp_path / "good", b"good"), destination)
    run_step(tmp_path, destination)
    rollback(str(destination))

    artifact, result = run_step(tmp_path, destination)

    assert (result["outcome"], result["version"]) == ("withdrawn", 3)
    assert result["path"] == str(destination / "3")
    assert "version 2 again, which was rolled back" in result["reason"]
    assert artifact.get_int_custom_property("pushed") == 0
    assert list(serving_versions.versions(destination)) == [1, 2, 3]
