"""Which images a model was made and judged with: content hash, class and split of each.

    images.npz   beside the ingest report; and beside a version's statistics, where the Pusher copies it

Of images that were left out (broken, leaks, conflicts) it knows nothing: no model saw them. Imports no
TensorFlow.
"""

import dataclasses
import hashlib
import io
from collections.abc import Iterable

import numpy as np

from modules.storage import Location, explained, location

FILE_NAME = "images.npz"
_HASH_BYTES = 32  # of a SHA-256


@dataclasses.dataclass(frozen=True)
class DataRecord:
    """One row per image, sorted by content hash. Copies of one content have one row.

    Attributes:
      content_hash: str [n], SHA-256 of the image's bytes in the source, hexadecimal; no two are equal.
      label: str [n], class names.
      split: str [n], train, eval or test.
    """

    content_hash: np.ndarray
    label: np.ndarray
    split: np.ndarray

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, str]]) -> "DataRecord":
        """Returns the record of (content hash, class, split) rows in any order, equal ones once."""
        columns = np.array(sorted(set(rows)), dtype=object).reshape(-1, 3).T
        return cls(*(column.astype(str) for column in columns))

    @classmethod
    def read(cls, folder: "str | Location") -> "DataRecord":
        """Reads FILE_NAME of a folder.

        Raises:
          FileNotFoundError: when the folder has none.
          ValueError: when it is damaged.
        """
        file = location(folder) / FILE_NAME
        with explained(file):
            content = file.read_bytes()
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                hashes, names = arrays["content_hash"], {key: arrays[key] for key in ("labels", "splits")}
                rows = arrays["label"], arrays["split"]
                return cls(
                    np.array([row.tobytes().hex() for row in hashes], dtype=f"<U{2 * _HASH_BYTES}"),
                    *(values[index] for values, index in zip(names.values(), rows, strict=True)),
                )
        except Exception as error:  # numpy and zipfile raise many kinds, by what the damaged bytes mean
            raise ValueError(f"{file} is damaged ({type(error).__name__}: {error})") from error

    def write(self, folder: "str | Location") -> None:
        """Writes FILE_NAME into a folder that exists."""
        file = location(folder) / FILE_NAME
        with explained(file):
            file.write_bytes(self.as_bytes())

    def as_bytes(self) -> bytes:
        """Returns the content of FILE_NAME."""
        labels, label = np.unique(self.label, return_inverse=True)
        splits, split = np.unique(self.split, return_inverse=True)
        hashes = np.frombuffer(bytes.fromhex("".join(self.content_hash.tolist())), dtype=np.uint8)
        content = io.BytesIO()
        np.savez_compressed(
            content,
            content_hash=hashes.reshape(-1, _HASH_BYTES),
            label=label.astype(np.int32),
            labels=labels,
            split=split.astype(np.int8),
            splits=splits,
        )
        return content.getvalue()

    def fingerprint(self) -> str:
        """Returns a short text for all rows: which images, of which classes, in which splits.

        It begins with letters, so that nobody takes it for a number in a config.
        """
        digest = hashlib.sha256()
        for row in zip(self.content_hash.tolist(), self.label.tolist(), self.split.tolist(), strict=True):
            digest.update("\0".join(row).encode() + b"\1")
        return f"data-{digest.hexdigest()[:16]}"

    def hashes_of(self, *splits: str) -> np.ndarray:
        """Returns the content hashes of the images in the given splits, sorted."""
        return self.content_hash[np.isin(self.split, splits)]
