"""Raw values of a config file into a typed Config, with pydantic's complaints in the words of a config."""

from pydantic import TypeAdapter, ValidationError

from pipeline.config import Config
from pipeline.problems import Problem
from pipeline.settings_schema import description_at, dotted, unknown_key_message
from pipeline.yaml_file import KeyPath

CONTAINER_EXPECTED = ("tuple_type", "dict_type", "dataclass_type")
SCALAR_EXPECTED = ("string_type", "literal_error")


def validate(raw: dict) -> tuple[Config | None, list[Problem]]:
    """Returns the Config and no problems, or None and every problem, each without its line.

    Args:
      raw: the values of a config file.
    """
    try:
        return TypeAdapter(Config).validate_python(raw), []
    except ValidationError as error:
        errors = [(_path_in(raw, entry), entry) for entry in error.errors(include_url=False)]
    problems = [
        Problem(dotted(path), _explain(path, entry))
        for path, entry in errors
        if not _is_about_other_branch(path, entry, errors)
    ]
    return None, list(dict.fromkeys(problems))


def _path_in(raw: dict, entry: dict) -> KeyPath:
    """Returns an error's location without the names of union branches that pydantic puts between the keys."""
    path, value = [], raw
    for part in entry["loc"]:
        is_key = isinstance(value, dict) and part in value
        if is_key or (isinstance(value, list) and isinstance(part, int)):
            value = value[part]
            path.append(part)
        elif entry["type"] == "missing" and part == entry["loc"][-1]:
            path.append(part)
    return tuple(path)


def _is_about_other_branch(path: KeyPath, entry: dict, errors: list) -> bool:
    """True when a union (a name or a list, such as training.recipe) was tried with the wrong branch."""
    others = [
        (other_path, other)
        for other_path, other in errors
        if other is not entry and other_path[: len(path)] == path
    ]
    if isinstance(entry["input"], dict | list):
        return bool(others) and entry["type"] in SCALAR_EXPECTED
    same_place = [other for other_path, other in others if other_path == path]
    return entry["type"] in CONTAINER_EXPECTED and any(
        other["type"] in SCALAR_EXPECTED for other in same_place
    )


def _explain(path: KeyPath, entry: dict) -> str:
    kind, context = entry["type"], entry.get("ctx", {})
    if kind == "unexpected_keyword_argument":
        return unknown_key_message(path)
    if kind == "missing":
        return f"missing. {description_at(path)}"
    if kind == "value_error":
        if isinstance(entry["input"], dict):
            return str(context["error"])
        allowed = str(context["error"])
    else:
        allowed = ALLOWED.get(kind, lambda context: entry["msg"])(context)
    return f"got {describe(entry['input'])}; {allowed}"


def describe(value) -> str:
    """Returns a short text for a raw value, such as: a list of 3 items."""
    if isinstance(value, dict):
        return f"keys and values ({', '.join(map(str, value)) or 'none'})"
    if isinstance(value, list):
        return f"a list of {len(value)} items"
    return "nothing" if value is None else repr(value)


ALLOWED = {
    "string_type": lambda context: "it must be text; a number or date needs quotes",
    "int_type": lambda context: "it must be a whole number",
    "int_parsing": lambda context: "it must be a whole number",
    "int_from_float": lambda context: "it must be a whole number",
    "float_type": lambda context: "it must be a number",
    "float_parsing": lambda context: "it must be a number",
    "bool_type": lambda context: "it must be true or false",
    "bool_parsing": lambda context: "it must be true or false",
    "tuple_type": lambda context: "it must be a list, such as [a, b]",
    "dict_type": lambda context: "it must be keys and values",
    "dataclass_type": lambda context: "it must be keys and values",
    "literal_error": lambda context: f"use {context['expected'].replace(chr(39), '')}",
    "greater_than": lambda context: f"it must be more than {context['gt']:g}",
    "greater_than_equal": lambda context: f"it must be at least {context['ge']:g}",
    "less_than": lambda context: f"it must be less than {context['lt']:g}",
    "less_than_equal": lambda context: f"it must be at most {context['le']:g}",
}
"""What a value must be, by pydantic's name of the error."""
