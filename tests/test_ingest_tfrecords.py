"""ImageExampleGen on existing TFRecords: the same facts, splits and reasons as for files."""

import functools
import gzip
import hashlib

import pytest
import tensorflow as tf

from components.errors import RunStopped
from components.image_example_gen.tfrecords import DamagedFile, read_records
from modules import features
from tests.tiny_ingest import content_of, png, run_ingest, split_of_paths, value


@pytest.fixture
def ingest(tmp_path):
    return functools.partial(run_ingest, tmp_path)


def write_records(file, rows, compression=""):
    file.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(file), tf.io.TFRecordOptions(compression_type=compression)) as writer:
        for row in rows:
            writer.write(row if isinstance(row, bytes) else record(**row))
    return file


def record(**values):
    """A serialized tf.Example; a double underscore stands for the slash that keywords cannot have."""
    feature = {}
    for name, content in values.items():
        if isinstance(content, int):
            kind = {"int64_list": tf.train.Int64List(value=[content])}
        else:
            kind = {"bytes_list": tf.train.BytesList(value=[content])}
        feature[name.replace("__", "/")] = tf.train.Feature(**kind)
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)


def records_of(split=None, count=20, first_seed=0):
    return [
        {
            "image__encoded": png(first_seed + number),
            "image__class__text": [b"cat", b"dog"][number % 2],
            **({"split": split} if split else {}),
        }
        for number in range(count)
    ]


@pytest.mark.parametrize(("suffix", "compression"), [("", ""), (".gz", "GZIP")])
def test_tfrecords_become_examples_with_the_same_facts_as_files(ingest, tmp_path, suffix, compression):
    rows = records_of(count=40)
    write_records(tmp_path / "records" / f"a.tfrecord{suffix}", rows[:25], compression)
    write_records(tmp_path / "records" / f"b.tfrecord{suffix}", rows[25:], compression)
    result = ingest(tmp_path / "records" / "*.tfrecord*")
    contents = content_of(result.examples)
    names = [f"a.tfrecord{suffix}#{number}" for number in range(25)]
    names += [f"b.tfrecord{suffix}#{number}" for number in range(15)]
    assert contents == {name: row["image__encoded"] for name, row in zip(names, rows, strict=True)}
    example = result.examples["train"][0]
    data = value(example, features.IMAGE_BYTES)
    assert value(example, features.CONTENT_HASH) == hashlib.sha256(data).hexdigest()
    assert (value(example, features.WIDTH), value(example, features.HEIGHT)) == (8, 6)
    assert (result.report.format, result.report.counts["listed"]) == ("tfrecord", 40)


def test_the_keys_of_tfrecords_can_be_named(ingest, tmp_path):
    rows = [
        {"jpeg": png(number), "class": number % 2, "set": split, "name": f"{number}.png".encode()}
        for number, split in enumerate([b"training"] * 8 + [b"val"] * 4 + [b"test"] * 4)
    ]
    write_records(tmp_path / "a.tfrecord", rows)
    keys = {"image": "jpeg", "label": "class", "split": "set", "path": "name"}
    result = ingest(tmp_path / "a.tfrecord", keys=keys)
    assert result.report.splits == {
        "train": {"0": 4, "1": 4},
        "eval": {"0": 2, "1": 2},
        "test": {"0": 2, "1": 2},
    }
    assert split_of_paths(result.examples)["9.png"] == "eval"


def test_splits_missing_among_the_records_are_drawn_out_of_train(ingest, tmp_path):
    write_records(tmp_path / "a.tfrecord", records_of(b"train", 60) + records_of(b"test", 10, first_seed=500))
    keys = {"image": "image/encoded", "label": "image/class/text", "split": "split", "path": None}
    result = ingest(tmp_path / "a.tfrecord", keys=keys)
    assert len(result.examples["test"]) == 10
    assert len(result.examples["eval"]) > 0


def test_records_that_cannot_be_used_are_set_aside(ingest, tmp_path):
    useless = [
        {"image__encoded": b"no image", "image__class__text": b"cat"},
        {"image__encoded": png(900)},
        {"image__class__text": b"cat"},
        {"image__encoded": png(901), "image__class__text": b"c\xff"},
        {"image__encoded": png(902), "image__class__text": b" "},
        b"no example",
        {"image__encoded": png(903), "image__class__text": "c\u2028at".encode()},
    ]
    write_records(tmp_path / "a.tfrecord", records_of(count=40) + useless)
    report = ingest(tmp_path / "a.tfrecord").report
    reasons = {entry["path"]: entry["reason"] for entry in report.set_aside}
    assert reasons == {
        "a.tfrecord#40": "not an image in a known format",
        "a.tfrecord#41": "the record has no value of 'image/class/text' (data.tfrecord.label); it has "
        "['image/encoded']",
        "a.tfrecord#42": "the record has no value of 'image/encoded' (data.tfrecord.image); it has "
        "['image/class/text']",
        "a.tfrecord#43": "the label b'c\\xff' is not valid UTF-8",
        "a.tfrecord#44": "class name ' ' is empty. Give the class a name.",
        "a.tfrecord#45": "the record is no tf.Example",
        "a.tfrecord#46": "class name 'c\\u2028at' has a control character or a line break. Rename the class.",
    }


def test_a_damaged_tfrecord_file_stops_the_run(ingest, tmp_path):
    file = write_records(tmp_path / "a.tfrecord", records_of())
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(RunStopped, match=r"a.tfrecord is truncated or damaged after 19 records"):
        ingest(file)


@pytest.mark.parametrize("stray_bytes", [1, 11, 12, 13])
@pytest.mark.parametrize(("name", "compression"), [("a.tfrecord", ""), ("a.tfrecord.gz", "GZIP")])
def test_anything_behind_the_last_record_is_damage(tmp_path, name, compression, stray_bytes):
    file = write_records(tmp_path / name, records_of(count=3), compression)
    content = gzip.decompress(file.read_bytes()) if compression else file.read_bytes()
    content += b"x" * stray_bytes
    file.write_bytes(gzip.compress(content) if compression else content)
    with pytest.raises(DamagedFile, match=r"is truncated or damaged after 3 records"):
        list(read_records(str(file), str(tmp_path / "spool"), hashlib.sha256().update))


@pytest.mark.parametrize("stray", [b"x", b"behind the compressed records"])
def test_anything_behind_the_compressed_records_is_damage(tmp_path, stray):
    file = write_records(tmp_path / "a.tfrecord.gz", records_of(count=3), "GZIP")
    file.write_bytes(file.read_bytes() + stray)
    with pytest.raises(DamagedFile, match=r"is truncated or damaged after 3 records"):
        list(read_records(str(file), str(tmp_path / "spool"), hashlib.sha256().update))


@pytest.mark.parametrize("place", [0, 8, 12, 40, -1])
def test_a_changed_byte_anywhere_is_damage(tmp_path, place):
    file = write_records(tmp_path / "a.tfrecord", records_of(count=1))
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"is truncated or damaged after 0 records"):
        list(read_records(str(file), str(tmp_path / "spool"), hashlib.sha256().update))


def test_compressed_files_may_be_put_together(tmp_path):
    rows = records_of(count=6)
    parts = [
        write_records(tmp_path / f"{n}.gz", rows[3 * n : 3 * n + 3], "GZIP").read_bytes() for n in (0, 1)
    ]
    (tmp_path / "all.tfrecord.gz").write_bytes(b"".join(parts))
    digest = hashlib.sha256()
    read = read_records(str(tmp_path / "all.tfrecord.gz"), str(tmp_path / "spool"), digest.update)
    assert [payload for _, payload in read] == [record(**row) for row in rows]
    assert digest.digest() == hashlib.sha256(b"".join(parts)).digest()
