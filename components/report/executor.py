"""The Report's work on artifacts: read what every step wrote, draw, write."""

import datetime
import importlib.metadata
import json
import pathlib
import platform

import numpy as np
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.report import content, mistakes, render, scalars
from modules.features import SPLITS, TEST_SPLIT

# The packages that decide what a run computes.
PACKAGES = ("tfx", "tensorflow", "keras", "tensorflow-model-analysis", "apache-beam", "numpy")


class Executor(base_executor.BaseExecutor):
    """Writes report.html and summary.json."""

    def Do(self, input_dict, output_dict, exec_properties):
        def folder(name: str) -> pathlib.Path:
            return pathlib.Path(artifact_utils.get_single_uri(input_dict[name]))

        statistics = artifact_utils.get_single_instance(input_dict["statistics"])
        test_folder = artifact_utils.get_split_uri(input_dict["examples"], TEST_SPLIT)
        found = content.Findings(
            config=json.loads(exec_properties["config"]),
            ingest=read_json(folder("ingest_report") / "ingest_report.json"),
            data_verdict=read_json(folder("data_verdict") / "verdict.json"),
            scalars=scalars.scalar_rows(
                {split: stats_artifact_utils.load_statistics(statistics, split).proto() for split in SPLITS}
            ),
            history=read_json(folder("model_run") / "history.json"),
            analysis=read_json(folder("evaluation") / "analysis.json"),
            verdict=read_json(folder("blessing") / "verdict.json"),
            baseline_choice=read_json(folder("baseline_model") / "baseline.json")["reason"],
            infra=read_json(folder("infra_blessing") / "verdict.json"),
            push=read_json(folder("pushed_model") / "push.json"),
            mistakes=pictured_mistakes(folder("predictions") / "predictions.npz", test_folder),
            versions=installed_versions(),
            written=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        )
        report = pathlib.Path(artifact_utils.get_single_uri(output_dict["report"]))
        report.mkdir(parents=True, exist_ok=True)
        (report / "report.html").write_text(render.render(found), encoding="utf-8")
        summary = json.dumps(content.summary(found), ensure_ascii=False, indent=2)
        (report / "summary.json").write_text(summary, encoding="utf-8")


def read_json(path: pathlib.Path):
    """Reads a UTF-8 JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def pictured_mistakes(predictions_file: pathlib.Path, test_folder: str) -> list[dict]:
    """The surest mistakes with their pictures; "image" is None where the picture is not to be found."""
    with np.load(predictions_file, allow_pickle=False) as arrays:
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


def installed_versions() -> dict[str, str]:
    """Package to version, and Python's own."""
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in PACKAGES
    }
