import re
import unicodedata
from pathlib import Path

import pytest

from modules.recipe import Stage
from pipeline import recipes
from pipeline.config_docs import config_markdown
from pipeline.config_file import load_config
from pipeline.config_set import apply_set
from pipeline.problems import Problem
from pipeline.settings_schema import all_keys
from tests.tiny_config import problems_of, write_config

ROOT = Path(__file__).parent.parent


def messages_of(tmp_path: Path, text: str) -> dict[str, str]:
    return {problem.key: problem.message for problem in problems_of(write_config(tmp_path, text))}


def test_a_minimal_config_is_completed(tmp_path):
    config = load_config(write_config(tmp_path))
    assert config.name == "shoes"
    assert config.output == str(tmp_path / "runs/shoes")
    assert config.data.source == str(tmp_path / "photos")
    assert config.push.destination == str(tmp_path / "runs/shoes/serving")
    assert config.model.image_size == 224  # the native size of MobileNetV2
    assert [stage.name for stage in config.training.recipe] == ["head", "fine_tuning"]


def test_values_are_read(tmp_path):
    config = load_config(
        write_config(
            tmp_path,
            "training:\n  recipe:\n    - {name: only, train: top 5 layers, learning_rate: 1e-4, epochs: 2}\n"
            "  class_weights: {cat: 1, dog: 2.5}\n"
            "evaluation: {slices: [width], thresholds: {auc: {at_least: 0.9}}}\n"
            "beam: {args: [--sdk_worker_parallelism=2]}\n",
        )
    )
    assert config.training.recipe == (Stage(name="only", train="top 5 layers", learning_rate=1e-4, epochs=2),)
    assert config.training.class_weights == {"cat": 1.0, "dog": 2.5}
    assert config.evaluation.slices == ("width",)
    assert config.evaluation.thresholds["auc"].at_least == 0.9
    assert config.beam.args == ("--sdk_worker_parallelism=2",)


def test_class_weights_name_classes_whatever_unicode_form_their_keys_are_in(tmp_path):
    composed, decomposed = unicodedata.normalize("NFC", "Löwe"), unicodedata.normalize("NFD", "Löwe")
    config = load_config(
        write_config(tmp_path, f"training: {{class_weights: {{{decomposed}: 2, cat: 1}}}}\n"),
        sets=[f"training.class_weights.{unicodedata.normalize('NFD', 'Bär')}=3"],
    )
    assert config.training.class_weights == {composed: 2.0, "cat": 1.0, "B\xe4r": 3.0}
    twice = f"training: {{class_weights: {{{decomposed}: 2, {composed}: 1}}}}\n"
    message = messages_of(tmp_path, twice)["training.class_weights"]
    assert message.startswith(f"two keys name the class {composed!r}")
    unfit = 'training: {class_weights: {"a\\u2028b": 2, cat: 1}}\n'
    assert "has a control character or a line break" in messages_of(tmp_path, unfit)["training.class_weights"]


# --set


@pytest.mark.parametrize(
    ("argument", "read"),
    [
        ("training.batch_size=64", lambda config: config.training.batch_size == 64),
        ("training.recipe=feature_extraction", lambda config: len(config.training.recipe) == 1),
        ("training.recipe.1.epochs=7", lambda config: config.training.recipe[1].epochs == 7),
        ("training.recipe.fine_tuning.epochs=7", lambda config: config.training.recipe[1].epochs == 7),
        ("model.head.dense_units=[64, 32]", lambda config: config.model.head.dense_units == (64, 32)),
        ("model.resize={aspect: pad}", lambda config: config.model.resize.aspect == "pad"),
        (
            "evaluation.accepted_data=data-1234567890123456",
            lambda config: config.evaluation.accepted_data[-1] == "6",
        ),
        ("evaluation.thresholds.auc.at_least=0.9", lambda config: "auc" in config.evaluation.thresholds),
        ("data.format=", lambda config: config.data.format == "auto"),
        ("output=/o=p", lambda config: config.output == "/o=p"),
    ],
)
def test_set_replaces_one_value(tmp_path, argument, read):
    assert read(load_config(write_config(tmp_path), [argument]))


def test_the_last_set_wins_and_builds_on_the_ones_before(tmp_path):
    sets = [
        "training.recipe=feature_extraction",
        "training.recipe.head.epochs=3",
        "training.recipe.head.epochs=4",
    ]
    assert load_config(write_config(tmp_path), sets).training.recipe[0].epochs == 4


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("training.batch_size", "write KEY=VALUE"),
        ("=3", "write KEY=VALUE"),
        ("training..x=3", "write KEY=VALUE"),
        (
            "training.recipe.nead.epochs=3",
            "the list has 2 items (head, fine_tuning), and 'nead' is none of them",
        ),
        ("training.recipe.2.epochs=3", "'2' is none of them"),
        ("name.first=x", "there is no first in 'shoes'"),
        ("beam.args=[1", "the value is not valid YAML"),
    ],
)
def test_a_set_that_leads_nowhere_is_explained(argument, message):
    raw = {"name": "shoes", "data": {"source": "photos"}}
    with pytest.raises(ValueError, match=re.escape(message)):
        apply_set(raw, argument)


def test_a_mistake_in_set_has_no_line_of_the_file(tmp_path):
    file = write_config(tmp_path, "training: {batch_size: 8}\n")
    assert problems_of(file, "training.batch_size=0") == [
        Problem("training.batch_size", "got 0; it must be at least 1", None)
    ]


# Mistakes


def test_all_problems_are_reported_at_once_with_line_value_and_what_is_allowed(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        """\
name: my shoes
data:
  sorce: photos
  splits: {train: 1.4, eval: some}
training:
  recipe:
    - name: head
      train: everything
      epoch: 3
    - 7
  distribution: cluster
evaluation:
  thresholds: {acuracy: {at_least: 0.5}}
model: MobileNetV2
image_size: 97
""",
        encoding="utf-8",
    )
    found = {problem.key: (problem.line, problem.message) for problem in problems_of(file)}
    assert found.pop("training.recipe.0.train")[0] == 8
    assert found == {
        "name": (1, "got 'my shoes'; use letters, digits, - and _, and begin with a letter or digit"),
        "output": (None, "missing. Folder for everything that a run writes."),
        "data.source": (2, found["data.source"][1]),
        "data.sorce": (3, "unknown key. Did you mean data.source?"),
        "data.splits.train": (4, "got 1.4; it must be less than 1"),
        "data.splits.eval": (4, "got 'some'; it must be a number"),
        "training.recipe.0.epoch": (9, "unknown key. Did you mean training.recipe.0.epochs?"),
        "training.recipe.1": (10, "got 7; it must be keys and values"),
        "training.distribution": (11, "got 'cluster'; use none, mirrored or tpu"),
        "evaluation.thresholds.acuracy": (
            13,
            "got 'acuracy'; use accuracy, balanced_accuracy, top_k_accuracy, cross_entropy, auc or "
            "calibration_error",
        ),
        "model": (14, "got 'MobileNetV2'; it must be keys and values"),
        "image_size": (15, "unknown key here. Did you mean model.image_size?"),
    }


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("training: {recipe: fine_tunning}", "training.recipe", "unknown recipe 'fine_tunning'"),
        ("training: {recipe: []}", "training.recipe", "the list is empty"),
        ("training: {recipe: 3}", "training.recipe", "got 3; it must be text"),
        ("training: {class_weights: equal}", "training.class_weights", "got 'equal'; use none or balanced"),
        (
            "training: {class_weights: {cat: -1}}",
            "training.class_weights.cat",
            "got -1; it must be more than 0",
        ),
        (
            "training: {recipe: [{name: a}, {name: b}, {name: a}]}",
            "training.recipe.2.name",
            "two stages are called 'a'",
        ),
        ("model: {backbone: MobileNet2}", "model.backbone", "Did you mean MobileNetV2?"),
        (
            "model: {backbone: Xception, image_size: 64}",
            "model.image_size",
            "64 pixels are too few for Xception",
        ),
        ("model: {backbone_file: own.keras}", "model.image_size", "missing. With model.backbone_file"),
        ("data.splits: 3", "data.splits", "unknown key"),
        ("infra_check: {images: 1.5}", "infra_check.images", "got 1.5; it must be a whole number"),
        ("infra_check: {tolerance: small}", "infra_check.tolerance", "got 'small'; it must be a number"),
        ("beam: {args: --workers}", "beam.args", "got '--workers'; it must be a list, such as [a, b]"),
        ("beam: {args: [workers=3]}", "beam.args.0", "an argument for Beam begins with two dashes"),
        ("evaluation: {slices: [label]}", "evaluation.slices.0", "got 'label'; use width, height"),
        (
            "evaluation: {accepted_data: all}",
            "evaluation.accepted_data",
            "got 'all'; give the fingerprint that the refusal names",
        ),
        ("evaluation: {max_baseline_fall: 5}", "evaluation.max_baseline_fall", "got 5; it must be at most 1"),
        ("evaluation: {top_k: }", "evaluation.top_k", "got nothing; it must be a whole number"),
        ("push: {destination: photos/served}", "push.destination", "lies in data.source"),
        (
            "validation: {schema: 2024-01-01}",
            "validation.schema",
            "it must be text; a number or date needs quotes",
        ),
    ],
)
def test_each_mistake_is_named_by_its_key(tmp_path, text, key, message):
    assert message in messages_of(tmp_path, text + "\n")[key]


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ("{accuracy: {}}", "give a bound: at_least, at_most, change_at_least or change_at_most"),
        ("{accuracy: {at_most: 0.9}}", "more is better, so at_most would refuse good models; use at_least"),
        ("{accuracy: {change_at_most: 0}}", "use change_at_least"),
        (
            "{cross_entropy: {at_least: 0.5}}",
            "less is better, so at_least would refuse good models; use at_most",
        ),
        ("{accuracy: {at_least: 80}}", "at_least must lie between 0 and 1 (a share, not percent)"),
        ("{accuracy: {change_at_least: -5}}", "change_at_least must lie between -1 and 1"),
    ],
)
def test_a_threshold_that_refuses_good_models_is_refused(tmp_path, thresholds, message):
    (found,) = messages_of(tmp_path, f"evaluation: {{thresholds: {thresholds}}}\n").values()
    assert message in found


def test_cross_entropy_may_exceed_one(tmp_path):
    text = "evaluation: {thresholds: {cross_entropy: {at_most: 2.3}}}\n"
    assert load_config(write_config(tmp_path, text)).evaluation.thresholds["cross_entropy"].at_most == 2.3


def test_splits_add_up_to_one(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("name: a\noutput: o\ndata: {source: s, splits: {train: 0.5}}\n", encoding="utf-8")
    assert problems_of(file) == [
        Problem("data.splits", "train, eval and test must add up to 1, not to 0.8", 3)
    ]


def test_the_output_may_not_lie_among_the_images(tmp_path):
    (problem,) = problems_of(
        write_config(tmp_path), "data.source=" + str(tmp_path / "runs"), "push.destination=/p"
    )
    assert problem.key == "output"
    assert "Use a folder outside" in problem.message


@pytest.mark.parametrize(
    ("source", "destination", "inside"),
    [
        ("s3://bucket/photos", "s3://bucket/photos/served", True),
        ("s3://bucket/photos/", "s3://bucket/photos", True),
        ("s3://bucket", "s3://bucket/served", True),
        ("s3://bucket/photos", "s3://bucket/photos-served", False),
        ("s3://bucket/photos", "gs://bucket/photos/served", False),
        ("s3://bucket/photos", "/bucket/photos/served", False),
    ],
)
def test_a_model_may_not_be_pushed_among_the_images_of_a_bucket(tmp_path, source, destination, inside):
    sets = (f"data.source={source}", f"push.destination={destination}")
    if not inside:
        loaded = load_config(write_config(tmp_path), sets)
        assert (loaded.data.source, loaded.push.destination) == (source, destination)
        return
    (problem,) = problems_of(write_config(tmp_path), *sets)
    assert problem.key == "push.destination"
    assert f"{destination} lies in data.source ({source})" in problem.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"- a\n- b\n", "must hold keys with values"),
        (b"name: a\nname: b\n", "the key 'name' is given twice"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
    ],
)
def test_a_file_that_holds_no_config_is_explained(tmp_path, content, message):
    file = tmp_path / "config.yaml"
    file.write_bytes(content)
    (problem,) = problems_of(file)
    assert message in problem.message


def test_a_missing_file_or_a_folder_is_answered_with_the_next_step(tmp_path):
    assert "headstart init" in problems_of(tmp_path / "none.yaml")[0].message
    assert "headstart init" in problems_of(tmp_path)[0].message


# What is shipped


@pytest.mark.parametrize("name", recipes.recipe_names())
def test_every_ready_recipe_is_valid_and_says_when_to_use_it(tmp_path, name):
    config = load_config(write_config(tmp_path, f"training: {{recipe: {name}}}\n"))
    assert all(isinstance(stage, Stage) for stage in config.training.recipe)
    assert len(recipes.recipe_summary(name)) > 30


def test_feature_extraction_is_one_frozen_stage_without_random_augmentation(tmp_path):
    (stage,) = load_config(write_config(tmp_path), ["training.recipe=feature_extraction"]).training.recipe
    assert stage.train == "head"
    assert not stage.augmentation.is_random


def test_fine_tuning_trains_the_head_first(tmp_path):
    head, fine_tuning = load_config(write_config(tmp_path), ["training.recipe=fine_tuning"]).training.recipe
    assert (head.train, fine_tuning.train) == ("head", "all")
    assert fine_tuning.learning_rate < head.learning_rate


def test_every_setting_is_documented_and_docs_are_current():
    text = config_markdown()
    for key in all_keys():
        assert f"| `{key.rsplit('.', 1)[-1]}` |" in text
    assert (ROOT / "docs" / "config.md").read_text(encoding="utf-8") == text, "run `make docs`"
