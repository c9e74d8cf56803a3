"""Which images a model was made with: kept beside the ingest report, found again whole."""

import hashlib

import numpy as np
import pytest

from components.data_record import FILE_NAME, DataRecord
from tests.tiny_ingest import content_of, png, run_ingest, split_of_paths, write, write_classes

ROWS = [("b" * 64, "dog", "test"), ("a" * 64, "cat", "train"), ("0c" * 32, "Bücher", "eval")]


def test_a_record_is_read_as_it_was_written(tmp_path):
    DataRecord.of(ROWS).write(tmp_path)
    record = DataRecord.read(tmp_path)
    rows = zip(record.content_hash.tolist(), record.label.tolist(), record.split.tolist(), strict=True)
    assert list(rows) == sorted(ROWS)
    assert record.fingerprint() == DataRecord.of(ROWS).fingerprint()


def test_a_record_without_images_is_read_as_it_was_written(tmp_path):
    DataRecord.of([]).write(tmp_path)
    assert len(DataRecord.read(tmp_path).content_hash) == 0


def test_copies_of_one_image_have_one_row():
    assert len(DataRecord.of([*ROWS, ROWS[0]]).label) == len(ROWS)


@pytest.mark.parametrize("column", range(3))
def test_the_fingerprint_changes_with_content_class_and_split(column):
    changed = [list(row) for row in ROWS]
    changed[0][column] = {0: "d" * 64, 1: "cat", 2: "train"}[column]
    assert DataRecord.of(map(tuple, changed)).fingerprint() != DataRecord.of(ROWS).fingerprint()


def test_the_fingerprint_does_not_depend_on_the_order():
    assert DataRecord.of(ROWS).fingerprint() == DataRecord.of(reversed(ROWS)).fingerprint()


def test_the_hashes_of_some_splits_are_sorted():
    assert DataRecord.of(ROWS).hashes_of("train", "test").tolist() == ["a" * 64, "b" * 64]


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-30], lambda content: b"", lambda content: b"{}"]
)
def test_a_damaged_record_is_named(tmp_path, damage):
    DataRecord.of(ROWS).write(tmp_path)
    file = tmp_path / FILE_NAME
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=rf"{FILE_NAME} is damaged"):
        DataRecord.read(tmp_path)


def test_ingest_records_the_images_that_it_wrote_and_no_others(tmp_path):
    source = write_classes(tmp_path / "images", images_a_class=12)
    write(source / "cat" / "broken.png", png(999)[:60])
    write(source / "cat" / "copy.png", png(3))
    result = run_ingest(tmp_path, source)
    record = DataRecord.read(result.record_folder)
    expected = {
        (content, path.partition("/")[0], split_of_paths(result.examples)[path])
        for path, content in content_of(result.examples).items()
    }
    rows = zip(record.content_hash.tolist(), record.label.tolist(), record.split.tolist(), strict=True)
    assert set(rows) == {
        (hashlib.sha256(image).hexdigest(), label, split) for image, label, split in expected
    }
    assert np.array_equal(record.content_hash, np.sort(record.content_hash))
    assert len(record.content_hash) == 24
