"""The Evaluator's work on artifacts: run TFMA, add intervals, bless or not."""

import json
import logging

from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.baseline.chosen import Chosen
from components.data_record import DataRecord
from components.errors import RunStopped
from components.evaluator import analysis, judgement, predictions
from components.evaluator.baseline_records import BaselineRecords
from components.evaluator.eval_config import BASELINE, CANDIDATE
from components.evaluator.tfma_run import run_tfma
from components.evaluator.thresholds import parse_thresholds
from components.evaluator.verdict import verdict
from modules.features import TEST_SPLIT
from modules.storage import Location, files_below, location, make_folder


class Executor(base_beam_executor.BaseBeamExecutor):
    """Evaluates the candidate, and the baseline beside it, on the test split."""

    def Do(self, input_dict, output_dict, exec_properties):
        thresholds = thresholds_or_stop(exec_properties["thresholds"])
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        schema_uri = artifact_utils.get_single_uri(input_dict["schema"])
        baseline_folder = location(artifact_utils.get_single_uri(input_dict["baseline_model"]))
        evaluation_folder = artifact_utils.get_single_uri(output_dict["evaluation"])
        predictions_folder = artifact_utils.get_single_uri(output_dict["predictions"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        evaluation = json.loads(exec_properties["evaluation_settings"]) | {"thresholds": thresholds}

        baseline = Chosen.read(baseline_folder)
        model_paths = {CANDIDATE: path_utils.serving_model_path(model.uri)}
        if baseline.version is not None:
            model_paths[BASELINE] = path_utils.serving_model_path(str(baseline_folder))

        def evaluate(model_paths):
            run_tfma(
                self._make_beam_pipeline,
                io_utils.all_files_pattern(artifact_utils.get_split_uri([examples], TEST_SPLIT)),
                io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri)),
                model_paths,
                evaluation,
                evaluation_folder,
                predictions_folder,
            )

        baseline = evaluate_with_or_without_baseline(evaluate, model_paths, baseline, evaluation_folder)
        records = BaselineRecords()
        if baseline.version is not None:
            records = BaselineRecords.read(model_paths[BASELINE])
        numbers = analysis.analyse(
            predictions.read(predictions_folder), evaluation["top_k"], evaluation["confidence"], records
        )
        write_json(location(evaluation_folder) / analysis.FILE_NAME, numbers)
        data = DataRecord.read(artifact_utils.get_single_uri(input_dict["ingest_report"])).fingerprint()
        decision = verdict(numbers, evaluation, baseline, data, records.damage)
        write_blessing(blessing, decision)
        for reason in decision["reasons"]:
            logging.info("Evaluator: %s", reason)


def thresholds_or_stop(text: str) -> dict[str, dict]:
    """Reads the thresholds; what a person mistyped stops the run with a message, not with a traceback."""
    try:
        return parse_thresholds(text)
    except ValueError as error:
        raise RunStopped(str(error)) from None


def evaluate_with_or_without_baseline(
    evaluate, model_paths: dict, baseline: Chosen, evaluation_folder: str
) -> Chosen:
    """Evaluates; once more without the baseline when that cannot be run, as it must never block.

    Args:
      evaluate: called with the model paths; raises when a model cannot be run.
      model_paths: "candidate", and "baseline" when there is one.
      baseline: the version to compare with, if there is one.
      evaluation_folder: emptied before the second attempt.

    Returns:
      The baseline that was compared with: version None and a reason when it could not be.
    """
    if BASELINE not in model_paths:
        evaluate(model_paths)
        return baseline
    try:
        evaluate(model_paths)
    except Exception as error:  # Beam wraps every failure of a worker in its own types
        # A fault of the candidate or of the data fails again here, and stops the run.
        for file in files_below(evaluation_folder).values():
            file.unlink()
        evaluate({CANDIDATE: model_paths[CANDIDATE]})
        summary = str(error).strip().splitlines()[0][:300]
        logging.warning("Evaluator: version %s cannot be compared with: %s", baseline.version, error)
        return baseline.without_version(
            f"version {baseline.version} cannot be evaluated on this data: {summary}"
        )
    return baseline


def write_blessing(blessing, decision: dict) -> None:
    """Marks the artifact as TFX does (a file and a property), with verdict.json beside the file."""
    blessed = decision["blessed"]
    file_name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    value = constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE
    write_json(location(blessing.uri) / judgement.FILE_NAME, decision)
    (location(blessing.uri) / file_name).write_bytes(b"")
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)


def write_json(path: Location, data) -> None:
    """Writes readable UTF-8 JSON; NaN is refused."""
    make_folder(path.parent)
    path.write_text(json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2), encoding="utf-8")
