"""One Beam pipeline around TFMA: models over the test split, metrics, predictions."""

import tensorflow_model_analysis as tfma
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.public import tfxio

from components.evaluator import rows
from components.evaluator.eval_config import BASELINE, CANDIDATE, eval_config
from modules.features import CONTENT_HASH, LABEL, SOURCE_PATH
from modules.storage import make_folder

IMAGES_A_BATCH = 64


def columns_to_read(schema: schema_pb2.Schema, slice_names) -> schema_pb2.Schema:
    """The schema without the image bytes, which only the models read, from the whole example.

    Raises:
      ValueError: when the schema lacks a feature that is needed.
    """
    wanted = {LABEL, CONTENT_HASH, SOURCE_PATH, *slice_names}
    types = {feature.name: feature.type for feature in schema.feature}
    missing = wanted - types.keys()
    if missing:
        raise ValueError(
            f"schema: the features {sorted(missing)} are missing, which the evaluation reads. "
            "Add them to your schema, or let one be inferred (validation.schema: null)."
        )
    columns = schema_pb2.Schema()
    for name in sorted(wanted):
        # Exactly one value an image (modules/features.py): read as dense columns, without further judgement.
        feature = columns.feature.add(name=name, type=types[name])
        feature.presence.min_fraction = 1.0
        feature.shape.dim.add(size=1)
    return columns


def run_tfma(
    make_pipeline,
    test_files: str,
    schema: schema_pb2.Schema,
    model_paths: dict[str, str],
    evaluation: dict,
    evaluation_folder: str,
    predictions_folder: str,
) -> None:
    """Runs every model once over the test split; writes TFMA's results and predictions.npz.

    Args:
      make_pipeline: gives a beam.Pipeline.
      test_files: pattern of gzip TFRecords of raw examples (modules/features.py).
      schema: of the raw examples.
      model_paths: SavedModels with serving_default: "candidate", and "baseline" when there is one.
      evaluation: the Evaluation settings as plain data.
      evaluation_folder: for TFMA's files, as tfma.load_eval_result reads them.
      predictions_folder: for predictions.npz.
    """
    config = eval_config(evaluation, has_baseline=BASELINE in model_paths)
    models = [
        tfma.default_eval_shared_model(model_paths[name], model_name=name, eval_config=config)
        for name in (CANDIDATE, BASELINE)
        if name in model_paths
    ]
    *inference, unbatch, slice_keys = tfma.default_extractors(eval_shared_model=models, eval_config=config)
    extractors = [*inference, rows.range_extractor(evaluation["slices"]), unbatch, slice_keys]
    evaluators = [
        *tfma.default_evaluators(eval_shared_model=models, eval_config=config),
        rows.row_evaluator(evaluation["slices"]),
    ]
    writers = [
        *tfma.default_writers(evaluation_folder, eval_shared_model=models, eval_config=config),
        rows.row_writer(predictions_folder),
    ]
    source = tfxio.TFExampleRecord(
        file_pattern=test_files,
        schema=columns_to_read(schema, evaluation["slices"]),
        raw_record_column_name=tfma.ARROW_INPUT_COLUMN,
        telemetry_descriptors=["headstart", "evaluator"],
    )
    make_folder(predictions_folder)
    with make_pipeline() as pipeline:
        _ = (
            pipeline
            | "ReadTestSplit" >> source.BeamSource(batch_size=IMAGES_A_BATCH)
            | "ExtractEvaluateAndWrite"
            >> tfma.ExtractEvaluateAndWriteResults(
                eval_shared_model=models,
                eval_config=config,
                extractors=extractors,
                evaluators=evaluators,
                writers=writers,
                output_path=evaluation_folder,
            )
        )
