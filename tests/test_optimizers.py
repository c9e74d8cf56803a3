"""Learning rates over a stage, and what decays."""

import keras
import numpy as np
import pytest

from modules.optimizers import OPTIMIZERS, build_optimizer
from modules.recipe import ReduceOnPlateau, Stage
from modules.schedules import WarmupThenDecay, learning_rate_of


def rates(stage: Stage, steps_per_epoch: int, steps: list[int]) -> list[float]:
    schedule = learning_rate_of(stage, steps_per_epoch)
    return [float(schedule(step)) for step in steps]


def test_a_constant_rate_is_a_number():
    assert learning_rate_of(Stage(name="s", learning_rate=0.5), 10) == 0.5


def test_cosine_falls_from_the_peak_over_half_at_half_time_to_zero():
    stage = Stage(name="s", learning_rate=2.0, epochs=2, schedule="cosine")
    assert rates(stage, 10, [0, 5, 10, 20]) == pytest.approx([2.0, 1 + np.sqrt(0.5), 1.0, 0.0], abs=1e-6)


def test_exponential_falls_to_a_hundredth():
    stage = Stage(name="s", learning_rate=2.0, epochs=2, schedule="exponential")
    assert rates(stage, 10, [0, 10, 20]) == pytest.approx([2.0, 0.2, 0.02])


@pytest.mark.parametrize("schedule", ["constant", "exponential", "cosine"])
def test_warmup_rises_linearly_to_the_peak(schedule):
    stage = Stage(name="s", learning_rate=1.0, epochs=4, schedule=schedule, warmup_epochs=0.9)
    assert rates(stage, 10, [0, 1, 4, 8, 9]) == pytest.approx([0.1, 0.2, 0.5, 0.9, 1.0])


def test_a_schedule_stays_at_its_end():
    stage = Stage(name="s", learning_rate=1.0, epochs=1, schedule="exponential")
    assert rates(stage, 10, [10, 100]) == pytest.approx([0.01, 0.01])


def test_a_warmup_longer_than_the_stage_is_cut_to_it():
    schedule = learning_rate_of(Stage(name="s", epochs=1, warmup_epochs=5), 10)
    assert (schedule.warmup_steps, schedule.total_steps) == (10, 10)


def test_a_schedule_can_be_made_again_from_its_config():
    schedule = WarmupThenDecay(0.5, "cosine", 3, 20)
    again = WarmupThenDecay.from_config(schedule.get_config())
    assert [float(again(s)) for s in range(20)] == [float(schedule(s)) for s in range(20)]


def test_a_plateau_can_only_reduce_a_constant_rate():
    Stage(name="s", reduce_on_plateau=ReduceOnPlateau())
    for other in ({"schedule": "cosine"}, {"warmup_epochs": 1}):
        with pytest.raises(ValueError, match="reduce_on_plateau needs a learning rate"):
            Stage(name="s", reduce_on_plateau=ReduceOnPlateau(), **other)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_shrinks_kernels_and_spares_biases_and_normalisation(name):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(2, bias_initializer="ones"),
            keras.layers.BatchNormalization(),
        ]
    )
    before = [np.array(v) for v in model.trainable_variables]
    stage = Stage(name="s", optimizer=name, learning_rate=0.1, weight_decay=0.5)
    optimizer = build_optimizer(stage, model.trainable_variables, 10)
    optimizer.apply([v * 0 for v in model.trainable_variables], model.trainable_variables)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        expected = value * (1 - 0.1 * 0.5) if variable.name == "kernel" else value
        np.testing.assert_allclose(variable, expected, rtol=1e-6, err_msg=variable.path)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_without_weight_decay_a_zero_gradient_changes_nothing(name):
    variable = keras.Variable(np.ones((2, 2), np.float32))
    build_optimizer(Stage(name="s", optimizer=name), [variable], 10).apply([variable * 0], [variable])
    np.testing.assert_array_equal(variable, np.ones((2, 2)))


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("adam", keras.optimizers.Adam),
        ("adamw", keras.optimizers.AdamW),
        ("sgd", keras.optimizers.SGD),
        ("rmsprop", keras.optimizers.RMSprop),
    ],
)
def test_an_optimizer_is_chosen_by_name(name, cls):
    optimizer = build_optimizer(Stage(name="s", optimizer=name, learning_rate=0.25), [], 10)
    assert type(optimizer) is cls
    assert float(optimizer.learning_rate) == 0.25
