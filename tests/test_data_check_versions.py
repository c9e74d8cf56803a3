"""What changed since an earlier version stops a run: known images of other classes or other splits."""

import json
import shutil

import pytest

from components import serving_versions
from components.data_check.records import overlap, relabelled, renamed_classes
from components.data_record import DataRecord
from components.pusher.rollback import rollback
from tests import tiny_data
from tests.checked_data import FIFTY_OF_EACH, ORDINARY, check, refused, serve


def record(*rows):
    """Returns a record of (number of the first image, how many, class, split) rows."""
    return DataRecord.of(
        (f"{number:064x}", label, split)
        for first, count, label, split in rows
        for number in range(first, first + count)
    )


BEFORE = record((0, 40, "cat", "train"), (100, 40, "dog", "train"), (200, 20, "cat", "test"))


def serve_with(tmp_path, images, version=3, name=None):
    """Puts a version in place that was made of these images."""
    serve(tmp_path, ORDINARY, version)
    folder = tmp_path / "serving" / str(version)
    images.write(folder / serving_versions.PUSH_RECORDS)
    manifest = {"version": version, "content_hash": f"hash {version}"} | ({"name": name} if name else {})
    (folder / serving_versions.MANIFEST).write_text(json.dumps(manifest))


def test_two_class_folders_that_were_swapped_stop_the_run_and_are_named(tmp_path):
    serve_with(tmp_path, BEFORE)
    swapped = record((0, 40, "dog", "train"), (100, 40, "cat", "train"), (200, 20, "dog", "test"))

    (found,) = refused(tmp_path, images=swapped)

    assert found == (
        "label: 100 of 100 images known from version 3 have another class: 60 images of class 'cat', of 60 "
        "known ones, have class 'dog' now; 40 images of class 'dog', of 40 known ones, have class 'cat' now. "
        "validation.max_relabelled is 0.05, over all and within each class. If the new classes are right: "
        f"--set validation.accepted_data={swapped.fingerprint()}, good for this data alone"
    )


def test_swapped_classes_stop_the_run_even_when_anomalies_only_warn(tmp_path):
    serve_with(tmp_path, BEFORE)
    swapped = record((0, 40, "dog", "train"), (100, 40, "cat", "train"))

    assert len(refused(tmp_path, images=swapped, on_anomaly="warn")) == 1


def test_relabelled_images_are_accepted_by_the_fingerprint_of_the_data_and_no_others_are(tmp_path):
    serve_with(tmp_path, BEFORE)
    swapped = record((0, 40, "dog", "train"), (100, 40, "cat", "train"))
    limits = {"accepted_data": swapped.fingerprint()}

    verdict = check(tmp_path / "a", images=swapped, limits=limits, push_destination=str(tmp_path / "serving"))
    assert verdict["ok"]
    assert verdict["findings"][0]["reason"].endswith("Accepted by validation.accepted_data")

    grown = record((0, 40, "dog", "train"), (100, 41, "cat", "train"))
    refused(tmp_path / "b", images=grown, limits=limits, push_destination=str(tmp_path / "serving"))


@pytest.mark.parametrize(
    ("changed", "stops"),
    [
        ([(0, 4, "dog")], False),  # 4 of 109, and of 100 of the class
        ([(0, 6, "dog")], True),
        ([(1000, 1, "cat")], True),  # 1 of 5 of a small class
        ([(2000, 1, "cat")], False),  # 1 of 4: too few to be judged for themselves
        ([(0, 2, "fox")], True),  # 2 of 100, but 2 of 7 of those that are foxes now
    ],
)
def test_more_than_the_allowed_share_over_all_or_within_a_class_of_five_stops(changed, stops):
    rows = [(0, 100, "cat", "train"), (1000, 5, "fox", "train"), (2000, 4, "owl", "train")]
    before = record(*rows)
    labels = {f"{first + n:064x}": label for first, count, label in changed for n in range(count)}
    now = DataRecord.of(
        (content, labels.get(content, label), split)
        for content, label, split in zip(before.content_hash, before.label, before.split, strict=True)
    )

    (finding,) = relabelled(now, before, 0.05, None, version=3)

    assert (finding.weight == "fatal") == stops


def test_new_and_removed_images_are_no_relabelled_ones():
    now = record((0, 20, "cat", "train"), (500, 60, "dog", "train"))
    assert relabelled(now, BEFORE, 0.05, None, version=3) == []


def test_a_class_that_only_has_another_name_is_named_as_a_rename_once(tmp_path):
    serve_with(tmp_path, BEFORE)
    now = record((0, 40, "kitten", "train"), (100, 40, "dog", "train"), (200, 20, "kitten", "test"))
    statistics = tiny_data.statistics(["kitten", "dog"] * 50)

    assert renamed_classes(now, BEFORE) == {"cat": "kitten"}
    splits = {"train": statistics, "eval_": statistics, "test": statistics}
    (found,) = refused(tmp_path, images=now, **splits)
    assert "class 'cat' is named 'kitten' now (60 images)" in found


@pytest.mark.parametrize(
    "now",
    [
        record((0, 40, "kitten", "train"), (100, 40, "kitten", "train")),  # two classes became one
        record((0, 20, "kitten", "train"), (20, 20, "tiger", "train"), (100, 40, "dog", "train")),  # one, two
        record((0, 40, "dog", "train"), (100, 40, "dog", "train")),  # the other name was there before
        record((0, 39, "kitten", "train"), (39, 1, "cat", "train"), (100, 40, "dog", "train")),
        record((0, 10, "kitten", "train"), (500, 90, "kitten", "train"), (100, 40, "dog", "train")),
    ],
)
def test_a_class_that_was_split_merged_or_kept_is_not_renamed(now):
    assert renamed_classes(now, BEFORE) == {}


@pytest.mark.parametrize("split", ["train", "eval"])
def test_too_many_test_images_that_the_earlier_model_was_trained_with_stop_the_run(tmp_path, split):
    before = record((0, 40, "cat", split), (100, 40, "dog", "train"))
    serve_with(tmp_path, before)
    moved = record((0, 21, "cat", "test"), (21, 19, "cat", "train"), (300, 79, "dog", "test"))

    (found,) = refused(tmp_path, images=moved)

    assert found.startswith(
        "data: 21 of 100 images of the test split (21.0%) were among those that version 3 was trained with. "
        "validation.max_overlap allows 20%"
    )


def test_a_few_of_them_are_noticed():
    now = record((0, 20, "cat", "test"), (300, 80, "dog", "test"))
    (finding,) = overlap(now, BEFORE, 0.2, version=3)
    assert finding.weight == "notice"
    assert "20 of 100 images" in finding.reason
    assert overlap(now, BEFORE, 0.19, version=3)[0].weight == "fatal"
    assert overlap(record((200, 20, "cat", "test")), BEFORE, 0.0, version=3) == []


@pytest.mark.parametrize("broken", ["empty folder", "without statistics"])
def test_a_newer_folder_that_tells_nothing_does_not_switch_the_check_off(tmp_path, broken):
    serve_with(tmp_path, BEFORE)
    newest = tmp_path / "serving" / "9"
    newest.mkdir()
    if broken == "without statistics":
        (newest / "saved_model.pb").write_bytes(b"somebody's model")
    swapped = record((0, 40, "dog", "train"), (100, 40, "cat", "train"))

    found = refused(tmp_path, images=swapped)

    assert "80 of 80 images known from version 3" in found[0]
    what = "holds no model" if broken == "empty folder" else "says nothing about its data"
    assert found[1] == f"data: the data is compared with that of version 3: version 9 {what}"


def test_a_version_that_was_rolled_back_is_not_compared_with(tmp_path):
    serve_with(tmp_path, BEFORE, version=1)
    serve_with(tmp_path, record((0, 40, "dog", "train")), version=2)
    for version in (1, 2):
        folder = tmp_path / "serving" / str(version)
        (folder / "saved_model.pb").write_text(f"model {version}")
        content = serving_versions.content_hash(folder)
        manifest = {"version": version, "content_hash": content}
        (folder / serving_versions.MANIFEST).write_text(json.dumps(manifest))
    rollback(str(tmp_path / "serving"))
    shutil.rmtree(tmp_path / "serving" / "3")

    verdict = check(tmp_path, images=BEFORE)

    assert verdict["ok"]
    assert [row["reason"] for row in verdict["findings"]] == [
        "the data is compared with that of version 1: version 2 was rolled back"
    ]


def test_a_destination_of_another_pipeline_stops_the_run_before_training(tmp_path):
    serve_with(tmp_path, BEFORE, name="boots")

    (found,) = refused(tmp_path, images=BEFORE, on_anomaly="warn")

    assert found.startswith("data: version 3 in ")
    assert "was pushed by the pipeline 'boots', and this one is 'pets'" in found


def test_a_version_that_does_not_say_which_images_it_was_made_with_is_noticed(tmp_path):
    serve_with(tmp_path, BEFORE)
    (tmp_path / "serving" / "3" / serving_versions.PUSH_RECORDS / "images.npz").unlink()

    verdict = check(tmp_path, images=BEFORE)

    assert verdict["ok"]
    (finding,) = verdict["findings"]
    assert finding["reason"].startswith("version 3 does not say which images it was made with")


@pytest.mark.parametrize("name", ["pets", None])
def test_a_destination_of_ones_own_or_with_manifests_of_before_is_no_other_pipelines(tmp_path, name):
    serve_with(tmp_path, BEFORE, name=name)

    assert check(tmp_path, images=BEFORE) == {"ok": True, "findings": []}


def test_a_damaged_record_of_images_is_noticed_and_the_statistics_still_count(tmp_path):
    serve_with(tmp_path, BEFORE)
    (tmp_path / "serving" / "3" / serving_versions.PUSH_RECORDS / "images.npz").write_bytes(b"junk")
    now = tiny_data.statistics([*FIFTY_OF_EACH, "zebra"])

    found = refused(tmp_path, train=now, images=BEFORE)

    assert "new class 'zebra'" in found[0]
    assert "images.npz is damaged" in found[-1]
