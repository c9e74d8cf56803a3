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


def test_a_class_name_with_a_separator_of_lines_is_refused_in_a_manifest(class_folders):
    message = refusal(class_folders, "path,label\ncat/1.png,big\u2028cat\ndog/1.png,dog\n")
    assert "line 2 of 'labels.csv': class name 'big\\u2028cat' has a control character or a line" in message


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


def refusal(folder, text):
    manifest = folder / "labels.csv"
    manifest.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(ValueError, match=r"labels\.csv") as refused:
        list_images(str(manifest))
    return str(refused.value).replace(str(manifest), "labels.csv")


def test_a_line_with_more_values_than_columns_is_refused(class_folders):
    assert refusal(class_folders, "path,label\ncat/1.png,cat\n\ncat/2.png,New York, NY\n") == (
        "data.source: line 4 of 'labels.csv' has 3 values for 2 columns, cat/2.png,New York,NY. "
        "Put a value that holds a comma between quotation marks."
    )


def test_empty_values_at_the_end_of_lines_may_be_left_out_or_too_many(class_folders):
    manifest = class_folders / "labels.csv"
    manifest.write_text(
        "path,label,split,,\ncat/1.png,cat,train,,\ncat/2.png,cat\ndog/1.png,dog,,,,,,\n  ,\ndog/1.png\n"
    )
    listing = list_images(str(manifest))
    assert rows(listing) == [
        ("cat/1.png", "cat", "train"),
        ("cat/2.png", "cat", None),
        ("dog/1.png", "dog", None),
    ]
    assert listing.set_aside == (("dog/1.png", "line 6 of the manifest has no label"),)


@pytest.mark.parametrize("columns", ["path,label,label", "label,path, Label ", "path,LABEL,note,label"])
def test_a_column_given_twice_is_refused(class_folders, columns):
    assert refusal(class_folders, f"{columns}\ncat/1.png,cat,1\n") == (
        "data.source: 'labels.csv' has 2 columns 'label', and nothing says which counts. Keep one."
    )


def test_an_ignored_column_may_be_given_twice(class_folders):
    manifest = class_folders / "labels.csv"
    manifest.write_text("note,path,label,note,,\nx,cat/1.png,cat,y,,\n,dog/1.png,dog,,,\n")
    assert rows(list_images(str(manifest))) == [("cat/1.png", "cat", None), ("dog/1.png", "dog", None)]


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_another_separator_is_named(class_folders, separator, name):
    message = refusal(class_folders, f"path{separator}label\ncat/1.png{separator}cat\n")
    assert f" Its columns are separated by {name}. The first line must be path,label" in message


@pytest.mark.parametrize("line", ['"cat\n1.png",cat,hold', '"cat/1.png",cat,"hold\n"'])
def test_a_value_over_several_lines_is_named_by_the_first_of_them(class_folders, line):
    message = refusal(class_folders, f"path,label,split\ncat/1.png,cat,\n{line}\n")
    assert message.startswith("data.source: line 3 of 'labels.csv' has split 'hold'.")


def test_a_stray_quotation_mark_is_named_by_its_line(class_folders):
    assert ": line 3: " in refusal(class_folders, 'path,label\ncat/1.png,cat\n"cat/2.png,cat\n')


def test_a_manifest_with_nul_characters_is_refused_with_its_line(class_folders):
    assert refusal(class_folders, "path,label\ncat/1.png,c\0a\0t\0\n") == (
        "data.source: line 2 of 'labels.csv' has a NUL character, as text in UTF-16 does. Save the manifest "
        "as UTF-8."
    )


def test_a_path_of_spaces_is_none(class_folders):
    manifest = class_folders / "labels.csv"
    manifest.write_text('path,label\ncat/1.png,cat\ndog/1.png,dog\n"   ",cat\n')
    assert list_images(str(manifest)).set_aside == (("line 4", "line 4 of the manifest has no path"),)


def test_an_image_may_be_listed_with_and_without_a_split(class_folders):
    manifest = class_folders / "labels.csv"
    manifest.write_text("path,label,split\ncat/1.png,cat,\n./cat/1.png,cat,test\ndog/1.png,dog,\n")
    assert rows(list_images(str(manifest))) == [
        ("cat/1.png", "cat", None),
        ("cat/1.png", "cat", "test"),
        ("dog/1.png", "dog", None),
    ]
