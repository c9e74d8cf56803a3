"""The loop over stages: freeze, cut, store what is constant, fit, keep the best weights."""

import dataclasses
import logging
import os
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np

from modules import batches
from modules.activations import inference_batch_size, store_activations
from modules.checkpoint import StageState, load_stage, save_stage
from modules.class_weights import class_weights_of
from modules.examples import LabelledImages
from modules.model import Classifier, FromPixels, StageParts, first_trained_layer, split_for_stage
from modules.optimizers import build_optimizer
from modules.progress import EpochEnd, assign, values_of
from modules.recipe import Stage, Training
from modules.store import ArrayStore
from modules.strategy import uses_xla

logger = logging.getLogger("headstart.training")


@dataclass(frozen=True)
class Setting:
    """What all stages of a training share."""

    training: Training
    preprocessing: str  # mode of modules.backbones.preprocess
    labels: tuple[str, ...]  # class names in the order of the logits
    train: LabelledImages
    eval: LabelledImages
    store: ArrayStore
    replicas: int  # devices that share a batch
    state_dir: str  # where the stages' states lie
    log_dir: str  # TensorBoard's folder of this training


def run_stages(classifier: Classifier, setting: Setting) -> list[dict]:
    """Trains the classifier through all stages, continuing where an earlier call was interrupted.

    Returns:
      One record a stage for history.json.

    Raises:
      ValueError: before any training, when a stage names layers that the backbone does not have.
    """
    stages = setting.training.recipe
    for stage in stages:
        first_trained_layer(classifier.backbone, stage.train)
    return [run_stage(classifier, number, setting) for number in range(len(stages))]


def run_stage(classifier: Classifier, number: int, setting: Setting) -> dict:
    """Trains one stage, or the rest of it, and leaves its final weights in the classifier.

    Args:
      number: of the stage, counted from 0.
    """
    stages = setting.training.recipe
    stage, title = stages[number], f"Stage {number + 1}/{len(stages)} {stages[number].name}"
    path = os.path.join(setting.state_dir, f"stage_{number}.npz")
    state = load_stage(path) or StageState()
    parts = split_for_stage(classifier, stage)
    if state.variables:
        assign(parts.top, state.variables)
        logger.info("%s: continuing after epoch %d", title, len(state.epochs))
    if not (state.finished or state.stopped_early or len(state.epochs) == stage.epochs):
        logger.info(
            "%s: training %s (%s parameters)%s", title, stage.train, f"{parameters_of(parts.top):,}",
            f", frozen up to {parts.cut_layer}" if parts.cut_layer else "",
        )  # fmt: skip
        callback = partial(EpochEnd, stage, state, parts.top, path, log_dir_of(setting, number), title)
        state.stored_activations = fit(parts, stage, number, setting, state, callback())
    if not state.finished:
        finish(parts.top, path, state)
    return record_of(stage, parts, state)


def fit(
    parts: StageParts, stage: Stage, number: int, setting: Setting, state: StageState, callback: EpochEnd
) -> bool:
    """Fits the stage's top from the state's last epoch on; returns whether activations were stored."""
    stored = None if stage.augmentation.is_random else stored_inputs(parts, setting)
    if stored is not None:
        model, (train_inputs, eval_inputs) = parts.top, stored
    else:
        model = FromPixels(setting.preprocessing, parts.frozen, parts.top)
        train_inputs, eval_inputs = setting.train.pixels, setting.eval.pixels
    training = setting.training
    steps = batches.steps_per_epoch(len(setting.train), training.batch_size)
    compile_for(model, stage, parts.top.trainable_variables, steps)
    if state.optimizer:
        assign(model.optimizer, state.optimizer)
    first_epoch = len(state.epochs)
    train_batches = batches.training_batches(
        train_inputs,
        setting.train.labels,
        class_weights_of(training.class_weights, setting.train.labels, setting.labels),
        augmentation=stage.augmentation,
        batch_size=training.batch_size,
        replicas=setting.replicas,
        order_of_epoch=lambda epoch: batches.epoch_order(training.seed, number, epoch, len(setting.train)),
        epochs=range(first_epoch, stage.epochs),
    )
    eval_batch_size = max(training.batch_size, inference_batch_size(setting.eval.pixels.shape[1]))
    model.fit(
        train_batches,
        epochs=stage.epochs,
        initial_epoch=first_epoch,
        steps_per_epoch=steps,
        validation_data=batches.evaluation_batches(
            eval_inputs, setting.eval.labels, eval_batch_size, setting.replicas
        ),
        callbacks=[callback],
        verbose=0,
    )
    return stored is not None


def stored_inputs(parts: StageParts, setting: Setting):
    """Returns activations of the train and eval images, or None when nothing is frozen or they do not fit."""
    if parts.frozen is None:
        return None
    frozen = FromPixels(setting.preprocessing, parts.frozen, None)
    pixels = {"train": setting.train.pixels, "eval": setting.eval.pixels}
    stored = store_activations(frozen, pixels, setting.store)
    if stored is None:
        logger.info("No room to store activations: the frozen layers run in every epoch")
        return None
    return stored["train"], stored["eval"]


def compile_for(model: keras.Model, stage: Stage, variables: list, steps: int) -> None:
    """Gives the model a new optimizer, whose variables exist at once, and a loss on logits."""
    model.compile(
        optimizer=build_optimizer(stage, variables, steps),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile="auto" if uses_xla() else False,
    )
    model.optimizer.build(variables)


def finish(top: keras.Model, path: str, state: StageState) -> None:
    """Puts the best epoch's weights into the model, and marks the stage as done on disk."""
    if state.best:
        assign(top, state.best)
    else:
        state.best_epoch = len(state.epochs)
    done = dataclasses.replace(state, finished=True, variables=values_of(top), optimizer=[], best=[])
    save_stage(path, done)


def record_of(stage: Stage, parts: StageParts, state: StageState) -> dict:
    """Returns what history.json tells about a finished stage."""
    return {
        "name": stage.name,
        "train": stage.train,
        "trainable_parameters": parameters_of(parts.top),
        "cut_layer": parts.cut_layer,
        "stored_activations": state.stored_activations,
        "epochs": state.epochs,
        "best_epoch": state.best_epoch,
        "stopped_early": state.stopped_early,
        "eval_accuracy": state.epochs[state.best_epoch - 1]["val_accuracy"],
    }


def parameters_of(model: keras.Model) -> int:
    """Returns the number of trainable parameters."""
    return int(sum(np.prod(variable.shape) for variable in model.trainable_variables))


def log_dir_of(setting: Setting, number: int) -> str:
    """Returns TensorBoard's folder of a stage."""
    return os.path.join(setting.log_dir, f"{number + 1}_{setting.training.recipe[number].name}")
