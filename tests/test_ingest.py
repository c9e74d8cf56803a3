"""ImageExampleGen on Beam: from folders and manifests to examples and a report."""

import collections
import functools
import hashlib
import io
import itertools
import json
import os
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from tfx.types import standard_artifacts

from components.errors import RunStopped
from components.image_example_gen.component import ImageExampleGen
from components.image_example_gen.sources import list_images
from components.report.publish import publish_index
from modules import features
from pipeline import source_state
from tests.tiny_ingest import (
    parameters,
    png,
    read,
    run_ingest,
    shard_files,
    split_of_paths,
    value,
    write,
    write_classes,
)


@pytest.fixture
def ingest(tmp_path):
    return functools.partial(run_ingest, tmp_path)


# Examples


def test_an_example_carries_the_untouched_file_its_label_and_its_facts(ingest, tmp_path):
    write_classes(tmp_path / "images")
    data = write(tmp_path / "images" / "cat" / "photo.jpg", png(7, (30, 20), "JPEG")).read_bytes()
    result = ingest(tmp_path / "images")
    (example,) = (
        example
        for split in result.examples.values()
        for example in split
        if value(example, features.SOURCE_PATH) == "cat/photo.jpg"
    )
    assert set(example.features.feature) == {features.IMAGE_BYTES, features.LABEL, *features.SCALARS}
    assert value(example, features.IMAGE_BYTES) == data
    assert value(example, features.LABEL) == "cat"
    assert [value(example, name) for name in (features.WIDTH, features.HEIGHT, features.CHANNELS)] == [
        30,
        20,
        3,
    ]
    assert value(example, features.BYTE_SIZE) == len(data)
    assert value(example, features.IMAGE_FORMAT) == "JPEG"
    assert value(example, features.CONTENT_HASH) == hashlib.sha256(data).hexdigest()
    luma = np.asarray(Image.open(io.BytesIO(data)).convert("L")).mean()
    assert value(example, features.MEAN_BRIGHTNESS) == pytest.approx(luma, abs=1)


def test_every_image_is_in_exactly_one_split_and_counted(ingest, tmp_path):
    result = ingest(write_classes(tmp_path / "images"))
    assert list(result.examples) == ["train", "eval", "test"]
    assert len(split_of_paths(result.examples)) == sum(map(len, result.examples.values())) == 60
    assert result.report.counts == {
        "listed": 60,
        "ingested": 60,
        "set_aside": 0,
        "leaks": 0,
        "conflicts": 0,
        "converted": 0,
        "oriented": 0,
        "duplicates": 0,
        "sidecars": 0,
        "ignored": 0,
    }
    assert result.report.splits == {
        split: dict(
            sorted(collections.Counter(value(example, features.LABEL) for example in examples).items())
        )
        for split, examples in result.examples.items()
    }
    assert result.report.formats == {"PNG": 60}


def test_the_report_names_the_source_by_the_fingerprint_of_its_contents(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    before = ingest(images, source_fingerprint="known when the run began").report.source_fingerprint
    for file in images.rglob("*.png"):
        os.utime(file)
    assert ingest(images).report.source_fingerprint == before
    write(images / "cat" / "000.png", png(7))
    assert ingest(images).report.source_fingerprint != before


def test_adding_and_renaming_images_moves_none(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    before = split_of_paths(ingest(images).examples)
    write_classes(images / "more", first_seed=500)
    for label in ("cat", "dog"):
        (images / "more" / label).rename(images / label / "more")
    (images / "more").rmdir()
    (images / "cat" / "000.png").rename(images / "cat" / "renamed.png")
    after = split_of_paths(ingest(images).examples)
    assert len(after) == 120
    before["cat/renamed.png"] = before.pop("cat/000.png")
    assert {path: after[path] for path in before} == before


def test_split_folders_are_kept_and_eval_comes_out_of_train(ingest, tmp_path):
    write_classes(tmp_path / "images" / "train", 40)
    write_classes(tmp_path / "images" / "test", 5, first_seed=500)
    result = ingest(tmp_path / "images")
    split_of = split_of_paths(result.examples)
    assert {split for path, split in split_of.items() if path.startswith("test/")} == {"test"}
    assert {split for path, split in split_of.items() if path.startswith("train/")} == {"train", "eval"}
    assert result.report.splits["test"] == {"cat": 5, "dog": 5}
    # 0.2 / 0.8 of 80 images are 20; three standard errors are 12.
    assert 8 <= len(result.examples["eval"]) <= 32


def test_a_manifest_is_ingested_with_its_labels_and_splits(ingest, tmp_path):
    write_classes(tmp_path / "images", 9)
    split_of_number = {0: "test", 1: "test", 2: "eval", 3: "eval"}
    lines = ["path,label,split"] + [
        f"images/{folder}/{number:03d}.png,{label},{split_of_number.get(number, 'train')}"
        for folder, label in (("cat", "Katze"), ("dog", "Hund"))
        for number in range(9)
    ]
    manifest = write(tmp_path / "labels.csv", "\n".join(lines).encode())
    assert ingest(manifest).report.splits == {
        "train": {"Hund": 5, "Katze": 5},
        "eval": {"Hund": 2, "Katze": 2},
        "test": {"Hund": 2, "Katze": 2},
    }


def test_a_file_listed_several_times_is_decided_by_its_content(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    (tmp_path / "link.png").symlink_to(images / "cat" / "001.png")
    lines = [f"images/{label}/{number:03d}.png,{label}," for label in ("cat", "dog") for number in range(30)]
    lines += ["./images/cat/000.png,cat,test", "link.png,cat,eval", f"{images}/dog/000.png,cat,"]
    report = ingest(write(tmp_path / "labels.csv", "\n".join(["path,label,split", *lines]).encode())).report
    assert [(row["paths"], row["split"]) for row in report.duplicates] == [
        (["images/cat/000.png", "images/cat/000.png"], "test"),
        (["images/cat/001.png", "link.png"], "eval"),
    ]
    assert [image["path"] for image in report.conflicts[0]["images"]] == [
        f"{images}/dog/000.png",
        "images/dog/000.png",
    ]
    assert (report.leaks, report.counts["listed"], report.counts["set_aside"]) == ([], 63, 2)


# Shards


def test_shards_have_the_configured_size_and_mix_the_classes(ingest, tmp_path):
    result = ingest(write_classes(tmp_path / "images", 60), images_per_shard=20)
    for split, examples in result.examples.items():
        num_shards = -(-len(examples) // 20)
        assert [file.name for file in shard_files(result.artifact, split)] == [
            f"data_tfrecord-{shard:05d}-of-{num_shards:05d}.gz" for shard in range(num_shards)
        ]
    labels = [value(example, features.LABEL) for example in result.examples["train"]]
    changes = sum(first != second for first, second in itertools.pairwise(labels))
    assert changes > len(labels) / 4  # sorted by class there would be one


def test_there_is_a_file_for_every_shard_even_where_images_are_few(ingest, tmp_path):
    result = ingest(write_classes(tmp_path / "images", 20), images_per_shard=1)
    assert len(shard_files(result.artifact, "train")) == len(result.examples["train"])


def test_two_runs_write_equal_files_and_the_number_of_shards_does_not_change_the_order(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    first, second = ingest(images), ingest(images)
    for split in first.examples:
        assert [file.read_bytes() for file in shard_files(first.artifact, split)] == [
            file.read_bytes() for file in shard_files(second.artifact, split)
        ]
    assert first.report == second.report
    assert ingest(images, images_per_shard=5).examples == first.examples


def test_several_workers_write_what_one_writes(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    one = ingest(images, images_per_shard=5)
    four = ingest(
        images,
        images_per_shard=5,
        beam_args=["--direct_running_mode=multi_threading", "--direct_num_workers=4"],
    )
    assert four.examples == one.examples
    assert four.report == one.report


def test_images_are_never_all_in_memory(ingest, tmp_path):
    side, images_a_class = 512, 20
    for number in range(images_a_class):
        write(tmp_path / "images" / "cat" / f"{number}.bmp", png(number, (side, side), "BMP"))
        write(tmp_path / "images" / "dog" / f"{number}.bmp", png(1000 + number, (side, side), "BMP"))
    all_bytes = 2 * images_a_class * 3 * side * side
    tracemalloc.start()  # sees the bytes that Python, NumPy and Pillow hold
    ingest(tmp_path / "images")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < all_bytes / 2


# Copies


def test_copies_stay_together_and_are_reported(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    for name in ("copy.png", "another.png"):
        write(images / "cat" / name, (images / "cat" / "000.png").read_bytes())
    result = ingest(images)
    (duplicate,) = result.report.duplicates
    assert duplicate["paths"] == ["cat/000.png", "cat/another.png", "cat/copy.png"]
    assert result.report.counts["duplicates"] == 2
    split_of = split_of_paths(result.examples)
    assert {split_of[path] for path in duplicate["paths"]} == {duplicate["split"]}


def test_the_same_content_under_two_labels_is_set_aside_and_reported(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    write(images / "dog" / "cat.png", (images / "cat" / "000.png").read_bytes())
    report = ingest(images).report
    (conflict,) = report.conflicts
    assert conflict["images"] == [
        {"path": "cat/000.png", "label": "cat"},
        {"path": "dog/cat.png", "label": "dog"},
    ]
    reason = "the same content has the labels cat, dog; keep the file under one of them"
    assert report.set_aside == [{"path": path, "reason": reason} for path in ("cat/000.png", "dog/cat.png")]
    assert (report.counts["conflicts"], report.counts["listed"], report.counts["ingested"]) == (2, 61, 59)


def test_a_training_image_that_is_also_a_test_image_is_left_out_as_a_leak(ingest, tmp_path):
    images = tmp_path / "images"
    write_classes(images / "train")
    write_classes(images / "test", 3, first_seed=500)
    write(images / "train" / "cat" / "leak.png", (images / "test" / "cat" / "000.png").read_bytes())
    result = ingest(images)
    (leak,) = result.report.leaks
    assert leak["kept"] == {"path": "test/cat/000.png", "split": "test"}
    assert [left_out["path"] for left_out in leak["left_out"]] == ["train/cat/leak.png"]
    assert "train/cat/leak.png" not in split_of_paths(result.examples)
    counts = result.report.counts
    assert (counts["listed"], counts["ingested"], counts["leaks"], counts["set_aside"]) == (67, 66, 1, 0)


# Data that makes no training set


def test_ingest_stops_when_no_image_can_be_used(ingest, tmp_path):
    write(tmp_path / "images" / "cat" / "1.png", b"no image")
    write(tmp_path / "images" / "dog" / "1.png", b"no image")
    with pytest.raises(
        RunStopped, match=r"no image of .*images can be used. 2 files were set aside.*\n  cat/1.png"
    ):
        ingest(tmp_path / "images")


def test_ingest_stops_when_a_split_stays_empty(ingest, tmp_path):
    rare = json.dumps({"train": 0.99998, "eval": 0.00001, "test": 0.00001})
    with pytest.raises(
        RunStopped, match=r"none of the 6 images of .* the eval split. .*raise data.splits.eval"
    ):
        ingest(write_classes(tmp_path / "images", 3), splits=rare)


def test_ingest_stops_when_one_class_is_left(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    for file in (images / "dog").iterdir():
        file.write_bytes(b"no image")
    with pytest.raises(RunStopped, match=r"has only one class, 'cat'.* 30 files were set aside"):
        ingest(images)


def test_a_missing_source_fails_before_any_work(ingest, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing at .*absent"):
        ingest(tmp_path / "absent")


# The step in a pipeline


def run_pipeline(source, folder):
    """Runs a pipeline of this one step with TFX's local runner; returns the folders of all examples.

    The source is looked at, and what ingest knows of it published, as in `headstart run`.
    """
    from tfx.orchestration import metadata, pipeline
    from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner

    output = str(folder / "output")
    fingerprint = source_state.fingerprint(list_images(str(source)), output)
    step = ImageExampleGen(
        **parameters(source, source_fingerprint=source_state.cache_key(output, fingerprint))
    )
    reports = "root/ImageExampleGen/ingest_report/*"
    before = set(folder.glob(reports))
    BeamDagRunner().run(
        pipeline.Pipeline(
            pipeline_name="ingest",
            pipeline_root=str(folder / "root"),
            components=[step],
            enable_cache=True,
            metadata_connection_config=metadata.sqlite_metadata_connection_config(
                str(folder / "metadata.sqlite")
            ),
        )
    )
    for report in set(folder.glob(reports)) - before:
        publish_index(report, output)
    return sorted((folder / "root" / "ImageExampleGen" / "examples").iterdir())


def test_touched_data_comes_from_the_cache_and_so_does_the_data_of_before_when_it_is_back(tmp_path):
    images = write_classes(tmp_path / "images")
    run_pipeline(images, tmp_path)
    for file in images.rglob("*.png"):
        os.utime(file)
    assert len(run_pipeline(images, tmp_path)) == 1
    new = write(images / "cat" / "new.png", png(999))
    assert len(run_pipeline(images, tmp_path)) == 2
    new.unlink()
    assert len(run_pipeline(images, tmp_path)) == 2
    for file in images.rglob("*.png"):
        file.chmod(0o600)
    assert len(run_pipeline(images, tmp_path)) == 2


def test_unchanged_data_comes_from_the_cache_and_changed_data_does_not(tmp_path):
    images = write_classes(tmp_path / "images")
    assert len(run_pipeline(images, tmp_path)) == 1
    assert len(run_pipeline(images, tmp_path)) == 1
    write(images / "cat" / "new.png", png(999))
    folders = run_pipeline(images, tmp_path)
    assert len(folders) == 2
    new_examples = standard_artifacts.Examples()
    new_examples.uri = str(max(folders, key=lambda folder: int(folder.name)))
    paths = split_of_paths({split: read(new_examples, split) for split in features.SPLITS})
    assert "cat/new.png" in paths


def test_a_run_tells_how_many_images_each_split_got_and_what_was_set_aside(ingest, tmp_path, caplog):
    source = tmp_path / "images"
    write_classes(source)
    write(source / "cat" / "empty.png", b"")
    with caplog.at_level("INFO", logger="headstart"):
        result = ingest(source)
    message = next(message for message in caplog.messages if message.startswith("60 of 61 images: "))
    for split, classes in result.report.splits.items():
        assert f"{sum(classes.values())} {split}" in message
    assert "1 file was set aside" in message
    assert "cat/empty.png" in message
