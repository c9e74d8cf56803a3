"""Prints a lock without what only development needs: requirements/dev.in and what came in by it alone.

    python3 runtime_lock.py requirements/tfx-1.21.txt [--without PACKAGE]

Who asked for a package stands in the comments `# via` that uv writes below it. Versions and hashes stay as
they are, so an image has the packages that the tests ran with.
"""

import argparse
import re
from pathlib import Path

DEVELOPMENT = "dev.in"


def runtime_lock(text: str, without: str = "") -> str:
    """Returns the lock's requirements, with hashes, that a `.in` file other than dev.in leads to.

    The package `without` is left out, but not what it needs: something else takes its place.

    Raises ValueError where a package has no `# via`: such a lock does not tell what belongs to what.
    """
    blocks, parents = {}, {}
    for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]:
        lines = [line for line in block.splitlines(keepends=True) if not line.startswith("#")]
        # One name can stand there twice, at a version for each Python.
        name = re.match(r"[A-Za-z0-9._-]+", block)[0].lower()
        comments = [line.strip().removeprefix("#").strip() for line in lines if line.lstrip().startswith("#")]
        via = [comment.removeprefix("via").strip() for comment in comments]
        if not any(via):
            raise ValueError(
                f"the lock does not say what needs {name}: no line '# via' below it. Call make lock."
            )
        blocks[name] = blocks.get(name, "") + "".join(
            line for line in lines if not line.lstrip().startswith("#")
        )
        parents.setdefault(name, set()).update(filter(None, via))
    kept = {name for name, via in parents.items() if any(map(_is_root, via))}
    while more := {name for name, via in parents.items() if name not in kept and via & kept}:
        kept |= more
    return "".join(block for name, block in blocks.items() if name in kept and name != without)


def _is_root(source: str) -> bool:
    return source.startswith("-r ") and Path(source.removeprefix("-r ")).name != DEVELOPMENT


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("lock", type=Path)
    parser.add_argument("--without", default="")
    arguments = parser.parse_args()
    print(runtime_lock(arguments.lock.read_text(), arguments.without), end="")
