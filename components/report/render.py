"""Draws the page: one HTML file that needs nothing from anywhere else."""

import pathlib
import platform

import jinja2
import yaml
from markupsafe import Markup

from components.report import content, figures, stopped
from components.report.made_from import package_versions
from components.report.summary import Summary

FOLDER = pathlib.Path(__file__).parent
NO_VALUE = "\N{EN DASH}"
LONGEST_TABLE = 60  # rows shown at once; the rest is folded away


def render(found: content.Findings) -> str:
    """The page of a judged model as HTML text. Every text of the user's is escaped by the template."""
    stages = [stage for stage in found.history["stages"] if stage["epochs"]]
    curves = [
        ("Accuracy", Markup(figures.training_curve(stages, "accuracy", "Accuracy", as_percent=True))),
        ("Loss", Markup(figures.training_curve(stages, "loss", "Loss", as_percent=False))),
    ]
    per_class = content.weakest_first(found.analysis["per_class"])
    sliced = [row for rows in found.analysis["slices"].values() for row in rows]
    return _draw(
        "report.html.j2",
        found.config,
        found=found,
        written=found.finished.strftime("%Y-%m-%d %H:%M UTC"),
        headline=content.headline(found),
        reasons=content.reasons(found),
        left_out=content.left_out(found.analysis["compared"]),
        metric_rows=content.metric_rows(found.analysis, found.analysis["top_k"]),
        per_class=per_class[:LONGEST_TABLE],
        more_classes=per_class[LONGEST_TABLE:],
        recall_start=content.axis_start(
            [row["recall"] for row in per_class], [row["baseline_recall"] for row in per_class]
        ),
        slices_start=content.axis_start(
            [row["metrics"]["accuracy"] for row in sliced],
            [row["baseline"]["accuracy"] for row in sliced if row["baseline"]],
        ),
        matrix=content.confusion_matrix(found.analysis),
        confusions=content.confusion_rows(found.analysis),
        slices={
            name: [{**row, "rows": content.metric_rows(row, found.analysis["top_k"])} for row in rows]
            for name, rows in found.analysis["slices"].items()
        },
        curves=curves if stages else [],
        stages=stages,
        reliability=Markup(figures.reliability_diagram(found.analysis["calibration"])),
        **_data(found.ingest, found.scalars),
    )


def render_stopped(
    summary: Summary, config: dict, ingest: dict | None = None, scalars: list[dict] | None = None
) -> str:
    """The page of a run that ended before a model was judged, as HTML text.

    Args:
      summary: of the run.
      config: the whole config as plain data.
      ingest: ingest_report.json, where the run came so far; then the page shows the data.
      scalars: see scalars.scalar_rows.
    """
    return _draw(
        "stopped.html.j2",
        config,
        summary=summary,
        written=summary.written,
        headline=stopped.headline(summary),
        reasons=[] if summary.findings else summary.reasons,  # the findings have a table
        errors=sum(row["severity"] == "error" for row in summary.findings),
        versions={"python": platform.python_version()} | package_versions(),
        **(_data(ingest, scalars or []) if ingest else {"ingest": None}),
    )


def _draw(template: str, config: dict, **values) -> str:
    """The page that a template makes of these values and of what all pages have."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, points=points, number=number, signed=signed)
    return environment.get_template(template).render(
        name=config["name"],
        config_text=yaml.safe_dump(config, allow_unicode=True, sort_keys=False),
        style=Markup((FOLDER / "style.css").read_text(encoding="utf-8")),
        longest_table=LONGEST_TABLE,
        **values,
    )


def _data(ingest: dict, scalars: list[dict]) -> dict:
    """What data.html.j2 draws."""
    return {
        "ingest": ingest,
        "scalars": scalars,
        "split_rows": content.split_rows(ingest),
        "most_files": content.MOST_FILES,
    }


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage with a thin space, such as 83.4 %."""
    return NO_VALUE if share is None else f"{100 * share:.{digits}f}\u202f%"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return signed(100 * difference, 1)


def signed(value: float, digits: int = 3) -> str:
    """A number with its sign, a true minus; none for what is shown as zero."""
    text = f"{value:+.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else text[1:]


def number(value: int | float | None, digits: int = 3) -> str:
    """A number with thousands separated, or a dash for none; counts and whole numbers without decimals."""
    if value is None:
        return NO_VALUE
    is_whole = isinstance(value, int) or (value.is_integer() and abs(value) >= 1)
    return f"{value:,.0f}" if is_whole else f"{value:,.{digits}f}"
