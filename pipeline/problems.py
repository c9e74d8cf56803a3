"""What is wrong with a config, collected, so that one look is enough to repair all of it."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing to repair."""

    key: str
    """Dotted key such as training.recipe.0.epochs; empty when it concerns the file as a whole."""
    message: str
    """What is wrong, the value received, what is allowed, what to do."""
    line: int | None = None
    """Line of the config file, from 1, when the key stands there."""

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        key = f"{self.key}: " if self.key else ""
        return f"{place}{key}{self.message}"

    @classmethod
    def from_error(cls, error: Exception, key: str = "") -> "Problem":
        """Takes over an error whose text begins with its key, as in data.source: nothing there."""
        found = re.match(r"([a-z_]+(?:\.[a-z_0-9]+)*): ", str(error))
        if found is None:
            return cls(key, str(error))
        return cls(found[1], str(error)[found.end() :])


class ConfigError(ValueError):
    """A config cannot be used; the text lists every problem found.

    Args:
      config_name: how the user named the config, for the first line.
      problems: at least one.
    """

    def __init__(self, config_name: str, problems: list[Problem]):
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{config_name}: {count}", *(f"  {problem}" for problem in problems)]))
