"""What a SavedModel's graph offers and needs, read from saved_model.pb without loading the model."""

from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from components.serving_versions import DamagedModel
from modules.storage import location

_NAMED = 5  # this many operations are named, the rest counted


def read_saved_model(saved_model_dir: str | Path) -> saved_model_pb2.SavedModel:
    """Returns the description of a model: graphs and signatures, without its weights.

    Raises:
      DamagedModel: when it is not the description of a model.
    """
    content = (location(saved_model_dir) / "saved_model.pb").read_bytes()
    try:
        saved_model = saved_model_pb2.SavedModel.FromString(content)
    except DecodeError:
        saved_model = saved_model_pb2.SavedModel()
    if not saved_model.meta_graphs:
        raise DamagedModel(saved_model_dir, "saved_model.pb is damaged")
    return saved_model


def damage(saved_model_dir: Path) -> str | None:
    """Returns which files of a local model are missing or damaged; None for a sound one.

    Every variable is read once, which checks its checksum.
    """
    try:
        saved_model = read_saved_model(saved_model_dir)
    except DamagedModel as error:
        return error.damage
    for graph in saved_model.meta_graphs:
        for asset in graph.asset_file_def:
            if not (saved_model_dir / "assets" / asset.filename).is_file():
                return f"assets/{asset.filename} is missing"
    try:
        variables = tf.train.load_checkpoint(str(saved_model_dir / "variables" / "variables"))
        for name in variables.get_variable_to_dtype_map():
            variables.get_tensor(name)
    except Exception as error:  # of many kinds, by what the damaged bytes happen to mean
        return f"its variables cannot be read ({first_line(error)})"
    return None


def first_line(error: Exception) -> str:
    """Returns what an error of TensorFlow says before its stack traces."""
    return str(error).strip().partition("\n")[0]


def signatures(saved_model: saved_model_pb2.SavedModel) -> set[str]:
    """Returns the names of a model's signatures."""
    return {name for graph in saved_model.meta_graphs for name in graph.signature_def}


def unknown_to_this_tensorflow(saved_model: saved_model_pb2.SavedModel) -> str | None:
    """Returns what keeps the TensorFlow that runs from running a model of another one; None for nothing.

    A newer TensorFlow is no obstacle in itself, only operations that this one lacks. An unknown setting
    of a known operation counts too: this one would load the model, pass over the setting in silence and
    compute something else. Settings that are at their defaults are not in a SavedModel.
    """
    needed, saved_by = set(), set()
    for meta_graph in saved_model.meta_graphs:
        saved_by.add(meta_graph.meta_info_def.tensorflow_version)
        graph = meta_graph.graph_def
        if graph.versions.min_consumer > tf.version.GRAPH_DEF_VERSION:
            needed.add(f"graphs of version {graph.versions.min_consumer}")
        functions = {function.signature.name for function in graph.library.function}
        for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
            needed |= {need for node in nodes if node.op not in functions and (need := _unknown(node))}
    if not needed:
        return None
    names = sorted(needed)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"was saved by TensorFlow {', '.join(sorted(saved_by))} and needs what TensorFlow "
        f"{tf.__version__}, which runs here, does not know: {', '.join(names[:_NAMED])}{more}"
    )


def _unknown(node) -> str | None:
    """Returns the operation of a node, or its settings, when this TensorFlow does not know them."""
    operation = op_def_registry.get(node.op)
    if operation is None:
        return node.op
    known = {setting.name for setting in operation.attr}
    settings = sorted(name for name in node.attr if name not in known and not name.startswith("_"))
    return f"{node.op} with {', '.join(settings)}" if settings else None
