"""What a run's result was made from, so that a later look can say whether any of it has changed.

The Report writes it into summary.json; `pipeline.freshness` compares. Imports no TensorFlow.
"""

import hashlib
import json
import os
from pathlib import Path

from modules.file_hash import file_hash
from modules.installed import installed_version

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
      be found here}, "versions": {package: version}}.
    """
    return {
        "config": config_hash(config),
        "images": images,
        "code": code,
        "files": file_hashes(config),
        "versions": package_versions(),
        "serving": serving,
    }


def config_hash(config: dict) -> str:
    """Returns 16 hexadecimal digits over the part of a config that decides the result.

    The images' place does not count, because their fingerprint does. A path inside the checkout is taken
    relative to it: a laptop and the container image then agree.
    """
    counted = {key: value for key, value in config.items() if key not in SECTIONS_WITHOUT_EFFECT}
    counted["data"] = {key: value for key, value in config["data"].items() if key != "source"}
    for section, key in FILE_KEYS:
        counted[section] = {**counted[section], key: relative_to_code(counted[section].get(key))}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:16]


def relative_to_code(path: str | None) -> str | None:
    """Returns a path inside the checkout relative to it, and anything else as it is."""
    for root in CODE_ROOTS:
        if path and path.startswith(f"{root}/"):
            return path.removeprefix(f"{root}/")
    return path


def file_hashes(config: dict) -> dict[str, str | None]:
    """Returns the hash of each file that a config names, by its key, such as "model.weights"."""
    hashes = {}
    for section, key in FILE_KEYS:
        path = config[section].get(key)
        if path and ("://" in path or os.path.isabs(path)):  # not a word such as imagenet
            try:
                hashes[f"{section}.{key}"] = file_hash(path)
            except FileNotFoundError:  # such as one on a volume that only the Trainer mounts
                hashes[f"{section}.{key}"] = None
    return hashes


def package_versions() -> dict[str, str | None]:
    """Returns the versions of the packages that decide what a run computes."""
    return {name: installed_version(name) for name in PACKAGES}
