"""What the paths of a config may be called."""

import os

import pytest

from pipeline.config_file import load_config
from tests.test_config import problems_of, write_config


@pytest.mark.parametrize("sign", ["*", "?", "[", "\\"])
@pytest.mark.parametrize("root", ["", "s3://bucket"])
@pytest.mark.parametrize("key", ["output", "push.destination"])
def test_a_folder_that_tensorflow_would_take_for_a_pattern_is_refused(tmp_path, key, root, sign):
    folder = f"{root or tmp_path}/runs {sign}2024]"
    (problem,) = problems_of(write_config(tmp_path), f"{key}='{folder}'")
    assert problem.key == key
    assert f"{folder} contains {sign}, which TensorFlow and Beam take for a pattern" in problem.message
    assert "Use a path without * ? [ \\" in problem.message


def test_every_sign_that_makes_a_pattern_is_named(tmp_path):
    (problem,) = problems_of(write_config(tmp_path), f"output='{tmp_path}/a*/[b]'")
    assert "contains * and [, which" in problem.message


@pytest.mark.parametrize(
    "name", ["a b", "a]", "{a,b}", "#%41", "it's", '"', "größer", "a@2", "a:b", "~a", "a\nb"]
)
def test_any_other_name_is_fine(tmp_path, name):
    folder = tmp_path / name
    config = load_config(write_config(folder, "push: {destination: served}\n"))
    assert config.push.destination == str(folder / "served")


def test_what_is_only_read_may_have_any_name_that_is_text(tmp_path):
    name = "a [*?\\"
    keys = [f"{key}='{tmp_path}/{name}'" for key in ("data.source", "validation.schema", "model.weights")]
    config = load_config(write_config(tmp_path), keys)
    assert [config.data.source, config.validation.schema, config.model.weights] == [f"{tmp_path}/{name}"] * 3


def test_a_path_that_is_not_utf8_is_refused(tmp_path):
    problems = problems_of(write_config(tmp_path / os.fsdecode(b"caf\xe9"), "model: {weights: w.h5}\n"))
    assert [problem.key for problem in problems] == ["output", "data.source", "model.weights"]
    assert problems[1].message == (
        f"{tmp_path}/caf\\xe9/photos is not text in UTF-8, or contains a null character. Use another name"
    )
