"""Finds the images of a data source: its format, its files, its fingerprint.

The command line calls this; it imports no TensorFlow and opens no image. Where the files are, on a disk
or in an object store, is the concern of the trees alone; the bytes are read in locations.py.
"""

import glob
import os
import re

from components.image_example_gen.bucket_tree import BucketTree
from components.image_example_gen.file_tree import Entry, FileTree
from components.image_example_gen.folders import list_class_folders, list_split_folders
from components.image_example_gen.formats import has_image_suffix
from components.image_example_gen.listing import Listing, ListingBuilder, split_of_name
from components.image_example_gen.local_tree import LocalTree
from components.image_example_gen.manifest import list_manifest
from modules.storage import is_remote

FORMATS = ("class_folders", "split_folders", "manifest", "tfrecord")


def detect_format(source: str) -> str:
    """Returns class_folders, split_folders, manifest or tfrecord, from names alone.

    A folder is split_folders when all its folders are named after splits (train, val, test, ...).

    Raises:
      FileNotFoundError: when there is nothing at `source`.
      ValueError: when what is there has none of the layouts, or a mixture of them.
    """
    return _detect_format(source, _open_tree(source))


def _open_tree(source: str) -> FileTree:
    return BucketTree(source) if is_remote(source) else LocalTree(source)


def _detect_format(source: str, tree: FileTree) -> str:
    if tree.kind is None:
        if glob.has_magic(source):
            return "tfrecord"
        raise FileNotFoundError(
            f"data.source: there is nothing at {source!r}. Give a folder of class folders, a folder of "
            "split folders, a CSV manifest, or a pattern of TFRecord files."
        )
    if tree.kind == "file":
        if source.lower().endswith(".csv"):
            return "manifest"
        if _is_record_name(os.path.basename(source)):
            return "tfrecord"
        raise ValueError(
            f"data.source: {source!r} is a file, but neither a .csv manifest nor named as a TFRecord. "
            "Give a folder of class folders, or set data.format to manifest or tfrecord."
        )
    return _detect_folder_format(source, tree)


def _detect_folder_format(source: str, tree: FileTree) -> str:
    folders, files, _ = tree.content("")
    if not folders:
        names = [entry.name for entry in files]
        if any(_is_record_name(name) for name in names):
            return "tfrecord"
        manifests = [name for name in names if name.lower().endswith(".csv")]
        hint = f" To use {manifests[0]} as a manifest, set data.source to that file." if manifests else ""
        raise ValueError(
            f"data.source: {source!r} holds no folder. Put the images into one folder a class, named "
            f"after the class.{hint}"
        )
    if any(_is_record_name(name) for folder in folders for name in tree.names(folder.path)):
        return "tfrecord"
    split_folders = [entry for entry in folders if split_of_name(entry.name)]
    if len(split_folders) == len(folders):
        return "split_folders"
    # A class may well be called "train"; it is a split only if classes lie inside.
    nested = [entry.name for entry in split_folders if tree.content(entry.path).folders]
    if nested:
        others = sorted(entry.name for entry in folders if entry not in split_folders)
        raise ValueError(
            f"data.source: {source!r} mixes split folders {sorted(nested)} with other folders "
            f"{others[:5]}. Move one kind elsewhere, or set data.format to class_folders or split_folders."
        )
    return "class_folders"


def list_images(source: str, format: str = "auto") -> Listing:
    """Lists a source.

    Args:
      source: path or address of a folder or file, or a pattern of TFRecord files.
      format: auto, or one of FORMATS.

    Raises:
      FileNotFoundError: when the source does not exist or none of its files does.
      ValueError: when the layout does not fit the format, there is no image, or only one class.
      StorageError: when an object store cannot be asked.
    """
    tree = _open_tree(source)
    if format == "auto":
        format = _detect_format(source, tree)
    if format not in FORMATS:
        raise ValueError(f"data.format: {format!r} is unknown. Use auto or one of {list(FORMATS)}.")
    if format == "tfrecord":
        return _list_tfrecords(source, tree)
    if tree.kind is None:
        raise FileNotFoundError(f"data.source: there is nothing at {source!r}, read as {format}.")
    if (tree.kind == "folder") != format.endswith("_folders"):
        raise ValueError(f"data.source: {source!r} is a {tree.kind}, which cannot be {format}.")

    if format == "manifest":
        listing = list_manifest(source)
    elif format == "split_folders":
        listing = list_split_folders(tree)
    else:
        listing = list_class_folders(tree)
    _check_classes(listing, source)
    return listing


def _check_classes(listing: Listing, source: str) -> None:
    classes = list(listing.class_counts)
    if len(classes) >= 2:
        return
    set_aside = "".join(f"\n  {path}: {reason}" for path, reason in listing.set_aside[:5])
    if not classes:
        raise ValueError(
            f"data.source: no image found in {source!r}, read as {listing.format}. Put the images into "
            f"one folder a class, named after the class.{set_aside}"
        )
    raise ValueError(
        f"data.source: {source!r}, read as {listing.format}, has only one class, {classes[0]!r}. A "
        f"classifier needs at least two; add a folder with images of another class.{set_aside}"
    )


def _list_tfrecords(source: str, tree: FileTree) -> Listing:
    root, files = _record_files(source, tree)
    files = sorted(file for file in files if not file.problem)
    if not files:
        raise FileNotFoundError(
            f"data.source: no TFRecord file matches {source!r}. Give a file, a pattern such as "
            "records/*.tfrecord, or a folder of files with tfrecord in their names."
        )
    builder = ListingBuilder(root, "tfrecord")
    splits = [_split_in_path(file.path) for file in files]
    if not all(splits):
        splits = [None] * len(files)
    else:
        builder.findings.append(f"splits are taken from the names of the files: {sorted(set(splits))}")
    for file, split in zip(files, splits, strict=True):
        builder.add_file(file, None, split)
    return builder.build()


def _record_files(source: str, tree: FileTree) -> tuple[str, list[Entry]]:
    """Returns the folder of a source and the files in it; their paths are relative to the folder."""
    if tree.kind == "folder":
        return tree.root, [file for file in tree.walk("").files if _is_record_name(file.name)]
    folder, pattern = os.path.split(tree.root)
    if tree.kind == "file":
        return folder, [tree.file()._replace(path=pattern)]
    around = _open_tree(folder)
    while glob.has_magic(folder) and around.kind is None:
        folder, name = os.path.split(folder)
        pattern = f"{name}/{pattern}"
        around = _open_tree(folder)
    return folder, around.matching(pattern)


def _is_record_name(name: str) -> bool:
    """True for names such as a.tfrecord, data_tfrecord-00000-of-00001.gz and a.tfrecords-00000-of-00001."""
    return "tfrecord" in name.lower() and not has_image_suffix(name)


def _split_in_path(path: str) -> str | None:
    """Returns the split that a path such as flowers-train.tfrecord-00000-of-00002 names, if just one."""
    found = {split_of_name(word) for word in re.split(r"[^a-z]+", path.lower())} - {None}
    return found.pop() if len(found) == 1 else None
