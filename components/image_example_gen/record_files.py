"""Lists a source of TFRecord files. Names say which files are asked; what they are, their first bytes say."""

import glob
import itertools
import os
import re
from collections.abc import Iterable
from typing import Optional

from components.image_example_gen.bucket_tree import BucketTree
from components.image_example_gen.file_tree import Entry, FileTree
from components.image_example_gen.formats import has_image_suffix, has_sidecar_suffix
from components.image_example_gen.listing import Listing, ListingBuilder, split_of_name
from components.image_example_gen.local_tree import LocalTree
from components.image_example_gen.locations import join
from components.image_example_gen.record_frames import begins_as_records
from modules.storage import StorageError, is_remote

RECORD_SUFFIXES = (".tfrecord", ".tfrecords", ".tfrec")
LOOKS = 20  # at files in a bucket, where each is a request; whatever else lies among them stops the ingest


def open_tree(source: str) -> FileTree:
    return BucketTree(source) if is_remote(source) else LocalTree(source)


def is_record_name(name: str) -> bool:
    """True for names such as a.tfrecord, data_tfrecord-00000-of-00001.gz and a.tfrecords-00000-of-00001."""
    name = name.lower().removesuffix(".gz")
    if "tfrec" not in name:
        return False
    is_other = has_image_suffix(name) or (has_sidecar_suffix(name) and not name.endswith(RECORD_SUFFIXES))
    return not is_other


def hold_records(tree: FileTree, files: Iterable[Entry]) -> bool:
    """True when one of the files of a folder is named as a TFRecord and is one."""
    named = (file for file in files if is_record_name(file.name))
    return any(is_record_file(join(tree.root, file.path), file) for file in itertools.islice(named, LOOKS))


def is_record_file(place: str, file: Entry) -> bool:
    """True when a file is a TFRecord with a record in it, whatever its name.

    Args:
      place: its path or address.
      file: what its tree says about it.
    """
    try:
        return not file.problem and begins_as_records(place, file.byte_size) is True
    except StorageError:
        raise
    except OSError:  # whoever lists it says so
        return False


def list_records(source: str, tree: FileTree) -> Listing:
    """Lists TFRecord files.

    Args:
      source: path or address of a folder or file, or a pattern.
      tree: of the source.

    Raises:
      FileNotFoundError: when no file matches.
      ValueError: when one of the files is not a TFRecord or cannot be read, or none holds a record.
    """
    builder, files = _found(source, tree)
    if not files:
        raise FileNotFoundError(
            f"data.source: no TFRecord file matches {source!r}. Give a file, a pattern such as "
            "records/*.tfrecord, or a folder of files with tfrecord in their names."
        )
    _check_content(builder, source, files)
    splits = [_split_in_path(file.path) for file in files]
    if not all(splits):
        splits = [None] * len(files)
    else:
        builder.findings.append(f"splits are taken from the names of the files: {sorted(set(splits))}")
    for file, split in zip(files, splits, strict=True):
        builder.add_file(file, None, split)
    return builder.build()


def _found(source: str, tree: FileTree) -> tuple[ListingBuilder, list[Entry]]:
    """Returns a builder for the folder of a source, and the files in it, by paths relative to the folder."""
    if tree.kind == "folder":
        return _found_in_folder(tree)
    folder, pattern = os.path.split(tree.root)
    if tree.kind == "file":
        return ListingBuilder(folder, "tfrecord"), [tree.file()._replace(path=pattern)]
    around = open_tree(folder)
    while glob.has_magic(folder) and around.kind is None:
        folder, name = os.path.split(folder)
        pattern = f"{name}/{pattern}"
        around = open_tree(folder)
    return ListingBuilder(folder, "tfrecord"), sorted(around.matching(pattern))


def _found_in_folder(tree: FileTree) -> tuple[ListingBuilder, list[Entry]]:
    walked = tree.walk("")
    builder = ListingBuilder(tree.root, "tfrecord", findings=walked.findings, ignored=walked.ignored)
    files, others = [], []
    for file in sorted(walked.files):
        # A folder that cannot be read may hold TFRecords: its path ends with a slash, and it has no name.
        (files if is_record_name(file.name) or not file.name else others).append(file)
    if files and others:
        builder.findings.append(
            f"1 file is not named as a TFRecord and not used: {others[0].path!r}"
            if len(others) == 1
            else f"{len(others):,} files are not named as TFRecords and not used, such as {others[0].path!r}"
        )
    return builder, files


def _check_content(builder: ListingBuilder, source: str, files: list[Entry]) -> None:
    """Looks at how the files begin; in a bucket, only at the first ones."""
    without_records = []
    looked_at = files[:LOOKS] if is_remote(source) else files
    for file in looked_at:
        if problem := _problem(builder.root, file, without_records):
            raise ValueError(
                f"data.source: {file.path} of {source!r} {problem}. A run needs all of them: make it "
                "again, move it elsewhere, or set data.source to a pattern that leaves it out."
            )
    if len(without_records) == len(files):
        raise ValueError(f"data.source: the TFRecord files of {source!r} hold no record. Add images.")
    if without_records:
        count = (
            "1 TFRecord file holds"
            if len(without_records) == 1
            else f"{len(without_records)} TFRecord files hold"
        )
        builder.findings.append(f"{count} no record: {without_records[:5]}")


def _problem(root: str, file: Entry, without_records: list[str]) -> Optional[str]:
    if file.problem:
        return file.problem
    try:
        begins = begins_as_records(join(root, file.path), file.byte_size)
    except StorageError:
        raise
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if begins is None:
        without_records.append(file.path)
    if begins is False:
        return "does not begin as a TFRecord does (a gzip-compressed one must end in .gz)"
    return None


def _split_in_path(path: str) -> str | None:
    """Returns the split that a path such as flowers-train.tfrecord-00000-of-00002 names, if just one."""
    found = {split_of_name(word) for word in re.split(r"[^a-z]+", path.lower())} - {None}
    return found.pop() if len(found) == 1 else None
