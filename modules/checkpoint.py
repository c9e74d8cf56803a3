"""What an interrupted training continues from: one file a stage, replaced after every epoch."""

import contextlib
import json
import os
from dataclasses import dataclass, field
from typing import Optional

import numpy as np


@dataclass
class StageState:
    """A stage after its last finished epoch: everything that the next epoch depends on."""

    finished: bool = False
    stopped_early: bool = False
    stored_activations: bool = False
    best_epoch: Optional[int] = None  # counted from 1; None when every epoch replaces the one before
    epochs: list[dict] = field(default_factory=list)  # rows of the history, one a finished epoch
    variables: list[np.ndarray] = field(default_factory=list)  # of the stage's model, random seeds included
    optimizer: list[np.ndarray] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)  # the model's variables at the best epoch
    plateaus: dict[str, dict] = field(default_factory=dict)  # see modules.plateau.Plateau


ARRAYS = ("variables", "optimizer", "best")


def save_stage(path: str, state: StageState) -> None:
    """Writes a state so that the file is the old one or the new one at any moment, even if killed."""
    content = {f"{name}_{i}": array for name in ARRAYS for i, array in enumerate(getattr(state, name))}
    plain = {name: value for name, value in vars(state).items() if name not in ARRAYS}
    plain["lengths"] = {name: len(getattr(state, name)) for name in ARRAYS}
    with atomic_file(path) as file:
        np.savez(file, plain=np.array(json.dumps(plain)), **content)


def load_stage(path: str) -> Optional[StageState]:
    """Returns the state that `save_stage` wrote last, or None when there is none."""
    if not os.path.exists(path):
        return None
    with np.load(path, allow_pickle=False) as content:
        plain = json.loads(str(content["plain"]))
        lengths = plain.pop("lengths")
        arrays = {name: [content[f"{name}_{i}"] for i in range(lengths[name])] for name in ARRAYS}
    return StageState(**plain, **arrays)


@contextlib.contextmanager
def atomic_file(path: str):
    """Opens a file beside the path for writing; at the end it goes to the disk and is renamed into place."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
