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


def refusal(findings: list[Finding], verdict: dict, kept_in: str) -> str:
    """Returns the message for the user of a run that the verdict on the findings stops."""
    errors = sum(row["severity"] == "error" for row in verdict["findings"])
    lines = [f"the data was refused before training, for {errors} reason{'s' if errors > 1 else ''}:"]
    shown = verdict["findings"][:FINDINGS_SHOWN]
    lines += [f"  {row['severity']}: {row['feature']}: {row['reason']}" for row in shown]
    if more := len(verdict["findings"]) - len(shown):
        lines.append(f"  and {more:,} more")
    if any(finding.weight == FATAL for finding in findings):
        lines.append("Mend the data.")
    else:
        lines.append("Mend the data, or accept it for one run with --set validation.on_anomaly=warn.")
    lines.append(f"The findings are kept in {kept_in}")
    return "\n".join(lines)
