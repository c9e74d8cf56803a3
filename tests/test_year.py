"""A year of weekly retrainings in one process: whatever people and nights do, the right model serves.

The mishaps below come in an order that a fixed seed draws, with quiet weeks between them. Each says what
every one of its weeks must end with.
"""

import csv
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components import serving_versions
from components.data_check import executor as data_check
from components.report.summary import Summary
from pipeline.cli import main
from pipeline.local_runner import exit_code_of
from tests.tiny_training import IMAGE_SIZE, tiny_backbone

pytestmark = pytest.mark.slow

WEEKS, SEED, TRAININGS = 52, 7, 5
COLOURS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200), "grey": (110, 110, 110)}
CONFIG = """
name: colours
output: out
data: {source: images/labels.csv}
model: {backbone_file: backbone.keras, backbone_preprocessing: unit, image_size: 32}
training:
  recipe: [{name: head, train: head, epochs: 15, learning_rate: 0.05}]
evaluation: {thresholds: {accuracy: {at_least: 0.8, change_at_least: -0.1}}}
keep: {runs: 6, versions: 4}
"""


class World:
    """Images with a manifest, a config and what people do to them. Every method is somebody's action."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.rows: dict[str, list[str]] = {}  # path: label, split
        self.made = 0
        (folder / "images").mkdir()
        (folder / "colours.yaml").write_text(CONFIG)
        tiny_backbone().save(folder / "backbone.keras")
        self.add(30)

    @property
    def serving(self) -> Path:
        return self.folder / "out" / "serving"

    def write(self) -> None:
        with (self.folder / "images" / "labels.csv").open("w", newline="") as file:
            csv.writer(file).writerows(
                [["path", "label", "split"], *([path, *row] for path, row in sorted(self.rows.items()))]
            )

    def add(self, images_per_class: int, classes=("red", "green", "blue"), label_of=lambda colour: colour):
        """Adds images of each class, 60 % of them for training, 20 % each for eval and test."""
        for colour in classes:
            for number in range(images_per_class):
                self.made += 1
                path = f"{self.made:05}.png"
                Image.fromarray(picture(colour, self.made)).save(self.folder / "images" / path)
                split = ("train", "train", "train", "eval", "test")[number % 5]
                self.rows[path] = [label_of(colour), split]
        self.write()

    def relabel(self, label_of: Callable[[str], str]) -> None:
        for row in self.rows.values():
            row[0] = label_of(row[0])
        self.write()

    def swap_splits(self) -> None:
        for row in self.rows.values():
            row[1] = {"train": "test", "test": "train"}.get(row[1], row[1])
        self.write()

    def forget_newest(self, count: int) -> None:
        for path in sorted(self.rows)[-count:]:
            (self.folder / "images" / path).unlink()
            del self.rows[path]
        self.write()

    def break_files(self, count: int) -> None:
        for number in range(count):
            path = f"broken {number}.png"
            (self.folder / "images" / path).write_bytes(b"\x89PNG\r\n\x1a\n cut short")
            self.rows[path] = ["red", "train"]
        self.write()

    def mend_files(self) -> None:
        for path in [path for path in self.rows if path.startswith("broken")]:
            (self.folder / "images" / path).unlink()
            del self.rows[path]
        self.write()

    def touch(self) -> None:
        for path in self.rows:
            file = self.folder / "images" / path
            file.chmod(0o600)
            os.utime(file, (1, 1))

    def copy_images(self) -> None:
        shutil.copytree(self.folder / "images", self.folder / "copied", copy_function=shutil.copyfile)
        shutil.rmtree(self.folder / "images")
        (self.folder / "copied").rename(self.folder / "images")


def picture(colour: str, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(COLOURS[colour], 40, (IMAGE_SIZE, IMAGE_SIZE, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def swapped(label: str) -> str:
    return {"red": "green", "green": "red"}.get(label, label)


def nothing(_world: World) -> None:
    pass


def rollback(world: World) -> None:
    assert main(["rollback", "colours.yaml"]) == 0


def remove_the_newest_version(world: World) -> None:
    shutil.rmtree(serving_versions.versions(world.serving)[serving_versions.serving_version(world.serving)])


def make_an_empty_version(world: World) -> None:
    (world.serving / str(serving_versions.serving_version(world.serving) + 5)).mkdir()


# What happens before each week's run, its arguments, and what it must end with; "held" is nothing to do.
OTHER = ("--set", "name=other", "--set", "output=other", "--set", "push.destination=out/serving")
# How arrays are kept while training decides nothing, and so does not make another model.
TRAINED_ANEW = ("--set", "training.store=disk")
MISHAPS: dict[str, list[tuple[Callable[[World], object], tuple[str, ...], str]]] = {
    "everything was touched": [(World.touch, (), "held")],
    "the images were copied": [(World.copy_images, (), "held")],
    "classes were swapped, then test images moved into training, then broken files arrived": [
        (lambda world: world.relabel(swapped), (), "data_refused"),
        (nothing, (), "held"),
        (lambda world: (world.relabel(swapped), world.swap_splits()), (), "data_refused"),
        (lambda world: (world.swap_splits(), world.break_files(8)), (), "data_refused"),
        (World.mend_files, (), "unchanged"),
    ],
    "a batch of new images has swapped labels": [
        (lambda world: world.add(40, label_of=swapped), (), "not_blessed"),
        (nothing, (), "held"),
        (lambda world: world.forget_newest(120), (), "unchanged"),
    ],
    "a model is judged first, pushed, rolled back and made again": [
        (lambda world: world.add(5), ("--no-push",), "judged"),
        (nothing, ("--no-push",), "held"),
        (nothing, (), "pushed"),
        (rollback, (), "held"),
        (World.touch, (), "held"),
        (nothing, TRAINED_ANEW, "withdrawn"),
        (nothing, (), "withdrawn"),
        (lambda world: world.forget_newest(15), (), "unchanged"),
    ],
    "another pipeline has the same destination": [(nothing, OTHER, "bad input")],
    "a version was removed by hand, and a step fails that night": [
        (remove_the_newest_version, ("fail",), "failed"),
        (nothing, (), "pushed"),
    ],
    "somebody made an empty folder with a higher number": [(make_an_empty_version, (), "pushed")],
}
LAST: list[tuple[Callable[[World], object], tuple[str, ...], str]] = [
    (lambda world: world.add(30, classes=("grey",)), (), "data_refused"),
    (nothing, ("--set", "validation.on_anomaly=warn"), "pushed"),
]
EXIT_CODES = {
    "pushed": 0, "unchanged": 0, "judged": 0, "failed": 1, "bad input": 2, "not_blessed": 3, "withdrawn": 3,
    "data_refused": 4,
}  # fmt: skip


def calendar() -> list[tuple[str, Callable, tuple[str, ...], str]]:
    """Returns name, action, arguments and ending of every week: mishaps in a drawn order, and quiet weeks."""
    draw = random.Random(SEED)
    episodes = [[(name, *week) for week in weeks] for name, weeks in MISHAPS.items()]
    busy = 1 + sum(map(len, episodes)) + len(LAST)
    episodes += [[("a quiet week", nothing, (), "held")]] * (WEEKS - busy)
    draw.shuffle(episodes)
    weeks = [("the first run", nothing, (), "pushed"), *(week for episode in episodes for week in episode)]
    weeks += [("a class came", *week) for week in LAST]
    assert len(weeks) == WEEKS
    return weeks


def test_after_a_year_of_mishaps_the_right_model_serves(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    world = World(tmp_path)
    trainings = set()
    history = []
    for number, (name, happens, arguments, ending) in enumerate(calendar(), start=1):
        where = f"week {number}, {name}"
        happens(world)
        before = newest_summary(world)
        served = serving_versions.state(world.serving)
        with monkeypatch.context() as night:
            if "fail" in arguments:
                night.setattr(data_check.Executor, "Do", lambda *_: 1 / 0)
                arguments = ()
            code = main(["run", "colours.yaml", *arguments])
        printed = "".join(capfd.readouterr())
        summary = newest_summary(world)
        assert "Traceback" not in printed, f"{where}\n{printed}"
        if ending == "held":
            assert "Nothing has changed since the last run" in printed, f"{where}\n{printed}"
            assert (summary, code) == (before, exit_code_of(before)), where
        else:
            assert code == EXIT_CODES[ending], f"{where}\n{printed}"
            if ending != "bad input":
                assert summary.outcome == ending, f"{where}\n{printed}"
                history.append((summary.run_id, ending))
        if ending != "pushed":
            assert serving_versions.state(world.serving) == served, where

        trainings |= {folder.name for folder in (tmp_path / "out/pipeline/Trainer/model").iterdir()}
        if number == 1:
            size_of_one_run = size_of(world)

    assert len(trainings) == TRAININGS
    assert accuracy_of_what_serves(world) > 0.95
    kept = kept_outcomes(world)
    assert kept[-6:] == history[-6:]
    assert set(kept) <= set(history)
    assert size_of(world) < 10 * size_of_one_run
    told_versions(capfd)


def told_versions(capfd) -> None:
    """Checks that `headstart versions` can be read as the year's history."""
    assert main(["versions", "colours.yaml"]) == 0
    _, *lines = capfd.readouterr().out.splitlines()
    assert "serves now" in lines[0]
    assert sum("serves now" in line for line in lines) == 1
    assert sum("rolled back: will not be pushed again" in line for line in lines) == 1
    assert any("'" in line and "holds no model" in line for line in lines)


def size_of(world: World) -> int:
    """Returns the bytes of everything that runs have written."""
    return sum(file.stat().st_size for file in (world.folder / "out").rglob("*") if file.is_file())


def newest_summary(world: World) -> Summary | None:
    file = world.folder / "out" / "summary.json"
    return Summary.from_json(file.read_bytes()) if file.exists() else None


def kept_outcomes(world: World) -> list[tuple[str, str]]:
    """Returns run id and outcome of every run whose summary is kept, in their order."""
    files = sorted((world.folder / "out" / "reports").glob("*/summary.json"))
    return [(file.parent.name, Summary.from_json(file.read_bytes()).outcome) for file in files]


def accuracy_of_what_serves(world: World) -> float:
    """Returns the share of new images of all classes that the newest version is right about."""
    newest = serving_versions.versions(world.serving)[serving_versions.serving_version(world.serving)]
    serve_images = tf.saved_model.load(str(newest)).signatures["serve_images"]
    right = []
    for index, colour in enumerate(list(COLOURS) * 25):
        encoded = tf.io.encode_png(picture(colour, 10**6 + index))
        right.append(serve_images(image_bytes=encoded[None])["labels"][0, 0].numpy().decode() == colour)
    return sum(right) / len(right)
