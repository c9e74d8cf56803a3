"""The Verdict's work: read the summary, and stop the run unless the model was blessed."""

from typing import Any

from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.errors import NotBlessed
from components.report.publish import PAGE, SUMMARY
from components.report.summary import Summary, verdict_sentence
from modules.storage import location


class Executor(base_executor.BaseExecutor):
    """Reads summary.json of the Report.

    Raises:
      NotBlessed: when the model may not serve, with the reasons.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        report = location(artifact_utils.get_single_uri(input_dict["report"]))
        summary = Summary.from_json((report / SUMMARY).read_bytes())
        if not summary.blessed:
            raise NotBlessed(refusal(summary, exec_properties["output"]))
        logging.info("%s: %s. %s serves.", verdict_sentence(summary), summary.outcome, summary.serving_path)


def refusal(summary: Summary, output: str) -> str:
    """Says in a few lines that the model may not serve, why, what serves, and where the report lies."""
    serves = f"{summary.serving_path} goes on serving" if summary.serving_path else "nothing serves yet"
    return "\n".join(
        [
            verdict_sentence(summary),
            *(f"  {reason}" for reason in summary.reasons),
            f"Model   not pushed; {serves}",
            f"Report  {output.rstrip('/')}/{PAGE}",
        ]
    )
