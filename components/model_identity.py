"""Whether two models are one and the same, and whether one brings another back. Imports no TensorFlow."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

from components import serving_versions
from modules.storage import Location


@dataclasses.dataclass(frozen=True)
class Identity:
    """What identifies a model; None for what a model of before does not tell.

    Attributes:
      content_hash: of its files, see `serving_versions.content_hash`. Equal trainings differ in it.
      weights: of weights, classes and preprocessing, see `modules.identity.weights_hash`.
      graph_code: of the code and packages that made the graph around the weights.
      made_of: {"data", "config", "files", "code"}: the fingerprint of the images, the settings of model and
        training, the files that they name, and the code and packages that trained.
    """

    content_hash: str | None = None
    weights: str | None = None
    graph_code: str | None = None
    made_of: Mapping | None = None

    @classmethod
    def of_model(cls, model_dir: "str | Location", data: str | None) -> "Identity":
        """Returns the identity of an exported model, trained on data of this fingerprint."""
        facts = serving_versions.read_facts(model_dir)
        made_of = {"data": data, **facts["made_of"]} if data and "made_of" in facts else None
        return cls(
            serving_versions.content_hash(model_dir),
            facts.get("weights_hash"),
            facts.get("graph_code"),
            made_of,
        )

    @classmethod
    def of_manifest(cls, manifest: Mapping) -> "Identity":
        """Returns the identity of a pushed model by its manifest, or by the record of its withdrawal."""
        return cls(
            *(manifest.get(key) for key in ("content_hash", "weights_hash", "graph_code")),
            manifest.get("made_of"),
        )

    def as_dict(self) -> dict:
        """Returns what `of_manifest` reads."""
        return {
            "content_hash": self.content_hash,
            "weights_hash": self.weights,
            "graph_code": self.graph_code,
            "made_of": self.made_of and dict(self.made_of),
        }

    def equals(self, other: "Identity") -> bool:
        """True for one and the same model: equal weights in a graph of the same code."""
        if self.weights is None or other.weights is None:
            return self.content_hash is not None and self.content_hash == other.content_hash
        return (self.weights, self.graph_code) == (other.weights, other.graph_code)

    def brings_back(self, other: "Identity") -> Literal["same", "newer code"] | None:
        """Returns whether this is another model again, as it was or by other code; None for neither.

        Weights are bit-equal only on machines of one kind, so what was made of the same data, settings and
        files counts as the same model, too.
        """
        if self.equals(other):
            return "same"
        if self.weights is not None and self.weights == other.weights:
            return "newer code"
        if not (self.made_of and other.made_of) or _inputs(self.made_of) != _inputs(other.made_of):
            return None
        return "same" if self.made_of["code"] == other.made_of["code"] else "newer code"


def _inputs(made_of: Mapping) -> tuple:
    return tuple(made_of[key] for key in ("data", "config", "files"))
