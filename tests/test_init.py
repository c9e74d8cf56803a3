import csv
from pathlib import Path

import pytest

from modules.storage import upload_tree
from pipeline import init_config
from pipeline.check import check_config
from pipeline.config_file import load_config
from pipeline.init_config import config_name, propose_image_size, propose_recipe, write_config
from tests.tiny_images import write_class_folders, write_images


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty working directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_a_config_for_class_folders_passes_check(workplace):
    write_class_folders(workplace / "my pets", ("cat", "dog"), count=40)
    written = write_config("my pets")
    assert written.file == Path("my_pets.yaml")
    assert written.summary == "80 images of 2 classes, 8 x 6 px"
    config = load_config(written.file)
    assert check_config(config).problems == ()
    assert config.name == "my_pets"
    assert config.data.source == str(workplace / "my pets")
    assert config.output == str(workplace / "runs/my_pets")
    assert config.model.image_size == 97
    assert [stage.name for stage in config.training.recipe] == ["head"]  # few images: feature_extraction


def test_the_comments_say_what_was_found(workplace):
    write_images(workplace / "pets/cat", 30, size=(20, 30))
    write_images(workplace / "pets/dog", 20, size=(400, 300))
    text = write_config("pets").file.read_text(encoding="utf-8")
    assert "# 50 images of 2 classes, 20 x 30 to 400 x 300 px:\n# cat (30), dog (20)\n" in text
    assert "headstart run pets.yaml" in text
    assert "35 training images" in text


def test_found_splits_are_kept_and_the_missing_one_is_announced(workplace):
    write_class_folders(workplace / "pets/train", count=50)
    write_class_folders(workplace / "pets/test", count=30)
    written = write_config("pets")
    text = written.file.read_text(encoding="utf-8")
    assert "format: split_folders" in text
    assert "eval is drawn out of train" in text
    assert "100 training images" in text
    assert check_config(load_config(written.file)).problems == ()


def test_three_found_splits_need_no_shares(workplace):
    for split in ("train", "val", "test"):
        write_class_folders(workplace / "pets" / split, count=20)
    text = write_config("pets").file.read_text(encoding="utf-8")
    assert "train, eval and test are in the data" in text
    assert "splits:" not in text


def test_a_manifest_is_welcome(workplace):
    write_class_folders(workplace / "pets", count=20)
    with open("list.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        rows.writerows([image, image.parent.name] for image in sorted(Path("pets").glob("*/*.png")))
    config = load_config(write_config("list.csv").file)
    assert config.data.format == "manifest"
    assert check_config(config).problems == ()


def test_a_config_written_elsewhere_finds_its_images(workplace):
    write_class_folders(workplace / "pets", count=20)
    written = write_config("pets", "configs/deep/pets.yaml")
    config = load_config(written.file)
    assert config.data.source == str(workplace / "pets")
    assert config.output == str(workplace / "configs/deep/runs/pets")
    assert "source: ../../pets" in written.file.read_text(encoding="utf-8")


def test_a_config_among_the_images_writes_its_runs_outside(workplace, monkeypatch):
    write_class_folders(workplace / "pets", count=40)
    monkeypatch.chdir(workplace / "pets")
    config = load_config(write_config(".").file)
    assert config.output == str(workplace / "runs/pets")
    assert check_config(config).problems == ()


def test_in_a_folder_whose_name_is_a_pattern_runs_are_written_beside_it(workplace, monkeypatch):
    folder = workplace / "photos [2024]"
    write_class_folders(folder / "pets", count=40)
    monkeypatch.chdir(folder)
    config = load_config(write_config("pets").file)
    assert check_config(config).problems == ()
    assert config.data.source == str(folder / "pets")
    assert config.output == str(workplace / "runs/pets")


def test_an_existing_file_is_never_overwritten_without_force(workplace):
    write_class_folders(workplace / "pets", count=20)
    Path("pets.yaml").write_text("mine")
    with pytest.raises(FileExistsError, match="--force"):
        write_config("pets")
    assert Path("pets.yaml").read_text() == "mine"
    write_config("pets", force=True)
    assert "name: pets" in Path("pets.yaml").read_text()


def test_odd_names_of_folders_and_classes_survive(workplace):
    folder = workplace / "größe: #1 'x'"
    write_class_folders(folder, ("no", "1", "a: b"), count=40)
    written = write_config(str(folder))
    config = load_config(written.file)
    assert config.data.source == str(folder)
    assert config.name == "gr_e_1_x"
    assert check_config(config).problems == ()


def test_files_that_ingest_will_not_use_are_counted_and_shown_with_their_reasons(workplace):
    write_class_folders(workplace / "pets", count=30)
    (workplace / "pets/cat/empty.png").touch()
    (workplace / "pets/cat/phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (workplace / "pets/dog/half.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    write_images(workplace / "pets/dog/huge", 1, size=(8000, 7000))
    (workplace / "pets/dog/gone.png").symlink_to("absent.png")
    assert write_config("pets").notes == (
        "1 of 65 files cannot be used: dog/gone.png: is a link to a file that does not exist",
        "4 of 64 files that were opened cannot be used: cat/empty.png: the file is empty; "
        "cat/phone.heic: not an image in a known format; dog/half.jpg: damaged header: Truncated File Read; "
        "and 1 more",
    )


def test_what_lies_beside_the_images_is_mentioned_and_counts_as_no_image(workplace):
    write_class_folders(workplace / "pets", count=30)
    for number in range(30):
        (workplace / f"pets/cat/{number:03}.xml").write_text("<annotation/>")
        (workplace / f"pets/dog/{number:03}.json").write_text("{}")
    (workplace / "pets/dog/LICENSE").write_text("free")
    written = write_config("pets")
    assert written.summary == "61 images of 2 classes, 8 x 6 px"  # LICENSE might be one
    assert written.notes == (
        "60 files are not images and are not used (.json, .xml), such as 'cat/000.xml'",
        "1 file is not an image and is not used: 'dog/LICENSE'",
    )
    checkup = check_config(load_config(written.file))
    assert checkup.problems == ()
    assert checkup.notes[0] == written.notes[0]


def test_a_folder_without_images_writes_nothing(workplace):
    (workplace / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no folder"):
        write_config("empty")
    (workplace / "texts/a").mkdir(parents=True)
    (workplace / "texts/b").mkdir()
    (workplace / "texts/a/x.png").write_text("no image")
    (workplace / "texts/b/x.png").write_text("no image")
    with pytest.raises(ValueError, match=r"none of 2 files .* the first: a/x.png: not an image in a known"):
        write_config("texts")
    assert not list(workplace.glob("*.yaml"))


def test_without_a_checkout_keras_own_weights_are_proposed(workplace, monkeypatch):
    write_class_folders(workplace / "pets", count=20)
    monkeypatch.setattr(init_config, "CHECKOUT", workplace)
    assert load_config(write_config("pets").file).model.weights == "imagenet"


@pytest.mark.parametrize(("short_side", "size"), [(8, 97), (97, 97), (98, 129), (200, 225), (3000, 225)])
def test_the_proposed_size_keeps_detail_and_has_the_form_32k_plus_1(short_side, size):
    assert propose_image_size(short_side) == size
    assert size % 32 == 1


def test_fine_tuning_is_proposed_from_500_training_images():
    assert propose_recipe(499) == "feature_extraction"
    assert propose_recipe(500) == "fine_tuning"


@pytest.mark.parametrize(
    ("folder", "name"), [("a b", "a_b"), ("-x-", "x"), ("日本", "images"), ("v1.2", "v1_2")]
)
def test_names_are_made_of_allowed_letters(tmp_path, folder, name):
    (tmp_path / folder).mkdir()
    assert config_name(str(tmp_path / folder)) == name


def test_a_config_for_images_in_a_bucket_names_their_address(workplace, s3_bucket):
    write_class_folders(workplace / "pets", ("cat", "dog"), count=20)
    (workplace / "pets/cat/empty.png").touch()
    write_images(workplace / "pets/dog", 1, size=(900, 700))  # more bytes than a header is given
    upload_tree(workplace / "pets", f"{s3_bucket}/photos/pets")
    written = write_config(f"{s3_bucket}/photos/pets/")
    assert written.file == Path("pets.yaml")
    config = load_config(written.file)
    assert config.data.source == f"{s3_bucket}/photos/pets"
    assert (config.data.format, config.name) == ("class_folders", "pets")
    assert config.output == str(workplace / "runs/pets")
    assert "8 x 6 to 900 x 700 px" in written.summary
    assert config_name("s3://my.photos/") == "my_photos"


def test_a_bucket_that_does_not_exist_is_named(workplace, s3_bucket):
    with pytest.raises(ValueError, match="there is no bucket 'no-such-bucket'"):
        write_config("s3://no-such-bucket/photos")
