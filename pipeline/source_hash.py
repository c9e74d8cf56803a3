"""A hash of our own source code, so that TFX's cache notices an edited file.

TFX keys its cache on inputs and properties; code imported by dotted path is neither. Each step
therefore carries the hash of the code it runs as a property.
"""

import functools
import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def source_hash(*folders: str) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 over all source files given or below given folders.

    Args:
      *folders: paths relative to the folder that holds the packages, such as "modules" or
        "components/report", or of a single file, such as "modules/features.py".

    Raises:
      FileNotFoundError: when a folder does not exist.
    """
    digest = hashlib.sha256()
    for folder in folders:
        path = ROOT / folder
        if not path.exists():
            raise FileNotFoundError(f"source_hash: no folder {path}")
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def code_hash() -> str:
    """Returns the hash of all code that decides what a run makes."""
    return source_hash("modules", "components", "pipeline")
