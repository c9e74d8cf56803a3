"""YAML text to plain values, with the line of every key, refusing what YAML would silently accept."""

import math
from typing import Any, NamedTuple

import yaml

KeyPath = tuple[str | int, ...]
PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class YamlError(ValueError):
    """The text is not usable YAML; `line` counts from 1 and is None when it is not known."""

    def __init__(self, message: str, line: int | None = None):
        super().__init__(message)
        self.line = line


class Document(NamedTuple):
    """What a YAML text says."""

    value: Any
    """The top-level value: dict (all keys text), list, text, number, bool or None."""
    lines: dict[KeyPath, int]
    """Line of each key or list item, from 1, by its path from the top."""


def parse_yaml(text: str) -> Document:
    """Reads one YAML document into plain values.

    Keys are kept as written, so that a class folder named 0 or yes stays "0" or "yes".

    Raises:
      YamlError: for a syntax error, a key that appears twice, a number that is not finite, and
        everything that YAML can say but a config cannot mean (tags, several documents, cycles).
    """
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return Document(None, {})
        lines: dict[KeyPath, int] = {}
        return Document(_to_value(loader, root, (), lines, ()), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(_explain(error), mark.line + 1 if mark else None) from error
    except yaml.reader.ReaderError as error:
        raise YamlError(
            f"the character {chr(error.character)!r} is not allowed in YAML",
            text.count("\n", 0, error.position) + 1,
        ) from error


def _to_value(loader, node, path: KeyPath, lines: dict[KeyPath, int], parents: tuple) -> Any:
    if node in parents:
        raise YamlError("an alias contains itself", _line(node))
    if not isinstance(node, yaml.ScalarNode) and node.tag not in PLAIN_TAGS:
        raise YamlError(f"the tag {node.tag!r} has no meaning in a config", _line(node))
    parents = (*parents, node)
    if isinstance(node, yaml.MappingNode):
        mapping = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlError("a key must be a plain word", _line(key_node))
            key = key_node.value
            if key in mapping:
                first = lines[(*path, key)]
                raise YamlError(
                    f"the key {key!r} is given twice, first on line {first}. Keep one", _line(key_node)
                )
            lines[(*path, key)] = _line(key_node)
            mapping[key] = _to_value(loader, value_node, (*path, key), lines, parents)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item_node in enumerate(node.value):
            lines[(*path, index)] = _line(item_node)
            items.append(_to_value(loader, item_node, (*path, index), lines, parents))
        return items
    value = loader.construct_object(node)
    if isinstance(value, float) and not math.isfinite(value):
        raise YamlError(f"{node.value} is not a finite number", _line(node))
    return value


def _line(node) -> int:
    return node.start_mark.line + 1


def _explain(error: yaml.MarkedYAMLError) -> str:
    explanation = ", ".join(part for part in (error.context, error.problem) if part)
    if "\\t" in explanation:
        explanation += " (indent with spaces, not with tabs)"
    elif "mapping values are not allowed" in explanation:
        explanation += " (a text with a colon needs quotes; check the indentation)"
    return f"not valid YAML: {explanation}"
