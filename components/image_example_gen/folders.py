"""Lists class folders and split folders with os.scandir: one pass, one stat a file."""

import os
import pathlib
import stat as stat_flags
from typing import NamedTuple, Optional

from components.image_example_gen.listing import Listing, ListingBuilder, normalise_label, split_of_name

# Leftovers of Windows, macOS archives and Synology; everything with a leading dot is ignored as well.
SYSTEM_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"})
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".jp2"}
)


class Entry(NamedTuple):
    name: str
    path: str
    stat: Optional[os.stat_result]  # of the target of a link; None when it cannot be read
    problem: str = ""  # why there is no stat


def list_class_folders(source: str) -> Listing:
    """Lists SOURCE/CLASS/**/IMAGE; the label is the name of the folder under the source.

    Raises:
      ValueError: for a class name that cannot stand in a vocabulary.
    """
    builder = ListingBuilder(os.path.abspath(source), "class_folders")
    _list_classes(builder, "", split=None)
    return builder.build()


def list_split_folders(source: str) -> Listing:
    """Lists SOURCE/SPLIT/CLASS/**/IMAGE; the split is one of listing.SPLIT_OF_NAME, in any case.

    Raises:
      ValueError: for a folder that is no split, two folders for one split, images without classes,
        or no images to train on.
    """
    builder = ListingBuilder(os.path.abspath(source), "split_folders")
    folders, files, ignored = visible_entries(builder.root)
    builder.ignored += ignored
    _report_stray_files(builder, "", files)
    folder_of_split = {}
    for folder in folders:
        split = split_of_name(folder.name)
        if split is None:
            raise ValueError(
                f"data.source: folder {folder.name!r} in {source!r} is no split. Use train, eval (or val, "
                "validation) and test, or set data.format to class_folders."
            )
        if split in folder_of_split:
            raise ValueError(
                f"data.source: {folder_of_split[split]!r} and {folder.name!r} in {source!r} both mean the "
                f"{split} split. Keep one."
            )
        folder_of_split[split] = folder.name
        _check_labelled(builder, folder)
        _list_classes(builder, folder.name, split)
    listing = builder.build()
    if listing.files and "train" not in listing.split_counts:
        raise ValueError(
            f"data.source: {source!r} has no images to train on; it has the folders "
            f"{sorted(folder_of_split.values())}. Add train/ with a folder for each class."
        )
    return listing


def visible_entries(folder: str) -> tuple[list[Entry], list[Entry], int]:
    """Returns folders and files of a folder, each sorted by name, and how many others were ignored."""
    folders, files, ignored = [], [], 0
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith(".") or entry.name.lower() in SYSTEM_NAMES:
                ignored += 1
                continue
            found = _stat(entry)
            is_folder = found.stat is not None and stat_flags.S_ISDIR(found.stat.st_mode)
            (folders if is_folder else files).append(found)
    return folders, files, ignored


def _stat(entry: os.DirEntry) -> Entry:
    try:
        return Entry(entry.name, entry.path, entry.stat())
    except FileNotFoundError:
        return Entry(entry.name, entry.path, None, "is a link to a file that does not exist")
    except OSError as error:
        return Entry(entry.name, entry.path, None, f"cannot be read: {error.strerror}")


def _identity(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino


def _folders_around(path: str) -> frozenset[tuple[int, int]]:
    """Returns the identities of a folder and of all folders that contain it."""
    folder = pathlib.Path(path)
    return frozenset(_identity(around.stat()) for around in (folder, *folder.parents))


def _list_classes(builder: ListingBuilder, parent: str, split: Optional[str]) -> bool:
    """Lists the class folders in ROOT/parent; returns whether there is any."""
    folders, files, ignored = visible_entries(os.path.join(builder.root, parent))
    builder.ignored += ignored
    _report_stray_files(builder, parent, files)
    ancestors = _folders_around(os.path.realpath(os.path.join(builder.root, parent)))
    ancestors |= _folders_around(builder.root)
    folder_of_label = {}
    for folder in folders:
        label = normalise_label(folder.name)
        path = os.path.join(parent, folder.name)
        if label in folder_of_label:
            builder.findings.append(
                f"folders {folder_of_label[label]!r} and {path!r} are the same class, {label!r}"
            )
        folder_of_label[label] = path
        before = len(builder.files)
        _walk(builder, path, folder, label, split, ancestors)
        if len(builder.files) == before:
            builder.findings.append(f"class folder {path!r} holds no image")
    return bool(folders)


def _walk(
    builder: ListingBuilder,
    path: str,
    folder: Entry,
    label: str,
    split: Optional[str],
    ancestors: frozenset[tuple[int, int]],
) -> None:
    """Adds all files below a folder. Links to folders are followed, except back to an ancestor."""
    identity = _identity(folder.stat)
    if identity in ancestors:
        builder.findings.append(f"{path!r} links back to a folder that contains it; it is not followed")
        return
    try:
        folders, files, ignored = visible_entries(folder.path)
    except OSError as error:
        builder.reject(path, f"cannot be read: {error.strerror}")
        return
    builder.ignored += ignored
    for file in files:
        file_path = f"{path}/{file.name}"
        if file.stat is None:
            builder.reject(file_path, file.problem)
        elif not stat_flags.S_ISREG(file.stat.st_mode):
            builder.reject(file_path, "is not a regular file")
        else:
            builder.add_file(file_path, label, split, file.stat)
    for inner in folders:
        _walk(builder, f"{path}/{inner.name}", inner, label, split, ancestors | {identity})


def _report_stray_files(builder: ListingBuilder, parent: str, files: list[Entry]) -> None:
    """Files beside the class folders have no label: images are set aside, others only mentioned."""
    others = []
    for file in files:
        path = os.path.join(parent, file.name)
        if os.path.splitext(file.name)[1].lower() in IMAGE_SUFFIXES:
            builder.reject(path, "lies outside the class folders, so it has no label")
        else:
            others.append(path)
    if others:
        builder.findings.append(f"{len(others)} files beside the class folders are not used: {others[:5]}")


def _check_labelled(builder: ListingBuilder, split_folder: Entry) -> None:
    """A split without class folders is either empty, which is odd, or unlabelled, which is wrong."""
    folders, files, _ = visible_entries(split_folder.path)
    if files and not folders:
        raise ValueError(
            f"data.source: {split_folder.path!r} holds {len(files)} files but no class folders, so they have "
            "no labels. Sort them into a folder for each class, or move the folder out of the source."
        )
    if not folders:
        builder.findings.append(f"split folder {split_folder.name!r} is empty")
