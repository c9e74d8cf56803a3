"""What is taken out of TFMA's extracts beside its metrics: slices by range, and a row an image."""

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from apache_beam.transforms.stats import ApproximateQuantiles

from components.evaluator import predictions, slices
from components.evaluator.eval_config import BASELINE, CANDIDATE
from modules.features import CONTENT_HASH, LABEL, NUMERIC_SCALARS, SOURCE_PATH

ROWS_KEY = "prediction_rows"
_EXTRACTOR_NAME = "NameRangesAndDropImages"


def range_extractor(slice_names) -> tfma.extractors.Extractor:
    """An extractor that drops the images after prediction and turns numbers to slice by into ranges.

    TFMA makes a slice of every distinct value, which for a file size means one image a slice.
    """
    return tfma.extractors.Extractor(
        stage_name=_EXTRACTOR_NAME, ptransform=_NameRangesAndDropImages(tuple(slice_names))
    )


@beam.ptransform_fn
def _NameRangesAndDropImages(extracts, slice_names):
    extracts = extracts | "DropImages" >> beam.Map(_without_input)
    quartiles = {
        name: beam.pvalue.AsSingleton(
            extracts
            | f"Values[{name}]" >> beam.FlatMap(_values, name)
            | f"Quartiles[{name}]" >> ApproximateQuantiles.Globally(5)
        )
        for name in slice_names
        if name in NUMERIC_SCALARS
    }
    return extracts | "NameRanges" >> beam.Map(_with_ranges, **quartiles)


def _without_input(extracts):
    return {key: value for key, value in extracts.items() if key != tfma.INPUT_KEY}


def _values(extracts, name):
    return extracts[tfma.FEATURES_KEY][name].reshape(-1).tolist()


def _with_ranges(extracts, **quartiles):
    features = dict(extracts[tfma.FEATURES_KEY])
    for name, edges in quartiles.items():
        features[name] = _texts([slices.range_of(value, edges) for value in _values(extracts, name)])
    return {**extracts, tfma.FEATURES_KEY: features}


def _texts(texts):
    # TFMA wants text features as an object array of bytes, [batch, 1].
    return np.array([[text.encode()] for text in texts], dtype=object)


def row_evaluator(slice_names) -> tfma.evaluators.Evaluator:
    """Puts one row an image into the evaluation, so that no model has to run a second time."""
    return tfma.evaluators.Evaluator(
        stage_name="GatherPredictions", run_after=_EXTRACTOR_NAME, ptransform=_GatherRows(tuple(slice_names))
    )


@beam.ptransform_fn
def _GatherRows(extracts, slice_names):
    return {ROWS_KEY: extracts | beam.FlatMap(prediction_rows, slice_names)}


def prediction_rows(extracts, slice_names):
    """Yields a dict an image of a batch, as `predictions.from_rows` reads them.

    With one model TFMA leaves its name out of the extracts.
    """
    features, outputs = extracts[tfma.FEATURES_KEY], extracts[tfma.PREDICTIONS_KEY]
    outputs = outputs if CANDIDATE in outputs else {CANDIDATE: outputs}

    def texts(name):
        return [value.decode() for value in features[name].reshape(-1)]

    columns = {name: texts(name) for name in (CONTENT_HASH, SOURCE_PATH, LABEL)}
    sliced = {name: texts(name) for name in slice_names}
    for index in range(len(columns[LABEL])):
        row = {name: values[index] for name, values in columns.items()}
        row["slices"] = {name: values[index] for name, values in sliced.items()}
        for model in (CANDIDATE, BASELINE):
            if model in outputs:
                row[model] = outputs[model]["probabilities"][index]
                row[f"{model}_classes"] = [name.decode() for name in outputs[model]["all_classes"][index]]
        yield row


def row_writer(folder: str) -> tfma.writers.Writer:
    """Writes the rows as one file (see predictions.py)."""
    return tfma.writers.Writer(stage_name="WritePredictions", ptransform=_WritePredictions(folder))


@beam.ptransform_fn
def _WritePredictions(evaluation, folder):
    return (
        evaluation[ROWS_KEY]
        | beam.combiners.ToList()
        | beam.Map(lambda rows: predictions.write(predictions.from_rows(rows), folder))
    )
