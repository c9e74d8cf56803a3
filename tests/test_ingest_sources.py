"""Listing a source: layouts, odd files and names, fingerprints. No image is opened here."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unicodedata

import pytest

from components.image_example_gen.sources import detect_format, list_images
from tests.permissions import bound_by_permissions
from tests.tiny_sources import rows, write, write_class_folders


@pytest.fixture
def class_folders(tmp_path):
    return write_class_folders(tmp_path / "images")


@pytest.fixture
def split_folders(tmp_path):
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            write(tmp_path / "images" / split / label / "1.png")
    return tmp_path / "images"


# Layouts


def test_class_folders_label_images_by_folder(class_folders):
    listing = list_images(str(class_folders))
    assert listing.format == "class_folders"
    assert rows(listing) == [
        ("cat/1.png", "cat", None),
        ("cat/2.png", "cat", None),
        ("dog/1.png", "dog", None),
    ]
    assert listing.class_counts == {"cat": 2, "dog": 1}
    assert (listing.set_aside, listing.findings, listing.ignored) == ((), (), 0)


def test_folders_inside_a_class_folder_belong_to_the_class(class_folders):
    write(class_folders / "cat" / "garden" / "summer" / "3.png")
    assert ("cat/garden/summer/3.png", "cat", None) in rows(list_images(str(class_folders)))


def test_split_folders_are_recognised_and_give_the_split(split_folders):
    listing = list_images(str(split_folders))
    assert listing.format == "split_folders"
    assert rows(listing) == [
        ("test/cat/1.png", "cat", "test"),
        ("test/dog/1.png", "dog", "test"),
        ("train/cat/1.png", "cat", "train"),
        ("train/dog/1.png", "dog", "train"),
    ]


@pytest.mark.parametrize("name", ["val", "valid", "Validation", "EVAL"])
def test_usual_names_of_the_eval_folder_are_understood(split_folders, name):
    write(split_folders / name / "cat" / "1.png")
    assert (f"{name}/cat/1.png", "cat", "eval") in rows(list_images(str(split_folders)))


def test_two_folders_for_one_split_are_refused(split_folders):
    write(split_folders / "training" / "cat" / "1.png")
    with pytest.raises(ValueError, match=r"'train' and 'training' .* both mean the train split"):
        list_images(str(split_folders))


def test_a_split_folder_without_classes_is_refused(split_folders):
    write(split_folders / "val" / "1.png")
    write(split_folders / "val" / "1.xml")
    with pytest.raises(ValueError, match=r"holds 1 file but no class folders"):
        list_images(str(split_folders))


def test_a_split_folder_without_images_is_only_mentioned(split_folders):
    write(split_folders / "val" / "labels.txt")
    assert list_images(str(split_folders)).findings == (
        "split folder 'val' holds no image",
        "1 file is not an image and is not used: 'val/labels.txt'",
    )


def test_split_folders_without_train_are_refused(tmp_path):
    write(tmp_path / "test" / "cat" / "1.png")
    write(tmp_path / "test" / "dog" / "1.png")
    with pytest.raises(ValueError, match=r"no images to train on.*\['test'\]"):
        list_images(str(tmp_path))


def test_a_mixture_of_split_and_class_folders_is_refused(split_folders):
    write(split_folders / "bird" / "1.png")
    with pytest.raises(
        ValueError, match=r"mixes split folders \['test', 'train'\] with other folders \['bird'\]"
    ):
        list_images(str(split_folders))


def test_a_class_may_be_called_train(class_folders):
    write(class_folders / "train" / "1.png")
    assert list_images(str(class_folders)).class_counts == {"cat": 2, "dog": 1, "train": 1}


def test_a_folder_that_is_no_split_is_refused_when_the_format_says_split_folders(class_folders):
    with pytest.raises(ValueError, match=r"folder 'cat' .* is no split. Use train, eval"):
        list_images(str(class_folders), "split_folders")


# Sources that cannot be used


def test_a_missing_source_is_reported_with_the_allowed_layouts(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing at .*/absent'. Give a folder of class folders"):
        list_images(str(tmp_path / "absent"))


def test_a_source_without_images_is_refused(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    with pytest.raises(ValueError, match=r"no image found"):
        list_images(str(tmp_path))


def test_a_flat_folder_is_refused_and_its_manifest_suggested(tmp_path):
    write(tmp_path / "1.png")
    write(tmp_path / "labels.csv")
    with pytest.raises(ValueError, match=r"holds no folder.*To use labels.csv as a manifest"):
        list_images(str(tmp_path))


def test_a_single_class_is_refused(tmp_path):
    write(tmp_path / "cat" / "1.png")
    with pytest.raises(ValueError, match=r"only one class, 'cat'"):
        list_images(str(tmp_path))


def test_a_folder_cannot_be_a_manifest_nor_a_file_a_folder(class_folders):
    with pytest.raises(ValueError, match=r"is a folder, which cannot be manifest"):
        list_images(str(class_folders), "manifest")
    with pytest.raises(ValueError, match=r"is a file, which cannot be class_folders"):
        list_images(str(class_folders / "cat" / "1.png"), "class_folders")
    with pytest.raises(ValueError, match=r"neither a .csv manifest nor a TFRecord"):
        detect_format(str(class_folders / "cat" / "1.png"))


@pytest.mark.parametrize("source", ["", "  "])
def test_an_empty_path_is_not_the_working_directory(source):
    for ask in (detect_format, list_images):
        with pytest.raises(ValueError, match=rf"data.source: got '{source}'. Give the path or address"):
            ask(source)


def test_an_unknown_format_is_refused(class_folders):
    with pytest.raises(ValueError, match=r"'folders' is unknown. Use auto or one of"):
        list_images(str(class_folders), "folders")


# Odd files and names


def test_hidden_files_and_leftovers_of_operating_systems_are_ignored(class_folders):
    before = rows(list_images(str(class_folders)))
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._1.png", ".cache/1.png", "__MACOSX/1.png"):
        write(class_folders / "cat" / name)
    write(class_folders / ".git" / "1.png")
    listing = list_images(str(class_folders))
    assert rows(listing) == before
    assert listing.ignored == 7


def test_an_image_in_the_root_is_set_aside_and_a_text_only_mentioned(class_folders):
    write(class_folders / "lost.JPG")
    write(class_folders / "README.txt")
    write(class_folders / "LICENSE")
    listing = list_images(str(class_folders))
    assert listing.set_aside == (("lost.JPG", "lies outside the class folders, so it has no label"),)
    assert listing.findings == (
        "1 file is beside the class folders and not used: ['LICENSE']",
        "1 file is not an image and is not used: 'README.txt'",
    )
    assert listing.sidecars == 1


def test_a_class_folder_without_images_is_mentioned_and_no_class(class_folders):
    (class_folders / "bird").mkdir()
    write(class_folders / "fish" / ".DS_Store")
    listing = list_images(str(class_folders))
    assert list(listing.class_counts) == ["cat", "dog"]
    assert listing.findings == ("class folder 'bird' holds no image", "class folder 'fish' holds no image")
    for number in range(100):
        (class_folders / f"x{number:03}").mkdir()
    findings = list_images(str(class_folders)).findings
    assert findings[4:] == ("class folder 'x002' holds no image", "97 more class folders hold no image")


def test_a_folder_of_annotations_is_no_class(class_folders):
    write(class_folders / "annotations" / "1.xml")
    listing = list_images(str(class_folders))
    assert list(listing.class_counts) == ["cat", "dog"]
    assert listing.findings[0] == "class folder 'annotations' holds no image"


def test_links_to_files_and_folders_are_followed(class_folders, tmp_path):
    write(tmp_path / "elsewhere" / "7.png")
    (class_folders / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    (class_folders / "dog" / "7.png").symlink_to(tmp_path / "elsewhere" / "7.png")
    paths = [path for path, _, _ in rows(list_images(str(class_folders)))]
    assert {"cat/more/7.png", "dog/7.png"} < set(paths)


@pytest.mark.parametrize("target", ["", "images", "images/cat", "images/cat/inner"])
def test_a_link_to_a_containing_folder_is_not_followed(class_folders, tmp_path, target):
    (class_folders / "cat" / "inner").mkdir()
    before = rows(list_images(str(class_folders)))
    (class_folders / "cat" / "inner" / "loop").symlink_to(tmp_path / target)
    listing = list_images(str(class_folders))
    assert rows(listing) == before
    assert "'cat/inner/loop' links back to a folder that contains it; it is not followed" in listing.findings


def test_a_link_to_a_folder_around_the_link_that_the_source_lies_behind_is_not_followed(
    class_folders, tmp_path
):
    write(tmp_path / "around" / "other.png")
    (tmp_path / "around" / "way").symlink_to(tmp_path)
    source = tmp_path / "around" / "way" / "images"
    (class_folders / "cat" / "loop").symlink_to(tmp_path / "around")
    assert len(list_images(str(source)).files) == 3


def test_broken_links_and_special_files_are_set_aside(class_folders):
    (class_folders / "cat" / "gone.png").symlink_to(class_folders / "absent.png")
    (class_folders / "cat" / "self.png").symlink_to(class_folders / "cat" / "self.png")
    os.mkfifo(class_folders / "dog" / "pipe.png")
    assert list_images(str(class_folders)).set_aside == (
        ("cat/gone.png", "is a link to a file that does not exist"),
        ("cat/self.png", "cannot be read: Too many levels of symbolic links"),
        ("dog/pipe.png", "is not a regular file"),
    )


def test_a_folder_without_read_permission_is_set_aside():
    with tempfile.TemporaryDirectory() as source:  # below tmp_path nobody may look
        write(pathlib.Path(source, "cat", "1.png"))
        write(pathlib.Path(source, "dog", "1.png"))
        write(pathlib.Path(source, "dog", "locked", "2.png")).parent.chmod(0)
        os.chmod(source, 0o755)
        with bound_by_permissions():
            listing = list_images(source)
    assert listing.set_aside == (("dog/locked/", "cannot be read: Permission denied"),)
    assert listing.class_counts == {"cat": 1, "dog": 1}


def test_a_name_that_is_not_utf8_is_set_aside_with_a_printable_path(class_folders):
    write(class_folders / "cat" / os.fsdecode(b"caf\xe9.png"))
    write(class_folders / os.fsdecode(b"\xff") / "1.png")
    assert list_images(str(class_folders)).set_aside == (
        ("\\xff/1.png", "the name is not valid UTF-8; rename it"),
        ("cat/caf\\xe9.png", "the name is not valid UTF-8; rename it"),
    )


def test_composed_and_decomposed_names_are_the_same_class(class_folders):
    composed, decomposed = unicodedata.normalize("NFC", "Löwe"), unicodedata.normalize("NFD", "Löwe")
    write(class_folders / composed / "1.png")
    write(class_folders / decomposed / "2.png")
    listing = list_images(str(class_folders))
    assert listing.class_counts[composed] == 2
    assert listing.findings == (f"folders {decomposed!r} and {composed!r} are the same class, {composed!r}",)
    assert all(os.path.exists(os.path.join(listing.root, file.path)) for file in listing.files)


def test_classes_that_differ_in_case_stay_separate_and_are_mentioned(class_folders):
    write(class_folders / "Cat" / "1.png")
    listing = list_images(str(class_folders))
    assert list(listing.class_counts) == ["Cat", "cat", "dog"]
    assert listing.findings == (
        "classes ['Cat', 'cat'] differ only in upper and lower case; they stay separate",
    )


@pytest.mark.parametrize("separator", ["\n", "\r", "\v", "\f", "\x1c", "\x1e", "\x85", "\u2028", "\u2029"])
def test_a_class_name_with_whatever_ends_a_line_is_refused(class_folders, separator):
    assert len(f"big{separator}cat".splitlines()) == 2
    write(class_folders / f"big{separator}cat" / "1.png")
    with pytest.raises(ValueError, match=r"class name 'big\\\w+cat' has a control character or a line break"):
        list_images(str(class_folders))


@pytest.mark.parametrize("name", ["🐱 Katze", "猫", "قط", "a, b; 'c'"])
def test_class_names_in_any_script_are_kept(class_folders, name):
    write(class_folders / name / "1.png")
    assert list_images(str(class_folders)).class_counts[name] == 1


# Fingerprint


def test_the_fingerprint_is_the_same_for_unchanged_data(class_folders):
    assert (
        list_images(str(class_folders)).fingerprint()
        == list_images(str(class_folders), "class_folders").fingerprint()
    )


def write_with_the_same_size_and_time(path, content):
    """Replaces a file's content as copying does that keeps times (cp -p, rsync -t, tar)."""
    before = path.stat()
    assert len(content) == before.st_size
    time.sleep(0.02)  # some ticks of the kernel's clock, which stamps files every 1 to 10 ms
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_the_fingerprint_changes_with_every_kind_of_change(class_folders):
    seen = {list_images(str(class_folders)).fingerprint()}

    def change(action):
        action()
        before = len(seen)
        seen.add(list_images(str(class_folders)).fingerprint())
        assert len(seen) == before + 1

    change(lambda: write(class_folders / "cat" / "3.png"))
    change(lambda: write(class_folders / "cat" / "3.png", b"other image"))
    change(lambda: write_with_the_same_size_and_time(class_folders / "cat" / "3.png", b"third image"))
    change(lambda: (class_folders / "cat" / "3.png").rename(class_folders / "dog" / "3.png"))
    change(lambda: (class_folders / "cat" / "1.png").unlink())
    change(lambda: (class_folders / "cat" / "1.png").symlink_to("absent"))


def test_the_fingerprint_of_a_manifest_changes_with_a_label(class_folders):
    manifest = class_folders / "labels.csv"
    manifest.write_text("path,label\ncat/1.png,cat\ndog/1.png,dog\n")
    before = list_images(str(manifest)).fingerprint()
    manifest.write_text("path,label\ncat/1.png,tom\ndog/1.png,dog\n")
    assert list_images(str(manifest)).fingerprint() != before


def test_listing_imports_no_tensorflow():
    program = (
        "import sys; import components.image_example_gen.sources, components.image_example_gen.headers; "
        "print([name for name in ('tensorflow', 'tfx', 'apache_beam', 'numpy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
