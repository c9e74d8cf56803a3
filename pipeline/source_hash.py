"""A hash of our own source code, so that TFX's cache notices an edited file.

TFX keys its cache on inputs and properties; code imported by dotted path is neither. Each step
therefore carries the hash of the code it runs as a property.
"""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("modules", "components", "pipeline")


@functools.cache
def source_hash(*places: str) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 over files and folders and what they import of ours.

    Args:
      *places: paths relative to the folder that holds the packages, such as "modules",
        "components/report" or "modules/serving.py".

    Raises:
      FileNotFoundError: when a file or folder does not exist.
    """
    digest = hashlib.sha256()
    for file in sorted(_with_imports(file for place in places for file in _files_of(place))):
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def code_hash() -> str:
    """Returns the hash of all code that decides what a run makes."""
    return source_hash(*PACKAGES)


def _files_of(place: str) -> list[Path]:
    path = ROOT / place
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"source_hash: there is no {path}")
    return [file for file in path.rglob("*") if file.is_file() and file.suffix != ".pyc"]


def _with_imports(files: Iterator[Path]) -> set[Path]:
    """Returns the files with those of ours that they import, at the top or inside functions, and so on."""
    found, unread = set(), list(files)
    while unread:
        file = unread.pop()
        if file not in found:
            found.add(file)
            unread += _imported(file) if file.suffix == ".py" else ()
    return found


def _imported(file: Path) -> Iterator[Path]:
    """Yields the files behind a file's imports of our packages."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            # What is imported from a package may be a module of it.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.partition(".")[0] in PACKAGES:
                path = ROOT.joinpath(*name.split("."))
                yield from (
                    module for module in (path.with_suffix(".py"), path / "__init__.py") if module.is_file()
                )
