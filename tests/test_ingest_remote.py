"""ImageExampleGen on an object store: the same examples and the same report as from a disk."""

import dataclasses
import functools
import hashlib
import threading

import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components import artifacts
from components.errors import RunStopped
from components.image_example_gen import executor, locations
from components.image_example_gen.report import read_report
from components.image_example_gen.sources import list_images
from modules.storage import StorageError, files_below, location, upload_tree
from tests.tiny_ingest import content_of, parameters, png, run_ingest, write, write_classes
from tests.tiny_sources import RECORD


@pytest.fixture
def ingest(tmp_path):
    return functools.partial(run_ingest, tmp_path)


@pytest.fixture(params=["s3_bucket", "gcs_bucket"])
def bucket(request):
    return request.getfixturevalue(request.param)


def report_without_place(result):
    report = dataclasses.asdict(result.report)
    return {name: entry for name, entry in report.items() if name not in ("source", "source_fingerprint")}


def assert_same(remote, local):
    assert remote.examples == local.examples
    assert report_without_place(remote) == report_without_place(local)


def odd_files(folder):
    """What is ignored, mentioned and set aside, in a folder of the classes cat and dog."""
    for name in (".DS_Store", "Thumbs.db", "cat/.cache/1.png", "cat/.cache/2.png", "dog/__MACOSX/a/1.png"):
        write(folder / name, png(700))
    write(folder / "lost.png", png(701))
    write(folder / "README.txt", b"Photographs by Ann.")
    write(folder / "bird" / ".DS_Store", b"")
    write(folder / "cat" / "empty.png", b"")
    write(folder / "cat" / "a text.txt", b"no image")
    write(folder / "dog" / "noname", b"no image")
    write(folder / "dog" / "large.png", png(702, (1200, 900)))
    write(folder / "dog" / "garden #1?" / "ä %41.jpg", png(703, (30, 20), "JPEG"))
    write(folder / "dog" / "a.webp", png(704, (9, 7), "WEBP", lossless=True))
    copied = (folder / "cat" / "000.png").read_bytes()
    write(folder / "cat" / "copy.png", copied)
    write(folder / "dog" / "conflict.png", (folder / "dog" / "001.png").read_bytes())
    write(folder / "cat" / "conflict.png", (folder / "dog" / "001.png").read_bytes())


# The four formats


def test_class_folders_give_what_they_give_from_a_disk(ingest, tmp_path, bucket):
    odd_files(write_classes(tmp_path / "images", 20))
    upload_tree(tmp_path / "images", f"{bucket}/photos/all")
    local, remote = ingest(tmp_path / "images"), ingest(f"{bucket}/photos/all/")
    assert_same(remote, local)
    assert remote.report.source == f"{bucket}/photos/all"
    # The report compared is not an empty one.
    counts = local.report.counts
    assert (counts["ignored"], counts["set_aside"], counts["sidecars"]) == (5, 6, 3)
    assert local.report.findings == [
        "class folder 'bird' holds no image",
        "2 files are not images and are not used (.txt), such as 'README.txt'",
        "1 file is not an image and is not used: 'dog/noname'",
    ]


def test_split_folders_at_the_root_of_a_bucket_give_what_they_give_from_a_disk(ingest, tmp_path, s3_bucket):
    images = tmp_path / "images"
    odd_files(write_classes(images / "Training", 20))
    write_classes(images / "test", 3, first_seed=500)
    write(images / "Training" / "cat" / "leak.png", (images / "test" / "cat" / "000.png").read_bytes())
    upload_tree(images, s3_bucket)
    local = ingest(images)
    assert_same(ingest(s3_bucket), local)
    assert len(local.report.leaks) == 1


def test_a_manifest_gives_what_it_gives_from_a_disk(ingest, tmp_path, s3_bucket):
    write_classes(tmp_path / "data" / "images", 20)
    lines = [
        f"../images/{label}/{number:03d}.png,{label},{'' if number else 'test'}"
        for label in ("cat", "dog")
        for number in range(20)
    ]
    lines += ["../images/cat/absent.png,cat,", "../images/cat,cat,", "../images/dog/000.png,,"]
    write(tmp_path / "data" / "lists" / "labels.csv", "\n".join(["path,label,split", *lines]).encode())
    upload_tree(tmp_path / "data", f"{s3_bucket}/data")
    local = ingest(tmp_path / "data" / "lists" / "labels.csv")
    assert_same(ingest(f"{s3_bucket}/data/lists/labels.csv"), local)
    assert [entry["reason"] for entry in local.report.set_aside] == [
        "is not a regular file",
        "does not exist",
        "line 44 of the manifest has no label",
    ]


@pytest.mark.parametrize("pattern", ["records/*.tfrecord*", "**/part-[01].*", "records", "rec*/part-?.tf*"])
def test_tfrecords_give_what_they_give_from_a_disk(ingest, tmp_path, s3_bucket, pattern):
    for number, suffix in enumerate(("", ".gz")):
        file = write(tmp_path / "data" / "records" / f"part-{number}.tfrecord{suffix}", b"")
        options = tf.io.TFRecordOptions(compression_type="GZIP" if suffix else "")
        with tf.io.TFRecordWriter(str(file), options) as writer:
            for seed in range(20):
                content = png(100 * number + seed) if seed else b"no image"
                label = [b"cat", b"dog"][seed % 2]
                feature = {
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                    for name, value in (("image/encoded", content), ("image/class/text", label))
                }
                writer.write(
                    tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
                )
    write(tmp_path / "data" / "records" / ".part-1.tfrecord", b"hidden")
    write(tmp_path / "data" / "records" / "notes.txt", b"other")
    upload_tree(tmp_path / "data", f"{s3_bucket}/data")
    local = ingest(f"{tmp_path}/data/{pattern}", format="tfrecord")
    assert_same(ingest(f"{s3_bucket}/data/{pattern}", format="tfrecord"), local)
    assert (local.report.counts["ingested"], local.report.counts["set_aside"]) == (38, 2)


def test_a_single_tfrecord_file_is_found_and_a_damaged_one_stops_the_run(ingest, tmp_path, s3_bucket):
    file = f"{s3_bucket}/records/a [1].tfrecord"
    location(file).write_bytes(RECORD + b"stray")
    assert [entry.path for entry in list_images(file).files] == ["a [1].tfrecord"]
    with pytest.raises(RunStopped, match=r"s3://.*/a \[1\].tfrecord is truncated or damaged after 1 records"):
        ingest(file)


def test_a_manifest_may_name_addresses_in_other_buckets(ingest, tmp_path, s3_bucket):
    from tests.s3 import new_bucket

    other_bucket = new_bucket()
    upload_tree(write_classes(tmp_path / "images", 10), f"{other_bucket}/photos")
    rows = [
        f"{other_bucket}/photos/{label}/{number:03d}.png,{label}"
        for label in ("cat", "dog")
        for number in range(10)
    ]
    rows[0] = rows[0].replace(".png", ".gif")
    text = "\n".join(["path,label", *rows]).encode()
    location(f"{s3_bucket}/labels.csv").write_bytes(text)
    remote = ingest(f"{s3_bucket}/labels.csv")
    assert set(content_of(remote.examples)) == {row.split(",")[0] for row in rows[1:]}
    assert remote.report.set_aside == [
        {"path": f"{other_bucket}/photos/cat/000.gif", "reason": "does not exist"}
    ]
    assert_same(ingest(write(tmp_path / "labels.csv", text)), remote)


# What only object stores have


def test_names_that_are_no_paths_are_set_aside_and_markers_of_folders_are_none(s3_bucket):
    def put(name, content=b"image"):
        bucket = s3_bucket.removeprefix("s3://")  # s3fs itself would take the last slash of a name away
        location(s3_bucket).fs.call_s3("put_object", Bucket=bucket, Key=f"photos/{name}", Body=content)

    for name in ("cat/1.png", "dog/1.png", "cat//2.png", "dog/3.png/"):
        put(name)
    for name in ("", "cat/", "bird/", ".hidden/"):
        put(name, b"")
    listing = list_images(f"{s3_bucket}/photos")
    assert [file.path for file in listing.files] == ["cat/1.png", "dog/1.png"]
    reason = "has an empty name between or behind its slashes; rename it"
    assert listing.set_aside == (("cat//2.png", reason), ("dog/3.png/", reason))
    assert listing.findings == ("class folder 'bird' holds no image",)


def test_a_file_named_like_a_folder_does_not_hide_it(s3_bucket):
    for name in ("photos", "photos/cat/1.png", "photos/dog/1.png"):
        location(f"{s3_bucket}/{name}").write_bytes(b"image")
    assert list_images(f"{s3_bucket}/photos").class_counts == {"cat": 1, "dog": 1}


def test_a_folder_whose_name_begins_alike_is_another(s3_bucket):
    for name in ("photos/cat/1.png", "photos/dog/1.png", "photos-old/cow/1.png"):
        location(f"{s3_bucket}/{name}").write_bytes(b"image")
    assert list_images(f"{s3_bucket}/photos").class_counts == {"cat": 1, "dog": 1}


@pytest.fixture
def requests(monkeypatch):
    """The names of all requests that are made to S3, in Amazon's spelling."""
    from aiobotocore.client import AioBaseClient

    made = []
    call = AioBaseClient._make_api_call

    async def counted(self, operation, *args, **kwargs):
        made.append(operation)
        return await call(self, operation, *args, **kwargs)

    monkeypatch.setattr(AioBaseClient, "_make_api_call", counted)
    return made


def test_a_bucket_is_listed_once_however_many_folders_and_files_it_has(tmp_path, s3_bucket, requests):
    upload_tree(write_classes(tmp_path / "images" / "train", 10), f"{s3_bucket}/photos/train")
    requests.clear()
    assert len(list_images(f"{s3_bucket}/photos").files) == 20
    assert requests == ["ListObjectsV2"]


def test_the_files_of_a_manifest_are_looked_up_by_one_listing(tmp_path, s3_bucket, requests):
    upload_tree(write_classes(tmp_path / "images", 10), f"{s3_bucket}/photos")
    rows = [f"photos/{label}/{number:03d}.png,{label}" for label in ("cat", "dog") for number in range(10)]
    location(f"{s3_bucket}/labels.csv").write_text("\n".join(["path,label", *rows]))
    requests.clear()
    assert len(list_images(f"{s3_bucket}/labels.csv", "manifest").files) == 20
    # One listing and the size of the manifest say that it is a file; then its content, then the images.
    assert requests.count("ListObjectsV2") - requests.count("HeadObject") <= 1
    assert len(requests) < 8


# Fingerprint


def test_the_fingerprint_changes_with_every_kind_of_change(tmp_path, s3_bucket):
    source = f"{s3_bucket}/photos"
    upload_tree(write_classes(tmp_path / "images", 3), source)
    seen = {list_images(source).fingerprint()}

    def change(action):
        action()
        before = len(seen)
        seen.add(list_images(source).fingerprint())
        assert len(seen) == before + 1

    change(lambda: location(f"{source}/cat/new.png").write_bytes(b"1234"))
    change(lambda: location(f"{source}/cat/new.png").write_bytes(b"4321"))
    change(lambda: location(f"{source}/cat/000.png").unlink())
    change(lambda: location(f"{source}/cat/new.png").rename(f"{source}/dog/new.png"))


def test_the_fingerprint_survives_an_upload_of_the_same_content(tmp_path, s3_bucket):
    images = write_classes(tmp_path / "images", 3)
    upload_tree(images, f"{s3_bucket}/photos")
    before = list_images(f"{s3_bucket}/photos").fingerprint()
    upload_tree(images, f"{s3_bucket}/photos")
    assert list_images(f"{s3_bucket}/photos/").fingerprint() == before


def test_googles_checksum_is_preferred_to_what_changes_with_metadata():
    from components.image_example_gen.bucket_tree import _version

    assert _version({"etag": "CJ", "md5Hash": "XrY7u+Ae7tCTyyK7j1rNww==", "updated": "2024-01-01"}) == (
        "XrY7u+Ae7tCTyyK7j1rNww=="
    )
    assert _version({"etag": "CJ", "updated": "2024-01-01"}) == "CJ"  # composed objects have no MD5
    assert _version({"ETag": '"5eb63bbb"', "LastModified": "2024-01-01"}) == "5eb63bbb"


# Reading many at a time


def test_objects_are_read_several_at_a_time_and_come_in_order(bucket, monkeypatch):
    places = [locations.Location(f"{bucket}/{number}") for number in range(40)]
    everyone = threading.Barrier(locations.READS_AT_ONCE)

    def read(filesystem, place):
        if int(place.file.rpartition("/")[2]) < locations.READS_AT_ONCE:
            everyone.wait(timeout=10)  # breaks when the others are not being read at the same time
        return place.file.encode()

    monkeypatch.setattr(locations, "_read_object", read)
    contents = [read() for read in locations.read_ahead((place, 1) for place in places)]
    assert contents == [place.file.encode() for place in places]


def test_what_is_read_ahead_has_a_limit_in_bytes(bucket, monkeypatch):
    started, taken, most_waiting = [], 0, 0
    monkeypatch.setattr(locations, "_read_object", lambda filesystem, place: started.append(place) or b"")
    half = locations.READ_AHEAD_BYTES // 2
    for read in locations.read_ahead((locations.Location(f"{bucket}/{n}"), half + 1) for n in range(9)):
        read()
        taken += 1
        most_waiting = max(most_waiting, len(started) - taken)
    assert taken == 9
    assert most_waiting <= 1


# Errors


@pytest.fixture
def listed_before(monkeypatch):
    """Makes the step work on a listing that was made before; returns the function to give it to."""
    return lambda listing: monkeypatch.setattr(executor, "list_images", lambda source, format: listing)


def test_objects_that_vanish_before_they_are_read_are_set_aside(ingest, tmp_path, s3_bucket, listed_before):
    upload_tree(write_classes(tmp_path / "images", 10), f"{s3_bucket}/photos")
    listing = list_images(f"{s3_bucket}/photos")
    location(f"{s3_bucket}/photos/cat/003.png").unlink()
    listed_before(listing)
    report = ingest(f"{s3_bucket}/photos").report
    assert report.set_aside == [
        {"path": "cat/003.png", "reason": "cannot be read: No such file or directory"}
    ]


def fail_to_read(monkeypatch, name, error):
    """Lets reads of objects whose name ends so fail."""
    import s3fs

    call = s3fs.S3FileSystem._call_s3

    async def failing(self, method, *args, **kwargs):
        if method == "get_object" and kwargs["Key"].endswith(name):
            raise error
        return await call(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", failing)


def test_an_object_that_may_not_be_read_is_set_aside(ingest, tmp_path, s3_bucket, monkeypatch):
    upload_tree(write_classes(tmp_path / "images", 10), f"{s3_bucket}/photos")
    fail_to_read(monkeypatch, "cat/003.png", PermissionError("Access Denied"))
    report = ingest(f"{s3_bucket}/photos").report
    assert report.set_aside == [{"path": "cat/003.png", "reason": "cannot be read: Access Denied"}]


@pytest.mark.parametrize("error", [OSError(5, "We encountered an internal error"), ConnectionError("reset")])
def test_a_store_that_fails_ends_the_run_instead_of_making_the_data_smaller(
    ingest, tmp_path, s3_bucket, monkeypatch, error
):
    upload_tree(write_classes(tmp_path / "images", 10), f"{s3_bucket}/photos")
    fail_to_read(monkeypatch, "cat/003.png", error)
    with pytest.raises(StorageError, match=r"photos/cat/003.png"):
        ingest(f"{s3_bucket}/photos")


def test_a_prefix_without_objects_is_reported_as_a_missing_folder_is(s3_bucket):
    with pytest.raises(FileNotFoundError, match=r"data.source: there is nothing at 's3://.*/absent'"):
        list_images(f"{s3_bucket}/absent")
    with pytest.raises(FileNotFoundError, match=r"no TFRecord file matches 's3://"):
        list_images(f"{s3_bucket}/absent/*.tfrecord")


def test_a_missing_bucket_is_named(s3_bucket):
    with pytest.raises(StorageError, match=r"there is no bucket 'no-such-bucket'. Create it"):
        list_images("s3://no-such-bucket/photos")


def test_a_bucket_without_permission_and_an_unknown_scheme_are_named(s3_bucket, monkeypatch):
    import s3fs

    async def denied(self, *args, **kwargs):
        raise PermissionError("Access Denied")
        yield

    with pytest.raises(StorageError, match=r"unknown kind of address http://. Use s3:// or gs://"):
        list_images("http://example.com/photos")
    monkeypatch.setattr(s3fs.S3FileSystem, "_iterdir", denied)
    with pytest.raises(StorageError, match=r"access denied \(Access Denied\). Set AWS_ACCESS_KEY_ID"):
        list_images(f"{s3_bucket}/photos")


@pytest.mark.parametrize(
    ("place", "endpoint", "message"),
    [
        ("/absent", None, "data.source: there is nothing at 's3://"),
        ("-absent/photos", None, "there is no bucket 'bucket-"),
        ("/photos", "http://127.0.0.1:1", "the store does not answer"),
    ],
)
def test_check_says_in_one_message_what_is_wrong_with_an_address(
    tmp_path, s3_bucket, monkeypatch, capsys, place, endpoint, message
):
    from pipeline.cli import main

    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        location(s3_bucket).fs.clear_instance_cache()
    config = f"{{name: pets, output: {tmp_path}/runs, data: {{source: {s3_bucket}{place}}}}}"
    write(tmp_path / "pets.yaml", config.encode())
    assert main(["check", str(tmp_path / "pets.yaml")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("s3://") == 1
    assert "Traceback" not in said


# Artifacts at addresses, as on Vertex


def test_work_files_examples_and_report_may_lie_at_addresses(tmp_path, bucket, ingest, monkeypatch):
    upload_tree(write_classes(tmp_path / "images", 10), f"{bucket}/photos")
    local = ingest(tmp_path / "images", images_per_shard=5)
    examples, report = standard_artifacts.Examples(), artifacts.IngestReport()
    examples.uri, report.uri = f"{bucket}/artifacts/examples", f"{bucket}/artifacts/report"
    step = executor.Executor(executor.Executor.Context(beam_pipeline_args=[]))
    # TFX makes the folder with TensorFlow, which knows gs:// but not s3://.
    monkeypatch.setattr(step, "_get_tmp_dir", lambda: f"{bucket}/tmp")
    step.Do(
        {},
        {"examples": [examples], "ingest_report": [report]},
        parameters(f"{bucket}/photos", images_per_shard=5),
    )
    assert files_below(f"{bucket}/tmp") == {}
    written = files_below(examples.uri)
    assert {name: file.read_bytes() for name, file in written.items()} == {
        name: file.read_bytes() for name, file in files_below(local.artifact.uri).items()
    }
    assert read_report(report.uri).splits == local.report.splits


def test_compressed_tfrecords_are_laid_open_at_an_address(tmp_path, bucket):
    from components.image_example_gen.locations import read_bytes
    from components.image_example_gen.tfrecords import read_records

    file = tmp_path / "a.tfrecord.gz"
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for payload in (b"first", b"second"):
            writer.write(payload)
    records = read_records(str(file), f"{bucket}/scratch/a.spool", hashlib.sha256().update)
    places = [place for place, _ in records]
    assert [read_bytes(place) for place in places] == [b"first", b"second"]
    assert {place.file for place in places} == {f"{bucket}/scratch/a.spool"}
