"""Paths of a config as the steps' containers see them.

The image holds the repository at /headstart. What a config names inside the repository lies there in a
container too; anything else must be an address or lie on a volume.
"""

import dataclasses
import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from modules.file_hash import file_hash
from modules.storage import SCHEMES, is_remote
from pipeline.config import Config
from pipeline.problems import Problem
from pipeline.source_hash import ROOT

IMAGE_ROOT = "/headstart"
IMAGE_HOLDS = ("LICENSE", "components", "data/weights", "modules", "pipeline", "pyproject.toml", "setup.py")
"""What the image has of the repository, see kubernetes/Dockerfile."""
STEPS_OF_PATH = {
    "output": ("DataCheck", "Trainer", "Report", "Verdict"),
    "data.source": ("ImageExampleGen",),
    "validation.schema": ("SchemaGen",),
    "model.weights": ("Trainer",),
    "model.backbone_file": ("Trainer",),
    "push.destination": ("DataCheck", "Baseline", "Pusher", "Report"),
}
"""Which steps read or write what a key of the config names."""
WRITTEN = ("output", "push.destination")
NO_PATHS = ("imagenet", "none")  # values of model.weights


def in_container(path: str) -> str:
    """Returns where the image holds what lies in the repository; other paths and addresses as they are."""
    if not is_remote(path) and Path(path).is_relative_to(ROOT):
        return os.path.normpath(os.path.join(IMAGE_ROOT, Path(path).relative_to(ROOT)))
    return path


def on_this_machine(path: str) -> str:
    """Returns where the repository holds what lies in the image; the inverse of `in_container`."""
    if not is_remote(path) and Path(path).is_relative_to(IMAGE_ROOT):
        return os.path.normpath(ROOT / Path(path).relative_to(IMAGE_ROOT))
    return path


def config_in_container(config: Config) -> Config:
    """Returns the config with every path as the containers see it."""
    for key, path in named_paths(config).items():
        section, _, field = key.rpartition(".")
        if section:
            changed = dataclasses.replace(getattr(config, section), **{field: in_container(path)})
            config = dataclasses.replace(config, **{section: changed})
        else:
            config = dataclasses.replace(config, **{field: in_container(path)})
    return config


def named_paths(config: Config) -> dict[str, str]:
    """Returns every path and address that a complete config names, by dotted key."""
    found = {}
    for key in STEPS_OF_PATH:
        value = config
        for part in key.split("."):
            value = getattr(value, part)
        if value and value not in NO_PATHS:
            found[key] = value
    return found


def hash_for_container(path: str) -> str:
    """Returns the hash of a file of the image, or "" for one that this machine cannot know.

    Whatever lies on a volume or in a store may change without a new compilation, so a cached step must not
    depend on the content it had when the pipeline was compiled.
    """
    local = on_this_machine(path)
    return file_hash(local) if Path(local).is_relative_to(ROOT) else ""


def path_problems(
    config: Config,
    claims: Mapping[str, Sequence[str]],
    mounts: Mapping[str, Sequence[str]],
    has_volumes: bool,
) -> list[Problem]:
    """Returns what no container would find, or would lose when it ends.

    Args:
      config: complete, with the paths of this machine.
      claims: by step, the paths at which it mounts PersistentVolumeClaims.
      mounts: by step, the paths of all its volumes that hold something at the start.
      has_volumes: whether the target has volumes at all.
    """
    problems = []
    for key, path in named_paths(config).items():
        if key == "push.destination" and path.startswith(config.output.rstrip("/") + "/"):
            continue  # what lies in the output is named once
        if is_remote(path):
            problems += _address_problems(key, path)
            continue
        if Path(path).is_relative_to(ROOT):
            problems += _image_problems(key, path, has_volumes)
            continue
        paths = claims if key in WRITTEN else mounts
        without = [step for step in STEPS_OF_PATH[key] if not (has_volumes and _is_below(path, paths[step]))]
        if without:
            message = f"{path} does not exist in the container of {', '.join(without)}"
            problems.append(Problem(key, f"{message}. Use {_allowed(key, has_volumes)}"))
    return problems


def _address_problems(key: str, address: str) -> list[Problem]:
    if address.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        return []
    known = " or ".join(f"{scheme}://" for scheme in SCHEMES)
    message = (
        f"got {address}; the steps read and write {known}, s3:// with AWS_ENDPOINT_URL for any S3 server"
    )
    return [Problem(key, message)]


def _image_problems(key: str, path: str, has_volumes: bool) -> list[Problem]:
    if key in WRITTEN:
        message = f"{path} lies in the image, which is gone when the step ends"
        return [Problem(key, f"{message}. Use {_allowed(key, has_volumes)}")]
    inside = Path(path).relative_to(ROOT)
    if not any(inside.is_relative_to(held) for held in IMAGE_HOLDS):
        message = f"{path} is not in the image, which holds {', '.join(IMAGE_HOLDS)} of the repository"
        return [Problem(key, f"{message}. Use {_allowed(key, has_volumes)}")]
    if not os.path.exists(path) and not glob.glob(path):  # a source may be a pattern of files
        return [Problem(key, f"nothing at {path}, so the image has nothing there either")]
    return []


def _allowed(key: str, has_volumes: bool) -> str:
    places = ["an address such as s3://bucket/folder or gs://bucket/folder"]
    if has_volumes:
        kind = "a volume claim" if key in WRITTEN else "a volume"
        places.append(f"a path on {kind} of cluster.defaults.volumes")
    if key not in WRITTEN:
        places.append(f"something that the image holds (such as {ROOT}/data/weights here)")
    return ", or ".join(places)


def _is_below(path: str, folders: Sequence[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)
