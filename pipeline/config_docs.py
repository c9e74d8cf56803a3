"""Writes docs/config.md from what the settings say of themselves: python -m pipeline.config_docs."""

import dataclasses
import typing

from pydantic import TypeAdapter

from pipeline.cluster_config import Cluster
from pipeline.config import Config
from pipeline.kubeflow.steps import PRODUCT_DEFAULTS, step_settings
from pipeline.recipes import recipe_names, recipe_summary
from pipeline.settings_schema import innermost_settings, is_container

HEAD = """\
# The config file

<!-- Written by `make docs` from what the settings say of themselves. Change the text there. -->

A config is a YAML file. `headstart init FOLDER` writes one for your images, `headstart check CONFIG` says
what is wrong with it, `headstart run CONFIG` runs it. Only `name`, `output` and `data.source` are required.

    name: photos
    output: runs/photos
    data:
      source: photos

- **Paths**: a relative path in the file is relative to the file; one in `--set` is relative to the working
  directory. `~` is the home folder.
- **Overrides**: `--set KEY=VALUE`, with a dotted key and a YAML value, replaces one value for one run:
  `--set training.batch_size=64`. An item of a list is named by its position from 0, a stage also by its name:
  `--set training.recipe.fine_tuning.epochs=3`. An empty value gives a key back its default.
- **Mistakes**: an unknown key, a key given twice, or a value out of range is an error; all of them are
  reported at once, each with its line.
"""


def config_markdown() -> str:
    """Returns the text of docs/config.md: a table for each section, in the order of the settings."""
    schema = TypeAdapter(Config).json_schema()
    parts = [HEAD, _section("Top level", Config, schema)]
    keys_of = {}  # the same settings under two keys, as those of a step, are described once
    for key, settings_class in _sections(Config, ""):
        keys_of.setdefault(settings_class, []).append(key)
    for settings_class, keys in keys_of.items():
        title = " and ".join(f"`{key}`" for key in keys)
        parts.append(_section(title, settings_class, schema))
    parts.append(_steps_in_a_cluster())
    parts.append("## Ready recipes\n")
    parts.append("\n".join(f"- `{name}`: {recipe_summary(name)}" for name in recipe_names()) + "\n")
    return "\n".join(parts)


def _sections(settings_class: type, prefix: str) -> typing.Iterator[tuple[str, type]]:
    """Yields the dotted key and the class of every group of settings, outer ones first."""
    for name, hint in typing.get_type_hints(settings_class).items():
        inner = innermost_settings(hint)
        if inner is not None:
            key = prefix + name + (ITEM_KEYS[name] if is_container(hint) else "")
            yield key, inner
            yield from _sections(inner, f"{key}.")


ITEM_KEYS = {
    "recipe": ".STAGE",
    "thresholds": ".METRIC",
    "steps": ".STEP",
    "secret_env": ".NAME",
    "tolerations": ".POSITION",
    "volumes": ".POSITION",
}
"""How the items of a list or mapping of settings are called in a dotted key."""


def _section(title: str, settings_class: type, schema: dict) -> str:
    properties = schema["$defs"].get(settings_class.__name__, schema)["properties"]
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for field in dataclasses.fields(settings_class):
        name, property_schema = field.name, properties[field.name]
        default = _default(settings_class, name)
        cells = (f"`{name}`", _allowed(property_schema, schema), default, property_schema["description"])
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return f"## {title}\n\n" + "\n".join(rows) + "\n"


STEPS_HEAD = """\
## Steps in a cluster

What a step gets when neither `cluster.defaults` nor `cluster.steps` says otherwise. Of the three, the
later one wins: single values, `accelerator` and `retries` replace; `env`, `secret_env` and
`node_selector` are merged by name, `volumes` by path; `tolerations` and `beam_args` add up. cpu and
memory are requests and limits at once. An accelerator brings the toleration for the taint of its name,
and on GKE node selectors for its model.

The cache compares a step's inputs by who made them, not by their content. ImageExampleGen reads the
images anew in every run, so the steps behind it run too. With `cluster.steps.ImageExampleGen.cache:
true`, for trying things on data that stays the same, all these come from the cache as far as nothing
else has changed. A step that reads a file (weights, backbone, schema) of a volume or at an address is
never cached: the cache would not see that the file has changed.

| step | cpu | memory | timeout | retries | cache |
|---|---|---|---|---|---|
"""


def _steps_in_a_cluster() -> str:
    rows = []
    for name in PRODUCT_DEFAULTS:
        step = step_settings(Cluster(), name)
        hours = f"{step.timeout_seconds / 3600:g} h"
        cells = (name, step.cpu, step.memory, hours, str(step.retries.max), "on" if step.cache else "off")
        rows.append("| " + " | ".join(cells) + " |")
    return STEPS_HEAD + "\n".join(rows) + "\n"


def _default(settings_class: type, name: str) -> str:
    field = settings_class.__pydantic_fields__[name]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if dataclasses.is_dataclass(value):
        return "see below"
    return f"`{_yaml(value)}`"


def _yaml(value) -> str:
    """Returns a default as it would stand in a config, on one line."""
    if dataclasses.is_dataclass(value):
        given = {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != value.__pydantic_fields__[field.name].default
        }
        return _yaml(given)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_yaml(item) for item in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _allowed(property_schema: dict, schema: dict) -> str:
    """Returns type and bounds of a field in a few words, from its JSON schema."""
    if "$ref" in property_schema:
        return "settings"
    if "anyOf" in property_schema:
        branches = [branch for branch in property_schema["anyOf"] if branch.get("type") != "null"]
        return " or ".join(_allowed(branch, schema) for branch in branches)
    if "enum" in property_schema:
        return ", ".join(f"`{value}`" for value in property_schema["enum"])
    kind = property_schema["type"]
    if kind == "array":
        return f"list of {_allowed(property_schema['items'], schema)}"
    if kind == "object":
        return f"for each name: {_allowed(property_schema['additionalProperties'], schema)}"
    words = {"string": "text", "boolean": "`true`, `false`", "integer": "whole number", "number": "number"}
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    limits = [f"{word} {property_schema[name]:g}" for name, word in bounds.items() if name in property_schema]
    return " ".join([words[kind], *limits])


if __name__ == "__main__":
    print(config_markdown(), end="")
