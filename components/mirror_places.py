"""The two places of a mirror: a mistake in its arguments is found before anything is touched."""

import os
from pathlib import Path

from modules.storage import is_remote, location


class Refused(ValueError):
    """A mirror that would write into what is not its own; only a person can say what was meant."""


def check_places(source: str, folder: str | os.PathLike) -> None:
    """Finds arguments that cannot be meant, whatever lies in the two places.

    Raises:
      Refused: when the folder is an address, is the source, or one of them lies in the other.
      FileNotFoundError, NotADirectoryError, PermissionError: when a local source cannot be listed.
    """
    if is_remote(folder):
        raise Refused(
            f"FOLDER: {folder} is an address; a mirror writes to a local folder. Write the address as SOURCE "
            "and the folder after it: `headstart mirror SOURCE FOLDER`"
        )
    if is_remote(source):
        return
    try:
        os.scandir(source).close()
    except FileNotFoundError:
        raise FileNotFoundError(f"SOURCE: there is no folder {source}. Correct the path") from None
    except NotADirectoryError:
        raise NotADirectoryError(f"SOURCE: {source} is a file. Give a folder, s3://... or gs://...") from None
    except PermissionError:
        raise PermissionError(f"SOURCE: {source} may not be read. Give this user the right to") from None
    if _is_below(source, folder) or _is_below(folder, source):
        raise Refused(
            f"SOURCE {source} and FOLDER {folder} are one folder, or one lies in the other. "
            "Give the copies a folder of their own"
        )


def source_name(source: str | os.PathLike) -> str:
    """Returns the same text for one source however it is written: with a link, a trailing slash, `./`."""
    if is_remote(source):
        return str(location(source)).rstrip("/")
    return os.path.realpath(source)


def _is_below(path: str | os.PathLike, folder: str | os.PathLike) -> bool:
    """True when a path is a folder or lies in it; by identity, as a folder may be mounted in two places."""
    if not os.path.exists(folder):
        return False
    real = Path(os.path.realpath(path))
    return any(os.path.samefile(parent, folder) for parent in (real, *real.parents) if parent.exists())
