"""What a run's result was made from, so that a later look can say whether any of it has changed.

The Report writes it into summary.json; `pipeline.freshness` compares. Imports no TensorFlow.
"""

import hashlib
import json
import os
from pathlib import Path

from modules.file_hash import file_hash
from modules.installed import installed_version
from modules.storage import is_remote

# The packages that decide what a run computes.
PACKAGES = (
    "tfx",
    "tensorflow",
    "keras",
    "tensorflow-transform",
    "tensorflow-model-analysis",
    "apache-beam",
    "numpy",
)
# Keys of a config that name a file whose content decides the result.
FILE_KEYS = (("model", "weights"), ("model", "backbone_file"), ("validation", "schema"))
# They say where and how the steps run, where results go, who is told, what is kept; what comes out depends on
# none of it.
SECTIONS_WITHOUT_EFFECT = ("output", "push", "beam", "cluster", "notify", "keep")

# The same checkout lies here in the container image (kubernetes/Dockerfile).
CODE_ROOTS = (Path(__file__).resolve().parents[2].as_posix(), "/headstart")


def made_from(config: dict, code: str, images: str, serving: str) -> dict:
    """Returns what goes into summary.json under `made_from`.

    Args:
      config: the whole config as plain data.
      code: hash of all of our code.
      images: fingerprint of the source.
      serving: state of the push destination (components/serving_versions.py).

    Returns:
      {"config", "images", "code", "serving": text, "files": {key: hash, or None for a file that cannot
      be found here}, "paths": {key: where that file lies}, "versions": {package: version}}.
    """
    return {
        "config": config_hash(config),
        "images": images,
        "code": code,
        "files": file_hashes(config),
        "paths": file_paths(config),
        "versions": package_versions(),
        "serving": serving,
    }


def config_hash(config: dict) -> str:
    """Returns 16 hexadecimal digits over the part of a config that decides the result.

    Where images and files lie does not count, because their contents do: a config is the same in a checkout
    that was moved, on a laptop and in the container image.
    """
    counted = {key: value for key, value in config.items() if key not in SECTIONS_WITHOUT_EFFECT}
    counted["data"] = {key: value for key, value in config["data"].items() if key != "source"}
    for section, key in FILE_KEYS:
        if _names_file(config[section].get(key)):
            counted[section] = {**counted[section], key: "a file"}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:16]


def relative_to_code(path: str) -> str:
    """Returns a path inside the checkout relative to it, and anything else as it is."""
    for root in CODE_ROOTS:
        if path.startswith(f"{root}/"):
            return path.removeprefix(f"{root}/")
    return path


def file_hashes(config: dict) -> dict[str, str | None]:
    """Returns the hash of each file that a config names, by its key, such as "model.weights"."""
    hashes = {}
    for key, path in _named_files(config).items():
        try:
            hashes[key] = file_hash(path)
        except FileNotFoundError:  # such as one on a volume that only the Trainer mounts
            hashes[key] = None
    return hashes


def file_paths(config: dict) -> dict[str, str]:
    """Returns where each file lies that a config names, by its key; inside the checkout relative to it.

    It counts where the content is not known.
    """
    return {key: relative_to_code(path) for key, path in _named_files(config).items()}


def _named_files(config: dict) -> dict[str, str]:
    paths = {f"{section}.{key}": config[section].get(key) for section, key in FILE_KEYS}
    return {key: path for key, path in paths.items() if _names_file(path)}


def _names_file(path: str | None) -> bool:
    return bool(path) and (is_remote(path) or os.path.isabs(path))  # not a word such as imagenet


def package_versions() -> dict[str, str | None]:
    """Returns the versions of the packages that decide what a run computes."""
    return {name: installed_version(name) for name in PACKAGES}
