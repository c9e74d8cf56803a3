"""What every file of a source held when it was last read, so that nobody has to read it again.

    source_index.npz   beside the ingest report; and in the output folder, where `run` and `fresh` look

A file is recognised by its stat: size and time of the last change on a disk, size and checksum in a store.
Only a file whose stat is not known is read; then its content decides whether the source has changed.
Imports no TensorFlow.
"""

import dataclasses
import io
import itertools
import json
from typing import TYPE_CHECKING

from modules.storage import location, read_if_there, write_whole

if TYPE_CHECKING:
    from modules.storage import Location

FILE_NAME = "source_index.npz"
HASH_BYTES = 32  # of a SHA-256
NOTHING = bytes(HASH_BYTES)  # stands for the content of a file that cannot be read
UNKNOWN_STAT = ""


@dataclasses.dataclass(frozen=True)
class SourceIndex:
    """A source by its contents.

    Attributes:
      fingerprint: 64 hexadecimal digits over path, class, split and content of all files, see
        Listing.fingerprint.
      files: {path: (stat, SHA-256 of the content)} of all listed files. The stat is UNKNOWN_STAT for a file
        that must be read once more: it could not be read, or may have changed again since.
      seen_ns: when it was seen like that, in nanoseconds since the epoch.
      cache_keys: {fingerprint: the source_fingerprint under which TFX's cache has examples of it}, where the
        two differ: the first run of all starts before anything was read.
    """

    fingerprint: str
    files: dict[str, tuple[str, bytes]]
    seen_ns: int = dataclasses.field(default=0, compare=False)
    cache_keys: dict[str, str] = dataclasses.field(default_factory=dict)

    def cache_key(self, fingerprint: str) -> str:
        """Returns what ImageExampleGen is to be given as source_fingerprint for a source of this fingerprint.

        Where files changed between the start of a run and its ingest, the cache has other examples under
        the fingerprint of the start. That one is not used again.
        """
        if fingerprint in self.cache_keys:
            return self.cache_keys[fingerprint]
        taken = set(self.cache_keys.values())
        keys = itertools.chain([fingerprint], (f"{fingerprint}-{number}" for number in itertools.count(2)))
        return next(key for key in keys if key not in taken)

    def cached_as(self, key: str) -> "SourceIndex":
        """Returns the index as an ingest leaves it that was given this source_fingerprint; "" is none."""
        cache_keys = {self.fingerprint: key} if key not in ("", self.fingerprint) else {}
        return dataclasses.replace(self, cache_keys=cache_keys)

    @classmethod
    def read(cls, folder: "str | Location") -> "SourceIndex | None":
        """Returns the index in a folder; None when there is none, or it is damaged: it only spares reading.

        Raises:
          StorageError: when an address cannot be read.
        """
        import numpy as np

        content = read_if_there(location(folder) / FILE_NAME)
        if content is None:
            return None
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                about = json.loads(arrays["about"].tobytes())
                paths, stats = (_texts(arrays[name].tobytes()) for name in ("paths", "stats"))
                hashes = arrays["hashes"].tobytes()
            contents = (hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES))
            files = dict(zip(paths, zip(stats, contents, strict=True), strict=True))
            return cls(files=files, **about)
        except Exception:  # numpy and zipfile raise many kinds, by what the damaged bytes mean
            return None

    def write(self, folder: "str | Location") -> None:
        """Writes the index into a folder, as a whole; equal indices give equal bytes."""
        import numpy as np

        about = {name: getattr(self, name) for name in ("fingerprint", "seen_ns", "cache_keys")}
        arrays = {
            "about": json.dumps(about).encode(),
            "paths": "\0".join(self.files).encode(),
            "stats": "\0".join(stat for stat, _ in self.files.values()).encode(),
            "hashes": b"".join(content for _, content in self.files.values()),
        }
        content = io.BytesIO()
        np.savez_compressed(content, **{name: np.frombuffer(data, np.uint8) for name, data in arrays.items()})
        write_whole(location(folder) / FILE_NAME, content.getvalue())


NO_INDEX = SourceIndex("", {})


def _texts(joined: bytes) -> list[str]:
    """Returns the texts that were joined with NUL, which no path has in it."""
    return joined.decode().split("\0") if joined else []
