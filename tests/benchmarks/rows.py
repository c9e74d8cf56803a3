"""A row of the table: what was measured, what the plain way took, and the ratio that must hold."""

import dataclasses
import os
import platform
from importlib import metadata

import psutil


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison; `ratio` is ours to the plain way's, and must lie on the right side of `bound`."""

    what: str
    ours: float
    plain: float
    unit: str
    bound: float
    more_is_better: bool = False

    @property
    def ratio(self) -> float:
        return self.ours / self.plain

    @property
    def holds(self) -> bool:
        return self.ratio >= self.bound if self.more_is_better else self.ratio <= self.bound


def table(rows: list[Row]) -> str:
    """Returns the rows as a Markdown table."""
    lines = ["| | Headstart | plain way | ratio | must be | |", "|---|---:|---:|---:|---:|---|"]
    for row in rows:
        side = ">=" if row.more_is_better else "<="
        verdict = "holds" if row.holds else "MISSED"
        lines.append(
            f"| {row.what} | {row.ours:,.4g} {row.unit} | {row.plain:,.4g} {row.unit} "
            f"| {row.ratio:.3f} | {side} {row.bound:g} | {verdict} |"
        )
    return "\n".join(lines)


def machine() -> str:
    """Returns a line on processor, memory and versions."""
    names = ("tfx", "tensorflow", "keras", "apache-beam")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    memory_gb = psutil.virtual_memory().total / 1e9
    return f"{os.cpu_count()} cores, {memory_gb:.0f} GB, Python {platform.python_version()}, {versions}"
