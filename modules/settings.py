"""How a settings dataclass is declared: frozen, strict about keys, documented below each field."""

import functools

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

settings = functools.partial(
    dataclass,
    frozen=True,
    kw_only=True,
    config=ConfigDict(extra="forbid", use_attribute_docstrings=True),
)
