"""What ingest records about every file of a source, and where it is kept."""

import dataclasses
import gzip
import hashlib
import os

import pytest

from components.image_example_gen import source_contents
from components.image_example_gen.source_contents import settle
from components.image_example_gen.sources import list_images
from components.report.publish import publish_index
from components.source_index import FILE_NAME, NO_INDEX, NOTHING, SourceIndex
from modules.storage import location, upload_tree
from tests.test_ingest_tfrecords import records_of, write_records
from tests.tiny_ingest import png, run_ingest, write, write_classes

INDEX = SourceIndex(
    "f1",
    {"cat/größer.png": ("9 @17", b"a" * 32), "dog/1.png": ("", b"b" * 32)},
    seen_ns=2,
    cache_keys={"f1": "k"},
)


@pytest.mark.parametrize("index", [INDEX, NO_INDEX], ids=["files", "no file"])
def test_an_index_is_read_as_it_was_written(tmp_path, index):
    index.write(tmp_path)
    assert (found := SourceIndex.read(tmp_path)) == index
    assert found.seen_ns == index.seen_ns
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda _: b"", lambda _: b"{}"])
def test_a_damaged_index_counts_as_none(tmp_path, damage):
    INDEX.write(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(damage((tmp_path / FILE_NAME).read_bytes()))
    assert SourceIndex.read(tmp_path) is None


# What ingest records


def test_ingest_records_every_file_that_it_lists_as_a_look_at_the_source_would(tmp_path):
    source = write_classes(tmp_path / "images", images_a_class=12)
    write(source / "cat" / "broken.png", png(999)[:60])
    write(source / "cat" / "copy.png", png(3))
    write(source / "dog" / "conflict.png", png(5))
    write(source / "dog" / "LICENSE", b"no image")
    (source / "dog" / "gone.png").symlink_to("absent")
    result = run_ingest(tmp_path, source)
    index = SourceIndex.read(result.record_folder)
    assert {path: content for path, (_, content) in index.files.items()} == {
        file.relative_to(source).as_posix(): hashlib.sha256(file.read_bytes()).digest()
        for file in source.rglob("*.*")
        if file.exists()
    } | {"dog/LICENSE": hashlib.sha256(b"no image").digest()}
    assert index.fingerprint == settle(list_images(str(source)), NO_INDEX).fingerprint
    assert index.fingerprint == result.report.source_fingerprint


@pytest.mark.parametrize(("suffix", "compression"), [("", ""), (".gz", "GZIP")])
def test_ingest_records_tfrecord_files_without_reading_them_once_more(tmp_path, suffix, compression):
    files = [
        write_records(tmp_path / "data" / f"{name}.tfrecord{suffix}", rows, compression)
        for name, rows in (("a", records_of(count=30)), ("b", records_of(count=30, first_seed=500)))
    ]
    result = run_ingest(tmp_path, tmp_path / "data")
    index = SourceIndex.read(result.record_folder)
    assert {path: content for path, (_, content) in index.files.items()} == {
        file.name: hashlib.sha256(file.read_bytes()).digest() for file in files
    }
    for file in files:
        os.utime(file)
    assert settle(list_images(str(tmp_path / "data")), index).fingerprint == index.fingerprint


def test_a_file_that_cannot_be_read_has_no_content_for_ingest_as_for_a_look(tmp_path, monkeypatch):
    source = write_classes(tmp_path / "images", images_a_class=12)
    # A regular file that can be opened, but whose first byte nobody can read.
    (source / "cat" / "memory.png").symlink_to("/proc/self/mem")
    result = run_ingest(tmp_path, source)
    assert result.report.counts["set_aside"] == 1
    index = SourceIndex.read(result.record_folder)
    assert index.files["cat/memory.png"][1] == NOTHING
    assert settle(list_images(str(source)), NO_INDEX).fingerprint == index.fingerprint


def test_a_file_that_is_too_large_for_an_image_is_known_by_its_size(tmp_path, monkeypatch):
    source = write_classes(tmp_path / "images", images_a_class=2)
    large = write(source / "cat" / "large.png", b"1" * 5000)
    monkeypatch.setattr(source_contents, "MAX_IMAGE_BYTES", 4000)
    before = settle(list_images(str(source)), NO_INDEX)
    assert before.files["cat/large.png"][1] == NOTHING
    os.utime(large)
    assert settle(list_images(str(source)), before).fingerprint == before.fingerprint
    write(large, b"1" * 5001)
    assert settle(list_images(str(source)), before).fingerprint != before.fingerprint


@pytest.fixture(params=["s3_bucket", "gcs_bucket"])
def bucket(request):
    return request.getfixturevalue(request.param)


def test_images_in_a_bucket_have_the_fingerprint_of_the_same_images_on_a_disk(tmp_path, bucket):
    source = write_classes(tmp_path / "images", images_a_class=12)
    upload_tree(source, f"{bucket}/photos")
    on_disk = settle(list_images(str(source)), NO_INDEX)
    in_bucket = settle(list_images(f"{bucket}/photos"), NO_INDEX)
    assert in_bucket.fingerprint == on_disk.fingerprint
    assert settle(list_images(f"{bucket}/photos"), in_bucket) is in_bucket


def test_tfrecords_in_a_bucket_have_the_fingerprint_of_the_same_files_on_a_disk(tmp_path, bucket):
    write(tmp_path / "data" / "a.tfrecord.gz", gzip.compress(b""))
    write_records(tmp_path / "data" / "b.tfrecord.gz", records_of(count=3), "GZIP")
    upload_tree(tmp_path / "data", f"{bucket}/data")
    places = (str(tmp_path / "data"), f"{bucket}/data")
    assert len({settle(list_images(place), NO_INDEX).fingerprint for place in places}) == 1


# Where it is kept


@pytest.fixture(params=["folder", "address"])
def output(request, tmp_path):
    if request.param == "folder":
        return str(tmp_path / "out")
    return f"{request.getfixturevalue('s3_bucket')}/runs/photos"


@pytest.fixture
def ingested(tmp_path):
    """The folder of an ingest report."""
    (tmp_path / "report").mkdir()
    INDEX.write(tmp_path / "report")
    return tmp_path / "report"


def test_the_index_of_a_run_is_published_to_its_output(ingested, output):
    publish_index(ingested, output)
    assert SourceIndex.read(output) == INDEX


def test_a_later_look_at_the_same_contents_stays(ingested, output):
    """Ingest may have come from the cache: its index is of the day when it ran."""
    later = SourceIndex("f1", {path: ("9 @99", hash_) for path, (_, hash_) in INDEX.files.items()}, seen_ns=3)
    location(output).mkdir(parents=True, exist_ok=True)
    later.write(output)
    publish_index(ingested, output)
    assert SourceIndex.read(output) == dataclasses.replace(later, cache_keys={"f1": "k"})


def test_an_ingest_that_saw_the_same_contents_later_replaces_an_earlier_look(ingested, output):
    """Such as one in a cluster, where `fresh` may not write to the output."""
    location(output).mkdir(parents=True, exist_ok=True)
    dataclasses.replace(INDEX, files={}, seen_ns=1).write(output)
    publish_index(ingested, output)
    assert SourceIndex.read(output) == INDEX


def test_what_the_cache_has_of_other_contents_is_not_forgotten(ingested, output):
    location(output).mkdir(parents=True, exist_ok=True)
    SourceIndex("f0", {}, seen_ns=3, cache_keys={"f0": "k0"}).write(output)
    publish_index(ingested, output)
    assert SourceIndex.read(output) == dataclasses.replace(INDEX, cache_keys={"f0": "k0", "f1": "k"})


def test_an_ingest_of_an_older_release_publishes_nothing(tmp_path):
    publish_index(tmp_path, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


# Under which fingerprint TFX's cache has what


def test_ingest_remembers_under_which_fingerprint_the_cache_has_its_examples(tmp_path):
    source = write_classes(tmp_path / "images", images_a_class=12)
    given = list_images(str(source)).fingerprint()  # before anything was read
    index = SourceIndex.read(run_ingest(tmp_path, source, source_fingerprint=given).record_folder)
    assert index.cache_key(index.fingerprint) == given
    again = run_ingest(tmp_path, source, source_fingerprint=index.fingerprint)
    in_cluster = run_ingest(tmp_path, source, source_fingerprint="")
    for result in (again, in_cluster):
        assert SourceIndex.read(result.record_folder).cache_keys == {}


def test_what_changed_between_the_start_of_a_run_and_its_ingest_is_never_taken_for_what_was_there_before():
    found = SourceIndex("after", {}).cached_as("before")
    assert found.cache_key("after") == "before"
    assert found.cache_key("before") == "before-2"
    again = dataclasses.replace(found, cache_keys={**found.cache_keys, "before": "before-2"})
    assert [again.cache_key(name) for name in ("after", "before", "other")] == ["before", "before-2", "other"]
