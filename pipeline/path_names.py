"""What the paths of a config may be called. Images, weights and a schema may have any name that is text."""

import os
from collections.abc import Iterator

from modules.path_patterns import PATTERN_CHARACTERS, pattern_characters
from modules.printable import printable
from pipeline.config import Config
from pipeline.problems import Problem


def name_problems(config: Config) -> Iterator[Problem]:
    """Yields the paths of a complete config that a run could not write to, or not read again."""
    written = {"output": config.output}
    if config.push.destination != os.path.join(config.output, "serving"):
        written["push.destination"] = config.push.destination
    read = {
        "data.source": config.data.source,
        "validation.schema": config.validation.schema,
        "model.weights": config.model.weights,
        "model.backbone_file": config.model.backbone_file,
    }
    for key, path in {**written, **read}.items():
        if path is None:
            continue
        if not _is_text(path):
            message = f"{printable(path, one_line=True)} is not text in UTF-8, or contains a null character"
            yield Problem(key, f"{message}. Use another name")
        elif key in written and (found := pattern_characters(path)):
            yield Problem(
                key,
                f"{printable(path, one_line=True)} contains {' and '.join(found)}, which TensorFlow and Beam "
                "take for a pattern, so that a run would not find what it wrote there. Use a path without "
                f"{' '.join(PATTERN_CHARACTERS)}",
            )


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in path
