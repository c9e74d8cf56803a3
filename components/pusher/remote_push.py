"""A new numbered version in an object store, which can neither rename nor lock. Imports no TensorFlow.

What holds there:
- A version counts for Headstart only once its manifest is there. It is written last, so a killed push
  leaves files that nobody takes for a model. A model server that polls the store itself knows no
  manifests: saved_model.pb is written after the other files of the model, so that until then loading
  fails and is tried again. `headstart mirror` gives a server a local copy of complete versions only.
- A number belongs to the push that created its claim, .push/NUMBER.json. Amazon's S3, Google's store
  and MinIO create an object only where there is none, so two pushes never write to one folder. On a
  store without that the claim is read again before the manifest is written: the push that lost it
  takes another number. What that cannot rule out, a file written in between, is found by the hash in
  the manifest when the version is read.
- Pushes do not wait for each other: the version that was begun last serves.
- Files of a push that never ended are removed by a later push, a day after they were begun. The claim of a
  push that ended stays, so that no number comes back when its version is removed.
"""

import json
import logging
import secrets
from datetime import datetime, timedelta, timezone
from pathlib import Path

from components import serving_versions
from components.pusher import history
from components.pusher.records import Parcel, Pushed
from modules.storage import Location, explained, files_below, upload_files

CLAIMS = ".push"  # no number, so it is no version
LEFTOVER_AGE = timedelta(days=1)

# What stores answer when another process created the object first. Amazon's S3 says 409 while the
# other one is still being written.
_TAKEN_CODES = ("PreconditionFailed", "ConditionalRequestConflict", "409", "412")
_NOT_CONDITIONAL_CODES = ("NotImplemented", "501")

logger = logging.getLogger("headstart.push")


def push_to_store(parcel: Parcel, destination: Location) -> Pushed:
    """Makes a model the newest version at an address, unless it is what serves there already.

    Raises:
      StorageError: when the store cannot be reached or written to.
    """
    if (serving := history.serving(destination)) and parcel.identity.equals(
        history.present_identity(serving)
    ):
        return Pushed(serving.number, serving.path, new=False)
    remove_leftovers(destination)
    token = secrets.token_hex(16)
    while True:
        version = claim(destination, token)
        folder = destination / str(version)
        files = _model_files(parcel.model_dir)
        upload_files({name: file for name, file in files.items() if name != "saved_model.pb"}, folder)
        with explained(folder):
            for name, content in parcel.records.items():
                (folder / serving_versions.PUSH_RECORDS / name).write_bytes(content)
        upload_files({"saved_model.pb": files["saved_model.pb"]}, folder)
        if holder(destination, version) != token:
            logger.warning("Another push took version %d of %s; taking the next", version, destination)
            continue
        parcel.last_look()
        with explained(folder):
            (folder / serving_versions.MANIFEST).write_bytes(parcel.manifest(version))
        _finish_claim(destination, version)
        return Pushed(version, folder, new=True)


def claim(destination: Location, token: str) -> int:
    """Returns a number above all others that no other push will write to."""
    while True:
        version = max(numbers(destination), default=0) + 1
        if not create(_claim_file(destination, version), _claim(token)):
            if holder(destination, version) != token:
                continue
        elif files_below(destination / str(version)):
            # A push of an older release ended, and gave its claim back, after the numbers were read.
            _claim_file(destination, version).unlink()
            continue
        return version


def numbers(destination: Location) -> set[int]:
    """Returns the numbers of all versions, complete or not, and of all claims."""
    names = set()
    for file in files_below(destination):
        first, _, rest = file.partition("/")
        names.add(rest.removesuffix(".json") if first == CLAIMS else first)
    return {int(name) for name in names if serving_versions.is_number(name)}


def _finish_claim(destination: Location, version: int) -> None:
    """Marks a claim as that of a finished push: it stays, so that the number never comes back."""
    file = _claim_file(destination, version)
    with explained(file):
        file.write_bytes(json.dumps({"pushed_at": _now()}).encode())


def create(file: Location, content: bytes) -> bool:
    """Writes an object where there is none; returns False when there is one already.

    On a store that cannot be asked for that, it overwrites and returns True.
    """
    with explained(file):
        try:
            file.fs.pipe_file(file.path, content, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            code = getattr(error.__cause__, "response", {}).get("Error", {}).get("Code")
            if code in _TAKEN_CODES:
                return False
            if code not in _NOT_CONDITIONAL_CODES:
                raise
            file.write_bytes(content)
        return True


def holder(destination: Location, version: int) -> str | None:
    """Returns the token of the push that claimed a number; None when nobody did."""
    file = _claim_file(destination, version)
    try:
        with explained(file):
            return json.loads(file.read_bytes()).get("token")
    except FileNotFoundError:
        return None


def remove_leftovers(destination: Location) -> None:
    """Removes what pushes began more than a day ago and never finished, then their claims.

    A numbered folder without a manifest that no claim speaks of is somebody else's, and stays.
    """
    files = files_below(destination)
    oldest = datetime.now(timezone.utc) - LEFTOVER_AGE
    for name, file in files.items():
        first, _, rest = name.partition("/")
        number = rest.removesuffix(".json")
        if first != CLAIMS or not serving_versions.is_number(number):
            continue
        with explained(file):
            try:
                content = json.loads(file.read_bytes())
            except FileNotFoundError:
                continue  # another push removed it
            if "claimed_at" not in content:
                continue  # of a finished push
            claimed_at = datetime.fromisoformat(content["claimed_at"])
            if claimed_at > oldest:
                continue
            if f"{number}/{serving_versions.MANIFEST}" in files:
                _finish_claim(destination, int(number))
                continue
            logger.warning("Removing what a push of %s left in %s/%s", claimed_at, destination, number)
            for leftover in files_below(destination / number).values():
                leftover.unlink(missing_ok=True)
            file.unlink(missing_ok=True)


def remove_from_store(version_dir: Location) -> None:
    """Removes a version, its manifest first: nobody who looks for versions finds half of it.

    Its claim becomes one of a push that has not ended, so that a later push removes the rest when this is
    killed (see `remove_leftovers`); then it is a finished one again, and the number never comes back.
    """
    destination, version = version_dir.parent, int(version_dir.name)
    with explained(version_dir):
        _claim_file(destination, version).write_bytes(_claim(secrets.token_hex(16)))
    files = files_below(version_dir)
    first = [name for name in (serving_versions.MANIFEST, "saved_model.pb") if name in files]
    for name in [*first, *(name for name in files if name not in first)]:
        _remove(files[name])
    _finish_claim(destination, version)


def _remove(file: Location) -> None:
    with explained(file):
        file.unlink(missing_ok=True)


def _claim(token: str) -> bytes:
    return json.dumps({"token": token, "claimed_at": _now()}).encode()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()


def _claim_file(destination: Location, version: int) -> Location:
    return destination / CLAIMS / f"{version}.json"


def _model_files(saved_model_dir: Path) -> dict[str, Path]:
    """Returns a model's files by relative name, without what an earlier push added to it."""
    records = serving_versions.PUSH_RECORDS + "/"
    files = files_below(saved_model_dir)
    return {name: file for name, file in files.items() if not name.startswith(records)}
