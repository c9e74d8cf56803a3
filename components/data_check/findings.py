"""What a check has to say about the data, and whether that stops the run."""

import dataclasses
from typing import Literal

FATAL = "fatal"  # stops the run whatever the config says
ANOMALY = "anomaly"  # stops the run, unless validation.on_anomaly is warn
NOTICE = "notice"  # never stops the run
FINDINGS_SHOWN = 40  # with thousands of small classes there are thousands


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the data.

    Attributes:
      feature: the feature it is about, or "data" when it is about the images as such.
      reason: what was found, with the values found and allowed.
      weight: FATAL, ANOMALY or NOTICE.
    """

    feature: str
    reason: str
    weight: Literal["fatal", "anomaly", "notice"] = ANOMALY


def verdict(findings: list[Finding], on_anomaly: str) -> dict:
    """Returns the verdict as verdict.json holds it: `ok`, and `findings` with severity, feature and reason.

    Args:
      findings: of all checks, in any order; errors come first in the verdict.
      on_anomaly: "stop" makes anomalies errors, "warn" makes them warnings.

    Raises:
      ValueError: for another on_anomaly.
    """
    if on_anomaly not in ("stop", "warn"):
        raise ValueError(f'validation.on_anomaly: {on_anomaly!r} is unknown; use "stop" or "warn"')
    errors = {FATAL, ANOMALY} if on_anomaly == "stop" else {FATAL}
    rows = [
        {
            "severity": "error" if finding.weight in errors else "warning",
            "feature": finding.feature,
            "reason": finding.reason,
        }
        for finding in findings
    ]
    rows.sort(key=lambda row: row["severity"])  # a stable sort, and "error" comes before "warning"
    return {"ok": not any(row["severity"] == "error" for row in rows), "findings": rows}


def advice(findings: list[Finding]) -> str:
    """Returns what a person can do about a refusal for these findings."""
    if any(finding.weight == FATAL for finding in findings):
        return "Fix the data."
    return "Fix the data, or accept it for one run with --set validation.on_anomaly=warn."


def refusal(rows: list[dict], advice: str) -> str:
    """Returns the message for the user of a run that these findings stop.

    Args:
      rows: `findings` of the verdict.
      advice: what a person can do.
    """
    errors = sum(row["severity"] == "error" for row in rows)
    lines = [f"the data was refused before training, for {errors} reason{'s' if errors > 1 else ''}:"]
    return "\n".join([*lines, *finding_lines(rows), advice])


def finding_lines(rows: list[dict], most: int = FINDINGS_SHOWN) -> list[str]:
    """Returns a line for each of the first findings of a verdict, and one that counts the others."""
    lines = [f"  {row['severity']}: {row['feature']}: {row['reason']}" for row in rows[:most]]
    more = len(rows) - most
    return [*lines, f"  and {more:,} more"] if more > 0 else lines
