"""Which model is pushed again and which is not: equal trainings, fixes of code, what was rolled back."""

import json
import shutil
from pathlib import Path

import pytest

from components import serving_versions
from components.data_record import DataRecord
from components.model_identity import Identity
from components.pusher import withdrawals
from components.pusher.push import push
from components.pusher.rollback import RolledBack, rollback
from tests.tiny_push import IMAGES, run_step, write_model

OTHER_IMAGES = DataRecord.of([("c" * 64, "cat", "train"), ("b" * 64, "dog", "test")])


def facts(weights="w1", graph_code="g1", config="c1", code="t1", files=None):
    """What the Trainer writes into a model."""
    made_of = {"config": config, "files": files or {"weights": "f1"}, "code": code}
    return {"weights_hash": weights, "graph_code": graph_code, "made_of": made_of}


@pytest.fixture(params=["folder", "address"])
def destination(request, tmp_path):
    if request.param == "folder":
        return str(tmp_path / "serving")
    return f"{request.getfixturevalue('s3_bucket')}/models/pets"


@pytest.fixture
def retrain(tmp_path, destination):
    """Runs the Pusher on a model whose bytes are like those of no other; returns push.json."""
    runs = iter(range(100))

    def run(images=IMAGES, because="", push=1, **of_the_model):
        content = f"graph {next(runs)}".encode()
        options = {"images": images, "because": because, "push": push, "facts": facts(**of_the_model)}
        return run_step(tmp_path, destination, content=content, **options)[1]

    return run


def remove(version_dir):
    """Removes a version as a person does."""
    for file in serving_versions.files_below(version_dir).values():
        file.unlink()
    if isinstance(version_dir, Path):
        shutil.rmtree(version_dir)


def numbers(destination):
    return list(serving_versions.versions(destination))


def test_a_model_of_equal_weights_and_code_is_not_pushed_again_though_its_bytes_differ(retrain, destination):
    retrain()
    result = retrain(images=OTHER_IMAGES)
    assert (result["outcome"], result["version"]) == ("unchanged", 1)
    assert result["reason"] == "version 1 is this very model: equal weights, equal code"
    assert numbers(destination) == [1]


@pytest.mark.parametrize("change", [{"graph_code": "g2"}, {"weights": "w2"}])
def test_a_fix_of_the_graph_and_other_weights_reach_serving(retrain, destination, change):
    retrain()
    assert retrain(**change)["outcome"] == "pushed"
    assert numbers(destination) == [1, 2]


def test_newer_code_that_makes_the_same_weights_and_graph_is_no_new_model(retrain):
    retrain()
    assert retrain(code="t2")["outcome"] == "unchanged"


@pytest.mark.parametrize(
    "again",
    [
        {"weights": "bad"},
        {"weights": "bad", "images": OTHER_IMAGES, "config": "c9", "code": "t9"},
        {"weights": "as another machine rounds"},
    ],
    ids=["equal in all", "equal weights of other data", "made of the same on another machine"],
)
def test_a_model_that_was_rolled_back_does_not_come_back_by_a_retraining(retrain, destination, again):
    retrain(weights="good", images=OTHER_IMAGES)
    retrain(weights="bad")
    assert rollback(destination).withdrawn == (2,)

    result = retrain(**again)

    assert (result["outcome"], result["version"]) == ("withdrawn", 3)
    assert result["reason"].startswith("it is version 2 again, which was rolled back")
    assert "headstart rollback CONFIG --to 2" in result["reason"]
    assert numbers(destination) == [1, 2, 3]


@pytest.mark.parametrize(
    "change",
    [{"images": OTHER_IMAGES}, {"config": "c2"}, {"files": {"weights": "f2"}}],
    ids=["images", "config", "files"],
)
def test_after_a_rollback_a_model_of_other_images_settings_or_files_is_pushed(retrain, change):
    retrain(weights="good", config="c0")
    retrain(weights="bad")
    assert retrain(weights="new", **change)["outcome"] == "pushed"


@pytest.mark.parametrize(
    "again",
    [{"weights": "bad", "graph_code": "g2"}, {"weights": "fixed", "graph_code": "g2", "code": "t2"}],
    ids=["equal weights in a newer graph", "the same images and settings by newer code"],
)
def test_newer_code_brings_a_withdrawn_model_back_only_when_it_is_named(retrain, destination, again):
    retrain(weights="good", config="c0")
    retrain(weights="bad")
    rollback(destination)

    stopped = retrain(**again)
    assert stopped["outcome"] == "withdrawn"
    assert stopped["reason"] == (
        "it is version 2 again, which was rolled back, by newer code. If that code fixes it, name it: "
        'headstart run CONFIG --because "version 2: ..."'
    )
    assert retrain(**again, because="version 22 and version 2")["outcome"] == "withdrawn"
    assert retrain(**again, because="version 2: the decoder is fixed")["outcome"] == "pushed"
    assert retrain(**again)["outcome"] == "unchanged"  # what serves now, so nobody has to name it again
    assert retrain(weights="bad")["outcome"] == "withdrawn"  # without the fix it stays withdrawn


def test_of_two_models_made_of_the_same_on_two_machines_the_one_that_was_rolled_back_is_withdrawn(
    retrain, destination
):
    retrain(weights="of a laptop")
    retrain(weights="of a cluster")

    with pytest.raises(ValueError, match="holds no other model"):  # it would be the same model again
        rollback(destination)
    assert rollback(destination, to=1).withdrawn == (2,)

    assert retrain(weights="of a cluster")["outcome"] == "withdrawn"
    assert retrain(weights="of a laptop")["outcome"] == "unchanged"


def test_what_was_let_through_by_its_name_may_be_trained_again_on_another_machine(retrain, destination):
    retrain(weights="good", config="c0")
    retrain(weights="bad")
    rollback(destination)
    fixed = {"weights": "fixed", "graph_code": "g2", "code": "t2"}
    assert retrain(**fixed, because="version 2: fixed")["outcome"] == "pushed"

    assert retrain(**fixed | {"weights": "as another machine rounds"})["outcome"] == "pushed"


def test_going_back_from_a_rollbacks_copy_withdraws_its_model(retrain, destination):
    retrain(weights="A", config="a")
    retrain(weights="B", config="b")
    rollback(destination)
    rollback(destination, to=2)

    assert rollback(destination) == RolledBack(version=5, copy_of=3, withdrawn=(2,))
    assert retrain(weights="B", config="b")["outcome"] == "withdrawn"


def test_a_copy_of_a_withdrawn_model_does_not_vouch_for_it(retrain, destination):
    for name in "ABC":
        retrain(weights=name, config=name)
    rollback(destination, to=2)
    retrain(weights="E", config="E")
    assert rollback(destination, to=1).withdrawn == (2, 3, 5)

    assert retrain(weights="B on another machine", config="B")["outcome"] == "withdrawn"


def test_a_withdrawn_model_that_serves_because_its_successor_was_removed_is_said(retrain, destination):
    retrain(weights="A", config="a")
    retrain(weights="B", config="b")
    rollback(destination)
    remove(serving_versions.versions(destination)[3])

    said = "version 2 serves, although it was rolled back"
    assert withdrawals.serving_although_withdrawn(destination) == said
    assert retrain(weights="B", config="b")["outcome"] == "withdrawn"
    assert rollback(destination, to=2) == RolledBack(version=2, copy_of=2, withdrawn=())
    assert withdrawals.serving_although_withdrawn(destination) is None


def test_a_model_whose_serving_version_lost_its_files_is_pushed_again(retrain, destination):
    retrain()
    (serving_versions.location(serving_versions.versions(destination)[1]) / "saved_model.pb").unlink()

    assert (retrain()["outcome"], numbers(destination)) == ("pushed", [1, 2])


def test_the_way_back_of_a_withdrawn_model_whose_version_was_removed_is_its_record(retrain, destination):
    retrain(weights="good", config="c0")
    retrain(weights="bad")
    rollback(destination)
    remove(serving_versions.versions(destination)[2])

    reason = retrain(weights="bad")["reason"]
    assert reason.endswith(f"remove {destination}/.withdrawn/2.json, and run again")
    (serving_versions.location(destination) / withdrawals.FOLDER / "2.json").unlink()
    assert retrain(weights="bad")["outcome"] == "pushed"


def test_a_rollback_while_its_model_is_copied_stops_a_push(retrain, destination, monkeypatch):
    retrain(weights="good", config="c0")
    retrain(weights="bad")
    looks = iter([None, "it is version 2 again, which was rolled back"])
    monkeypatch.setattr("components.pusher.executor.withdrawn", lambda *_: next(looks))

    result = retrain(weights="bad on another machine")

    assert (result["outcome"], result["reason"]) == (
        "withdrawn",
        "it is version 2 again, which was rolled back",
    )
    assert numbers(destination) == [1, 2]


def test_what_was_pushed_while_a_rollback_was_decided_is_withdrawn_with_the_others(
    retrain, destination, tmp_path, monkeypatch
):
    retrain(weights="good", config="c0")
    retrain(weights="bad")
    local_version = serving_versions.local_version

    def push_another_first(path):
        push(write_model(tmp_path / "meanwhile", b"meanwhile"), destination)
        return local_version(path)

    monkeypatch.setattr(serving_versions, "local_version", push_another_first)
    assert rollback(destination) == RolledBack(version=4, copy_of=1, withdrawn=(2, 3))


def test_a_model_of_before_goes_by_its_bytes(tmp_path, destination):
    push(write_model(tmp_path / "good", b"good"), destination)
    run_step(tmp_path, destination, content=b"bad")
    assert run_step(tmp_path, destination, content=b"bad")[1]["outcome"] == "unchanged"
    rollback(destination)

    assert run_step(tmp_path, destination, content=b"bad")[1]["outcome"] == "withdrawn"
    assert run_step(tmp_path, destination, content=b"other")[1]["outcome"] == "pushed"


def test_a_judged_model_is_not_pushed_and_a_later_run_pushes_it(retrain, destination):
    judged = retrain(push=0)
    assert (judged["outcome"], judged["version"], judged["serving_state"]) == ("judged", None, "none")
    assert numbers(destination) == []
    assert retrain()["outcome"] == "pushed"


def test_one_object_stands_for_each_withdrawn_model_and_goes_when_it_is_called_back(retrain, destination):
    for weights in ("good", "bad", "worse"):
        retrain(weights=weights, config=weights)
    rollback(destination, to=1)
    assert list(withdrawals.read(destination)) == [2, 3]

    rollback(destination, to=3)

    assert list(withdrawals.read(destination)) == [2]
    assert retrain(weights="bad", config="bad")["outcome"] == "withdrawn"


def test_withdrawn_models_stay_known_when_all_old_versions_are_removed(retrain, destination):
    retrain(weights="good", config="c0")
    retrain(weights="bad")
    rollback(destination)
    for number in (1, 2):
        for file in serving_versions.files_below(serving_versions.versions(destination)[number]).values():
            file.unlink()

    assert retrain(weights="bad")["outcome"] == "withdrawn"


def test_lists_in_manifests_of_before_are_still_read_and_kept_by_the_next_rollback(tmp_path, destination):
    for name in ("good", "bad"):
        push(write_model(tmp_path / name, name.encode()), destination)
    bad = serving_versions.content_hash(tmp_path / "bad")
    remarks = {"rolled_back_to": 1, "rolled_back_from": {"version": 2, "content_hash": bad}}
    push(tmp_path / "good", destination, facts={**remarks, "withdrawn": {bad: 2}})
    assert run_step(tmp_path, destination, content=b"bad")[1]["outcome"] == "withdrawn"

    push(write_model(tmp_path / "worse", b"worse"), destination)
    rollback(destination)

    assert list(withdrawals.read(destination)) == [2, 4]
    assert {"2.json", "4.json"} == set(
        serving_versions.files_below(serving_versions.location(destination) / withdrawals.FOLDER)
    )


def test_a_damaged_record_of_a_withdrawal_falls_back_on_the_version_itself(retrain, destination):
    retrain(weights="good", config="c0")
    retrain(weights="bad")
    rollback(destination)
    record = serving_versions.location(destination) / withdrawals.FOLDER / "2.json"
    record.write_bytes(b'{"vers')

    assert retrain(weights="bad")["outcome"] == "withdrawn"


def test_a_rollbacks_copy_carries_every_record_of_its_original(retrain, destination):
    retrain(weights="good")
    retrain(weights="bad", images=OTHER_IMAGES)
    rollback(destination)
    original, _, copy = serving_versions.versions(destination).values()

    names = [name for name in serving_versions.files_below(original) if name != serving_versions.MANIFEST]
    assert {"verdict.json", "images.npz", "training_statistics.pb"} <= {name.split("/")[-1] for name in names}
    for name in names:
        assert (copy / name).read_bytes() == (original / name).read_bytes()
    before, after = (serving_versions.read_manifest(path) for path in (original, copy))
    changed = {key for key in after if after[key] != before.get(key)}
    assert changed - {"pushed_at"} == {"version", "rolled_back_to", "rolled_back_from"}


def test_the_manifest_tells_where_a_version_comes_from(retrain, destination):
    retrain(weights="first", config="c0")
    retrain(because="more boots")
    manifest = json.loads(
        (serving_versions.versions(destination)[2] / serving_versions.MANIFEST).read_bytes()
    )
    assert manifest["made_of"] == {
        "data": IMAGES.fingerprint(),
        "config": "c1",
        "files": {"weights": "f1"},
        "code": "t1",
    }
    first = serving_versions.read_manifest(serving_versions.versions(destination)[1])
    assert manifest["parent"] == {"version": 1, "content_hash": first["content_hash"]}
    assert first["parent"] is None
    told = {key: manifest[key] for key in ("name", "run_id", "because", "started_by", "config", "code")}
    assert told == {
        "name": "pets",
        "run_id": "run-1",
        "because": "more boots",
        "started_by": "headstart run",
        "config": "c1",
        "code": "s1",
    }
    assert manifest["accuracy"] == {"value": 0.9, "low": 0.8, "high": 0.95, "n": 40}


def test_what_is_not_known_of_two_models_makes_them_neither_equal_nor_one_the_other_again():
    assert not Identity().equals(Identity())
    assert Identity().brings_back(Identity()) is None
    assert Identity("a", "w1").brings_back(Identity("b", "w2")) is None
