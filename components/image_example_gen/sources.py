"""Finds the images of a data source: its format, its files, its fingerprint.

The command line calls this; it imports no TensorFlow and opens no image. Where the files are, on a disk
or in an object store, is the concern of the trees alone; the bytes are read in locations.py.
"""

import glob

from components.image_example_gen.file_tree import Entry, FileTree
from components.image_example_gen.folders import list_class_folders, list_split_folders
from components.image_example_gen.formats import has_image_suffix
from components.image_example_gen.listing import Listing, split_of_name
from components.image_example_gen.locations import join
from components.image_example_gen.manifest import list_manifest
from components.image_example_gen.record_files import (
    hold_records,
    is_record_file,
    is_record_name,
    list_records,
    open_tree,
)

FORMATS = ("class_folders", "split_folders", "manifest", "tfrecord")


def detect_format(source: str) -> str:
    """Returns class_folders, split_folders, manifest or tfrecord.

    A folder is split_folders when all its folders are named after splits (train, val, test, ...), and
    tfrecord when there are files in it that are named as TFRecords and begin as one.

    Raises:
      FileNotFoundError: when there is nothing at `source`.
      ValueError: when what is there has none of the layouts, or a mixture of them.
    """
    _check_named(source)
    return _detect_format(source, open_tree(source))


def _check_named(source: str) -> None:
    if not source.strip():
        raise ValueError(f"data.source: got {source!r}. Give the path or address of the images.")


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
        if is_record_file(tree.root, tree.file()):
            return "tfrecord"
        raise ValueError(
            f"data.source: {source!r} is a file, but neither a .csv manifest nor a TFRecord (of which a "
            "gzip-compressed one must end in .gz). Give a folder of class folders, or set data.format."
        )
    return _detect_folder_format(source, tree)


def _detect_folder_format(source: str, tree: FileTree) -> str:
    folders, files, _ = tree.content("")
    if not folders:
        return _detect_flat_format(source, tree, files)
    names = {folder.path: tree.names(folder.path) for folder in folders}
    records = next((path for path in names if _hold_records(tree, path, names[path])), None)
    if records is not None:
        images = (f"{path}/{name}" for path in names for name in names[path] if has_image_suffix(name))
        if image := next(images, None):
            raise ValueError(
                f"data.source: {source!r} holds images, such as {image}, and TFRecords, in {records}. Move "
                "one kind elsewhere, or set data.format."
            )
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


def _detect_flat_format(source: str, tree: FileTree, files: list[Entry]) -> str:
    if hold_records(tree, files):
        return "tfrecord"
    raise ValueError(
        f"data.source: {source!r} holds no folder. Put the images into one folder per class, named "
        f"after the class.{_hint(tree, files)}"
    )


def _hint(tree: FileTree, files: list[Entry]) -> str:
    """Returns a sentence about what the files of a folder may be meant for."""
    names = [entry.name for entry in files]
    if manifest := next((name for name in names if name.lower().endswith(".csv")), None):
        return f" To use {manifest} as a manifest, set data.source to that file."
    if named := next(filter(is_record_name, names), None):
        return f" {named} is named as a TFRecord, but does not begin with a record."
    if files and is_record_file(join(tree.root, files[0].path), files[0]):
        return f" {names[0]} is a TFRecord; to use files of such names, set data.source to a pattern."
    return ""


def _hold_records(tree: FileTree, folder: str, names: list[str]) -> bool:
    # Names cost less than entries.
    return any(map(is_record_name, names)) and hold_records(tree, tree.content(folder).files)


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
    _check_named(source)
    tree = open_tree(source)
    if format == "auto":
        format = _detect_format(source, tree)
    if format not in FORMATS:
        raise ValueError(f"data.format: {format!r} is unknown. Use auto or one of {list(FORMATS)}.")
    if format == "tfrecord":
        return list_records(source, tree)
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
    odd = [*(f"{path}: {reason}" for path, reason in listing.set_aside[:5]), *listing.findings[:5]]
    found = "".join(f"\n  {line}" for line in odd)
    if not classes:
        raise ValueError(
            f"data.source: no image found in {source!r}, read as {listing.format}. Put the images into "
            f"one folder per class, named after the class.{found}"
        )
    raise ValueError(
        f"data.source: {source!r}, read as {listing.format}, has only one class, {classes[0]!r}. A "
        f"classifier needs at least two; add a folder with images of another class.{found}"
    )
