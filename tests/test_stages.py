"""The loop over stages: what changes, what stays, and what is told about it."""

import dataclasses
import json
import os

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from modules import progress
from modules.recipe import Augmentation, EarlyStopping, Head, ReduceOnPlateau, Stage
from modules.stages import run_stages
from modules.store import ArrayStore
from tests.tiny_training import FLIPS, LABELS, tiny_classifier, tiny_setting


class FullStore(ArrayStore):
    """A store on a machine without any free memory and disk."""

    def allocate(self, name, shape, dtype):
        return None


def weights_of(classifier) -> dict[str, np.ndarray]:
    return {weight.path: np.array(weight) for weight in classifier.model.weights}


def changed_weights(before: dict, after: dict) -> set[str]:
    return {name for name in before if not np.array_equal(before[name], after[name])}


def train(setting, **classifier):
    """Returns the trained classifier and the records of its stages."""
    trained = tiny_classifier(**classifier)
    keras.utils.set_random_seed(0)
    return trained, run_stages(trained, setting)


def assert_equal_weights(one, other, tolerance=0.0):
    for name, weight in weights_of(one).items():
        np.testing.assert_allclose(weight, weights_of(other)[name], atol=tolerance, err_msg=name)


def test_a_head_stage_changes_the_head_and_nothing_else(tmp_path):
    before = weights_of(tiny_classifier())
    trained, _ = train(tiny_setting(tmp_path, Stage(name="head", epochs=2)))
    assert changed_weights(before, weights_of(trained)) == {"logits/kernel", "logits/bias"}


def test_top_layers_change_and_those_below_do_not(tmp_path):
    before = weights_of(tiny_classifier())
    trained, _ = train(tiny_setting(tmp_path, Stage(name="top", train="from layer two_conv", epochs=1)))
    assert changed_weights(before, weights_of(trained)) == {
        f"{layer}/{weight}" for layer in ("two_conv", "last_conv", "logits") for weight in ("kernel", "bias")
    }


@pytest.mark.parametrize("augmentation", [Augmentation(), FLIPS])
def test_moving_averages_stay_when_everything_is_fine_tuned(tmp_path, augmentation):
    before = weights_of(tiny_classifier())
    stage = Stage(name="all", train="all", epochs=2, augmentation=augmentation)
    trained, _ = train(tiny_setting(tmp_path, stage))
    changed = changed_weights(before, weights_of(trained))
    assert not [name for name in changed if "_norm/" in name]
    assert "stem_conv/kernel" in changed


def test_moving_averages_move_when_the_stage_asks_for_it(tmp_path):
    before = weights_of(tiny_classifier())
    trained, _ = train(tiny_setting(tmp_path, Stage(name="all", train="all", epochs=1, batch_norm="update")))
    changed = changed_weights(before, weights_of(trained))
    assert {f"{name}_norm/moving_mean" for name in ("stem", "one", "two")} <= changed


@pytest.mark.parametrize("trains", ["head", "top 1 layers", "from layer two_norm"])
def test_training_on_stored_activations_equals_training_without_the_store(tmp_path, trains):
    stage = Stage(name="s", train=trains, epochs=3)
    classifier = {"head": Head(dropout=0.5), "dropout": 0.3}
    stored, stored_records = train(tiny_setting(tmp_path / "stored", stage), **classifier)
    full = FullStore(str(tmp_path / "store"), "auto")
    setting = dataclasses.replace(tiny_setting(tmp_path / "unstored", stage), store=full)
    unstored, unstored_records = train(setting, **classifier)
    assert [stored_records[0]["stored_activations"], unstored_records[0]["stored_activations"]] == [
        True,
        False,
    ]
    assert_equal_weights(stored, unstored, tolerance=1e-5)
    losses = [
        [row["val_loss"] for row in record["epochs"]] for record in (stored_records[0], unstored_records[0])
    ]
    np.testing.assert_allclose(*losses, atol=1e-5)


def test_activations_on_disk_train_the_same_model_as_in_memory(tmp_path):
    stages = [Stage(name="head", epochs=1), Stage(name="top", train="top 1 layers", epochs=1)]
    in_memory, _ = train(tiny_setting(tmp_path / "memory", *stages))
    store = ArrayStore(str(tmp_path / "store"), "disk")
    setting = dataclasses.replace(tiny_setting(tmp_path / "disk", *stages), store=store)
    on_disk, _ = train(setting)
    assert sorted(os.listdir(tmp_path / "store")) == ["eval_activations.npy", "train_activations.npy"]
    assert_equal_weights(in_memory, on_disk)


def test_one_seed_gives_equal_runs_and_another_a_different_one(tmp_path):
    stages = [
        Stage(name="head", epochs=1),
        Stage(name="all", train="all", epochs=2, augmentation=Augmentation(shift=0.1, brightness=0.2)),
    ]
    runs = [
        train(tiny_setting(tmp_path / str(i), *stages, seed=seed), dropout=0.2)
        for i, seed in enumerate((5, 5, 6))
    ]
    assert_equal_weights(runs[0][0], runs[1][0])
    losses = [[row["loss"] for record in records for row in record["epochs"]] for _, records in runs]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_random_augmentation_changes_training_and_stores_nothing(tmp_path):
    stage = Stage(name="head", epochs=2)
    plain, _ = train(tiny_setting(tmp_path / "plain", stage))
    shifted = Stage(name="head", epochs=2, augmentation=Augmentation(shift=0.2))
    augmented, (record,) = train(tiny_setting(tmp_path / "shifted", shifted))
    assert record["stored_activations"] is False
    assert np.abs(weights_of(plain)["logits/kernel"] - weights_of(augmented)["logits/kernel"]).max() > 1e-4


def test_the_pictures_are_learned(tmp_path):
    stages = [
        Stage(name="head", epochs=5, learning_rate=0.02),
        Stage(name="all", train="all", epochs=5, learning_rate=0.003),
    ]
    _, records = train(tiny_setting(tmp_path, *stages, images=90))
    assert records[-1]["eval_accuracy"] > 0.9
    assert records[-1]["epochs"][-1]["loss"] < records[0]["epochs"][0]["loss"]


def test_every_stage_starts_with_a_new_optimizer_at_its_own_rate(tmp_path):
    stages = [
        Stage(name="head", epochs=2, learning_rate=0.01),
        Stage(name="top", train="top 1 layers", epochs=1, learning_rate=0.002, optimizer="sgd"),
    ]
    _, (head, top) = train(tiny_setting(tmp_path, *stages))
    assert [row["learning_rate"] for row in head["epochs"]] == pytest.approx([0.01, 0.01])
    assert [row["learning_rate"] for row in top["epochs"]] == pytest.approx([0.002])


def test_a_cosine_with_warmup_ends_at_zero(tmp_path):
    stage = Stage(name="head", epochs=4, learning_rate=0.01, schedule="cosine", warmup_epochs=1)
    _, (record,) = train(tiny_setting(tmp_path, stage))
    rates = [row["learning_rate"] for row in record["epochs"]]
    assert rates == pytest.approx([0.01, 0.0075, 0.0025, 0.0], abs=1e-6)


def test_the_record_tells_what_happened(tmp_path):
    _, (record,) = train(tiny_setting(tmp_path, Stage(name="top", train="top 1 layers", epochs=2)))
    assert json.loads(json.dumps(record)) == record
    rows = record.pop("epochs")
    assert record == {
        "name": "top",
        "train": "top 1 layers",
        "trainable_parameters": (8 * 8 + 8) + (8 * 3 + 3),
        "cut_layer": "two_add",
        "stored_activations": True,
        "best_epoch": 2,
        "stopped_early": False,
        "eval_accuracy": rows[1]["val_accuracy"],
    }
    assert [row["epoch"] for row in rows] == [1, 2]
    assert all(0 < row["training_seconds"] < row["seconds"] for row in rows)


def test_early_stopping_ends_the_stage_and_keeps_the_best_weights(tmp_path):
    # At this rate the loss only gets worse after the first epochs.
    stage = Stage(
        name="head",
        epochs=30,
        learning_rate=3.0,
        optimizer="sgd",
        early_stopping=EarlyStopping(patience=2, monitor="val_loss"),
    )
    setting = tiny_setting(tmp_path, stage)
    trained, (record,) = train(setting)
    losses = [row["val_loss"] for row in record["epochs"]]
    assert record["stopped_early"]
    assert len(losses) == record["best_epoch"] + 2 < 30
    assert losses[record["best_epoch"] - 1] == min(losses)
    logits = trained.model(setting.eval.pixels.astype(np.float32) / 127.5 - 1, training=False)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(setting.eval.labels, logits)
    assert float(loss) == pytest.approx(min(losses), rel=1e-4)


def test_a_plateau_reduces_the_learning_rate(tmp_path):
    stage = Stage(
        name="head",
        epochs=8,
        learning_rate=3.0,
        optimizer="sgd",
        reduce_on_plateau=ReduceOnPlateau(patience=1, factor=0.1),
    )
    _, (record,) = train(tiny_setting(tmp_path, stage))
    best, expected = np.inf, [3.0]
    for row in record["epochs"][:-1]:
        expected.append(expected[-1] * (1.0 if row["val_loss"] < best else 0.1))
        best = min(best, row["val_loss"])
    assert [row["learning_rate"] for row in record["epochs"]] == pytest.approx(expected)
    assert expected[-1] < 3.0


def test_class_weights_pull_predictions_to_the_heavy_class(tmp_path):
    weights = {"dark": 1e4, "bright": 1e-4, "striped": 1e-4}
    stage = Stage(name="head", epochs=3, learning_rate=0.05)
    setting = tiny_setting(tmp_path, stage, class_weights=weights)
    trained, _ = train(setting)
    logits = trained.model(setting.eval.pixels.astype(np.float32) / 127.5 - 1, training=False)
    assert set(np.argmax(logits, axis=1)) == {LABELS.index("dark")}


def test_a_loss_that_is_no_number_stops_with_advice(tmp_path):
    stage = Stage(name="all", train="all", epochs=3, learning_rate=1e30, optimizer="sgd")
    with pytest.raises(
        ValueError, match=r"Stage 1/1 all, epoch .: the loss is .*Use a smaller learning_rate"
    ):
        train(tiny_setting(tmp_path, stage))


def test_a_wrong_layer_in_a_later_stage_is_found_before_the_first_trains(tmp_path):
    stages = [Stage(name="head", epochs=1), Stage(name="top", train="from layer nowhere", epochs=1)]
    with pytest.raises(ValueError, match='"from layer nowhere"'):
        train(tiny_setting(tmp_path, *stages))
    assert not os.path.exists(tmp_path / "state")


def test_curves_for_tensorboard_lie_in_a_folder_for_each_stage(tmp_path):
    _, (record,) = train(tiny_setting(tmp_path, Stage(name="head", epochs=2)))
    events = EventAccumulator(str(tmp_path / "tensorboard" / "1_head" / "eval")).Reload()
    values = [float(tensor_util.make_ndarray(event.tensor_proto)) for event in events.Tensors("accuracy")]
    assert values == pytest.approx([row["val_accuracy"] for row in record["epochs"]])


def test_each_epoch_is_logged(tmp_path, caplog):
    with caplog.at_level("INFO", logger="headstart.training"):
        train(tiny_setting(tmp_path, Stage(name="head", epochs=2)))
    lines = [line for line in caplog.messages if line.startswith("Stage 1/1 head, epoch")]
    assert [line.split(":")[0] for line in lines] == [
        "Stage 1/1 head, epoch 1/2",
        "Stage 1/1 head, epoch 2/2",
    ]
    assert "val_accuracy" in lines[0]


def test_an_epoch_smaller_than_a_batch_trains(tmp_path):
    _, (record,) = train(tiny_setting(tmp_path, Stage(name="head", epochs=1), images=6, batch_size=32))
    assert np.isfinite(record["epochs"][0]["loss"])


def test_a_stage_begins_with_what_trains_and_what_is_frozen(tmp_path, caplog):
    stages = [Stage(name="head", epochs=1), Stage(name="all", train="all", epochs=1)]
    with caplog.at_level("INFO", logger="headstart.training"):
        train(tiny_setting(tmp_path, *stages))
    assert "Stage 1/2 head: training head (27 parameters), frozen up to pooled_features" in caplog.messages
    assert "Stage 2/2 all: training all (1,491 parameters)" in caplog.messages


def test_a_long_epoch_shows_its_steps(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    with caplog.at_level("INFO", logger="headstart.training"):
        train(tiny_setting(tmp_path, Stage(name="head", epochs=1)))
    steps = [line.partition(":")[0] for line in caplog.messages if ", step " in line]
    assert steps == [f"Stage 1/1 head, epoch 1/1, step {step}/5" for step in range(1, 6)]


@pytest.mark.parametrize("augmentation", [Augmentation(), FLIPS], ids=["stored", "unstored"])
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_regularisation_shrinks_the_kernel_of_the_head(tmp_path, penalty, augmentation):
    stage = Stage(name="head", epochs=3, augmentation=augmentation)
    plain, _ = train(tiny_setting(tmp_path / "plain", stage), head=Head(dropout=0.0))
    penalised, _ = train(
        tiny_setting(tmp_path / "penalised", stage), head=Head(dropout=0.0, **{penalty: 1.0})
    )
    sizes = [np.abs(weights_of(one)["logits/kernel"]).sum() for one in (penalised, plain)]
    assert sizes[0] < 0.99 * sizes[1]
