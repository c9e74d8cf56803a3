"""What the settings dataclasses say about themselves: keys, types, nearest keys."""

import dataclasses
import difflib
import functools
import typing
from collections.abc import Iterator

from pipeline.config import Config
from pipeline.yaml_file import KeyPath


def dotted(path: KeyPath) -> str:
    """Returns the path as a person writes it, such as training.recipe.0.epochs."""
    return ".".join(str(part) for part in path)


def settings_at(path: KeyPath, root: type = Config) -> type | None:
    """Returns the settings class that the mapping at the path fills, or None when it fills none.

    List positions and keys chosen by the user (metrics, classes) lead to the class of the items.
    """
    settings_class, is_item = root, False
    for part in path:
        if is_item:  # of a list, or under a key that the user chooses
            is_item = False
            continue
        hint = _hints(settings_class).get(part)
        settings_class = innermost_settings(hint)
        if settings_class is None:
            return None
        is_item = is_container(hint)
    return settings_class


def unknown_key_message(path: KeyPath) -> str:
    """Explains an unknown key: the nearest known one beside it, or where a key of that name belongs."""
    *parents, key = path
    known = [field.name for field in dataclasses.fields(settings_at(tuple(parents)))]
    nearest = difflib.get_close_matches(str(key), known, n=1)
    if nearest:
        return f"unknown key. Did you mean {dotted((*parents, nearest[0]))}?"
    elsewhere = [name for name in all_keys() if name.rsplit(".", 1)[-1] == key]
    if elsewhere:
        return f"unknown key here. Did you mean {' or '.join(elsewhere)}?"
    return f"unknown key. Known here: {', '.join(known)}"


def description_at(path: KeyPath) -> str:
    """Returns the documentation of the field at the path."""
    return settings_at(path[:-1]).__pydantic_fields__[path[-1]].description


@functools.cache
def all_keys() -> tuple[str, ...]:
    """Returns every dotted key of a config; items of lists and keys that the user chooses are left out."""
    return tuple(_keys(Config, ""))


def _keys(settings_class: type, prefix: str) -> Iterator[str]:
    for name, hint in _hints(settings_class).items():
        yield prefix + name
        inner = innermost_settings(hint)
        if inner is not None:
            yield from _keys(inner, f"{prefix}{name}.")


@functools.cache
def _hints(settings_class: type) -> dict[str, typing.Any]:
    return typing.get_type_hints(settings_class)


def innermost_settings(annotation) -> type | None:
    """Finds the settings class inside Optional, Union, tuple and dict, where each has at most one."""
    if dataclasses.is_dataclass(annotation):
        return annotation
    found = (innermost_settings(argument) for argument in typing.get_args(annotation))
    return next((inner for inner in found if inner is not None), None)


def is_container(annotation) -> bool:
    """True for a tuple or dict of settings, also inside Optional, Union and Annotated."""
    if typing.get_origin(annotation) in (tuple, dict):
        return innermost_settings(annotation) is not None
    return any(is_container(argument) for argument in typing.get_args(annotation))
