"""Keeps a local copy of the newest versions of a push destination, for a model server beside it.

TensorFlow Serving does not read object stores, and it takes whatever numbered folder it sees for a
version. So each version is copied under a hidden name and renamed when it is whole. What the mirror did
not make itself it never removes or overwrites. Imports no TensorFlow.
"""

import dataclasses
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from components import serving_versions
from components.mirror_places import Refused, check_places, source_name
from components.pusher.copies import Mark, file_names, file_times
from components.pusher.fetch import (
    INCOMING_PREFIX,
    LEAVING_PREFIX,
    LeftOut,
    NotAsPushed,
    fetch,
    one_version,
    read_version,
    remove,
    state,
)
from components.pusher.history import Version
from components.pusher.push import LOCK_FILE
from modules.storage import Location, check_access, is_remote

_LEFTOVER = re.compile(rf"({re.escape(INCOMING_PREFIX)}|{re.escape(LEAVING_PREFIX)})\d+")
_NAMED = 5  # of the files in the folder that are not the mirror's


@dataclasses.dataclass
class Look:
    """What one look did, as numbers of versions."""

    copied: list[int] = dataclasses.field(default_factory=list)
    removed: list[int] = dataclasses.field(default_factory=list)
    left_out: list[int] = dataclasses.field(default_factory=list)


class Mirror:
    """A folder with the newest versions of a push destination. Later looks know what earlier ones found.

    Args:
      source: push destination, a folder or an address.
      folder: local folder, made when absent; one mirror at a time may work on it.
      keep: how many versions the folder holds, 1 or more.
      say: is given a line for each version that is copied, adopted, removed or left out, and one for what
        in the folder is not the mirror's. A line that says the same as in the look before is not repeated.
    """

    def __init__(self, source: str, folder: str | Path, keep: int, say: Callable[[str], None]):
        self._places = source, folder  # a Path would make s3:/ of s3://
        self._source, self._folder, self._keep, self._say = source, Path(folder), keep, say
        self._said: dict[object, str] = {}
        self._times: dict[int, dict] = {}  # of the files of copies whose hashes were right
        self._damaged: dict[int, tuple[object, NotAsPushed]] = {}  # in the source, and in which state

    def look(self) -> Look:
        """Copies the newest versions that the folder lacks or holds damaged, then removes its older ones.

        Raises:
          Refused: when the folder is a push destination, or the source's own. Nothing was touched.
          OSError: when the source cannot be read, or the folder cannot be written. What it holds stays.
        """
        check_places(*self._places)
        versions = serving_versions.versions(self._source)
        if not versions:
            check_access(self._source)
        own = self._own_copies(versions)
        self._folder.mkdir(parents=True, exist_ok=True)
        for entry in self._folder.iterdir():
            if _LEFTOVER.fullmatch(entry.name) and _is_folder(entry):  # of a mirror that was killed
                shutil.rmtree(entry)
        look, kept = Look(), []
        for number in reversed(versions):
            if len(kept) == self._keep:
                break
            try:
                if self._bring(number, versions[number], own):
                    look.copied.append(number)
            except LeftOut as reason:
                look.left_out.append(number)
                self._say_once(number, f"Left out version {number}: {reason}")
            else:
                kept.append(number)
                self._said.pop(number, None)
        if kept:  # else nothing came, so what is there goes on serving
            for number in sorted(own.keys() - {*kept, *look.left_out}):
                if self._remove(number, own[number], versions):
                    look.removed.append(number)
        self._name_strangers({*own, *look.copied}, kept)
        return look

    def _own_copies(self, versions: dict[int, Location]) -> dict[int, Mark | None]:
        """Returns which versions in the folder are copies of the source's, and the marks of those with one.

        Raises:
          Refused: when models were pushed to the folder, or were copied to it from elsewhere.
        """
        advice = (
            "Nothing was changed. Are SOURCE and FOLDER swapped? If not, give the copies of "
            f"{self._source} a folder of their own"
        )
        if (self._folder / LOCK_FILE).exists():
            raise Refused(f"FOLDER {self._folder} is a push destination: models were pushed to it. {advice}")
        for number, path in {} if is_remote(self._source) else versions.items():
            mark = Mark.read(path)
            if mark and mark.source == source_name(self._folder):
                raise Refused(
                    f"SOURCE {self._source} is itself a mirror of FOLDER {self._folder}: its version "
                    f"{number} was copied from there. {advice}"
                )
        own: dict[int, Mark | None] = {}
        for copy in self._numbered():
            number, mark = _number(copy), Mark.read(copy)
            if mark and mark.source == source_name(self._source):
                own[number] = mark
                continue
            pushed = serving_versions.read_manifest(copy)
            if not pushed.get("content_hash"):
                continue
            original = self._manifest(number, versions)
            if [original.get(key) for key in ("version", "content_hash")] == [number, pushed["content_hash"]]:
                own[number] = None
            elif original or number not in versions:  # one that cannot be read may be the same
                origin = f"was copied from {mark.source}" if mark else f"was not copied from {self._source}"
                raise Refused(
                    f"FOLDER {self._folder} is a push destination, or another mirror's: its version {number} "
                    f"{origin}. {advice}"
                )
        return own

    def _numbered(self) -> list[Path]:
        """Returns what in the folder can be a copy, oldest first."""
        if not self._folder.is_dir():
            return []
        named = [entry for entry in self._folder.iterdir() if serving_versions.is_number(entry.name)]
        # 007 is a version for a server, but no name that a mirror gives.
        return sorted(
            (copy for copy in named if str(_number(copy)) == copy.name and _is_folder(copy)), key=_number
        )

    def _manifest(self, number: int, versions: dict[int, Location]) -> dict:
        if number not in versions:
            return {}
        try:
            with one_version(versions[number]):
                return serving_versions.read_manifest(versions[number])
        except LeftOut:
            return {}

    def _bring(self, number: int, path: Location, own: dict[int, Mark | None]) -> bool:
        """Sees to it that the folder holds a version, whole; returns whether it had to be copied."""
        target = self._folder / str(number)
        if number not in own and os.path.lexists(target):
            raise LeftOut(f"{target} is in the way, and this mirror did not make it. Move it away")
        version = read_version(number, path)
        if number not in own:
            self._fetch(version, target)
            self._say(f"Copied version {number} to {target}")
            return True
        mark = own[number]
        damage = self._damage(version, target, mark) if mark else self._adopt(version, target)
        if damage is None:
            return False
        if stranger := self._stranger(target, mark, path):
            raise LeftOut(f"{target} is not replaced, though {damage}: {stranger}. Move that away")
        self._fetch(version, target)
        self._say(f"Copied version {number} to {target} anew: {damage}")
        return True

    def _damage(self, version: Version, target: Path, mark: Mark) -> str | None:
        """Returns what is wrong with a copy, if anything; it is read only when its files' times changed."""
        times = file_times(target)
        if self._times.get(version.number) != times and (damage := mark.damage(target)):
            return damage
        if serving_versions.read_manifest(target) != version.manifest:
            return f"another model has that number in {self._source} now"
        self._times[version.number] = times
        return None

    def _adopt(self, version: Version, target: Path) -> str | None:
        """Gives a whole copy that lacks it the mark; returns what is wrong with one that is not whole."""
        if stranger := self._stranger(target, None, version.path):
            raise LeftOut(f"{target} is not taken over: {stranger}. Move that away")
        try:
            if serving_versions.content_hash(target) != version.content_hash:
                return "its files are not those that were pushed"
        except OSError as error:
            return error.strerror or str(error)
        Mark.of(target, source_name(self._source)).write(target)
        self._times[version.number] = file_times(target)
        self._say(f"Adopted version {version.number}: {target} is a copy of it")
        return None

    def _fetch(self, version: Version, target: Path) -> None:
        now = state(version.path)
        before, reason = self._damaged.get(version.number, (None, None))
        if reason and before == now:
            raise reason  # known without copying it again
        try:
            fetch(version, target, source_name(self._source))
        except NotAsPushed as error:
            self._damaged[version.number] = now, error
            raise
        self._times[version.number] = file_times(target)

    def _remove(self, number: int, mark: Mark | None, versions: dict[int, Location]) -> bool:
        copy = self._folder / str(number)
        if stranger := self._stranger(copy, mark, versions.get(number)):
            self._say_once(number, f"Left version {number} where it is: {stranger}")
            return False
        remove(copy)
        self._say(f"Removed version {number}")
        return True

    def _stranger(self, copy: Path, mark: Mark | None, path: "Location | None") -> str | None:
        """Returns a sentence about a file in a copy that is not in the source's version; None without any."""
        known = mark.files if mark else file_names(path)
        for name in file_names(copy):
            if name not in known:
                return f"{name} in it was not copied from {self._source}"
        return None

    def _name_strangers(self, own: set[int], kept: list[int]) -> None:
        copies = {str(number) for number in own}
        strange = sorted(entry.name for entry in self._folder.iterdir() if entry.name not in copies)
        if not strange:
            return
        more = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
        line = f"Left alone in {self._folder}, not made by this mirror: {', '.join(strange[:_NAMED])}{more}"
        higher = [
            name for name in strange if serving_versions.is_number(name) and int(name) > max(kept, default=-1)
        ]
        if higher:
            line += f". A model server takes {max(higher, key=int)}, the highest number"
        self._say_once(self._folder, line)

    def _say_once(self, about: object, line: str) -> None:
        if self._said.get(about) != line:
            self._said[about] = line
            self._say(line)


def _number(copy: Path) -> int:
    return int(copy.name)


def _is_folder(path: Path) -> bool:
    """True for a folder; a link to one may lead into the source itself."""
    return path.is_dir() and not path.is_symlink()
