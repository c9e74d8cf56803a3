"""The Evaluation settings in TFMA's words."""

import json

from tensorflow_model_analysis.proto import config_pb2  # TFMA 0.52 has these nowhere else

from modules.features import LABEL

CANDIDATE, BASELINE = "candidate", "baseline"
# 0.84 - 0.85 is -0.010000000000000009 in floating point: a bound that is met exactly must hold.
ROUNDING = 1e-9


def thresholds_of(threshold: dict, has_baseline: bool) -> list[config_pb2.MetricThreshold]:
    """One TFMA threshold for each bound that is set; changes only where there is a baseline.

    Args:
      threshold: at_least, at_most, change_at_least, change_at_most: a number or None each.
    """
    found = []
    if threshold.get("at_least") is not None:
        found.append({"value_threshold": {"lower_bound": {"value": threshold["at_least"] - ROUNDING}}})
    if threshold.get("at_most") is not None:
        found.append({"value_threshold": {"upper_bound": {"value": threshold["at_most"] + ROUNDING}}})
    if has_baseline and threshold.get("change_at_least") is not None:
        bound = {
            "direction": "HIGHER_IS_BETTER",
            "absolute": {"value": threshold["change_at_least"] - ROUNDING},
        }
        found.append({"change_threshold": bound})
    if has_baseline and threshold.get("change_at_most") is not None:
        bound = {
            "direction": "LOWER_IS_BETTER",
            "absolute": {"value": threshold["change_at_most"] + ROUNDING},
        }
        found.append({"change_threshold": bound})
    return [config_pb2.MetricThreshold(**kind) for kind in found]


def eval_config(evaluation: dict, has_baseline: bool) -> config_pb2.EvalConfig:
    """Candidate and baseline, our metrics, slices by class and by each scalar, thresholds overall.

    Args:
      evaluation: the Evaluation settings as plain data (see pipeline/config.py).
      has_baseline: whether there is a serving model to compare with.
    """
    model_names = [CANDIDATE, BASELINE] if has_baseline else [CANDIDATE]
    per_slice_thresholds = {
        metric: config_pb2.PerSliceMetricThresholds(
            thresholds=[
                config_pb2.PerSliceMetricThreshold(slicing_specs=[config_pb2.SlicingSpec()], threshold=bound)
                for bound in thresholds_of(threshold, has_baseline)
            ]
        )
        for metric, threshold in evaluation["thresholds"].items()
    }
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                name=name,
                is_baseline=name == BASELINE,
                signature_name="serving_default",
                label_key=LABEL,
                prediction_key="probabilities",
            )
            for name in model_names
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[name]) for name in (LABEL, *evaluation["slices"])),
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(
                model_names=model_names,
                metrics=[
                    config_pb2.MetricConfig(class_name="ExampleCount"),
                    config_pb2.MetricConfig(
                        class_name="ClassificationMetrics",
                        module="components.evaluator.tfma_metrics",
                        config=json.dumps({"top_k": evaluation["top_k"]}),
                    ),
                    config_pb2.MetricConfig(class_name="MultiClassConfusionMatrixPlot"),
                ],
                per_slice_thresholds=per_slice_thresholds,
            )
        ],
    )
