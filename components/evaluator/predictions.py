"""What the models said about each image of the test split, as arrays and as a file."""

import dataclasses
import hashlib
import io

import numpy as np

from modules.storage import location

FILE_NAME = "predictions.npz"
_SLICE_PREFIX = "slice_"


@dataclasses.dataclass(frozen=True)
class Predictions:
    """One row an image, ordered by source path."""

    content_hash: np.ndarray  # str [n]
    source_path: np.ndarray  # str [n]
    label: np.ndarray  # str [n]
    classes: np.ndarray  # str [classes], the candidate's columns
    candidate: np.ndarray  # float32 [n, classes], probabilities
    baseline_classes: np.ndarray | None  # str [baseline classes], the baseline's own columns
    baseline: np.ndarray | None  # float32 [n, baseline classes], or None without a baseline
    slices: dict[str, np.ndarray]  # name of a scalar to str [n]: its value, or the range that it lies in

    @property
    def label_index(self) -> np.ndarray:
        """int [n]: the candidate's column of the true class, -1 for a class that it does not know."""
        return columns_of(self.label, self.classes)

    def fingerprint(self) -> str:
        """Returns 16 hexadecimal digits over content and class of all images: which test set this is."""
        digest = hashlib.sha256()
        for row in sorted(zip(self.content_hash.tolist(), self.label.tolist(), strict=True)):
            digest.update("\0".join(row).encode() + b"\1")
        return digest.hexdigest()[:16]


def columns_of(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """int [n]: where each label stands among the classes, -1 when it does not."""
    column = {name: index for index, name in enumerate(classes.tolist())}
    return np.array([column.get(label, -1) for label in labels.tolist()], dtype=int)


def from_rows(rows: list[dict]) -> Predictions:
    """Gathers rows as `rows.prediction_rows` makes them.

    Raises:
      ValueError: when there is no row.
    """
    if not rows:
        raise ValueError(
            "evaluation: the test split holds no image. Give data.splits.test a larger share, "
            "or put images into the source's test split."
        )
    rows = sorted(rows, key=lambda row: (row["source_path"], row["content_hash"]))
    has_baseline = "baseline" in rows[0]
    return Predictions(
        content_hash=np.array([row["content_hash"] for row in rows]),
        source_path=np.array([row["source_path"] for row in rows]),
        label=np.array([row["label"] for row in rows]),
        classes=np.array(rows[0]["candidate_classes"]),
        candidate=np.stack([row["candidate"] for row in rows]).astype(np.float32),
        baseline_classes=np.array(rows[0]["baseline_classes"]) if has_baseline else None,
        baseline=np.stack([row["baseline"] for row in rows]).astype(np.float32) if has_baseline else None,
        slices={name: np.array([row["slices"][name] for row in rows]) for name in rows[0]["slices"]},
    )


def write(predictions: Predictions, folder: str) -> None:
    """Writes FILE_NAME into the folder, which must exist."""
    arrays = {
        field.name: getattr(predictions, field.name)
        for field in dataclasses.fields(predictions)
        if field.name != "slices" and getattr(predictions, field.name) is not None
    }
    arrays |= {_SLICE_PREFIX + name: values for name, values in predictions.slices.items()}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    (location(folder) / FILE_NAME).write_bytes(content.getvalue())


def read(folder: str) -> Predictions:
    """Reads FILE_NAME from the folder."""
    content = io.BytesIO((location(folder) / FILE_NAME).read_bytes())
    with np.load(content, allow_pickle=False) as arrays:
        return Predictions(
            **{
                name: arrays[name]
                for name in ("content_hash", "source_path", "label", "classes", "candidate")
            },
            baseline_classes=arrays.get("baseline_classes"),
            baseline=arrays.get("baseline"),
            slices={
                name.removeprefix(_SLICE_PREFIX): arrays[name]
                for name in arrays.files
                if name.startswith(_SLICE_PREFIX)
            },
        )
