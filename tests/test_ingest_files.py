"""What becomes of files that cannot be used as they are: set aside, passed over, converted, turned."""

import functools
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.image_example_gen.decisions import InspectedImage
from components.image_example_gen.inspection import inspect
from components.image_example_gen.locations import Location
from components.image_example_gen.shards import write_shard
from components.image_example_gen.sources import list_images
from components.image_example_gen.work_files import IngestOptions
from tests.tiny_ingest import SHARES, content_of, png, run_ingest, write, write_classes


@pytest.fixture
def ingest(tmp_path):
    return functools.partial(run_ingest, tmp_path)


def test_useless_files_are_set_aside_with_path_and_reason(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    whole = png(5000, (50, 50), "JPEG")
    write(images / "cat" / "phone.heic", b"of a format that is not read")
    write(images / "cat" / "empty", b"")
    write(images / "cat" / "empty.png", b"")
    write(images / "cat" / "large.png", png(5001, (1200, 900)))
    write(images / "dog" / "half.jpg", whole[: len(whole) // 2])
    (images / "dog" / "gone.png").symlink_to("absent.png")
    report = ingest(images).report
    assert report.set_aside == [
        {"path": "cat/empty", "reason": "the file is empty"},
        {"path": "cat/empty.png", "reason": "the file is empty"},
        {
            "path": "cat/large.png",
            "reason": "1200 x 900 pixels are 1.1 megapixels, more than data.max_megapixels = 1",
        },
        {"path": "cat/phone.heic", "reason": "not an image in a known format"},
        {"path": "dog/gone.png", "reason": "is a link to a file that does not exist"},
        {"path": "dog/half.jpg", "reason": "truncated or damaged JPEG"},
    ]
    counts = report.counts
    assert (counts["listed"], counts["ingested"], counts["set_aside"]) == (66, 60, 6)


def test_files_beside_the_images_are_counted_and_mentioned_and_nothing_is_lost(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    before = list_images(str(images)).fingerprint()
    for number in range(30):
        write(images / "cat" / f"{number:03d}.xml", b"<annotation/>")
        write(images / "dog" / f"{number:03d}.json", b"{}")
    write(images / "README.txt", b"Photographs by Ann.")
    assert list_images(str(images)).fingerprint() == before
    write(images / "dog" / "LICENSE", b"What it is, its name does not say.")
    write(images / "dog" / "IMG_0001", png(5000))
    report = ingest(images).report
    assert (report.counts["listed"], report.counts["ingested"]) == (61, 61)
    assert (report.set_aside, report.counts["sidecars"]) == ([], 62)
    assert report.findings == [
        "61 files are not images and are not used (.json, .xml, .txt), such as 'README.txt'",
        "1 file is not an image and is not used: 'dog/LICENSE'",
    ]


def test_what_a_manifest_lists_is_meant_to_be_an_image(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    write(images / "notes.txt", b"no image")
    write(images / "LICENSE", b"no image")
    lines = [
        f"images/{file.relative_to(images)},{file.parent.name}"
        for file in images.rglob("*")
        if file.is_file()
    ]
    report = ingest(write(tmp_path / "labels.csv", "\n".join(["path,label", *lines]).encode())).report
    assert report.set_aside == [
        {"path": "images/LICENSE", "reason": "not an image in a known format"},
        {"path": "images/notes.txt", "reason": "not an image in a known format"},
    ]
    assert report.counts["sidecars"] == 0


def test_a_file_that_fails_while_it_is_read_is_set_aside(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    lines = [f"images/{file.parent.name}/{file.name},{file.parent.name}" for file in images.rglob("*.png")]
    # A regular file that can be opened, but whose first byte nobody can read.
    lines.append("/proc/self/mem,cat")
    report = ingest(write(tmp_path / "labels.csv", "\n".join(["path,label", *lines]).encode())).report
    assert report.set_aside == [{"path": "/proc/self/mem", "reason": "cannot be read: Input/output error"}]


def test_a_file_that_changes_between_the_passes_is_never_written(tmp_path):
    file = write(tmp_path / "1.png", png(1))
    facts = inspect(file.read_bytes(), max_megapixels=1)
    image = InspectedImage("1.png", "cat", "train", Location(str(file)), facts)
    options = IngestOptions(
        root=str(tmp_path),
        records=None,
        shares=SHARES,
        max_megapixels=1,
        images_per_shard=10,
        examples_uri=str(tmp_path / "examples"),
        work_folder=str(write(tmp_path / "work" / "listing.jsonl", b"").parent),
    )
    write(file, png(2))
    events = list(write_shard((("train", 0, 1), [image]), options))
    assert [event["kind"] for event in events] == ["fault"]
    assert "1.png changed while it was read" in events[0]["message"]
    assert list((tmp_path / "examples" / "Split-train").iterdir()) == []


def test_a_class_whose_files_are_all_useless_is_mentioned(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    write(images / "fish" / "1.png", b"no image")
    assert ingest(images).report.findings == ["class 'fish' has no usable image"]


def test_conversions_and_orientation_are_counted(ingest, tmp_path):
    images = write_classes(tmp_path / "images")
    orientation = Image.Exif()
    orientation[0x0112] = 6
    write(images / "cat" / "turned.jpg", png(1, (30, 20), "JPEG", exif=orientation))
    webp = write(images / "cat" / "a.webp", png(2, (9, 7), "WEBP", lossless=True)).read_bytes()
    write(images / "dog" / "b.tiff", png(3, (9, 7), "TIFF"))
    write(images / "dog" / "c.tiff", png(4, (9, 7), "TIFF", exif=orientation))
    result = ingest(images)
    assert result.report.converted == {"TIFF": 2, "WEBP": 1}
    assert result.report.counts["converted"] == 3
    assert result.report.counts["oriented"] == 2
    assert result.report.formats == {"JPEG": 1, "PNG": 60, "TIFF": 2, "WEBP": 1}
    written = content_of(result.examples)["cat/a.webp"]
    np.testing.assert_array_equal(
        tf.io.decode_png(written).numpy(), np.asarray(Image.open(io.BytesIO(webp)).convert("RGB"))
    )
