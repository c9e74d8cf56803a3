"""The pushed model that answers `headstart predict`: where it lies, and what to say when it is damaged."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from components import serving_versions
from components.serving_versions import DamagedModel
from modules.path_patterns import pattern_characters
from modules.storage import Location, check_access, location, temporary_folder
from pipeline.config import Data
from pipeline.config_file import load_config
from pipeline.console import quiet_stderr

SIGNATURE = "serve_images"


class Served(NamedTuple):
    """The model that answers."""

    place: Location
    """Of the SavedModel: a folder or an address."""
    folder: Path
    """The same on this machine."""
    max_megapixels: float
    """Larger images are not decoded."""


def find_model(model: str | None, config: str | None, working_folder: Path = Path()) -> Served:
    """Finds the model that is to answer.

    Args:
      model: folder or address of a SavedModel, or of numbered versions, of which the newest answers.
        What lies at an address is copied to a temporary folder.
      config: config file; the newest model in its push destination answers.
      working_folder: without both, the model pushed last to one of its runs/*/serving answers.

    Raises:
      ValueError: when both are given, or the config is wrong.
      DamagedModel: when the model cannot be used.
      FileNotFoundError: when there is no model.
      StorageError: when an address cannot be read.
    """
    for option, path in (("--model", model), ("--config", config)):
        if path is not None and not path.strip():
            raise ValueError(f"{option} is an empty path. Name a {option[2:]}, or leave the option out.")
    if model and config:
        raise ValueError("give either --model or --config, not both")
    max_megapixels = Data(source="").max_megapixels  # the default
    if config:
        loaded = load_config(config)
        return _served(_newest(loaded.push.destination, config), loaded.data.max_megapixels)
    if model:
        folder = location(model)
        return _served(folder if serving_versions.has_model(folder) else _newest(model), max_megapixels)
    pushed = [
        version
        for destination in working_folder.glob("runs/*/serving")
        for version in serving_versions.versions(destination).values()
    ]
    if not pushed:
        raise FileNotFoundError(
            "no pushed model below runs/. Say which one answers, with --config or --model."
        )
    return _served(max(pushed, key=lambda folder: folder.stat().st_mtime_ns), max_megapixels)


def load_signature(served: Served) -> Callable:
    """Returns the signature of a model that answers encoded images. Imports TensorFlow.

    Raises:
      DamagedModel: when TensorFlow cannot load the model.
      ValueError: when the model has no such signature.
    """
    with quiet_stderr():
        import tensorflow as tf

        from components.baseline import graph

        tf.config.list_logical_devices()  # TensorFlow 2.21 calls it an error that there is no GPU

    if unusable := graph.damage(served.folder):
        raise DamagedModel(served.place, unusable)
    if unknown := graph.unknown_to_this_tensorflow(graph.read_saved_model(served.folder)):
        raise DamagedModel(served.place, f"it {unknown}")
    try:
        signatures = tf.saved_model.load(str(served.folder)).signatures
    except Exception as error:  # TensorFlow raises whatever the damaged parts lead to
        raise DamagedModel(served.place, f"TensorFlow cannot load it ({graph.first_line(error)})") from error
    if SIGNATURE not in signatures:
        raise ValueError(
            f"the model in {served.place} has the signatures {sorted(signatures)}, not {SIGNATURE}: "
            "Headstart did not export it. Use a model that `headstart run` pushed."
        )
    return signatures[SIGNATURE]


def _served(place: Location, max_megapixels: float) -> Served:
    folder = serving_versions.local_version(place)
    if pattern_characters(str(folder)):  # TensorFlow would not find the variables there
        folder = Path(shutil.copytree(folder, temporary_folder() / "model"))
    return Served(place, folder, max_megapixels)


def _newest(destination: str, config: str | None = None) -> Location:
    versions = serving_versions.versions(destination)
    if versions:
        return versions[max(versions)]
    check_access(destination)
    todo = (
        f"`headstart run {config}` pushes one" if config else "It must be a SavedModel or a push destination"
    )
    raise FileNotFoundError(f"no model in {destination}. {todo}.")
