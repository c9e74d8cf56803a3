import json
import os
from pathlib import Path

import pytest
from PIL import Image

from components.pusher.push import push
from modules.storage import location
from pipeline.cli import main
from pipeline.predict import find_images, find_model
from tests import tiny_models
from tests.tiny_images import write_class_folders


def write_grey(file: Path, value: int, **options) -> Path:
    """Writes a grey image, 0 to 255, in the format that the file's name says."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (value,) * 3).save(file, **options)
    return file


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """A model that gives "bright" the mean of the pixels as probability."""
    return tiny_models.save_model(tmp_path_factory.mktemp("model") / "1")


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_version(destination: Path, number: int) -> Path:
    folder = destination / str(number)
    folder.mkdir(parents=True)
    return folder


def test_the_classes_come_with_falling_probabilities(workplace, model_dir, capsys):
    write_grey(workplace / "light.png", 204)
    write_grey(workplace / "night.png", 51)
    assert main(["predict", "light.png", "night.png", "--model", str(model_dir)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "light.png: bright 80.0%, dark 20.0%",
        "night.png: dark 80.0%, bright 20.0%",
    ]


def test_top_and_json(workplace, model_dir, capsys):
    write_grey(workplace / "light.png", 204)
    assert main(["predict", "light.png", "--model", str(model_dir), "--top", "1", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["image"] == "light.png"
    assert [entry["label"] for entry in answer["top"]] == ["bright"]
    assert answer["top"][0]["probability"] == pytest.approx(0.8)


def test_a_folder_is_answered_image_by_image_over_several_batches(workplace, model_dir, capsys):
    for index in range(70):
        write_grey(workplace / "new" / f"{index:02}.png", index)
    assert main(["predict", "new", "--model", str(model_dir)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 70
    for index, line in enumerate(lines):
        assert line.startswith(f"new/{index:02}.png: dark {1 - index / 255:.1%}")


def test_formats_that_tensorflow_cannot_decode_are_converted_as_ingest_does(workplace, model_dir, capsys):
    files = [write_grey(workplace / f"a.{suffix}", 204) for suffix in ("tiff", "png", "gif")]
    files.append(write_grey(workplace / "a.webp", 204, lossless=True))
    assert main(["predict", *map(str, files), "--model", str(model_dir)]) == 0
    for line in capsys.readouterr().out.splitlines():
        assert line.endswith(": bright 80.0%, dark 20.0%")


def test_unreadable_images_are_named_the_others_answered_and_the_exit_code_is_2(workplace, model_dir, capsys):
    write_grey(workplace / "a.png", 204)
    (workplace / "b.png").write_text("no image")
    write_grey(workplace / "c.png", 204)
    assert main(["predict", "a.png", "b.png", "gone.png", "c.png", "--json", "--model", str(model_dir)]) == 2
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["image"] for answer in answers] == ["a.png", "b.png", "gone.png", "c.png"]
    assert ["error" in answer for answer in answers] == [False, True, True, False]
    assert answers[1]["error"] == "not an image in a known format"
    assert "No such file" in answers[2]["error"]


def test_the_newest_version_below_a_push_destination_answers(workplace):
    write_version(workplace / "served", 9)
    newest = write_version(workplace / "served", 10)
    assert find_model("served", None).folder.resolve() == newest


def test_a_config_names_the_push_destination_and_the_size_limit(workplace):
    write_class_folders(workplace / "photos")
    Path("pets.yaml").write_text("name: a\noutput: out\ndata: {source: photos, max_megapixels: 2}\n")
    version = write_version(workplace / "out/serving", 3)
    assert find_model(None, "pets.yaml") == (version, 2.0)


def test_a_model_or_a_push_destination_may_be_an_address(workplace, model_dir, s3_bucket, capsys):
    write_grey(workplace / "light.png", 204)
    destination = f"{s3_bucket}/serving"
    push(tiny_models.save_model(workplace / "old", weight=0.1), destination, b"")
    push(model_dir, destination, b"")
    (location(destination) / "3" / "saved_model.pb").write_bytes(b"of a push that was killed")
    Path("pets.yaml").write_text(f"name: a\noutput: out\npush: {{destination: '{destination}'}}\n")
    with Path("pets.yaml").open("a") as file:
        file.write("data: {source: photos}\n")

    answers = []
    for arguments in (["--model", destination], ["--model", f"{destination}/2"], ["--config", "pets.yaml"]):
        assert main(["predict", "light.png", "--json", *arguments]) == 0
        answers.append(json.loads(capsys.readouterr().out))

    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["top"][0] == {"label": "bright", "probability": pytest.approx(0.8, abs=1e-5)}


def test_an_address_without_a_model_is_explained(workplace, s3_bucket, capsys):
    write_grey(workplace / "light.png", 204)
    assert main(["predict", "light.png", "--model", f"{s3_bucket}/nothing"]) == 2
    assert f"no model in {s3_bucket}/nothing. It must be a SavedModel or a push destination" in (
        capsys.readouterr().err
    )
    assert main(["predict", "light.png", "--model", "s3://no-such-bucket/serving"]) == 2
    assert "there is no bucket 'no-such-bucket'" in capsys.readouterr().err


def test_without_model_and_config_the_model_pushed_last_below_runs_answers(workplace):
    last = write_version(workplace / "runs/a/serving", 1)
    earlier = write_version(workplace / "runs/b/serving", 2)
    os.utime(earlier, (1, 1))
    assert find_model(None, None).folder.resolve() == last


def test_where_no_model_is_the_message_says_what_to_do(workplace):
    with pytest.raises(FileNotFoundError, match="with --config or --model"):
        find_model(None, None)
    with pytest.raises(FileNotFoundError, match="SavedModel or a push destination"):
        find_model("nowhere", None)


def test_a_folder_gives_its_images_at_any_depth_but_no_hidden_ones(workplace):
    for name in ("b.JPG", "a/c.png", ".hidden.png", "notes.txt"):
        (workplace / "new" / name).parent.mkdir(parents=True, exist_ok=True)
        (workplace / "new" / name).write_text("")
    assert find_images(["new", "any.name"]) == [Path("new/a/c.png"), Path("new/b.JPG"), Path("any.name")]


def test_a_folder_without_images_is_a_mistake(workplace):
    (workplace / "new").mkdir()
    with pytest.raises(ValueError, match="no image below new"):
        find_images(["new"])


def test_a_model_of_something_else_is_explained(workplace, tmp_path, capsys):
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    write_grey(workplace / "a.png", 204)
    assert main(["predict", "a.png", "--model", str(tmp_path / "other")]) == 2
    assert "not serve_images: Headstart did not export it" in capsys.readouterr().err
