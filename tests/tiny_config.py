"""A minimal config file, and what is wrong with one."""

from pathlib import Path

import pytest

from pipeline.config_file import load_config
from pipeline.problems import ConfigError, Problem

MINIMAL = "name: shoes\noutput: runs/shoes\ndata: {source: photos}\n"


def write_config(folder: Path, text: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.yaml"
    file.write_text(MINIMAL + text, encoding="utf-8")
    return file


def problems_of(file: Path, *sets: str) -> list[Problem]:
    with pytest.raises(ConfigError) as refused:
        load_config(file, sets)
    return refused.value.problems
