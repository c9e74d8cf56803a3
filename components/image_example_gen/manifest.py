"""Lists a CSV manifest: path,label[,split], a line an image, paths relative to the manifest."""

import csv
import os
import stat as stat_flags

from components.image_example_gen.listing import Listing, ListingBuilder, normalise_label, split_of_name


def list_manifest(source: str) -> Listing:
    """Lists the images that a manifest names; other columns than path, label and split are ignored.

    A path may be absolute. An empty split means that the image's split is drawn. Lines without path
    or label, and files that do not exist, are set aside.

    Raises:
      ValueError: when it is no UTF-8 text, lacks a column, or names an unknown split.
      FileNotFoundError: when none of its files exists.
    """
    root = os.path.dirname(os.path.abspath(source))
    builder = ListingBuilder(root, "manifest")
    try:
        with open(source, encoding="utf-8-sig", newline="") as lines:
            # Not strict, it would take all lines after a stray quotation mark for one path.
            _read(builder, source, csv.reader(lines, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"data.source: {source!r} cannot be read as CSV in UTF-8: {error}. Save it as UTF-8 with "
            "commas between the columns and every quotation mark closed."
        ) from error
    if builder.set_aside and not builder.files:
        path, reason = builder.set_aside[0]
        raise FileNotFoundError(
            f"data.source: none of the {len(builder.set_aside)} lines of {source!r} can be used. Paths are "
            f"relative to {root!r}. The first: {path}: {reason}."
        )
    return builder.build()


def _read(builder: ListingBuilder, source: str, rows) -> None:
    columns = [name.strip().lower() for name in next(rows, [])]
    missing = {"path", "label"} - set(columns)
    if missing:
        raise ValueError(
            f"data.source: {source!r} has no column {' and '.join(sorted(missing))}; its first line has "
            f"{columns}. The first line must be path,label or path,label,split."
        )
    for row in rows:
        values = dict(zip(columns, (value.strip() for value in row), strict=False))
        if any(values.values()):
            _add_row(builder, source, rows.line_num, values)


def _add_row(builder: ListingBuilder, source: str, line: int, values: dict[str, str]) -> None:
    path, label, split_name = (values.get(name, "") for name in ("path", "label", "split"))
    if not path or not label:
        builder.reject(
            path or f"line {line}", f"line {line} of the manifest has no {'label' if path else 'path'}"
        )
        return
    split = split_of_name(split_name) if split_name else None
    if split_name and split is None:
        raise ValueError(
            f"data.source: line {line} of {source!r} has split {split_name!r}. Use train, eval (or val, "
            "validation), test, or leave it empty to have it drawn."
        )
    try:
        label = normalise_label(label)
    except ValueError as error:
        raise ValueError(f"data.source: line {line} of {source!r}: {error}") from error
    try:
        stat = os.stat(os.path.join(builder.root, path))
    except (OSError, ValueError) as error:
        builder.reject(
            path, "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        )
        return
    if not stat_flags.S_ISREG(stat.st_mode):
        builder.reject(path, "is not a regular file")
        return
    builder.add_file(os.path.normpath(path), label, split, stat)
