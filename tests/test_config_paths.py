"""Paths in a config: what they are relative to, what is none, and none that is empty."""

import pytest
import yaml

from pipeline.config_file import load_config
from tests.tiny_config import problems_of, write_config


def test_relative_paths_in_a_file_are_relative_to_the_file(tmp_path, monkeypatch):
    file = write_config(
        tmp_path / "configs",
        "model: {weights: ../w.h5}\nvalidation: {schema: s.pbtxt}\npush: {destination: ../served}\n",
    )
    monkeypatch.chdir(tmp_path)
    config = load_config("configs/config.yaml")
    assert config == load_config(file)
    assert config.data.source == str(tmp_path / "configs/photos")
    assert config.model.weights == str(tmp_path / "w.h5")
    assert config.validation.schema == str(tmp_path / "configs/s.pbtxt")
    assert config.push.destination == str(tmp_path / "served")


def test_relative_paths_in_set_are_relative_to_the_working_directory(tmp_path, monkeypatch):
    file = write_config(tmp_path / "configs")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    config = load_config(file, ["output=out", "model.weights=w.h5"])
    assert config.output == str(tmp_path / "here/out")
    assert config.model.weights == str(tmp_path / "here/w.h5")
    assert config.data.source == str(tmp_path / "configs/photos")


def test_the_home_folder_absolute_paths_and_addresses(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    text = "model: {backbone_file: ~/own.keras, image_size: 64}\npush: {destination: s3://models/shoes}\n"
    config = load_config(write_config(tmp_path, text), ["data.source=/images"])
    assert config.model.backbone_file == "/home/somebody/own.keras"
    assert config.push.destination == "s3://models/shoes"
    assert config.data.source == "/images"


@pytest.mark.parametrize(
    "key",
    [
        "output",
        "data.source",
        "validation.schema",
        "model.weights",
        "model.backbone_file",
        "push.destination",
    ],
)
@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_path_is_named_by_its_key_in_a_file_and_in_set(tmp_path, key, value):
    raw = {"name": "shoes", "output": "runs", "data": {"source": "photos"}, "model": {"image_size": 97}}
    *sections, name = key.split(".")
    section = raw.setdefault(sections[0], {}) if sections else raw
    section[name] = value
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(raw))
    (problem,) = problems_of(file)
    assert problem.key == key
    assert problem.line is not None
    assert problem.message.startswith(f"got {value!r}; it must not be empty. ")
    (in_set,) = problems_of(write_config(tmp_path / "other", "model: {image_size: 97}\n"), f"{key}={value!r}")
    assert (in_set.key, in_set.message) == (key, problem.message)


def test_a_set_without_a_value_gives_a_path_back_its_default_or_says_that_it_is_missing(tmp_path):
    file = write_config(tmp_path, "push: {destination: served}\n")
    assert load_config(file, ["push.destination="]).push.destination == str(tmp_path / "runs/shoes/serving")
    (problem,) = problems_of(file, "output=")
    assert str(problem) == "output: missing. Folder for everything that a run writes."


@pytest.mark.parametrize("weights", ["imagenet", "none"])
def test_names_of_weights_are_no_paths(tmp_path, weights):
    assert load_config(write_config(tmp_path, f"model: {{weights: {weights}}}\n")).model.weights == weights
