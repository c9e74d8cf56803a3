"""A push to an object store, which has neither rename nor locks: what is half there is no version."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from components import serving_versions
from components.pusher import remote_push
from components.pusher.push import push
from components.pusher.records import Parcel
from modules import storage

RECORDS = {"training_statistics.pb": b"statistics"}
FILES = {
    "saved_model.pb",
    "fingerprint.pb",
    "variables/variables.index",
    "assets.extra/headstart.json",
    serving_versions.MANIFEST,
    serving_versions.TRAINING_STATISTICS,
}


def write_model(folder: Path, content: bytes = b"graph") -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "assets.extra").mkdir()
    (folder / "saved_model.pb").write_bytes(content)
    (folder / "fingerprint.pb").write_bytes(os.urandom(8))
    (folder / "variables" / "variables.index").write_bytes(content * 1000)
    (folder / "assets.extra" / "headstart.json").write_text('{"labels": ["cat", "dog"]}')
    return folder


def relative_files(address) -> set[str]:
    return set(storage.files_below(address))


def whole_versions(*numbers: int) -> set[str]:
    """Returns all files of a destination with these versions, and nothing unfinished."""
    files = {f"{number}/{name}" for number in numbers for name in FILES}
    return files | {f".push/{number}.json" for number in numbers}


@pytest.fixture
def destination(s3_bucket):
    return f"{s3_bucket}/models/pets"


@pytest.fixture(params=["s3", "gcs"])
def any_destination(request):
    return request.getfixturevalue(f"{request.param}_bucket") + "/models/pets"


def test_the_first_push_is_version_1_and_holds_the_model_its_manifest_and_its_data(tmp_path, any_destination):
    model = write_model(tmp_path / "model")

    pushed = push(model, any_destination, RECORDS)

    assert (pushed.version, str(pushed.path), pushed.new) == (1, f"{any_destination}/1", True)
    assert relative_files(any_destination) == whole_versions(1)
    assert (pushed.path / "variables" / "variables.index").read_bytes() == b"graph" * 1000
    assert (pushed.path / serving_versions.TRAINING_STATISTICS).read_bytes() == b"statistics"
    manifest = json.loads((pushed.path / serving_versions.MANIFEST).read_text())
    assert (manifest["version"], manifest["labels"]) == (1, ["cat", "dog"])
    assert manifest["content_hash"] == serving_versions.content_hash(model)
    assert serving_versions.content_hash(pushed.path) == serving_versions.content_hash(model)


@pytest.mark.parametrize("name", ["13", "013"])
def test_an_object_that_is_named_as_a_number_keeps_it_and_stops_no_push(tmp_path, any_destination, name):
    (storage.location(any_destination) / name).write_bytes(b"mine")
    assert serving_versions.serving_version(any_destination) is None
    assert push(write_model(tmp_path / "model"), any_destination).version == 14
    assert push(write_model(tmp_path / "newer", b"newer"), any_destination).version == 15
    assert (storage.location(any_destination) / name).read_bytes() == b"mine"


def test_the_state_is_the_same_text_as_that_of_a_local_destination(tmp_path, destination):
    assert serving_versions.state(destination) == "none"
    assert serving_versions.serving_version(destination) is None
    for content in (b"old", b"new"):
        model = write_model(tmp_path / content.decode(), content)
        push(model, destination)
        push(model, tmp_path / "serving")
        assert serving_versions.state(destination) == serving_versions.state(tmp_path / "serving")
    assert list(serving_versions.versions(destination)) == [1, 2]
    assert serving_versions.read_labels(serving_versions.versions(destination)[2]) == ["cat", "dog"]


def test_the_model_that_serves_is_not_pushed_again_and_an_older_one_is(tmp_path, any_destination):
    old, new = write_model(tmp_path / "old", b"old"), write_model(tmp_path / "new", b"new")
    push(old, any_destination)
    push(new, any_destination)
    again = push(write_model(tmp_path / "retrained_to_the_same", b"new"), any_destination)

    assert (again.version, str(again.path), again.new) == (2, f"{any_destination}/2", False)
    assert push(old, any_destination).version == 3


def test_a_model_at_an_address_can_be_pushed_to_a_local_folder(tmp_path, destination):
    pushed = push(write_model(tmp_path / "model"), destination)

    copied = push(pushed.path, tmp_path / "serving", RECORDS)

    assert relative_files(copied.path) == FILES
    assert serving_versions.state(tmp_path / "serving") == serving_versions.state(destination)


def test_the_manifest_is_the_last_and_saved_model_the_last_of_the_model(tmp_path, destination, monkeypatch):
    steps, upload, manifest = [], remote_push.upload_files, Parcel.manifest

    def look():
        assert serving_versions.versions(destination) == {}
        steps.append({name.removeprefix("1/") for name in relative_files(destination)} - {".push/1.json"})

    def upload_and_look(files, address):
        upload(files, address)
        look()

    def look_before_the_manifest(*args):
        look()
        return manifest(*args)

    monkeypatch.setattr(remote_push, "upload_files", upload_and_look)
    monkeypatch.setattr(Parcel, "manifest", look_before_the_manifest)
    push(write_model(tmp_path / "model"), destination, RECORDS)

    without_manifest = FILES - {serving_versions.MANIFEST}
    assert steps == [
        without_manifest - {"saved_model.pb", serving_versions.TRAINING_STATISTICS},
        without_manifest,
        without_manifest,
    ]


def test_a_killed_push_leaves_no_version_and_the_next_takes_another_number(tmp_path, any_destination):
    model = write_model(tmp_path / "model")
    code = (
        "import os, sys; from components.pusher import remote_push; from components.pusher.push import push;"
        "remote_push.Parcel.manifest = lambda *args: os._exit(9);"
        "push(sys.argv[1], sys.argv[2])"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(model), any_destination], check=False)

    assert killed.returncode == 9
    assert {"1/saved_model.pb", ".push/1.json"} <= relative_files(any_destination)
    assert serving_versions.versions(any_destination) == {}
    assert serving_versions.state(any_destination) == "none"
    assert push(model, any_destination, RECORDS).version == 2
    assert list(serving_versions.versions(any_destination)) == [2]
    assert "1/saved_model.pb" in relative_files(any_destination)  # it might still be under way

    claim = storage.location(any_destination) / ".push" / "1.json"
    long_ago = datetime.now(timezone.utc) - timedelta(hours=25)
    claim.write_text(json.dumps({"token": "x", "claimed_at": long_ago.isoformat()}))
    assert push(write_model(tmp_path / "next", b"next"), any_destination, RECORDS).version == 3
    assert relative_files(any_destination) == whole_versions(2, 3)


def test_a_stale_claim_of_a_complete_version_is_that_of_a_finished_push(tmp_path, destination):
    push(write_model(tmp_path / "model"), destination, RECORDS)
    claim = storage.location(destination) / ".push" / "1.json"
    claim.write_text(json.dumps({"token": "x", "claimed_at": "2020-01-01T00:00:00+00:00"}))
    remote_push.remove_leftovers(storage.location(destination))
    assert relative_files(destination) == whole_versions(1)
    assert list(json.loads(claim.read_text())) == ["pushed_at"]


def test_a_version_that_is_removed_does_not_give_its_number_back(tmp_path, any_destination):
    for content in (b"first", b"second"):
        pushed = push(write_model(tmp_path / content.decode(), content), any_destination)
    for file in storage.files_below(pushed.path).values():
        file.unlink()
    assert push(write_model(tmp_path / "third", b"third"), any_destination).version == 3


def test_folders_of_others_are_neither_versions_nor_removed(tmp_path, destination):
    foreign = {"12/saved_model.pb", "notes/readme.txt", "7"}
    for name in foreign:
        (storage.location(destination) / name).write_bytes(b"foreign")
    assert serving_versions.versions(destination) == {}
    assert push(write_model(tmp_path / "model"), destination).version == 13
    assert list(serving_versions.versions(destination)) == [13]
    assert foreign <= relative_files(destination)


def test_pushes_at_the_same_time_never_mix_two_models(tmp_path, any_destination):
    models = [write_model(tmp_path / str(n), content=bytes([65 + n])) for n in range(4)]

    with ThreadPoolExecutor(4) as pool:
        pushed = list(pool.map(lambda model: push(model, any_destination), models))

    assert len({done.version for done in pushed}) == 4
    versions = serving_versions.versions(any_destination)
    assert sorted(versions) == sorted(done.version for done in pushed)
    for model, done in zip(models, pushed, strict=True):
        assert serving_versions.content_hash(done.path) == serving_versions.content_hash(model)
        assert serving_versions.version_hash(done.path) == serving_versions.content_hash(model)


def test_a_number_that_another_push_claimed_is_not_written_to(any_destination):
    folder = storage.location(any_destination)
    assert remote_push.claim(folder, "mine") == 1
    assert remote_push.claim(folder, "theirs") == 2
    assert (remote_push.holder(folder, 1), remote_push.holder(folder, 2)) == ("mine", "theirs")


def test_a_number_whose_push_ended_after_the_numbers_were_read_is_passed_over(
    tmp_path, destination, monkeypatch
):
    push(write_model(tmp_path / "model"), destination)
    answers = iter([set(), {1}])  # the first listing is from before that push
    monkeypatch.setattr(remote_push, "numbers", lambda _: next(answers))
    folder = storage.location(destination)
    assert remote_push.claim(folder, "mine") == 2
    assert remote_push.holder(folder, 1) is None


@pytest.mark.parametrize("code", ["NotImplemented", None])
def test_on_a_store_without_exclusive_creation_the_later_claim_wins_and_the_other_push_moves_on(
    tmp_path, destination, monkeypatch, code
):
    """None: the store ignores the condition and overwrites, as old S3-compatible servers do."""

    def create_anyway(fs, path, content, mode):
        if code:
            error = OSError("not implemented")
            error.__cause__ = type("Refused", (Exception,), {"response": {"Error": {"Code": code}}})()
            raise error
        fs.pipe_file(path, content)

    fs = storage.location(destination).fs
    pipe_file = fs.pipe_file
    monkeypatch.setattr(
        fs,
        "pipe_file",
        lambda path, content, mode="overwrite": (
            create_anyway(fs, path, content, mode) if mode == "create" else pipe_file(path, content)
        ),
    )
    upload, rivals = remote_push.upload_files, []

    def upload_while_another_claims(files, address):
        if not rivals:
            rivals.append(remote_push._claim_file(storage.location(destination), 1))
            rivals[0].write_text(json.dumps({"token": "theirs", "claimed_at": "2999-01-01T00:00:00+00:00"}))
        upload(files, address)

    monkeypatch.setattr(remote_push, "upload_files", upload_while_another_claims)
    pushed = push(write_model(tmp_path / "model"), destination)
    assert pushed.version == 2
    assert list(serving_versions.versions(destination)) == [2]


def test_a_version_whose_files_are_not_those_of_its_manifest_is_not_used(tmp_path, destination):
    pushed = push(write_model(tmp_path / "model"), destination, RECORDS)
    copy = serving_versions.local_version(pushed.path)
    assert relative_files(copy) == FILES
    (pushed.path / "variables" / "variables.index").write_bytes(b"of another push")
    with pytest.raises(ValueError, match=rf"the model in {destination}/1 cannot be used.*remove that folder"):
        serving_versions.local_version(pushed.path)


def test_a_missing_bucket_is_said_before_anything_is_written(tmp_path, s3_bucket):
    with pytest.raises(storage.StorageError, match="there is no bucket 'no-such-bucket'"):
        push(write_model(tmp_path / "model"), "s3://no-such-bucket/models")


def test_one_listing_answers_for_any_number_of_versions(destination, monkeypatch):
    folder = storage.location(destination)
    for number in range(30):
        (folder / str(number) / serving_versions.MANIFEST).write_bytes(b"{}")
    calls = []
    call = type(folder.fs)._call_s3
    monkeypatch.setattr(
        type(folder.fs),
        "_call_s3",
        lambda self, method, *args, **kwargs: calls.append(method) or call(self, method, *args, **kwargs),
    )
    started = time.monotonic()
    assert list(serving_versions.versions(destination)) == list(range(30))
    assert len(calls) <= 2, calls
    assert time.monotonic() - started < 5
