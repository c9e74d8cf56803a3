import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from components.image_example_gen.sources import list_images
from components.pusher.push import push
from modules.storage import location
from pipeline.cli import main
from pipeline.predict import find_images
from pipeline.served_model import find_model
from tests import tiny_data, tiny_models
from tests.child_process import start
from tests.tiny_images import write_class_folders

ROOT = Path(__file__).parent.parent


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
    (folder / "saved_model.pb").touch()
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
    assert answers[2]["error"] == "does not exist"


def test_the_newest_version_below_a_push_destination_answers(workplace):
    write_version(workplace / "served", 9)
    newest = write_version(workplace / "served", 10)
    assert find_model("served", None).folder.resolve() == newest


def test_a_config_names_the_push_destination_and_the_size_limit(workplace):
    write_class_folders(workplace / "photos")
    Path("pets.yaml").write_text("name: a\noutput: out\ndata: {source: photos, max_megapixels: 2}\n")
    version = write_version(workplace / "out/serving", 3)
    assert find_model(None, "pets.yaml") == (version, version, 2.0)


def test_a_model_or_a_push_destination_may_be_an_address(workplace, model_dir, s3_bucket, capsys):
    write_grey(workplace / "light.png", 204)
    destination = f"{s3_bucket}/serving"
    push(tiny_models.save_model(workplace / "old", weight=0.1), destination)
    push(model_dir, destination)
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


LEFTOVERS = (".hidden.png", ".git/a.png", "@eaDir/a.png", "__MACOSX/a.png", "Thumbs.db")


def write_files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def test_of_a_folder_the_files_are_answered_that_ingest_takes_and_the_rest_is_counted(workplace):
    write_files(workplace / "new", "b.JPG", "a/c.jp2", "a/c.xml", "noname", *LEFTOVERS)
    files, notes = find_images(["new", "any.name"])
    assert [(file.path, file.is_image) for file in files] == [
        ("new/a/c.jp2", True),
        ("new/b.JPG", True),
        ("new/noname", False),
        ("any.name", True),
    ]
    assert notes == [
        "new: 1 file is not an image and is not used: 'a/c.xml'",
        "new: 5 hidden files and leftovers of operating systems are ignored",
    ]


def test_predict_and_ingest_take_the_same_files(workplace):
    for folder in ("new", "old"):
        write_files(workplace / folder, "b.JPG", "a/c.jp2", "d.heic", "noname", *LEFTOVERS)
    ingested = list_images(str(workplace), "class_folders").files
    assert [file.path for file in ingested] == [file.path for file in find_images(["new", "old"])[0]]


def test_links_are_followed_but_not_back_to_a_folder_around_them(workplace):
    write_files(workplace, "elsewhere/1.png", "new/2.png")
    (workplace / "new/link").symlink_to(workplace / "elsewhere")
    (workplace / "new/loop").symlink_to(workplace / "new")
    files, notes = find_images(["new"])
    assert [file.path for file in files] == ["new/2.png", "new/link/1.png"]
    assert notes == ["new: 'loop' links back to a folder that contains it; it is not followed"]


def test_a_folder_without_images_is_a_mistake(workplace):
    write_files(workplace / "new", "notes.txt")
    with pytest.raises(ValueError, match=r"no image below new; 1 file is not an image .*: 'notes.txt'"):
        find_images(["new"])


def test_a_folder_in_a_bucket_is_answered_like_one_on_a_disk(workplace, model_dir, s3_bucket, capsys):
    for name in ("a/1.png", "notes.txt", ".hidden.png"):
        (location(s3_bucket) / "new" / name).write_bytes(tiny_data.grey_png(204))
    for place in (f"{s3_bucket}/new", f"{s3_bucket}/new/a/1.png"):
        assert main(["predict", place, "--model", str(model_dir), "--json", "--top", "1"]) == 0
        shown = capsys.readouterr()
        assert json.loads(shown.out)["image"] == f"{s3_bucket}/new/a/1.png"
        assert ("1 file is not an image" in shown.err) == (not place.endswith(".png"))
    assert main(["predict", f"{s3_bucket}/gone.png", "--model", str(model_dir)]) == 2
    assert capsys.readouterr().out == f"{s3_bucket}/gone.png: No such file or directory\n"
    assert main(["predict", "s3://no-such-bucket/new", "--model", str(model_dir)]) == 2
    assert "there is no bucket 'no-such-bucket'" in capsys.readouterr().err


def test_what_nobody_called_an_image_is_passed_over_unless_it_is_one(workplace, model_dir, capsys):
    write_grey(workplace / "new/1.png", 204).rename(workplace / "new/noname")
    (workplace / "new/LICENSE").write_text("no image")
    (workplace / "new/empty.dat0").touch()
    assert main(["predict", "new", "--model", str(model_dir), "--json", "--top", "1"]) == 0
    shown = capsys.readouterr()
    assert [json.loads(line)["image"] for line in shown.out.splitlines()] == ["new/noname"]
    assert shown.err == ("2 files are passed over, such as new/LICENSE (not an image in a known format)\n")
    assert main(["predict", "new/LICENSE", "--model", str(model_dir)]) == 2
    assert capsys.readouterr().out == "new/LICENSE: not an image in a known format\n"


def test_a_file_of_a_folder_that_is_meant_to_be_an_image_is_named_when_it_cannot_be_read(
    workplace, model_dir, capsys
):
    write_grey(workplace / "new/1.png", 204)
    write_files(workplace / "new", "2.heic")
    (workplace / "new/3.png").symlink_to("gone.png")
    assert main(["predict", "new", "--model", str(model_dir)]) == 2
    assert capsys.readouterr().out.splitlines()[1:] == [
        "new/2.heic: the file is empty",
        "new/3.png: is a link to a file that does not exist",
    ]


def test_names_that_are_not_utf8_or_that_a_terminal_would_obey_are_escaped(workplace, model_dir, capsys):
    for name in (os.fsdecode(b"caf\xe9.png"), "two\nlines\x1b[31m.png", "größer.png"):
        write_grey(workplace / "new" / name, 204)
    arguments = ["predict", "new", "--model", str(model_dir), "--top", "1"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        "new/caf\\xe9.png: bright 80.0%",
        "new/größer.png: bright 80.0%",
        "new/two\\nlines\\x1b[31m.png: bright 80.0%",
    ]
    assert main([*arguments, "--json"]) == 0
    assert [json.loads(line)["image"] for line in capsys.readouterr().out.splitlines()] == [
        "new/caf\\xe9.png",
        "new/größer.png",
        "new/two\nlines\x1b[31m.png",
    ]


def run_predict(workplace, *arguments, **environment) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pipeline.cli", "predict", *arguments]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, cwd=workplace, env=variables, capture_output=True)


def test_json_is_utf8_in_a_terminal_that_is_not(workplace, model_dir):
    names = ("größer.png", "日.png", os.fsdecode(b"caf\xe9.png"))
    for name in names:
        write_grey(workplace / name, 204)
    arguments = [*names, "--model", str(model_dir), "--top", "1"]
    shown = run_predict(workplace, *arguments, "--json", PYTHONIOENCODING="latin-1")
    lines = shown.stdout.decode("utf-8").splitlines()
    assert [json.loads(line)["image"] for line in lines] == ["größer.png", "日.png", "caf\\xe9.png"]
    plain = run_predict(workplace, *arguments, PYTHONIOENCODING="latin-1")
    assert plain.stdout.decode("latin-1").splitlines() == [
        "größer.png: bright 80.0%",
        "\\u65e5.png: bright 80.0%",
        "caf\\xe9.png: bright 80.0%",
    ]
    assert (shown.returncode, shown.stderr, plain.returncode, plain.stderr) == (0, b"", 0, b"")


def test_ctrl_c_ends_it_with_130_and_no_traceback(workplace, model_dir):
    write_grey(workplace / "grey.png", 204)
    (workplace / "new").mkdir()
    for number in range(20_000):  # far more than are answered before the signal comes
        (workplace / "new" / f"{number:05}.png").symlink_to(workplace / "grey.png")
    command = [sys.executable, "-m", "pipeline.cli", "predict", "new", "--model", str(model_dir)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start(command, cwd=workplace, env=variables, text=True, **streams)
    assert process.stdout.readline().startswith("new/00000.png: ")
    process.send_signal(signal.SIGINT)
    answers, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.strip()) == (130, "Stopped.")
    assert "new/19999.png" not in answers


def test_a_reader_that_has_seen_enough_is_no_error(workplace, model_dir):
    for number in range(200):
        write_grey(workplace / "new" / f"{number:03}.png", 204)
    command = f"{sys.executable} -m pipeline.cli predict new --model {model_dir} | head -1"
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, shell=True, cwd=workplace, env=variables, capture_output=True, text=True)
    assert done.stdout == "new/000.png: bright 80.0%, dark 20.0%\n"
    assert done.stderr == ""


def test_a_model_of_something_else_is_explained(workplace, tmp_path, capsys):
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    write_grey(workplace / "a.png", 204)
    assert main(["predict", "a.png", "--model", str(tmp_path / "other")]) == 2
    assert "not serve_images: Headstart did not export it" in capsys.readouterr().err


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:50])


def put_a_file_for_the_variables(model: Path) -> None:
    shutil.rmtree(model / "variables")
    (model / "variables").touch()


def take_variables_of_another_model(model: Path) -> None:
    other = tiny_models.save_model(model.parent / "other", weight=[[1.0, 2.0]])
    shutil.rmtree(model / "variables")
    shutil.copytree(other / "variables", model / "variables")


VARIABLES = "variables/variables.data-00000-of-00001"
DAMAGES = {
    "no description": (lambda model: (model / "saved_model.pb").unlink(), "no model in"),
    "empty description": (
        lambda model: (model / "saved_model.pb").write_bytes(b""),
        "saved_model.pb is damaged",
    ),
    "half a description": (lambda model: cut_short(model / "saved_model.pb"), "saved_model.pb is damaged"),
    "no variables": (lambda model: shutil.rmtree(model / "variables"), "its variables cannot be read"),
    "empty variables": (lambda model: (model / VARIABLES).write_bytes(b""), "its variables cannot be read"),
    "a file for a folder": (put_a_file_for_the_variables, "its variables cannot be read"),
    "other variables": (take_variables_of_another_model, "TensorFlow cannot load it"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_explained_in_one_line(workplace, model_dir, capsys, damage):
    write_grey(workplace / "a.png", 204)
    model = Path(shutil.copytree(model_dir, workplace / "model"))
    change, message = DAMAGES[damage]
    change(model)
    assert main(["predict", "a.png", "--model", "model"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "model" in shown.err
    assert message in shown.err
    assert len(shown.err.splitlines()) == 1


def test_a_model_in_a_folder_whose_name_is_a_pattern_answers(workplace, model_dir, capsys):
    write_grey(workplace / "light.png", 204)
    shutil.copytree(model_dir, workplace / "models [2024]/a*b\\c?/1")
    assert main(["predict", "light.png", "--model", "models [2024]/a*b\\c?", "--top", "1"]) == 0
    assert capsys.readouterr().out == "light.png: bright 80.0%\n"


def test_a_pushed_model_that_lost_a_file_is_named_with_the_way_on(workplace, model_dir, capsys):
    write_grey(workplace / "a.png", 204)
    pushed = push(model_dir, workplace / "serving").path
    (pushed / "assets.extra/headstart.json").unlink()
    assert main(["predict", "a.png", "--model", "serving"]) == 2
    assert capsys.readouterr().err == (
        "Error: the model in serving/1 cannot be used: assets.extra/headstart.json is missing since it was "
        "pushed. Use another version (`headstart rollback CONFIG --list` shows them), or remove that folder: "
        "then the version before it serves\n"
    )


def test_an_unfinished_version_is_named(workplace, model_dir, capsys):
    write_grey(workplace / "a.png", 204)
    (workplace / "serving/3").mkdir(parents=True)
    assert main(["predict", "a.png", "--model", "serving"]) == 2
    assert (
        "the model in serving/3 cannot be used: there is no saved_model.pb in it" in capsys.readouterr().err
    )


def test_a_pipe_is_named_and_never_waited_for(workplace, model_dir, capsys):
    os.mkfifo("pipe.png")
    assert main(["predict", "pipe.png", "--model", str(model_dir)]) == 2
    assert capsys.readouterr().out == "pipe.png: is not a regular file\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "an IMAGE is an empty path. Name a file or a folder."),
        (["a.png", "--model", ""], "--model is an empty path. Name a model, or leave the option out."),
        (["a.png", "--config", " "], "--config is an empty path. Name a config, or leave the option out."),
    ],
)
def test_an_empty_path_is_not_the_working_folder_nor_the_newest_model(
    workplace, model_dir, capsys, arguments, message
):
    options = arguments if len(arguments) > 1 else [*arguments, "--model", str(model_dir)]
    assert main(["predict", *options]) == 2
    assert capsys.readouterr().err == f"Error: {message}\n"
