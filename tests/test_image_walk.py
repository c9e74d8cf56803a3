"""Which files of a folder are taken for images, by their names. No image is opened here."""

import pytest

from components.image_example_gen.formats import FORMATS, has_image_suffix, has_sidecar_suffix
from components.image_example_gen.image_walk import sidecars_text, walk_images
from components.image_example_gen.local_tree import LocalTree
from tests.tiny_sources import write

READ = [f"1{suffix}" for row in FORMATS.values() for suffix in row.suffixes]


@pytest.mark.parametrize("name", [*READ, "1.PNG", "1.heic", "1.HEIF", "1.jxl", "1.svg", "1.psd", "1.ico"])
def test_what_a_person_counts_as_an_image_is_one_whether_it_can_be_read_or_not(name):
    assert (has_image_suffix(name), has_sidecar_suffix(name)) == (True, False)


@pytest.mark.parametrize("name", ["1.cr2", "1.CR3", "1.nef", "1.arw", "1.dng", "1.orf", "1.rw2"])
def test_the_raw_data_of_a_camera_counts_as_an_image(name):
    assert (has_image_suffix(name), has_sidecar_suffix(name)) == (True, False)


@pytest.mark.parametrize(
    "names",
    [
        ("1.xml", "1.json", "1.txt", "labels.csv", "1.yaml", "README.md", "1.xmp", "1.XML"),
        ("1.npy", "1.npz", "1.pkl", "1.mat", "1.h5", "1.db", "1.tfrecord"),
        ("1.zip", "1.tar.gz", "1.7z", "1.pdf", "1.docx", "1.sha256"),
        ("1.mp4", "1.mov", "1.mp3", "1.wav", "1.py"),
    ],
)
def test_what_lies_beside_images_is_a_sidecar(names):
    assert [name for name in names if has_image_suffix(name) or not has_sidecar_suffix(name)] == []


@pytest.mark.parametrize("name", ["1", "1.bin", "IMG_0001", "photo.2024-05-01", "LICENSE", "1.jpg_large"])
def test_a_name_that_says_nothing_is_neither(name):
    assert (has_image_suffix(name), has_sidecar_suffix(name)) == (False, False)


def test_a_walk_tells_images_from_sidecars_and_leftovers_at_any_depth(tmp_path):
    for name in ("2.png", "1.HEIC", "a/b/noname", "1.xml", "a/notes.TXT", ".DS_Store", "__MACOSX/1.png"):
        write(tmp_path / name)
    (tmp_path / "gone.png").symlink_to("absent.png")
    (tmp_path / "gone.json").symlink_to("absent.json")
    walk = walk_images(LocalTree(str(tmp_path)))
    assert [(file.path, file.problem) for file in walk.files] == [
        ("1.HEIC", ""),
        ("2.png", ""),
        ("a/b/noname", ""),
        ("gone.png", "is a link to a file that does not exist"),
    ]
    assert walk.sidecars == ["1.xml", "a/notes.TXT", "gone.json"]
    assert (walk.ignored, walk.findings) == (2, [])
    assert [file.path for file in walk_images(LocalTree(str(tmp_path)), "a").files] == ["a/b/noname"]


def test_sidecars_are_mentioned_with_their_number_their_suffixes_and_an_example():
    assert sidecars_text(["cat/1.xml"]) == "1 file is not an image and is not used: 'cat/1.xml'"
    many = [f"cat/{number:04d}.xml" for number in range(1200)] + ["Notes"]
    assert sidecars_text(many) == (
        "1,201 files are not images and are not used (.xml, no suffix), such as 'Notes'"
    )
    kinds = [f"1.{suffix}" for suffix in ("xml", "txt", "json", "csv", "md", "npy", "mat")]
    assert "(.xml, .txt, .json, .csv, .md and 2 more kinds)" in sidecars_text(kinds)
