"""Lists class folders and split folders: labels and splits by the names of the folders."""

from typing import Optional

from components.image_example_gen.file_tree import Entry, FileTree
from components.image_example_gen.formats import has_image_suffix, has_sidecar_suffix
from components.image_example_gen.image_walk import walk_images
from components.image_example_gen.listing import Listing, ListingBuilder, split_of_name
from modules.labels import normalise_label

FOLDERS_NAMED = 5


def list_class_folders(tree: FileTree) -> Listing:
    """Lists SOURCE/CLASS/**/IMAGE; the label is the name of the folder under the source.

    Raises:
      ValueError: for a class name that cannot stand in a vocabulary.
    """
    builder = ListingBuilder(tree.root, "class_folders")
    _list_classes(builder, tree, "", split=None)
    return builder.build()


def list_split_folders(tree: FileTree) -> Listing:
    """Lists SOURCE/SPLIT/CLASS/**/IMAGE; the split is one of listing.SPLIT_OF_NAME, in any case.

    Raises:
      ValueError: for a folder that is no split, two folders for one split, images without classes,
        or no images to train on.
    """
    builder = ListingBuilder(tree.root, "split_folders")
    folders, files, ignored = tree.content("")
    builder.ignored += ignored
    _report_stray_files(builder, files)
    folder_of_split = {}
    for folder in folders:
        split = split_of_name(folder.name)
        if split is None:
            raise ValueError(
                f"data.source: folder {folder.name!r} in {tree.root!r} is no split. Use train, eval (or val, "
                "validation) and test, or set data.format to class_folders."
            )
        if split in folder_of_split:
            raise ValueError(
                f"data.source: {folder_of_split[split]!r} and {folder.name!r} in {tree.root!r} both mean the "
                f"{split} split. Keep one."
            )
        folder_of_split[split] = folder.name
        _check_labelled(builder, tree, folder)
        _list_classes(builder, tree, folder.path, split)
    listing = builder.build()
    if listing.files and "train" not in listing.split_counts:
        raise ValueError(
            f"data.source: {tree.root!r} has no images to train on; it has the folders "
            f"{sorted(folder_of_split.values())}. Add train/ with a folder for each class."
        )
    return listing


def _list_classes(builder: ListingBuilder, tree: FileTree, parent: str, split: Optional[str]) -> None:
    """Lists the class folders in a folder."""
    folders, files, ignored = tree.content(parent)
    builder.ignored += ignored
    _report_stray_files(builder, files)
    folder_of_label, without_image = {}, []
    for folder in folders:
        label = normalise_label(folder.name)
        if label in folder_of_label:
            builder.findings.append(
                f"folders {folder_of_label[label]!r} and {folder.path!r} are the same class, {label!r}"
            )
        folder_of_label[label] = folder.path
        found = walk_images(tree, folder.path)
        for file in found.files:
            builder.add_file(file, label, split)
        builder.sidecars += found.sidecars
        builder.ignored += found.ignored
        builder.findings += found.findings
        if all(file.problem for file in found.files):
            without_image.append(folder.path)
    builder.findings += [f"class folder {path!r} holds no image" for path in without_image[:FOLDERS_NAMED]]
    if len(without_image) > FOLDERS_NAMED:
        builder.findings.append(f"{len(without_image) - FOLDERS_NAMED:,} more class folders hold no image")


def _report_stray_files(builder: ListingBuilder, files: list[Entry]) -> None:
    """Files beside the class folders have no label: images are set aside, others only mentioned."""
    others = []
    for file in files:
        if has_image_suffix(file.name):
            builder.reject(file.path, "lies outside the class folders, so it has no label")
        elif has_sidecar_suffix(file.name):
            builder.sidecars.append(file.path)
        else:
            others.append(file.path)
    if others:
        files_are = "1 file is" if len(others) == 1 else f"{len(others):,} files are"
        builder.findings.append(f"{files_are} beside the class folders and not used: {others[:5]}")


def _check_labelled(builder: ListingBuilder, tree: FileTree, split_folder: Entry) -> None:
    """A split without class folders is either empty, which is odd, or unlabelled, which is wrong."""
    folders, files, _ = tree.content(split_folder.path)
    files = [file for file in files if not has_sidecar_suffix(file.name)]
    if files and not folders:
        count = "1 file" if len(files) == 1 else f"{len(files):,} files"
        raise ValueError(
            f"data.source: {tree.root}/{split_folder.path} holds {count} but no class folders, which give "
            "the labels. Sort the images into a folder for each class, or move the folder out of the source."
        )
    if not folders:
        builder.findings.append(f"split folder {split_folder.name!r} holds no image")
