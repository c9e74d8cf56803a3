"""Which files of a folder are taken for images: the same ones by ingest and by whoever predicts a folder."""

import collections
import dataclasses
import os
from collections.abc import Sequence

from components.image_example_gen.file_tree import Entry, FileTree
from components.image_example_gen.formats import has_sidecar_suffix


@dataclasses.dataclass
class ImageWalk:
    """What lies below a folder.

    Attributes:
      files: what is meant to be an image: by its suffix, or because its name says nothing. One with a
        `problem` cannot be used.
      sidecars: paths of files that are not images by their suffix, see formats.has_sidecar_suffix.
      ignored: number of hidden files and leftovers of operating systems.
      findings: sentences for the user, such as about a link that is not followed.
    """

    files: list[Entry]
    sidecars: list[str]
    ignored: int
    findings: list[str]


def walk_images(tree: FileTree, folder: str = "") -> ImageWalk:
    """Returns what ingest makes of the files below a folder, at any depth.

    Args:
      tree: such as LocalTree(path), where paths are relative to the root of the tree.
      folder: relative to that root; "" is the root itself.
    """
    walked = tree.walk(folder)
    files, sidecars = [], []
    for file in walked.files:
        if has_sidecar_suffix(file.name):
            sidecars.append(file.path)
        else:
            files.append(file)
    return ImageWalk(sorted(files), sorted(sidecars), walked.ignored, walked.findings)


def sidecars_text(paths: Sequence[str]) -> str:
    """Returns a sentence about files that are not images: how many, their suffixes, the first.

    Args:
      paths: at least one.
    """
    suffixes = collections.Counter(os.path.splitext(path)[1].lower() or "no suffix" for path in paths)
    named = ", ".join(suffix for suffix, _ in suffixes.most_common(5))
    more = f" and {len(suffixes) - 5} more kinds" if len(suffixes) > 5 else ""
    if len(paths) == 1:
        return f"1 file is not an image and is not used: {paths[0]!r}"
    return f"{len(paths):,} files are not images and are not used ({named}{more}), such as {min(paths)!r}"
