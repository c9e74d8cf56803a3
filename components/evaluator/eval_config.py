"""The Evaluation settings in TFMA's words."""

import json

from tensorflow_model_analysis.proto import config_pb2  # TFMA 0.52 has these nowhere else

from modules.features import LABEL

CANDIDATE, BASELINE = "candidate", "baseline"


def eval_config(evaluation: dict, has_baseline: bool) -> config_pb2.EvalConfig:
    """Candidate and baseline, our metrics, slices by class and by each scalar.

    No thresholds: they are judged by verdict.py, on the images that both models can be compared on.

    Args:
      evaluation: the Evaluation settings as plain data (see pipeline/config.py).
      has_baseline: whether there is a model to compare with.
    """
    model_names = [CANDIDATE, BASELINE] if has_baseline else [CANDIDATE]
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
                ],
            )
        ],
    )
