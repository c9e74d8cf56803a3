"""Imports point one way, and the command line's files import neither TensorFlow nor TFX."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What a package may import of ours: pipeline -> components -> modules.
ALLOWED_IMPORTS = {
    "modules": {"modules"},
    "components": {"components", "modules"},
    "pipeline": {"pipeline", "components", "modules"},
}

# What the command line imports to answer --help, check and list within a second.
LIGHT_MODULES = [
    "pipeline.cli",
    "pipeline.config",
    "modules.recipe",
    "modules.settings",
    "modules.features",
    "modules.backbones",
    "components.image_example_gen.sources",
    "components.schema_gen.schema_file",
    "pipeline.check",
    "pipeline.init_config",
    "pipeline.freshness",
    "pipeline.version_list",
    "components.pusher.rollback",
    "pipeline.mirroring",
    "pipeline.notify",
    "pipeline.prune",
]
HEAVY_PACKAGES = {"tensorflow", "keras", "tfx", "apache_beam"}


def find_imports(path: Path) -> dict[str, int]:
    """Returns the line of each import in a file, inside functions too, by the top-level package."""
    lines = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            lines.update({alias.name.split(".")[0]: node.lineno for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            lines[(node.module or ".").split(".")[0] if node.level == 0 else "relative import"] = node.lineno
    return lines


@pytest.mark.parametrize("package", ALLOWED_IMPORTS)
def test_imports_point_one_way(package):
    forbidden = {*ALLOWED_IMPORTS, "tests", "relative import"} - ALLOWED_IMPORTS[package]
    violations = [
        f"{path.relative_to(ROOT)}:{line} imports {imported}"
        for path in (ROOT / package).rglob("*.py")
        for imported, line in find_imports(path).items()
        if imported in forbidden
    ]
    assert violations == []


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_module_of_the_command_line_imports_nothing_heavy(module):
    code = f"import sys, {module}; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert HEAVY_PACKAGES & set(answer.stdout.split()) == set()
