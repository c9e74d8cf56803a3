"""The report's figures, and the pictures of mistakes."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from components.report import figures, mistakes


def stage(name, accuracies):
    """A stage of history.json whose best epoch is the last one."""
    return {
        "name": name,
        "best_epoch": len(accuracies),
        "epochs": [{"accuracy": accuracy, "val_accuracy": accuracy - 0.02} for accuracy in accuracies],
    }


# Figures


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.62, 0.91, [0.7, 0.8, 0.9]),
        (3, 3, [3]),
        (0, 47, [0, 10, 20, 30, 40]),
    ],
)
def test_ticks_are_round_numbers(low, high, expected):
    assert figures.ticks(low, high) == pytest.approx(expected)


def test_training_curve_shades_and_names_every_stage():
    svg = figures.training_curve(
        [stage("head", [0.6, 0.8]), stage("fine_tuning", [0.85])], "accuracy", "Accuracy", as_percent=True
    )
    assert len(re.findall('<rect class="stage-', svg)) == 2
    assert ">head</text>" in svg
    assert ">fine_tuning</text>" in svg
    assert len(re.findall('class="kept"', svg)) == 2


def test_a_training_of_one_epoch_has_a_curve():
    assert "nan" not in figures.training_curve(
        [stage("head", [0.02])], "accuracy", "Accuracy", as_percent=True
    )


def test_the_largest_dot_of_a_sure_and_good_model_lies_within_the_figure():
    svg = figures.reliability_diagram([{"confidence": 1.0, "accuracy": 1.0, "count": 100}])
    x, y, radius = map(float, re.search('cx="(.*?)" cy="(.*?)" r="(.*?)"', svg).groups())
    assert x + radius <= figures.WIDTH
    assert y - radius >= 0


# Mistakes


def test_surest_mistakes_come_first_and_copies_once():
    found = mistakes.surest_mistakes(
        {
            "classes": np.array(["a", "b"]),
            "label": np.array(["a", "a", "a", "b", "c"]),
            "candidate": np.array([[0.4, 0.6], [0.1, 0.9], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7]]),
            "source_path": np.array(["1", "2", "copy of 2", "4", "5"]),
            "content_hash": np.array(["h1", "h2", "h2", "h4", "h5"]),
        }
    )
    assert [mistake["path"] for mistake in found] == ["2", "5", "1"]
    assert found[0]["probability"] == pytest.approx(0.9)
    assert found[0]["label_probability"] == pytest.approx(0.1)
    assert found[1]["label_probability"] is None


def test_pictures_are_shrunk_and_turned_upright():
    encoded = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: width and height change places
    Image.new("RGB", (800, 400)).save(encoded, format="JPEG", exif=exif)
    picture = mistakes.picture_of(encoded.getvalue())
    shown = Image.open(io.BytesIO(base64.b64decode(picture["image"].split(",")[1])))
    assert shown.size == (mistakes.THUMBNAIL_SIDE // 2, mistakes.THUMBNAIL_SIDE)
    assert picture["tiny"] is False
