"""Listing TFRecord files: told from others by how they begin, split by their names."""

import gzip
import os

import pytest

from components.image_example_gen.sources import detect_format, list_images
from modules.storage import upload_tree
from tests.tiny_sources import RECORD, rows, write, write_class_folders, write_record


@pytest.fixture
def class_folders(tmp_path):
    return write_class_folders(tmp_path / "images")


def test_tfrecords_are_found_by_pattern_folder_and_file(tmp_path):
    for name in ("a.tfrecord", "b.tfrecord-00000-of-00001"):
        write_record(tmp_path / "records" / name)
    write(tmp_path / "records" / "notes.txt")
    for source in ("records", "records/*tfrecord*", "rec*/*.tfrecord*"):
        listing = list_images(str(tmp_path / source))
        assert listing.format == "tfrecord"
        assert [os.path.basename(path) for path, _, _ in rows(listing)] == [
            "a.tfrecord",
            "b.tfrecord-00000-of-00001",
        ]
    assert rows(list_images(str(tmp_path / "records" / "a.tfrecord"))) == [("a.tfrecord", None, None)]


def test_a_pattern_that_matches_no_tfrecord_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no TFRecord file matches .*\*\.tfrecord"):
        list_images(str(tmp_path / "*.tfrecord"))


def test_splits_come_from_the_names_of_tfrecords_when_all_of_them_name_one(tmp_path):
    write_record(tmp_path / "flowers-train.tfrecord-00000-of-00001")
    write_record(tmp_path / "Split-test" / "data_tfrecord-00000-of-00001.gz")
    listing = list_images(str(tmp_path), "tfrecord")
    assert [file.split for file in listing.files] == ["test", "train"]
    write_record(tmp_path / "more.tfrecord")
    assert [file.split for file in list_images(str(tmp_path), "tfrecord").files] == [None, None, None]


@pytest.mark.parametrize(
    ("first", "second"), [("train", "test"), ("Split-train", "Split-eval"), ("2023", "2024")]
)
def test_folders_that_hold_tfrecords_are_tfrecords(tmp_path, first, second):
    write_record(tmp_path / first / "a.tfrecord")
    write_record(tmp_path / second / "data_tfrecord-00000-of-00001.gz")
    assert detect_format(str(tmp_path)) == "tfrecord"


def test_a_picture_of_a_tfrecord_is_a_picture(class_folders):
    write(class_folders / "cat" / "tfrecord_diagram.png")
    assert detect_format(str(class_folders)) == "class_folders"


# What is a TFRecord, and what is not


@pytest.mark.parametrize(
    "name", ["notes_on_tfrecords.txt", "make_tfrecords.py", "tfrecords", "x.tfrecord.gz"]
)
def test_a_file_that_is_only_named_as_a_tfrecord_makes_none_of_a_folder_of_images(class_folders, name):
    write(class_folders / "cat" / name, b"How to make TFRecords.")
    listing = list_images(str(class_folders))
    assert listing.format == "class_folders"
    assert listing.class_counts["cat"] + listing.sidecars == 3


@pytest.mark.parametrize("name", ["part-00000", "part-00000.gz", "images.bin"])
def test_a_tfrecord_of_any_name_is_read_when_it_is_named_itself_or_by_a_pattern(tmp_path, name):
    file = write_record(tmp_path / "records" / name)
    for source in (file, tmp_path / "records" / "*"):
        listing = list_images(str(source))
        assert (listing.format, rows(listing)) == ("tfrecord", [(name, None, None)])


def test_a_folder_of_tfrecords_of_other_names_asks_for_a_pattern(tmp_path):
    write_record(tmp_path / "part-00000")
    with pytest.raises(
        ValueError, match=r"part-00000 is a TFRecord; to use files of such names, set data.source"
    ):
        list_images(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b.tfrecord", b"How to make TFRecords."),
        ("b.tfrecord", RECORD[:11]),
        ("b.tfrecord", b"\7" + RECORD[1:]),
        ("b.tfrecord", gzip.compress(RECORD, mtime=0)),
        ("b.tfrecord.gz", RECORD),
        ("b.tfrecord.gz", gzip.compress(b"no record", mtime=0)),
    ],
)
def test_a_file_among_tfrecords_that_does_not_begin_as_one_is_an_error_before_any_work(
    tmp_path, name, content
):
    write_record(tmp_path / "a.tfrecord")
    write(tmp_path / name, content)
    for source in (tmp_path, tmp_path / "*.tfrecord*"):
        with pytest.raises(ValueError, match=rf"data.source: {name} of .* does not begin as a TFRecord does"):
            list_images(str(source))
    with pytest.raises(ValueError, match="does not begin as a TFRecord"):
        list_images(str(tmp_path / name), "tfrecord")
    with pytest.raises(ValueError, match=r"neither a .csv manifest nor a TFRecord"):
        list_images(str(tmp_path / name))


def test_what_cannot_be_read_among_tfrecords_is_an_error(tmp_path):
    write_record(tmp_path / "a.tfrecord")
    (tmp_path / "b.tfrecord").symlink_to("absent")
    with pytest.raises(ValueError, match=r"b.tfrecord of .* is a link to a file that does not exist"):
        list_images(str(tmp_path))
    with pytest.raises(ValueError, match=r"b.tfrecord of .* does not exist"):
        list_images(str(tmp_path / "*.tfrecord"))


def test_tfrecords_without_a_record_are_mentioned_and_others_not_named_as_such_too(tmp_path):
    write_record(tmp_path / "a.tfrecord")
    write(tmp_path / "b.tfrecord", b"")
    write(tmp_path / "c.tfrecord.gz", gzip.compress(b""))
    write(tmp_path / "notes.txt")
    listing = list_images(str(tmp_path))
    assert [path for path, _, _ in rows(listing)] == ["a.tfrecord", "b.tfrecord", "c.tfrecord.gz"]
    assert listing.findings == (
        "1 file is not named as a TFRecord and not used: 'notes.txt'",
        "2 TFRecord files hold no record: ['b.tfrecord', 'c.tfrecord.gz']",
    )


def test_tfrecords_none_of_which_holds_a_record_are_refused(tmp_path):
    write(tmp_path / "b.tfrecord", b"")
    with pytest.raises(ValueError, match="hold no record"):
        list_images(str(tmp_path), "tfrecord")
    with pytest.raises(
        ValueError, match=r"b\.tfrecord is named as a TFRecord, but does not begin with a record"
    ):
        list_images(str(tmp_path))


def test_images_and_tfrecords_in_one_source_are_refused(class_folders):
    write_record(class_folders / "dog" / "backup.tfrecord")
    with pytest.raises(
        ValueError, match=r"holds images, such as cat/\d.png, and TFRecords, in dog. Move one kind"
    ):
        list_images(str(class_folders))
    assert list_images(str(class_folders), "class_folders").sidecars == 1


def test_in_a_bucket_too_the_content_decides(class_folders, tmp_path, s3_bucket):
    write(class_folders / "cat" / "tfrecords", b"How to make TFRecords.")
    upload_tree(class_folders, f"{s3_bucket}/images")
    assert detect_format(f"{s3_bucket}/images") == "class_folders"
    write_record(tmp_path / "records" / "2024" / "a.tfrecord.gz")
    write(tmp_path / "records" / "2024" / "b.tfrecord", b"")
    upload_tree(tmp_path / "records", f"{s3_bucket}/records")
    listing = list_images(f"{s3_bucket}/records")
    assert listing.findings == ("1 TFRecord file holds no record: ['2024/b.tfrecord']",)
    assert detect_format(f"{s3_bucket}/records/2024/a.tfrecord.gz") == "tfrecord"
    with pytest.raises(ValueError, match=r"cat/tfrecords of .* does not begin as a TFRecord does"):
        list_images(f"{s3_bucket}/images/*/tfr*")
