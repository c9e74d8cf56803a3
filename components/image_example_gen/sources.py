"""Finds the images of a data source: its format, its files, its fingerprint.

The command line calls this; it imports no TensorFlow and opens no image. Everything that says
"where the files are" is in this module and the three it calls; the bytes are read in locations.py.
"""

import glob
import os
import re

from components.image_example_gen.folders import (
    IMAGE_SUFFIXES,
    list_class_folders,
    list_split_folders,
    visible_entries,
)
from components.image_example_gen.listing import Listing, ListingBuilder, split_of_name
from components.image_example_gen.manifest import list_manifest

FORMATS = ("class_folders", "split_folders", "manifest", "tfrecord")


def detect_format(source: str) -> str:
    """Returns class_folders, split_folders, manifest or tfrecord, from names alone.

    A folder is split_folders when all its folders are named after splits (train, val, test, ...).

    Raises:
      FileNotFoundError: when there is nothing at `source`.
      ValueError: when what is there has none of the layouts, or a mixture of them.
    """
    if glob.has_magic(source) and not os.path.exists(source):
        return "tfrecord"
    if not os.path.exists(source):
        raise FileNotFoundError(
            f"data.source: there is nothing at {source!r}. Give a folder of class folders, a folder of "
            "split folders, a CSV manifest, or a pattern of TFRecord files."
        )
    if not os.path.isdir(source):
        if source.lower().endswith(".csv"):
            return "manifest"
        if _is_record_name(os.path.basename(source)):
            return "tfrecord"
        raise ValueError(
            f"data.source: {source!r} is a file, but neither a .csv manifest nor named as a TFRecord. "
            "Give a folder of class folders, or set data.format to manifest or tfrecord."
        )
    return _detect_folder_format(source)


def _detect_folder_format(source: str) -> str:
    folders, files, _ = visible_entries(source)
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
    if any(_is_record_name(name) for folder in folders for name in _names(folder.path)):
        return "tfrecord"
    split_folders = [entry for entry in folders if split_of_name(entry.name)]
    if len(split_folders) == len(folders):
        return "split_folders"
    # A class may well be called "train"; it is a split only if classes lie inside.
    nested = [entry.name for entry in split_folders if visible_entries(entry.path)[0]]
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
      source: path of a folder or file, or a pattern of TFRecord files.
      format: auto, or one of FORMATS.

    Raises:
      FileNotFoundError: when the source does not exist or none of its files does.
      ValueError: when the layout does not fit the format, there is no image, or only one class.
    """
    if format == "auto":
        format = detect_format(source)
    if format not in FORMATS:
        raise ValueError(f"data.format: {format!r} is unknown. Use auto or one of {list(FORMATS)}.")
    if format == "tfrecord":
        return _list_tfrecords(source)
    if not os.path.exists(source):
        raise FileNotFoundError(f"data.source: there is nothing at {source!r}, read as {format}.")
    if os.path.isdir(source) != format.endswith("_folders"):
        kind = "a folder" if os.path.isdir(source) else "a file"
        raise ValueError(f"data.source: {source!r} is {kind}, which cannot be {format}.")

    if format == "manifest":
        listing = list_manifest(source)
    elif format == "split_folders":
        listing = list_split_folders(source)
    else:
        listing = list_class_folders(source)
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


def _list_tfrecords(source: str) -> Listing:
    paths = _record_files(source)
    if not paths:
        raise FileNotFoundError(
            f"data.source: no TFRecord file matches {source!r}. Give a file, a pattern such as "
            "records/*.tfrecord, or a folder of files with tfrecord in their names."
        )
    root = os.path.abspath(_fixed_folder(source))
    builder = ListingBuilder(root, "tfrecord")
    relative = [os.path.relpath(os.path.abspath(path), root) for path in paths]
    splits = [_split_in_path(path) for path in relative]
    if not all(splits):
        splits = [None] * len(paths)
    else:
        builder.findings.append(f"splits are taken from the names of the files: {sorted(set(splits))}")
    for path, name, split in zip(paths, relative, splits, strict=True):
        builder.add_file(name, None, split, os.stat(path))
    return builder.build()


def _record_files(source: str) -> list[str]:
    if os.path.isdir(source):
        found = glob.glob(os.path.join(glob.escape(source), "**"), recursive=True)
        found = [path for path in found if _is_record_name(os.path.basename(path))]
    elif os.path.exists(source):
        found = [source]
    else:
        found = glob.glob(source, recursive=True)
    return sorted(path for path in found if os.path.isfile(path))


def _is_record_name(name: str) -> bool:
    """True for names such as a.tfrecord, data_tfrecord-00000-of-00001.gz and a.tfrecords-00000-of-00001."""
    return "tfrecord" in name.lower() and os.path.splitext(name)[1].lower() not in IMAGE_SUFFIXES


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # the listing sets the folder aside, with the reason
        return []


def _fixed_folder(source: str) -> str:
    """Returns the folder before the first wildcard."""
    if os.path.isdir(source):
        return source
    folder = os.path.dirname(source)
    while glob.has_magic(folder) and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _split_in_path(path: str) -> str | None:
    """Returns the split that a path such as flowers-train.tfrecord-00000-of-00002 names, if just one."""
    found = {split_of_name(word) for word in re.split(r"[^a-z]+", path.lower())} - {None}
    return found.pop() if len(found) == 1 else None
