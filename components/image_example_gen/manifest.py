"""Lists a CSV manifest: path,label[,split], a line an image, paths relative to the manifest."""

import csv
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Optional

from components.image_example_gen.bucket_tree import find_objects
from components.image_example_gen.listing import Listing, ListingBuilder, split_of_name
from components.image_example_gen.local_tree import find_local_file
from components.image_example_gen.locations import join
from modules.labels import normalise_label
from modules.storage import explained, is_remote, location

COLUMNS = ("path", "label", "split")
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


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
      ValueError: when it is not CSV in UTF-8, a column is missing or given twice, a line has more values
        than there are columns, a split is unknown, or a class name cannot be one.
      FileNotFoundError: when none of its files exists.
    """
    root = os.path.dirname(source if is_remote(source) else os.path.abspath(source))
    builder = ListingBuilder(root, "manifest")
    try:
        with explained(source), location(source).open(encoding="utf-8-sig", newline="") as lines:
            rows = list(_read(builder, source, lines))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"data.source: {source!r} cannot be read as CSV in UTF-8: {error}. Save it as UTF-8."
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


def _read(builder: ListingBuilder, source: str, lines: Iterable[str]) -> Iterator[Row]:
    """Yields the lines that name an image with its label; sets others aside."""
    numbered = _numbered_values(source, lines)
    _, header = next(numbered, (1, []))
    names = [name.strip().lower() for name in header]
    columns = _columns(source, names)
    for number, values in numbered:
        if not any(values):
            continue
        if any(values[len(names) :]):
            raise ValueError(
                f"data.source: line {number} of {source!r} has {len(values)} values for {len(names)} columns"
                f", {','.join(values)}. Put a value that holds a comma between quotation marks."
            )
        # Programs leave out empty values at the end of a line.
        path, label, split_name = (
            values[place] if place is not None and place < len(values) else "" for place in columns
        )
        if path and label:
            yield _row(source, number, path, label, split_name)
        else:
            lacks = "label" if path else "path"
            builder.reject(path or f"line {number}", f"line {number} of the manifest has no {lacks}")


def _numbered_values(source: str, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yields the values of each line, with the number of the line that they begin on."""
    # Not strict, it would take all lines after a stray quotation mark for one path.
    reader = csv.reader(_without_nul(source, lines), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(
                f"data.source: {source!r} cannot be read as CSV in UTF-8: line {number}: {error}. Save it "
                "with commas between the columns and every quotation mark closed."
            ) from error
        yield number, [value.strip() for value in values]


def _without_nul(source: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise ValueError(
                f"data.source: line {number} of {source!r} has a NUL character, as text in UTF-16 does. Save "
                "the manifest as UTF-8."
            )
        yield line


def _columns(source: str, names: list[str]) -> list[int | None]:
    """Returns the places of path, label and split among the columns; None for a split that is not there."""
    for name in COLUMNS:
        if names.count(name) > 1:
            raise ValueError(
                f"data.source: {source!r} has {names.count(name)} columns {name!r}, and nothing says which "
                "counts. Keep one."
            )
    missing = [name for name in COLUMNS[:2] if name not in names]
    if missing:
        separator = next((found for found in OTHER_SEPARATORS if found in "".join(names)), None)
        separated = f" Its columns are separated by {OTHER_SEPARATORS[separator]}." if separator else ""
        raise ValueError(
            f"data.source: {source!r} has no column {' and '.join(missing)}; its first line has {names}."
            f"{separated} The first line must be path,label or path,label,split."
        )
    return [names.index(name) if name in names else None for name in COLUMNS]


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
