"""What TFX's Trainer runs: examples and a transform graph in, a model that serves out."""

import json
import os

import keras
import tensorflow as tf
from pydantic import TypeAdapter

from modules import features
from modules.backbones import build_backbone, image_size_of, preprocessing_mode, with_local_files
from modules.examples import load_images, matching_files
from modules.file_hash import file_hash
from modules.identity import code_of, made_of, weights_hash
from modules.machine import machine, versions
from modules.model import Classifier, FromPixels, build_classifier
from modules.recipe import Model, Training
from modules.reference_outputs import reference_outputs
from modules.serving import export
from modules.stages import Setting, run_stages
from modules.store import ArrayStore
from modules.strategy import build_strategy, check_batch_size, precision
from modules.training_folders import curves_folder, log_folder, state_folder
from modules.training_state import mark_exported, remove_old_states, training_key
from modules.transform_graph import TransformGraph


def run_fn(fn_args) -> None:
    """Trains by the recipe and exports the model; the entry point that TFX's Trainer calls.

    Args:
      fn_args: tfx.components.FnArgs. Its custom_config holds `model` and `training` as modules.recipe
        describes them, and the folders `training_dir` (None: interrupted trainings start over) and
        `tensorboard_dir`. Both may be addresses, as may weights and backbone_file.

    Raises:
      StorageError: when an address cannot be read.
    """
    with log_folder(fn_args.custom_config["tensorboard_dir"]) as log_dir:
        _train_and_export(fn_args, log_dir)


def _train_and_export(fn_args, log_dir: str) -> None:
    config = fn_args.custom_config
    model = TypeAdapter(Model).validate_python(config["model"])
    training = TypeAdapter(Training).validate_python(config["training"])
    graph = TransformGraph(fn_args.transform_output)
    examples = matching_files([*fn_args.train_files, *fn_args.eval_files])
    key = training_key(config, [*graph.files(), *examples])
    training_dir = state_folder(config["training_dir"])
    remove_old_states(training_dir, key)
    state_dir = os.path.join(training_dir, key)
    curves_dir = curves_folder(log_dir, key, state_dir)
    store = ArrayStore(os.path.join(state_dir, "store"), training.store)
    strategy = build_strategy(training.distribution)
    check_batch_size(training.batch_size, strategy.num_replicas_in_sync)
    setting = Setting(
        training=training,
        preprocessing=preprocessing_mode(model),
        labels=graph.labels,
        train=load_images(fn_args.train_files, graph, store, features.TRAIN_SPLIT),
        eval=load_images(fn_args.eval_files, graph, store, features.EVAL_SPLIT),
        store=store,
        replicas=strategy.num_replicas_in_sync,
        state_dir=state_dir,
        log_dir=curves_dir,
    )
    local_model = with_local_files(model)
    keras.utils.set_random_seed(training.seed % 2**32)
    with strategy.scope(), precision(training.mixed_precision):
        trained = build(local_model, graph.labels, training.seed)
        stages = run_stages(trained, setting)
    store.delete()

    plain = training.mixed_precision == "none" and training.distribution == "none"
    exported = trained if plain else float32_copy(trained, local_model, graph.labels)
    facts = model_facts(exported, graph.labels, local_model, config)
    export(exported.model, graph, fn_args.serving_model_dir, facts)
    history = {
        "stages": stages,
        "images": {"train": len(setting.train), "eval": len(setting.eval)},
        "parameters": exported.model.count_params(),
        "versions": versions(),
        "machine": machine(),
    }
    write_file(fn_args.model_run_dir, "history.json", json.dumps(history, indent=2).encode())
    from_pixels = FromPixels(setting.preprocessing, None, exported.model)
    test_files = [sibling_split(pattern, features.TEST_SPLIT) for pattern in fn_args.train_files]
    write_file(
        fn_args.model_run_dir, "reference_outputs.npz", reference_outputs(from_pixels, graph, test_files)
    )
    mark_exported(state_dir)


def build(model: Model, labels: tuple[str, ...], seed: int) -> Classifier:
    """Returns the configured backbone with a new head."""
    return build_classifier(build_backbone(model, image_size_of(model)), model.head, len(labels), seed)


def model_facts(exported: Classifier, labels: tuple[str, ...], local_model: Model, config: dict) -> dict:
    """Returns what a model says about itself beside its graph: classes, input, and what identifies it.

    Args:
      exported: the classifier that serves.
      labels: class names in the order of its logits.
      local_model: settings of the model, its files on this machine.
      config: custom_config of run_fn.
    """
    # Without what is at its default: a release that adds a setting makes no other model of an old config.
    model, training = (
        TypeAdapter(section).dump_python(
            TypeAdapter(section).validate_python(config[name]), mode="json", exclude_defaults=True
        )
        for name, section in (("model", Model), ("training", Training))
    )
    size = image_size_of(local_model)
    preprocessing = {
        "mode": preprocessing_mode(local_model),
        "image_size": size,
        "resize": model.get("resize", {}),
    }
    files = {key: getattr(local_model, key) for key in ("weights", "backbone_file")}
    hashes = {key: file_hash(file) for key, file in files.items() if file and os.path.isfile(file)}
    packages = {name: versions()[name] for name in ("tensorflow", "keras")}
    return {
        "labels": list(labels),
        "backbone": config["model"].get("backbone_file") or local_model.backbone,
        "image_size": size,
        "weights_hash": weights_hash(exported.model.weights, labels, preprocessing),
        "graph_code": code_of(config["graph_source_hash"], packages),
        "made_of": made_of(model, training, hashes, code_of(config["model_source_hash"], packages)),
    }


def float32_copy(trained: Classifier, model: Model, labels: tuple[str, ...]) -> Classifier:
    """Returns the classifier rebuilt on one device in float32, whatever it was trained on and in."""
    copy = build(model, labels, seed=0)
    copy.model.set_weights(trained.model.get_weights())
    return copy


def sibling_split(pattern: str, split: str) -> str:
    """Returns the file pattern of another split of the same examples artifact."""
    split_dir, files = os.path.split(pattern)
    return os.path.join(os.path.dirname(split_dir), f"Split-{split}", files)


def write_file(folder: str, name: str, content: bytes) -> None:
    """Writes a file into a folder, which is made if needed."""
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(os.path.join(folder, name), "wb") as file:
        file.write(content)
