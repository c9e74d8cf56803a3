"""Local paths and addresses in object stores (s3://, gs://), read and written the same way.

Whoever opens a path that a person or another step gave goes through `location`: it returns a
pathlib.Path for a local path and a UPath with the same methods for an address. Credentials and
endpoint come from the environment alone, see docs/storage.md. Imports nothing heavy by itself.
"""

import atexit
import contextlib
import logging
import os
import shutil
import tempfile
import typing
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

if typing.TYPE_CHECKING:
    from upath import UPath

Location: typing.TypeAlias = "Path | UPath"

CREDENTIALS = {
    "s3": (
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for a store that is not Amazon's "
        "also AWS_ENDPOINT_URL"
    ),
    "gs": (
        "Set GOOGLE_APPLICATION_CREDENTIALS to a key file, or run `gcloud auth application-default login`; "
        "on Google Cloud give the service account access to the bucket"
    ),
}
ENDPOINTS = {
    "s3": "Set AWS_ENDPOINT_URL to your store's address, such as http://minio:9000; unset it for Amazon's",
    "gs": "Check the network; STORAGE_EMULATOR_HOST, when it is set, must name a server that answers",
}
SCHEMES = tuple(CREDENTIALS)

# botocore itself would wait a minute for a connection, and s3fs tries the whole five times.
_S3_NETWORK = {
    "connect_timeout": 5,
    "read_timeout": 60,
    "retries": {"max_attempts": 3, "mode": "standard"},
}
# Newer gcsfs asks Google's control plane, over gRPC, what kind of bucket it has before most calls. What is
# done here needs no answer; proxies and emulators that know HTTP alone give none, and it tries for minutes.
# gcsfs reads this when it is imported.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
_STORE_LIBRARIES = ("botocore", "aiobotocore", "aiohttp", "google", "gcsfs", "requests", "urllib3")


_temporary_folders: list[str] = []


class StorageError(OSError, ValueError):
    """An address that cannot be used: unknown scheme, no such bucket, no credentials, no answer."""


def is_remote(path: str | os.PathLike) -> bool:
    """True for an address such as s3://bucket/models, whether its scheme is known or not."""
    return "://" in str(path)


def location(path: "str | os.PathLike | UPath") -> Location:
    """Returns what reads and writes a path or an address, with the methods of pathlib.Path.

    Listings are never remembered: what another process wrote is seen.

    Raises:
      StorageError: for an address whose scheme is none of SCHEMES, or that names no bucket.
    """
    text = str(path)
    if not is_remote(text):
        return Path(path)
    scheme, _, rest = text.partition("://")
    if scheme not in SCHEMES:
        known = " or ".join(f"{known}://" for known in SCHEMES)
        raise StorageError(f"{text}: unknown kind of address {scheme}://. Use {known}, or a local path.")
    if not rest.strip("/"):
        raise StorageError(f"{text}: no bucket in the address. Write {scheme}://BUCKET/FOLDER.")
    from upath import UPath

    return UPath(text, **_options(scheme))


def _options(scheme: str) -> dict:
    options = {"use_listings_cache": False}
    if scheme == "s3":
        options["config_kwargs"] = _S3_NETWORK
        return options
    # It logs every error with its traceback before raising it.
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    if "STORAGE_EMULATOR_HOST" in os.environ:
        options["token"] = "anon"
    else:
        # gcsfs on its own ends up anonymous when it finds no credentials, and then says "not found".
        options["token"] = "google_default"
    return options


@contextlib.contextmanager
def explained(path: "str | os.PathLike | UPath") -> Iterator[None]:
    """Turns what the libraries of an object store raise into one StorageError that says what to do.

    A FileNotFoundError for a missing object passes, as it does for a local file.

    Args:
      path: what is being read or written; nothing is translated for a local path.
    """
    try:
        yield
    except Exception as error:
        if not is_remote(path) or isinstance(error, StorageError):
            raise
        message = _explanation(str(path), error)
        if message is None:
            raise
        raise StorageError(message) from error


def _explanation(address: str, error: Exception) -> str | None:
    scheme = address.partition("://")[0]
    said = " ".join(str(error).split())
    name = type(error).__name__
    if isinstance(error, FileNotFoundError):
        if "bucket does not exist" in said or type(error.__cause__).__name__ == "NoSuchBucket":
            return _no_bucket(address)
        return None
    if isinstance(error, PermissionError) or said.startswith("Forbidden"):
        return f"{address}: access denied ({said}). {CREDENTIALS[scheme]}."
    if "Credentials" in name or name in ("RefreshError", "ProfileNotFound"):
        return f"{address}: no usable credentials ({said}). {CREDENTIALS[scheme]}."
    if any(word in name for word in ("Connect", "Timeout", "TransportError")) or said.startswith(
        "Invalid endpoint"
    ):
        return f"{address}: the store does not answer ({said}). {ENDPOINTS[scheme]}."
    if type(error).__module__.partition(".")[0] in _STORE_LIBRARIES:
        return f"{address}: {name}: {said}. {CREDENTIALS[scheme]}."
    return None


def _no_bucket(address: str) -> str:
    bucket = address.partition("://")[2].partition("/")[0]
    return f"{address}: there is no bucket {bucket!r}. Create it, or correct the address."


def check_access(address: "str | os.PathLike | UPath") -> None:
    """Asks the store for one name below an address; does nothing for a local path.

    Nothing need lie there yet. The right to list is needed, not the right to see the bucket itself.

    Raises:
      StorageError: when scheme, bucket, credentials or endpoint are wrong.
    """
    path = location(address)
    if not is_remote(path):
        return
    bucket, _, prefix = path.path.partition("/")
    # fsspec's own calls answer a missing bucket with "no such folder".
    with explained(address):
        try:
            if path.protocol == "s3":
                path.fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=1)
            else:
                path.fs.call("GET", "b/{}/o", bucket, prefix=prefix, maxResults=1, json_out=True)
        except FileNotFoundError as error:
            raise StorageError(_no_bucket(str(address))) from error


def files_below(folder: "str | os.PathLike | UPath") -> dict[str, Location]:
    """Returns the files below a folder by their relative names, such as "variables/variables.index".

    They come in the order of pathlib, folder by folder. An address costs one listing. A folder that does
    not exist has no files.
    """
    root = location(folder)
    if not is_remote(root):
        files = sorted(file for file in root.rglob("*") if file.is_file())
        return {file.relative_to(root).as_posix(): file for file in files}
    prefix = root.path.rstrip("/") + "/"
    with explained(root):
        found = sorted(root.fs.find(prefix), key=lambda name: name.split("/"))
    # Object stores' consoles make "folders": empty objects whose names end with a slash.
    names = [name[len(prefix) :] for name in found if name.startswith(prefix) and not name.endswith("/")]
    return {name: root / name for name in names if name}


class FileFacts(typing.NamedTuple):
    """What a listing tells of a file."""

    byte_size: int
    changed: datetime


def facts_below(folder: "str | os.PathLike | UPath") -> dict[str, FileFacts]:
    """Returns size and last change (UTC) of the files below a folder by their relative names.

    Links are not followed. An address costs one listing.
    """
    root = location(folder)
    found = {}
    if is_remote(root):
        prefix = root.path.rstrip("/") + "/"
        with explained(root):
            listed = root.fs.find(prefix, detail=True)
        for name, info in listed.items():
            if name.startswith(prefix) and not name.endswith("/"):
                changed = info.get("LastModified") or info["mtime"]  # S3's name, Google's
                found[name[len(prefix) :]] = FileFacts(info["size"], changed)
        return found
    for place, folders, names in os.walk(root):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in [*links, *names]:
            path = os.path.join(place, name)
            with contextlib.suppress(FileNotFoundError):  # of somebody who is at work there
                stat = os.lstat(path)
                changed = datetime.fromtimestamp(stat.st_mtime, timezone.utc)
                found[os.path.relpath(path, root)] = FileFacts(stat.st_size, changed)
    return found


def local_copy(address: str | os.PathLike, folder: str | os.PathLike | None = None) -> str:
    """Returns a local path with the content of an address; a local path is returned as it is.

    Args:
      address: of a file, or of a folder.
      folder: where the copy is made: a file gets its own name in it, a folder's content lies in it
        directly. None is a temporary folder that goes when the process ends.

    Raises:
      FileNotFoundError: when there is nothing at the address.
      StorageError: see `location` and `explained`.
    """
    source = location(address)
    if not is_remote(source):
        return str(source)
    with explained(source):
        is_file = source.is_file()
    target = Path(folder) if folder is not None else temporary_folder()
    files = {source.name: source} if is_file else files_below(source)
    if not files:
        raise FileNotFoundError(f"{source}: there is nothing at this address")
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
    with explained(source):
        source.fs.get([file.path for file in files.values()], [str(target / name) for name in files])
    return str(target / source.name if is_file else target)


def upload_tree(local: str | os.PathLike, address: "str | os.PathLike | UPath") -> None:
    """Copies the files below a local folder to an address, or to another local folder.

    Files that lie there already and have no counterpart stay.

    Raises:
      StorageError: see `location` and `explained`.
    """
    target = location(address)
    if not is_remote(target):
        shutil.copytree(local, target, dirs_exist_ok=True)
        return
    upload_files(files_below(local), target)


def make_folder(folder: "str | os.PathLike | UPath") -> None:
    """Makes a folder and those above it; does nothing for an address, as object stores have no folders."""
    if not is_remote(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)


def copy_tree(source: "str | os.PathLike | UPath", target: "str | os.PathLike | UPath") -> None:
    """Copies the files below a folder to another place, either of which may be an address."""
    if is_remote(source) and not is_remote(target):
        local_copy(source, target)
    else:
        upload_tree(local_copy(source), target)


def upload_files(files: dict[str, Path], address: "str | os.PathLike | UPath") -> None:
    """Writes local files below an address, each under the relative name it stands for."""
    target = location(address)
    if files:
        with explained(target):
            target.fs.put([str(file) for file in files.values()], [(target / name).path for name in files])


def read_if_there(file: "Location") -> bytes | None:
    """Returns what a file holds; None when there is none.

    Raises:
      StorageError: when an address cannot be read.
      OSError: when a local file cannot be.
    """
    try:
        with explained(file):
            return file.read_bytes()
    except FileNotFoundError:
        return None


def write_whole(path: "str | os.PathLike | UPath", content: bytes) -> None:
    """Writes a file so that whoever reads it finds all of it, or what was there before."""
    path = location(path)
    if is_remote(path):  # an object store shows an object when all of it is there
        with explained(path):
            path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = path.with_name(f".{path.name}-{os.getpid()}")
    incoming.write_bytes(content)
    incoming.replace(path)


def temporary_folder() -> Path:
    """Returns a new folder that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="headstart-")
    _temporary_folders.append(folder)
    return Path(folder)


@atexit.register
def remove_temporary_folders() -> None:
    """Removes what `temporary_folder` made, when the process is about to end."""
    for folder in _temporary_folders:
        shutil.rmtree(folder, ignore_errors=True)
