"""The Verdict's work: read the summary, and stop the run unless the model was blessed."""

import json
from typing import Any

from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.errors import NotBlessed
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
        summary = json.loads((report / "summary.json").read_text(encoding="utf-8"))
        if not summary["blessed"]:
            raise NotBlessed(refusal(summary, exec_properties["output"]))
        logging.info("The model is blessed: %s. %s serves.", summary["verdict"], summary["serving_path"])


def refusal(summary: dict, output: str) -> str:
    """Says in a few lines that the model may not serve, why, what serves, and where the report lies."""
    accuracy = summary["accuracy"]
    serves = f"{summary['serving_path']} goes on serving" if summary["serving_path"] else "nothing serves yet"
    return "\n".join(
        [
            f"The model is NOT blessed. Accuracy {accuracy['value']:.1%} "
            f"({accuracy['low']:.1%} to {accuracy['high']:.1%}, n = {accuracy['n']:,})",
            *(f"  {reason}" for reason in summary["reasons"]),
            f"Model   not pushed; {serves}",
            f"Report  {output.rstrip('/')}/report.html",
        ]
    )
