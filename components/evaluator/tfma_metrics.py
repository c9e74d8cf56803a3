"""The metrics of metrics.py as one TFMA metric, so that TFMA slices and compares them.

TFMA has no macro recall, no top-label calibration error and no exact AUC, and takes its accuracies
from Keras 2 objects, an example at a time. One combiner that gathers rows serves all of them, and the
numbers in TFMA's files are the very ones that the intervals belong to.
"""

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from components.evaluator import metrics


class ClassificationMetrics(tfma.metrics.Metric):
    """Every metric of `metrics.metric_values`, under its own name."""

    def __init__(self, top_k: int, name: str = "classification_metrics"):
        """Constructs the metric.

        Args:
          top_k: k of top_k_accuracy.
          name: required by TFMA, not used: the names are those of the values.
        """
        super().__init__(tfma.metrics.merge_per_key_computations(_computations), name=name, top_k=top_k)


def _computations(
    top_k: int, name: str, eval_config: config_pb2.EvalConfig, model_name: str = ""
) -> list[tfma.metrics.MetricComputation]:
    del name
    names = metrics.metric_values(np.array([0]), np.array([[1.0]]), top_k=1)
    keys = {metric: tfma.metrics.MetricKey(name=metric, model_name=model_name) for metric in names}
    return [
        tfma.metrics.MetricComputation(
            keys=list(keys.values()),
            preprocessors=None,
            combiner=_GatherRows(keys, eval_config, model_name, top_k),
        )
    ]


class _GatherRows(beam.CombineFn):
    """Gathers (label, probabilities) of a slice and computes all its metrics at once."""

    def __init__(self, keys: dict, eval_config: config_pb2.EvalConfig, model_name: str, top_k: int):
        self._keys = keys
        self._eval_config = eval_config
        self._model_name = model_name
        self._top_k = top_k

    def create_accumulator(self):
        return [], []

    def add_input(self, accumulator, element):
        labels, probabilities = accumulator
        # Looks the label's text up in the model's `all_classes` output.
        label, row, _ = next(
            tfma.metrics.to_label_prediction_example_weight(
                element, self._eval_config, self._model_name, flatten=False, squeeze=False
            )
        )
        # TFMA turns a label that the model does not know into a row of zeros.
        labels.append(int(label.item()) if label.size == 1 else metrics.UNKNOWN_CLASS)
        probabilities.append(row.reshape(-1).astype(np.float32))
        return accumulator

    def merge_accumulators(self, accumulators):
        merged_labels, merged_probabilities = [], []
        for labels, probabilities in accumulators:
            merged_labels += labels
            merged_probabilities += probabilities
        return merged_labels, merged_probabilities

    def extract_output(self, accumulator):
        labels, probabilities = accumulator
        values = metrics.metric_values(np.array(labels), np.stack(probabilities), self._top_k)
        return {self._keys[name]: value for name, value in values.items()}
