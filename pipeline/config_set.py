"""One --set argument, such as training.batch_size=64, applied to the raw values of a config file."""

from modules.recipe import Training
from pipeline import recipes
from pipeline.yaml_file import KeyPath, YamlError, parse_yaml


def apply_set(raw: dict, argument: str) -> KeyPath:
    """Sets one value in a raw config, in place, and returns the path of its key.

    Args:
      argument: KEY=VALUE. The key is dotted; an item of a list is named by its position from 0, a
        stage also by its name: training.recipe.head.epochs=2. The value is YAML: 3, 0.5, true,
        [64, 32], {flip_horizontal: true}; an empty one gives the key back its default.

    Raises:
      ValueError: when the argument is not KEY=VALUE, or leads to an item that is not there.
    """
    dotted_key, equals, text = argument.partition("=")
    keys = dotted_key.strip().split(".")
    if not equals or not all(keys):
        raise ValueError(f"got {argument!r}; write KEY=VALUE, such as training.batch_size=64")
    try:
        value = parse_yaml(text).value
    except YamlError as error:
        raise ValueError(f"got {argument!r}; the value is {error}") from None
    if keys[:2] == ["training", "recipe"] and len(keys) > 2:
        open_recipe(raw)
    container, path = raw, []
    for key in keys[:-1]:
        path.append(_find(container, key, argument))
        if isinstance(container, dict) and container.get(key) is None:
            container[key] = {}
        container = container[path[-1]]
    path.append(_find(container, keys[-1], argument))
    if value is None and isinstance(container, dict):
        container.pop(path[-1], None)
    else:
        container[path[-1]] = value
    return tuple(path)


def open_recipe(raw: dict) -> None:
    """Puts the stages of a ready recipe in place of its name, in place, in a raw config.

    Raises:
      ValueError: when there is no recipe of that name.
    """
    training = raw.setdefault("training", {})
    if not isinstance(training, dict):
        return  # left to the validation of types
    name = training.get("recipe", Training().recipe)
    if isinstance(name, str):
        training["recipe"] = recipes.load_stages(name)


def _find(container, key: str, argument: str) -> str | int:
    """Returns the key of a mapping, or the position in a list that a number or a stage's name means."""
    if isinstance(container, dict):
        return key
    if not isinstance(container, list):
        raise ValueError(f"got {argument!r}; there is no {key} in {container!r}")
    if key.isdecimal() and int(key) < len(container):
        return int(key)
    names = [item.get("name") if isinstance(item, dict) else None for item in container]
    if key in names:
        return names.index(key)
    known = ", ".join(str(name) for name in names if name) or "none has a name"
    raise ValueError(
        f"got {argument!r}; the list has {len(container)} items ({known}), and {key!r} is none of them. "
        "Use a position from 0, or a name"
    )
