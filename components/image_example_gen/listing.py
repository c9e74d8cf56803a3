"""What a source holds before any image is opened: files with label and split, and what was odd.

Imports no TensorFlow: the command line lists sources within a second.
"""

import collections
import dataclasses
import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Optional

from components.image_example_gen.file_tree import Entry
from components.image_example_gen.formats import has_image_suffix
from components.image_example_gen.image_walk import sidecars_text
from modules.features import EVAL_SPLIT, TEST_SPLIT, TRAIN_SPLIT

SPLIT_OF_NAME = {
    "train": TRAIN_SPLIT,
    "training": TRAIN_SPLIT,
    "eval": EVAL_SPLIT,
    "val": EVAL_SPLIT,
    "valid": EVAL_SPLIT,
    "validation": EVAL_SPLIT,
    "test": TEST_SPLIT,
    "testing": TEST_SPLIT,
}


class SourceFile(NamedTuple):
    """One file of a source: an image, or a TFRecord file with many."""

    path: str  # relative to Listing.root, with "/"; absolute or an address only where a manifest says so
    label: Optional[str]  # class name; None for a TFRecord file, whose records carry it
    split: Optional[str]  # train, eval or test when the source assigns one
    byte_size: int
    version: str  # see file_tree.Entry


class SetAside(NamedTuple):
    """A file that is not used, and why; counts towards data.max_rejected_share."""

    path: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Listing:
    """A source as it was found.

    Attributes:
      root: absolute folder, or address, that the paths are relative to.
      format: class_folders, split_folders, manifest or tfrecord.
      files: sorted by path.
      set_aside: files already known to be useless, such as dangling links.
      findings: sentences for the user about odd things that do not stop a run.
      sidecars: number of files that are not images by their names, such as annotations; see formats.py.
      ignored: number of hidden files and leftovers of operating systems.
    """

    root: str
    format: str
    files: tuple[SourceFile, ...]
    set_aside: tuple[SetAside, ...] = ()
    findings: tuple[str, ...] = ()
    sidecars: int = 0
    ignored: int = 0

    def is_meant_to_be_image(self, path: str) -> bool:
        """True unless a listed file may be none: in folders, one whose name does not promise an image."""
        return not self.format.endswith("_folders") or has_image_suffix(path)

    @property
    def class_counts(self) -> dict[str, int]:
        """Files a class, by class name in alphabetical order; empty for TFRecords."""
        counts = collections.Counter(file.label for file in self.files if file.label is not None)
        return dict(sorted(counts.items()))

    @property
    def split_counts(self) -> dict[Optional[str], int]:
        """Files a split as the source assigns them; None counts those that are drawn later."""
        return dict(collections.Counter(file.split for file in self.files))

    def fingerprint(self, contents: Optional[Mapping[str, bytes]] = None) -> str:
        """Returns 64 hexadecimal digits that change when a file is added, removed or changed.

        Args:
          contents: hash of each file's content, by path. Without it a change is seen by size and time on a
            disk, by size and checksum in an object store, and no file has to be read.
        """
        digest = hashlib.sha256(self.format.encode())
        for file in self.files:
            version = file.version if contents is None else contents[file.path].hex()
            digest.update(repr((*file[:-1], version)).encode())
        for rejected in self.set_aside:
            digest.update(repr(tuple(rejected)).encode())
        return digest.hexdigest()


@dataclasses.dataclass
class ListingBuilder:
    """Collects a Listing."""

    root: str
    format: str
    files: list[SourceFile] = dataclasses.field(default_factory=list)
    set_aside: list[SetAside] = dataclasses.field(default_factory=list)
    findings: list[str] = dataclasses.field(default_factory=list)
    sidecars: list[str] = dataclasses.field(default_factory=list)
    ignored: int = 0

    def add_file(self, file: Entry, label: Optional[str], split: Optional[str]) -> None:
        """Adds a file, or sets it aside when it has a problem or its name cannot be written as UTF-8."""
        problem = file.problem
        try:
            file.path.encode()
        except UnicodeEncodeError:
            problem = problem or "the name is not valid UTF-8; rename it"
        if problem:
            self.reject(file.path, problem)
        else:
            self.files.append(SourceFile(file.path, label, split, file.byte_size, file.version))

    def reject(self, path: str, reason: str) -> None:
        printable = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        self.set_aside.append(SetAside(printable, reason))

    def build(self) -> Listing:
        self._find_classes_that_differ_in_case()
        if self.sidecars:
            self.findings.append(sidecars_text(self.sidecars))
        return Listing(
            root=self.root,
            format=self.format,
            # A manifest may list a file twice, with and without a split.
            files=tuple(sorted(self.files, key=lambda file: (file.path, file.label or "", file.split or ""))),
            set_aside=tuple(sorted(self.set_aside)),
            findings=tuple(self.findings),
            sidecars=len(self.sidecars),
            ignored=self.ignored,
        )

    def _find_classes_that_differ_in_case(self) -> None:
        spellings = collections.defaultdict(set)
        for file in self.files:
            if file.label is not None:
                spellings[file.label.casefold()].add(file.label)
        for labels in spellings.values():
            if len(labels) > 1:
                self.findings.append(
                    f"classes {sorted(labels)} differ only in upper and lower case; they stay separate"
                )


def split_of_name(name: str) -> Optional[str]:
    """Returns train, eval or test for a name such as Training or val, and None for any other."""
    return SPLIT_OF_NAME.get(name.strip().lower())
