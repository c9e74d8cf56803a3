"""A training that was killed continues from its last finished epoch, to the same end."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from modules.checkpoint import StageState, atomic_file, load_stage, save_stage
from modules.plateau import Plateau
from modules.training_state import mark_exported, remove_old_states, training_key
from tests.killed_training import STAGES, train

TIMINGS = ("seconds", "training_seconds")


def without_timings(records):
    rows = [[{k: v for k, v in row.items() if k not in TIMINGS} for row in r["epochs"]] for r in records]
    return rows, [{k: v for k, v in record.items() if k != "epochs"} for record in records]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The classifier and the records of a training that nobody disturbs."""
    return train(str(tmp_path_factory.mktemp("unbroken")))


def kill_after(folder: str, stage: int, epoch: int) -> None:
    """Starts a training in a process of its own and kills it once an epoch of a stage is on the disk."""
    process = subprocess.Popen([sys.executable, "-m", "tests.killed_training", folder])
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            state = load_stage(f"{folder}/state/stage_{stage}.npz")
            if state is not None and len(state.epochs) >= epoch:
                break
            time.sleep(0.005)
    finally:
        os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize(("stage", "epoch"), [(1, 2), (2, 1)])
def test_a_killed_training_ends_as_an_unbroken_one(tmp_path, unbroken, stage, epoch):
    kill_after(str(tmp_path), stage, epoch)
    finished_before_kill = len(load_stage(f"{tmp_path}/state/stage_{stage}.npz").epochs)
    assert epoch <= finished_before_kill <= STAGES[stage].epochs
    classifier, records = train(str(tmp_path))
    assert without_timings(records) == without_timings(unbroken[1])
    for weight, expected in zip(classifier.model.weights, unbroken[0].model.weights, strict=True):
        np.testing.assert_array_equal(weight, expected, err_msg=weight.path)


def test_a_finished_training_is_not_trained_again(tmp_path, unbroken, caplog):
    train(str(tmp_path))
    with caplog.at_level("INFO", logger="headstart.training"):
        classifier, records = train(str(tmp_path))
    assert not [line for line in caplog.messages if "training" in line or "loss" in line]
    assert without_timings(records) == without_timings(unbroken[1])
    for weight, expected in zip(classifier.model.weights, unbroken[0].model.weights, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_a_state_comes_back_as_it_was_saved(tmp_path):
    state = StageState(
        stopped_early=True,
        stored_activations=True,
        best_epoch=1,
        epochs=[{"epoch": 1, "loss": 0.1}],
        variables=[np.arange(3.0), np.array(2, np.uint32)],
        optimizer=[np.array(7)],
        plateaus={"stopping": Plateau("val_loss", 3, best=0.25, waited=1).state()},
    )
    path = str(tmp_path / "state" / "stage_0.npz")
    save_stage(path, state)
    loaded = load_stage(path)
    for name, value in vars(state).items():
        if name in ("variables", "optimizer"):
            for array, expected in zip(getattr(loaded, name), value, strict=True):
                np.testing.assert_array_equal(array, expected)
                assert array.dtype == expected.dtype
        else:
            assert getattr(loaded, name) == value
    assert Plateau(**loaded.plateaus["stopping"]) == Plateau("val_loss", 3, best=0.25, waited=1)


def test_there_is_no_state_before_the_first_epoch(tmp_path):
    assert load_stage(str(tmp_path / "stage_0.npz")) is None


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write_half():
        with atomic_file(str(path)) as file:
            file.write(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("monitor", "values", "improvements"),
    [
        ("val_loss", [1.0, 0.95, 0.8, 0.9], [True, False, True, False]),
        ("val_accuracy", [0.5, 0.55, 0.7, 0.6], [True, False, True, False]),
    ],
)
def test_an_improvement_is_more_than_the_smallest_change(monitor, values, improvements):
    plateau = Plateau(monitor, patience=2, min_delta=0.1)
    assert [plateau.improved(value) for value in values] == improvements


def test_patience_ends_after_so_many_epochs_without_improvement():
    plateau = Plateau("val_loss", patience=2)
    ends = []
    for value in (1.0, 1.1, 0.9, 0.9, 0.9):
        plateau.improved(value)
        ends.append(plateau.is_over)
    assert ends == [False, False, False, False, True]


def test_the_key_depends_on_settings_and_content_but_not_on_places(tmp_path):
    def key(content=b"a", path="data", **config):
        file = tmp_path / path
        file.write_bytes(content)
        return training_key({"training": {"seed": 1}, "training_dir": "here"} | config, [str(file)])

    assert key() == key(path="other") == key(training_dir="there", tensorboard_dir="x")
    assert len({key(), key(content=b"b"), key(training={"seed": 2}), key(source_hash="new")}) == 4


def test_exported_and_forgotten_trainings_are_removed_and_interrupted_ones_stay(tmp_path):
    for name in ("current", "exported", "interrupted", "forgotten"):
        (tmp_path / name).mkdir()
    mark_exported(str(tmp_path / "exported"))
    mark_exported(str(tmp_path / "current"))
    long_ago = time.time() - 15 * 24 * 3600
    os.utime(tmp_path / "forgotten", (long_ago, long_ago))
    remove_old_states(str(tmp_path), keep_key="current")
    assert sorted(os.listdir(tmp_path)) == ["current", "interrupted"]


def test_there_is_nothing_to_remove_before_the_first_training(tmp_path):
    remove_old_states(str(tmp_path / "missing"), keep_key="a")
