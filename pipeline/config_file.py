"""A config file (YAML) and --set arguments into a complete, typed Config, or into a list of all problems.

Paths: a relative path in a file is relative to that file; one in --set is relative to the working
directory; ~ is the home folder. A complete config has absolute paths, its recipe as a list of
stages, its image size and its push destination.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from modules.backbones import image_size_of
from modules.recipe import Training
from modules.storage import is_remote
from pipeline.config import Config
from pipeline.config_set import apply_set, open_recipe
from pipeline.config_validation import validate
from pipeline.path_names import name_problems
from pipeline.problems import ConfigError, Problem
from pipeline.recipes import load_stages
from pipeline.settings_schema import description_at, dotted
from pipeline.yaml_file import KeyPath, YamlError, parse_yaml

PATH_KEYS = (
    ("output",),
    ("data", "source"),
    ("validation", "schema"),
    ("model", "weights"),
    ("model", "backbone_file"),
    ("push", "destination"),
)
WEIGHTS_WITHOUT_PATH = ("imagenet", "none")


def load_config(file: str | Path, sets: Sequence[str] = ()) -> Config:
    """Reads a config file, applies --set arguments, and returns a complete Config.

    Args:
      file: a YAML file, as docs/config.md describes it.
      sets: arguments such as "training.batch_size=64", see `pipeline.config_set`.

    Raises:
      ConfigError: with every problem found. Only the file and its recipe have been read then;
        whether paths and images exist is the concern of `pipeline.check`.
    """
    raw, lines = _read(Path(file))
    resolve_paths(raw, Path(file).resolve().parent)
    problems = []
    for argument in sets:
        try:
            path = apply_set(raw, argument)
        except ValueError as error:
            problems.append(Problem("--set", str(error)))
        else:
            lines = {key: line for key, line in lines.items() if key[: len(path)] != path}
            lines[path] = None  # the value stands in no line of the file
    resolve_paths(raw, Path.cwd())
    problems += empty_paths(raw)
    try:
        open_recipe(raw)
    except ValueError as error:
        problems.append(Problem("training.recipe", str(error)))
        raw["training"]["recipe"] = load_stages(Training().recipe)  # the rest is still to be checked
    config, invalid = validate(raw)
    problems += invalid
    if config is not None:
        try:
            config = complete(config)
        except ValueError as error:
            problems.append(Problem.from_error(error))
        else:
            problems += relation_problems(config)
    if problems:
        raise ConfigError(str(file), [with_line(problem, lines) for problem in problems])
    return config


def with_line(problem: Problem, lines: dict[KeyPath, int | None]) -> Problem:
    """Adds the line of the problem's key, or of the nearest key around it, when it stands in the file."""
    line_of_key = {dotted(path): line for path, line in lines.items()}
    key = problem.key
    while key and key not in line_of_key:
        key = key.rpartition(".")[0]
    return dataclasses.replace(problem, line=line_of_key.get(key))


def _read(file: Path) -> tuple[dict, dict[KeyPath, int | None]]:
    def refusal(message: str, line: int | None = None) -> ConfigError:
        return ConfigError(str(file), [Problem("", message, line)])

    try:
        document = parse_yaml(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise refusal(
            "no such file. `headstart init FOLDER` writes a config for a folder of images"
        ) from None
    except IsADirectoryError:
        raise refusal("a folder, not a config file. `headstart init FOLDER` writes a config for it") from None
    except OSError as error:
        raise refusal(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise refusal("not text in UTF-8; a config is a YAML file") from None
    except YamlError as error:
        raise refusal(str(error), error.line) from None
    if document.value is None:
        raise refusal("the file is empty. It needs at least name, output and data.source")
    if not isinstance(document.value, dict):
        raise refusal(f"the file must hold keys with values, such as name: shoes; got {document.value!r}")
    return document.value, document.lines


def resolve_paths(raw: dict, folder: Path) -> None:
    """Makes the relative paths in a raw config absolute, in place, against a folder.

    Addresses such as s3://bucket/models stay as they are.
    """
    for path, mapping, value in _paths_in(raw):
        is_name = path == ("model", "weights") and value in WEIGHTS_WITHOUT_PATH
        if value.strip() and not is_name and not is_remote(value):
            mapping[path[-1]] = os.path.normpath(folder / Path(value).expanduser())


def empty_paths(raw: dict) -> list[Problem]:
    """Returns a problem for each path in a raw config that is empty or blank.

    Taken for a path it would be the folder of the config, or the working directory.
    """
    return [
        Problem(dotted(path), f"got {value!r}; it must not be empty. {description_at(path)}")
        for path, _, value in _paths_in(raw)
        if not value.strip()
    ]


def _paths_in(raw: dict) -> Iterator[tuple[KeyPath, dict, str]]:
    """Yields key, mapping around it, and value of each path that a raw config gives."""
    for path in PATH_KEYS:
        mapping = raw
        for parent in path[:-1]:
            mapping = mapping.get(parent) if isinstance(mapping, dict) else None
        value = mapping.get(path[-1]) if isinstance(mapping, dict) else None
        if isinstance(value, str):
            yield path, mapping, value


def complete(config: Config) -> Config:
    """Fills in what a config leaves to others: the backbone's native image size, the push destination.

    Raises:
      ValueError: for an unknown backbone, or an image size that it cannot have.
    """
    model = dataclasses.replace(config.model, image_size=image_size_of(config.model))
    destination = config.push.destination or os.path.join(config.output, "serving")
    return dataclasses.replace(
        config, model=model, push=dataclasses.replace(config.push, destination=destination)
    )


def _lies_in(path: str, folder: str) -> bool:
    """True when a path lies below a folder, both local or both addresses."""
    return is_remote(path) == is_remote(folder) and PurePosixPath(path).is_relative_to(folder)


def relation_problems(config: Config) -> list[Problem]:
    """Returns what is wrong between fields that are each right on their own."""
    problems = []
    if not config.training.recipe:
        problems.append(
            Problem("training.recipe", "the list is empty; give at least one stage, or a recipe's name")
        )
    names = [stage.name for stage in config.training.recipe]
    for index, name in enumerate(names):
        if name in names[:index]:
            key = f"training.recipe.{index}.name"
            problems.append(Problem(key, f"two stages are called {name!r}; give each its own name"))
    for key, folder in (("output", config.output), ("push.destination", config.push.destination)):
        if _lies_in(folder, config.data.source):
            message = f"{folder} lies in data.source ({config.data.source}), and would be searched for images"
            problems.append(Problem(key, f"{message}. Use a folder outside"))
    return [*problems, *name_problems(config)]
