"""The report of a run whose data was refused. TFX deletes what a failed step wrote; this outlives it."""

import json
from datetime import datetime, timezone
from typing import Any

from components import serving_versions
from components.report.made_from import made_from
from components.report.publish import publish
from components.report.render import render_stopped
from components.report.scalars import scalar_rows
from components.report.summary import Summary


def publish_refusal(
    rows: list[dict],
    advice: str,
    ingest_report: dict,
    statistics: dict,
    exec_properties: dict[str, Any],
) -> None:
    """Publishes report and summary of the run into its output.

    Args:
      rows: `findings` of the verdict, errors first.
      advice: what a person can do.
      ingest_report: content of ingest_report.json.
      statistics: DatasetFeatureStatisticsList by split.
      exec_properties: of DataCheck.
    """
    config, destination = json.loads(exec_properties["config"]), exec_properties["push_destination"]
    version, path = serving_versions.serving(destination)
    summary = Summary(
        run_id=exec_properties["run_id"],
        outcome="data_refused",
        finished=datetime.now(timezone.utc),
        step="DataCheck",
        reasons=[f"{row['feature']}: {row['reason']}" for row in rows if row["severity"] == "error"],
        advice=advice,
        findings=rows,
        images=ingest_report["splits"],
        serving_version=version,
        serving_path=path,
        made_from=made_from(
            config,
            exec_properties["code_hash"],
            ingest_report["source_fingerprint"],
            serving_versions.state(destination),
        ),
    )
    page = render_stopped(summary, config, ingest_report, scalar_rows(statistics))
    publish(page, summary.as_json(), exec_properties["output"], summary.run_id)
