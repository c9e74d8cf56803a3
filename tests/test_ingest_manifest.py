"""Listing the images that a CSV manifest names. No image is opened here."""

import pytest

from components.image_example_gen.sources import list_images
from tests.tiny_sources import rows, write, write_class_folders


@pytest.fixture
def class_folders(tmp_path):
    return write_class_folders(tmp_path / "images")


def test_a_manifest_gives_labels_and_splits_relative_to_its_folder(class_folders, tmp_path):
    manifest = tmp_path / "labels.csv"
    manifest.write_text(
        "\ufeffpath, label ,split,photographer\n"
        "images/cat/1.png,tabby,Training,Ann\n"
        f"{class_folders / 'dog' / '1.png'},collie,,Ben\n"
        "\n"
        'images/../images/cat/2.png,"tabby",test\n',
        encoding="utf-8",
    )
    listing = list_images(str(manifest))
    assert listing.format == "manifest"
    assert listing.root == str(tmp_path)
    assert rows(listing) == [
        (str(class_folders / "dog" / "1.png"), "collie", None),
        ("images/cat/1.png", "tabby", "train"),
        ("images/cat/2.png", "tabby", "test"),
    ]


def test_lines_of_a_manifest_that_cannot_be_used_are_set_aside(class_folders):
    manifest = class_folders / "labels.csv"
    manifest.write_text(
        "path,label\ncat/1.png,cat\ndog/1.png,dog\ncat/2.png,\n,cat\nabsent.png,cat\ncat,cat\n"
    )
    assert list_images(str(manifest)).set_aside == (
        ("absent.png", "does not exist"),
        ("cat", "is not a regular file"),
        ("cat/2.png", "line 4 of the manifest has no label"),
        ("line 5", "line 5 of the manifest has no path"),
    )


@pytest.mark.parametrize("first_line", ["file,label", "path;label", ""])
def test_a_manifest_without_its_columns_is_refused(tmp_path, first_line):
    manifest = tmp_path / "labels.csv"
    manifest.write_text(f"{first_line}\n1.png,cat\n")
    with pytest.raises(
        ValueError, match=r"has no column .*The first line must be path,label or path,label,split"
    ):
        list_images(str(manifest))


def test_an_unknown_split_in_a_manifest_is_refused_with_its_line(class_folders):
    manifest = class_folders / "labels.csv"
    manifest.write_text("path,label,split\ncat/1.png,cat,train\ndog/1.png,dog,holdout\n")
    with pytest.raises(ValueError, match=r"line 3 of .* has split 'holdout'. Use train, eval"):
        list_images(str(manifest))


def test_a_manifest_none_of_whose_files_exists_is_refused(tmp_path):
    manifest = tmp_path / "labels.csv"
    manifest.write_text("path,label\na.png,cat\nb.png,dog\n")
    with pytest.raises(
        FileNotFoundError, match=r"none of the 2 lines .* relative to .*a.png: does not exist"
    ):
        list_images(str(manifest))


def test_a_class_name_that_cannot_be_one_is_refused_with_its_line(class_folders):
    manifest = class_folders / "labels.csv"
    manifest.write_text("path,label\ncat/1.png,cat\ndog/1.png,d\tog\n")
    with pytest.raises(ValueError, match=r"line 3 of '.*labels\.csv': class name 'd\\tog' has a control"):
        list_images(str(manifest))


def test_a_quotation_mark_that_is_never_closed_swallows_no_lines(class_folders):
    manifest = class_folders / "labels.csv"
    manifest.write_text('path,label\ncat/1.png,cat\ndog/1.png,dog\n"cat/2.png,cat\ncat/1.png,cat\n')
    with pytest.raises(ValueError, match=r"cannot be read as CSV in UTF-8: .*every quotation mark closed"):
        list_images(str(manifest))


def test_a_path_with_commas_and_quotation_marks_is_read(class_folders):
    name = 'a "good", dog.png'
    write(class_folders / "dog" / name)
    manifest = class_folders / "labels.csv"
    manifest.write_text('path,label\ncat/1.png,cat\n"dog/a ""good"", dog.png",dog\n')
    assert rows(list_images(str(manifest)))[1] == (f"dog/{name}", "dog", None)


def test_a_manifest_in_another_encoding_is_refused(tmp_path):
    manifest = tmp_path / "labels.csv"
    manifest.write_bytes("path,label\n1.png,Löwe\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"cannot be read as CSV in UTF-8"):
        list_images(str(manifest))
