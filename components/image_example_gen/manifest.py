"""Lists a CSV manifest: path,label[,split], a line an image, paths relative to the manifest."""

import csv
import os
from collections.abc import Iterator
from typing import NamedTuple, Optional

from components.image_example_gen.bucket_tree import find_objects
from components.image_example_gen.listing import Listing, ListingBuilder, normalise_label, split_of_name
from components.image_example_gen.local_tree import find_local_file
from components.image_example_gen.locations import join
from modules.storage import explained, is_remote, location


class Row(NamedTuple):
    path: str
    label: str
    split: Optional[str]


def list_manifest(source: str) -> Listing:
    """Lists the images that a manifest names; other columns than path, label and split are ignored.

    A path may be absolute, or an address. An empty split means that the image's split is drawn. Lines
    without path or label, and files that do not exist, are set aside.

    Args:
      source: path or address of the CSV file.

    Raises:
      ValueError: when it is no UTF-8 text, lacks a column, or names an unknown split.
      FileNotFoundError: when none of its files exists.
    """
    root = os.path.dirname(source if is_remote(source) else os.path.abspath(source))
    builder = ListingBuilder(root, "manifest")
    try:
        with explained(source), location(source).open(encoding="utf-8-sig", newline="") as lines:
            # Not strict, it would take all lines after a stray quotation mark for one path.
            rows = list(_read(builder, source, csv.reader(lines, strict=True)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"data.source: {source!r} cannot be read as CSV in UTF-8: {error}. Save it as UTF-8 with "
            "commas between the columns and every quotation mark closed."
        ) from error
    places = [join(root, row.path) for row in rows]
    objects = find_objects({place for place in places if is_remote(place)})
    for row, place in zip(rows, places, strict=True):
        found = objects[place] if is_remote(place) else find_local_file(place)
        builder.add_file(found._replace(path=row.path), row.label, row.split)
    if builder.set_aside and not builder.files:
        path, reason = builder.set_aside[0]
        raise FileNotFoundError(
            f"data.source: none of the {len(builder.set_aside)} lines of {source!r} can be used. Paths are "
            f"relative to {root!r}. The first: {path}: {reason}."
        )
    return builder.build()


def _read(builder: ListingBuilder, source: str, lines) -> Iterator[Row]:
    """Yields the lines that name an image with its label; sets others aside."""
    columns = [name.strip().lower() for name in next(lines, [])]
    missing = {"path", "label"} - set(columns)
    if missing:
        raise ValueError(
            f"data.source: {source!r} has no column {' and '.join(sorted(missing))}; its first line has "
            f"{columns}. The first line must be path,label or path,label,split."
        )
    for line in lines:
        values = dict(zip(columns, (value.strip() for value in line), strict=False))
        if not any(values.values()):
            continue
        path, label, split_name = (values.get(name, "") for name in ("path", "label", "split"))
        number = lines.line_num
        if path and label:
            yield _row(source, number, path, label, split_name)
        else:
            lacks = "label" if path else "path"
            builder.reject(path or f"line {number}", f"line {number} of the manifest has no {lacks}")


def _row(source: str, number: int, path: str, label: str, split_name: str) -> Row:
    split = split_of_name(split_name) if split_name else None
    if split_name and split is None:
        raise ValueError(
            f"data.source: line {number} of {source!r} has split {split_name!r}. Use train, eval (or val, "
            "validation), test, or leave it empty to have it drawn."
        )
    try:
        label = normalise_label(label)
    except ValueError as error:
        raise ValueError(f"data.source: line {number} of {source!r}: {error}") from error
    return Row(path if is_remote(path) else os.path.normpath(path), label, split)
