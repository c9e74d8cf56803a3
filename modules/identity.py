"""What tells one trained model from another: its weights, the code around them, and what both were made from.

The files of two equal trainings differ: TensorFlow numbers functions and writes random identifiers. The
weights of equal trainings are equal bit for bit on one machine; on other kinds of machines they are not, so
what a model was made from is recorded as well. The Trainer writes both into the model's facts; what lies
beside them there is read by components.model_identity.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

DIGITS = 32  # of the hashes below: 128 bits

# Settings of a training that say how it is run, not what comes out of it.
_WITHOUT_EFFECT = ("store",)


def weights_hash(variables: "Iterable[keras.Variable]", labels: Iterable[str], preprocessing: Mapping) -> str:
    """Returns the hash of a classifier: names and values of its weights, its classes, its preprocessing.

    A variable goes by its place and its own name, such as "kernel": the names of layers count up with every
    network that a process builds.

    Args:
      variables: of the classifier, in its order.
      labels: class names in the order of the logits.
      preprocessing: what becomes of an image before the network, plain enough for JSON.
    """
    digest = hashlib.sha256(_json([list(labels), preprocessing]))
    for variable in variables:
        value = variable.numpy()
        digest.update(_json([variable.name, value.dtype.name, list(value.shape)]))
        digest.update(value.tobytes())
    return digest.hexdigest()[:DIGITS]


def code_of(source_hash: str, versions: Mapping[str, str]) -> str:
    """Returns the hash of code of ours together with the packages that it runs on."""
    return _hash([source_hash, dict(versions)])


def made_of(model: Mapping, training: Mapping, file_hashes: Mapping[str, str], code: str) -> dict:
    """Returns what a training was given beside its data: {"config", "files", "code"}.

    Args:
      model, training: the sections of the config as plain data.
      file_hashes: hash of each file that `model` names, by its key, such as "weights". The content of a file
        counts, where it lies does not.
      code: see code_of.
    """
    settings = {key: None if key in file_hashes else value for key, value in model.items()}
    counted = {key: value for key, value in training.items() if key not in _WITHOUT_EFFECT}
    return {"config": _hash([settings, counted]), "files": dict(file_hashes), "code": code}


def _hash(data) -> str:
    return hashlib.sha256(_json(data)).hexdigest()[:DIGITS]


def _json(data) -> bytes:
    return json.dumps(data, sort_keys=True).encode()
