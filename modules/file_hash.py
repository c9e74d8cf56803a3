"""The hash of one file's content, wherever the file lies."""

import hashlib
import os

from modules.storage import explained, location


def file_hash(path: str | os.PathLike) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of one file's content.

    Args:
      path: a local path or an address.

    Raises:
      FileNotFoundError: when there is no such file.
    """
    digest = hashlib.sha256()
    file = location(path)
    with explained(file), file.open("rb") as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:16]
