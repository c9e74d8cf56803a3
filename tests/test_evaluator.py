"""The Evaluator: slices, thresholds, verdict, and the real executor on tiny models."""

import hashlib
import json

import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import channel_utils, standard_artifacts

from components import artifacts
from components.errors import RunStopped
from components.evaluator import executor, metrics, predictions, slices
from components.evaluator.component import Evaluator
from components.evaluator.tfma_run import columns_to_read
from tests.tiny_evaluation import CLASSES, evaluate, save_model, settings, write_examples, write_schema

# Slices


@pytest.mark.parametrize(
    ("value", "name"),
    [(10, "10 to 20"), (20, "10 to 20"), (21, "over 20 to 30"), (40, "over 30 to 40"), (50, "over 40 to 50")],
)
def test_a_number_is_sliced_by_quarters(value, name):
    assert slices.range_of(value, [10, 20, 30, 40, 50]) == name


def test_numbers_that_are_all_equal_make_one_slice():
    assert slices.range_of(28, [28, 28, 28, 28, 28]) == "28"


def test_ranges_are_put_in_the_order_of_their_numbers():
    names = ["over 30 to 200", "over 4 to 30", "1 to 4"]
    assert sorted(names, key=slices.range_start) == names[::-1]


def test_unknown_slice_is_refused_with_what_is_allowed():
    with pytest.raises(ValueError, match=r"cannot slice by 'colour'. Use width, height"):
        slices.check_slices(["colour"])


def evaluator(**changes):
    """The component with settings, as the DAG makes it."""
    return Evaluator(
        examples=channel_utils.as_channel([standard_artifacts.Examples()]),
        model=channel_utils.as_channel([standard_artifacts.Model()]),
        baseline_model=channel_utils.as_channel([artifacts.BaselineModel()]),
        schema=channel_utils.as_channel([standard_artifacts.Schema()]),
        ingest_report=channel_utils.as_channel([artifacts.IngestReport()]),
        evaluation=json.dumps(settings(**changes)),
        thresholds="{}",
        source_hash="abc",
    )


def test_the_component_refuses_an_unknown_slice_before_any_work():
    assert evaluator(slices=["width"]).outputs.keys() == {"evaluation", "blessing", "predictions"}
    with pytest.raises(ValueError, match="cannot slice by 'colour'"):
        evaluator(slices=["colour"])


def test_mistyped_thresholds_stop_the_step_before_any_work():
    with pytest.raises(RunStopped, match="thresholds: unknown metric 'acuracy'"):
        executor.Executor().Do({}, {}, {"thresholds": '{"acuracy": {"at_least": 0.5}}'})


def test_a_schema_without_a_feature_that_is_read_is_refused():
    with pytest.raises(ValueError, match=r"the features \['content_hash', 'source_path'\] are missing"):
        columns_to_read(schema_pb2.Schema(feature=[schema_pb2.Feature(name="label")]), [])


# The real executor on tiny models


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A candidate against a serving model of reordered classes, sliced, with one threshold broken."""
    folder = tmp_path_factory.mktemp("compared")
    labels, logits = write_examples(folder / "examples")
    write_schema(folder / "schema")
    save_model(folder / "model/Format-Serving", skill=1.0)
    save_model(folder / "baseline_model/Format-Serving", classes=CLASSES[::-1], skill=0.5)
    result = evaluate(
        folder,
        baseline={"version": 3, "reason": "it serves", "serves": True},
        slices=["width", "image_format"],
        thresholds={
            "accuracy": {"at_least": 0.99, "change_at_least": -0.5},
            "cross_entropy": {"change_at_most": 5.0},
        },
    )
    result.labels, result.logits = labels, logits
    return result


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_predictions_hold_both_models_each_in_its_own_order_of_classes(compared):
    found = compared.predictions
    order = [int(path.split("/")[1].removesuffix(".png")) for path in found.source_path]
    assert sorted(order) == list(range(60))
    assert found.classes.tolist() == CLASSES
    assert found.label.tolist() == [CLASSES[label] for label in compared.labels[order]]
    np.testing.assert_allclose(found.candidate, softmax(compared.logits[order]), rtol=1e-5)
    assert found.baseline_classes.tolist() == CLASSES[::-1]
    np.testing.assert_allclose(found.baseline, softmax(compared.logits[order] * 0.5), rtol=1e-5)
    assert found.content_hash[0] == hashlib.sha256(compared.logits[order[0]].tobytes()).hexdigest()


def test_tfma_reports_the_same_numbers_for_every_slice(compared):
    sliced = dict(
        tfma.load_eval_result(str(compared.folder / "evaluation"), model_name="candidate").slicing_metrics
    )
    found = compared.predictions

    def tfma_values(*slice_key):
        values = sliced[slice_key][""][""]
        return {name: float(values[name]["doubleValue"]) for name in compared.verdict["metrics"]}

    def ours(chosen):
        return metrics.metric_values(found.label_index[chosen], found.candidate[chosen], 2)

    everything = np.ones(60, dtype=bool)
    assert tfma_values() == pytest.approx(ours(everything))
    for label in CLASSES:
        assert tfma_values(("label", label)) == pytest.approx(ours(found.label == label), nan_ok=True)
    for name, values in found.slices.items():
        for value in np.unique(values):
            assert tfma_values((name, str(value))) == pytest.approx(ours(values == value))
    assert len(sliced) == 1 + 3 + 4 + 2
    assert sliced[()][""][""]["accuracy_diff"]["doubleValue"] == pytest.approx(
        compared.verdict["difference"]["accuracy"]["value"]
    )


def test_numbers_are_sliced_into_quarters_of_equal_size(compared):
    rows = compared.analysis["slices"]["width"]
    assert [row["value"] for row in rows] == ["10 to 24", "over 24 to 39", "over 39 to 54", "over 54 to 69"]
    assert [row["images"] for row in rows] == [15, 15, 15, 15]


def test_a_broken_threshold_withholds_the_blessing_and_says_why(compared):
    accuracy = compared.verdict["metrics"]["accuracy"]["value"]
    assert compared.verdict["blessed"] is False
    assert compared.verdict["reasons"] == [
        f"accuracy is {accuracy:.4f}, below evaluation.thresholds.accuracy.at_least of 0.99."
    ]
    assert compared.blessing.get_int_custom_property("blessed") == 0
    assert (compared.folder / "blessing/NOT_BLESSED").exists()
    assert not (compared.folder / "blessing/BLESSED").exists()


def test_the_verdict_compares_with_the_serving_model(compared):
    decision = compared.verdict
    assert decision["baseline"]["version"] == 3
    for name, difference in decision["difference"].items():
        expected = decision["metrics"][name]["value"] - decision["baseline"]["metrics"][name]["value"]
        assert difference["value"] == pytest.approx(expected)
        assert difference["low"] <= difference["value"] <= difference["high"]
    assert 0 <= decision["difference"]["accuracy"]["p_value"] <= 1


def test_per_class_rows_count_what_was_there_and_what_was_said(compared):
    rows = compared.analysis["per_class"]
    said = compared.predictions.candidate.argmax(axis=1)
    assert [row["label"] for row in rows] == CLASSES
    for column, row in enumerate(rows):
        own = compared.predictions.label_index == column
        assert row["support"] == own.sum()
        assert row["predicted"] == (said == column).sum()
        assert row["recall"]["value"] == pytest.approx((said[own] == column).mean())
    wrong = sum(cell["count"] for cell in compared.analysis["confusions"])
    assert wrong == (said != compared.predictions.label_index).sum()


@pytest.fixture
def first_run(tmp_path):
    """Examples, schema and a candidate, before anything was pushed."""
    write_examples(tmp_path / "examples", n=20)
    write_schema(tmp_path / "schema")
    save_model(tmp_path / "model/Format-Serving")
    return tmp_path


def test_without_a_serving_model_only_absolute_bounds_apply(first_run):
    result = evaluate(first_run, thresholds={"accuracy": {"at_least": 0.1, "change_at_least": 0.5}})
    assert result.verdict["blessed"] is True
    assert result.blessing.get_int_custom_property("blessed") == 1
    assert result.verdict["reasons"] == [
        "There is no model to compare with (first): bounds on changes were not applied."
    ]
    assert result.predictions.baseline is None


def test_a_version_that_cannot_be_run_never_blocks(first_run):
    save_model(first_run / "baseline_model/Format-Serving", width=5)  # no image holds five logits
    result = evaluate(
        first_run,
        baseline={"version": 7, "reason": "it serves", "serves": True},
        thresholds={"accuracy": {"change_at_least": 0.5}},
    )
    assert result.verdict["blessed"] is True
    assert result.verdict["baseline"]["version"] is None
    (reason,) = result.verdict["reasons"]
    assert reason.startswith("There is no model to compare with (version 7 cannot be evaluated on this data")
    assert reason.endswith("): bounds on changes were not applied.")


def test_a_model_worse_than_the_serving_one_is_not_blessed(first_run):
    save_model(first_run / "model/Format-Serving", skill=-1.0)  # says the least likely class
    save_model(first_run / "baseline_model/Format-Serving", skill=1.0)
    result = evaluate(
        first_run,
        baseline={"version": 1, "reason": "it serves", "serves": True},
        thresholds={"accuracy": {"change_at_least": -0.01}, "cross_entropy": {"change_at_most": 0.0}},
    )
    decision = result.verdict

    def sentence(name, bound):
        value, baseline = decision["metrics"][name]["value"], decision["baseline"]["metrics"][name]["value"]
        return (
            f"{name} is {value:.4f}, {value - baseline:+.4f} against the serving model's {baseline:.4f}; "
            f"evaluation.thresholds.{name}.{bound}."
        )

    assert decision["blessed"] is False
    assert set(decision["reasons"]) == {
        sentence("accuracy", "change_at_least is -0.01"),
        sentence("cross_entropy", "change_at_most is 0"),
    }


def test_an_empty_test_split_says_what_to_do():
    with pytest.raises(ValueError, match=r"the test split holds no image\. Give data.splits.test"):
        predictions.from_rows([])
