"""The ready recipes: lists of stages in configs/recipes, one YAML file each."""

from pathlib import Path

from pipeline.yaml_file import parse_yaml

RECIPES_FOLDER = Path(__file__).parent / "configs" / "recipes"


def recipe_names() -> list[str]:
    """Returns the names of the ready recipes, sorted."""
    return sorted(file.stem for file in RECIPES_FOLDER.glob("*.yaml"))


def load_stages(name: str) -> list[dict]:
    """Returns the stages of a ready recipe as plain values, not yet validated.

    Raises:
      ValueError: when there is no recipe of that name.
    """
    if name not in recipe_names():
        raise ValueError(
            f"unknown recipe {name!r}. Use one of {', '.join(recipe_names())}, or a list of stages"
        )
    return parse_yaml(_read(name)).value


def recipe_summary(name: str) -> str:
    """Returns the first line of the comment that heads a ready recipe: when to use it."""
    return _read(name).splitlines()[0].lstrip("# ")


def _read(name: str) -> str:
    return (RECIPES_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
