"""The Report's work on artifacts: read what every step wrote, draw, write."""

import datetime
import json
import platform

import numpy as np
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.baseline.chosen import Chosen
from components.report import content, mistakes, render, scalars
from components.report.made_from import made_from, package_versions
from components.report.publish import PAGE, SUMMARY, publish, publish_index
from modules.features import SPLITS, TEST_SPLIT
from modules.storage import Location, local_copy, location


class Executor(base_executor.BaseExecutor):
    """Writes report.html and summary.json, and publishes both."""

    def Do(self, input_dict, output_dict, exec_properties):
        def folder(name: str) -> Location:
            return location(artifact_utils.get_single_uri(input_dict[name]))

        statistics = artifact_utils.get_single_instance(input_dict["statistics"])
        test_folder = artifact_utils.get_split_uri(input_dict["examples"], TEST_SPLIT)
        ingest = read_json(folder("ingest_report") / "ingest_report.json")
        verdict = read_json(folder("blessing") / "verdict.json")
        push = read_json(folder("pushed_model") / "push.json")
        config = json.loads(exec_properties["config"])
        # A run in a cluster may have been started with others than the config's.
        config["evaluation"]["thresholds"] = verdict["thresholds"]
        found = content.Findings(
            config=config,
            ingest=ingest,
            data_verdict=read_json(folder("data_verdict") / "verdict.json"),
            scalars=scalars.scalar_rows(
                {split: stats_artifact_utils.load_statistics(statistics, split).proto() for split in SPLITS}
            ),
            history=read_json(folder("model_run") / "history.json"),
            analysis=read_json(folder("evaluation") / "analysis.json"),
            verdict=verdict,
            baseline_choice=Chosen.read(folder("baseline_model")).reason,
            infra=read_json(folder("infra_blessing") / "verdict.json"),
            push=push,
            mistakes=pictured_mistakes(folder("predictions") / "predictions.npz", test_folder),
            versions={"python": platform.python_version()} | package_versions(),
            finished=datetime.datetime.now(datetime.timezone.utc),
        )
        run_id = exec_properties["run_id"]
        made = made_from(
            config, exec_properties["code_hash"], ingest["source_fingerprint"], push["serving_state"]
        )
        page, summary = render.render(found), content.summary(found, run_id, made).as_json()
        report = location(artifact_utils.get_single_uri(output_dict["report"]))
        report.mkdir(parents=True, exist_ok=True)
        (report / PAGE).write_text(page, encoding="utf-8")
        (report / SUMMARY).write_text(summary, encoding="utf-8")
        publish_index(folder("ingest_report"), exec_properties["output"])
        publish(page, summary, exec_properties["output"], run_id)


def read_json(path: Location):
    """Reads a UTF-8 JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def pictured_mistakes(predictions_file: Location, test_folder: str) -> list[dict]:
    """The surest mistakes with their pictures; "image" is None where the picture is not to be found."""
    with np.load(local_copy(predictions_file), allow_pickle=False) as arrays:
        found = mistakes.surest_mistakes(arrays)
    images = mistakes.read_images(test_folder, [mistake["content_hash"] for mistake in found])
    nothing = {"image": None, "tiny": False}
    return [
        {
            **mistake,
            **(mistakes.picture_of(images[key]) if (key := mistake["content_hash"]) in images else nothing),
        }
        for mistake in found
    ]
