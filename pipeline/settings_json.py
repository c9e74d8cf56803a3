"""Settings objects as plain values and as JSON."""

import json
from typing import Any

from pydantic import TypeAdapter


def as_dict(settings: Any) -> dict:
    """Returns a settings object as nested dicts and lists of plain values."""
    return TypeAdapter(type(settings)).dump_python(settings, mode="json")


def as_json(settings: Any) -> str:
    """Returns a settings object as JSON; equal settings give equal text, as the cache needs."""
    return json.dumps(as_dict(settings), sort_keys=True)
