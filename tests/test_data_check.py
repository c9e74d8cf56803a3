"""The data is refused before training when it should be, with feature and reason; else it is not."""

import pytest
from tfx.types import Channel, standard_artifacts

from components import artifacts, serving_versions
from components.data_check.component import DataCheck
from components.data_check.findings import Finding, refusal, verdict
from components.errors import RunStopped
from components.schema_gen.inference import infer_schema
from tests import tiny_data
from tests.checked_data import FIFTY_OF_EACH, ORDINARY, check, refused, serve, with_files_set_aside


def test_ordinary_data_pass_without_a_finding(tmp_path):
    assert check(tmp_path) == {"ok": True, "findings": []}


def test_ordinary_data_pass_beside_a_serving_model_with_the_same_data(tmp_path):
    serve(tmp_path, ORDINARY)

    assert check(tmp_path) == {"ok": True, "findings": []}


def test_single_outliers_in_eval_and_test_do_not_stop_a_first_run(tmp_path):
    odd = tiny_data.statistics(
        ["cat", "dog"] * 50,
        width=[64] * 99 + [9000],
        byte_size=[5000] * 99 + [20_000_000],
        mean_brightness=[128.0] * 99 + [0.0],
    )

    assert check(tmp_path, eval_=odd, test=odd) == {"ok": True, "findings": []}


def test_too_many_files_set_aside_stop_the_run_even_when_anomalies_only_warn(tmp_path):
    ingest = with_files_set_aside(100, *((f"{n}.jpg", "truncated") for n in range(4)))

    assert refused(tmp_path, ingest=ingest, on_anomaly="warn") == [
        "data: 4 of 100 files were set aside (4.0%): "
        "0.jpg (truncated); 1.jpg (truncated); 2.jpg (truncated); and 1 more. "
        "At most 1.0% are allowed: fix the files, or raise data.max_rejected_share"
    ]


def test_the_message_says_how_to_accept_an_anomaly_but_not_how_to_accept_what_cannot_be(tmp_path):
    hint = "--set validation.on_anomaly=warn"
    with pytest.raises(RunStopped, match=hint):
        check(tmp_path / "anomaly", schema=infer_schema(tiny_data.statistics(["cat", "fox"])))
    with pytest.raises(RunStopped) as stopped:
        check(tmp_path / "fatal", test=tiny_data.statistics([]))

    assert hint not in str(stopped.value)
    assert str(stopped.value).endswith(f"\nReport  {tmp_path / 'fatal' / 'output' / 'report.html'}")


def test_few_files_set_aside_are_only_reported(tmp_path):
    ingest = with_files_set_aside(100, ("a.jpg", "empty"))

    verdict = check(tmp_path, ingest=ingest)

    assert verdict["ok"]
    assert verdict["findings"] == [
        {
            "severity": "warning",
            "feature": "data",
            "reason": "1 of 100 files were set aside (1.0%): a.jpg (empty)",
        }
    ]


def test_a_class_that_the_schema_does_not_know_stops_the_run(tmp_path):
    schema = infer_schema(ORDINARY)
    now = tiny_data.statistics([*FIFTY_OF_EACH, "zebra"])

    assert refused(tmp_path, train=now, schema=schema) == [
        "label: new class 'zebra': 1 image in the train split, but the schema, "
        "which by default holds the classes of the train split, does not name it"
    ]


def test_a_class_that_only_the_test_split_has_stops_the_run(tmp_path):
    found = refused(tmp_path, test=tiny_data.statistics([*FIFTY_OF_EACH, "zebra", "zebra"]))

    assert [reason.partition(", but")[0] for reason in found] == [
        "label: new class 'zebra': 2 images in the test split"
    ]


def test_a_class_of_the_schema_without_images_stops_the_run(tmp_path):
    schema = infer_schema(tiny_data.statistics(["cat", "dog", "zebra"]))

    assert refused(tmp_path, schema=schema) == [
        "label: missing class 'zebra': the schema names it, the train split has no image of it",
        "label: class 'zebra' has no image in the test split, so nothing can be said about it",
    ]


def test_a_class_without_test_images_is_only_a_warning(tmp_path):
    verdict = check(tmp_path, test=tiny_data.statistics(["cat"] * 100))

    assert verdict["ok"]
    assert [(row["severity"], row["reason"]) for row in verdict["findings"]] == [
        ("warning", "class 'dog' has no image in the test split, so nothing can be said about it")
    ]


def test_an_empty_split_stops_the_run_even_when_anomalies_only_warn(tmp_path):
    assert refused(tmp_path, test=tiny_data.statistics([]), on_anomaly="warn") == [
        "data: the test split has no image; give it some, or change data.splits"
    ]


def test_images_that_are_dark_against_a_kept_schema_stop_the_run(tmp_path):
    dark = tiny_data.statistics(FIFTY_OF_EACH, mean_brightness=[31.0] * 100)

    found = refused(tmp_path, train=dark, schema=infer_schema(ORDINARY))

    assert found == [
        "mean_brightness: train split: images are suddenly darker: "
        "median 31, the schema expects 102.4 or more"
    ]


def test_large_images_in_the_test_split_alone_are_a_warning(tmp_path):
    verdict = check(tmp_path, test=tiny_data.statistics(FIFTY_OF_EACH, width=[1000] * 100))

    assert verdict["ok"]
    assert [(row["feature"], row["reason"]) for row in verdict["findings"]] == [
        ("width", "test split: images are suddenly wider: median 1000, the schema expects 80 or less")
    ]


def test_a_limit_on_single_values_in_a_kept_schema_is_enforced(tmp_path):
    schema = infer_schema(ORDINARY)
    next(feature for feature in schema.feature if feature.name == "width").int_domain.min = 32
    small = tiny_data.statistics(FIFTY_OF_EACH, width=[64] * 99 + [8])

    (found,) = refused(tmp_path, train=small, schema=schema)

    assert found.startswith("width: train split: out-of-range values: Unexpectedly small value: 8")


def test_anomalies_that_only_warn_are_in_the_verdict(tmp_path):
    now = tiny_data.statistics([*FIFTY_OF_EACH, "zebra"])

    verdict = check(tmp_path, train=now, schema=infer_schema(ORDINARY), on_anomaly="warn")

    assert verdict["ok"]
    assert [row["severity"] for row in verdict["findings"]] == ["warning"]
    assert "new class 'zebra'" in verdict["findings"][0]["reason"]


def test_classes_that_came_and_went_since_the_serving_model_stop_the_run(tmp_path):
    serve(tmp_path, tiny_data.statistics(["cat", "fox", "dog", "dog"]))

    assert refused(tmp_path, train=tiny_data.statistics(["cat", "dog", "zebra"]))[:2] == [
        "label: new class 'zebra': 1 image now, none in the data of version 3",
        "label: missing class 'fox': no image now, 1 in the data of version 3",
    ]


def test_a_class_share_that_moved_stops_the_run(tmp_path):
    serve(tmp_path, ORDINARY)

    assert refused(tmp_path, train=tiny_data.statistics(["cat"] * 75 + ["dog"] * 25)) == [
        "label: the share of class 'cat' is 75.0% now, 50.0% in the data of version 3 "
        "(L-infinity distance 0.25, allowed 0.2)"
    ]


def test_images_that_became_dark_since_the_serving_model_stop_the_run(tmp_path):
    serve(tmp_path, tiny_data.statistics(FIFTY_OF_EACH, mean_brightness=[float(v) for v in range(78, 178)]))
    dark = tiny_data.statistics(FIFTY_OF_EACH, mean_brightness=[v / 4 for v in range(78, 178)])

    (found,) = refused(tmp_path, train=dark, eval_=dark, test=dark)

    assert found.startswith(
        "mean_brightness: images are suddenly darker: mean 31.88 now, 127.5 in the data of version 3 "
        "(Jensen-Shannon divergence 1.00, allowed 0.2)"
    )


def test_the_allowed_drift_is_the_configs(tmp_path):
    serve(tmp_path, ORDINARY)

    assert check(
        tmp_path, train=tiny_data.statistics(["cat"] * 75 + ["dog"] * 25), limits={"max_drift": 0.3}
    )["ok"]


def test_one_huge_image_is_no_drift(tmp_path):
    sizes = list(range(10_000, 50_000, 400))
    serve(tmp_path, tiny_data.statistics(FIFTY_OF_EACH, byte_size=[*sizes[:-1], 5_000_000]))

    now = tiny_data.statistics(FIFTY_OF_EACH, byte_size=sizes)

    assert check(tmp_path, train=now, eval_=now, test=now) == {"ok": True, "findings": []}


def test_a_few_images_are_too_few_to_speak_of_drift(tmp_path):
    serve(tmp_path, tiny_data.statistics(["cat", "dog"] * 10, mean_brightness=[200.0] * 20))

    assert check(tmp_path)["ok"]


def test_only_the_newest_serving_version_counts(tmp_path):
    serve(tmp_path, tiny_data.statistics(["fox", "cow"]), version=9)
    serve(tmp_path, ORDINARY, version=10)

    assert check(tmp_path)["ok"]


def test_a_serving_model_that_says_nothing_about_its_data_is_no_reason_to_stop(tmp_path):
    (tmp_path / "serving" / "1").mkdir(parents=True)
    (tmp_path / "serving" / "1" / "saved_model.pb").write_bytes(b"a model")

    verdict = check(tmp_path)

    assert verdict["ok"]
    assert [row["reason"] for row in verdict["findings"]] == [
        "no change since an earlier version was looked for: version 1 says nothing about its data"
    ]


def test_the_step_declares_what_the_executor_reads():
    step = DataCheck(
        ingest_report=Channel(type=artifacts.IngestReport),
        statistics=Channel(type=standard_artifacts.ExampleStatistics),
        schema=Channel(type=standard_artifacts.Schema),
        anomalies=Channel(type=standard_artifacts.ExampleAnomalies),
        max_rejected_share=0,
        on_anomaly="stop",
        limits="{}",
        name="pets",
        push_destination="serving",
        serving_state="none",
        config="{}",
        code_hash="c",
        output="out",
        run_id="1",
        source_hash="1",
    )

    assert step.outputs["data_verdict"].type is artifacts.DataVerdict
    assert step.exec_properties["max_rejected_share"] == 0.0
    assert step.exec_properties["serving_state"] == "none"


def test_damaged_statistics_of_the_serving_model_are_noticed_and_stop_nothing(tmp_path):
    recorded = tmp_path / "serving" / "3" / serving_versions.TRAINING_STATISTICS
    recorded.parent.mkdir(parents=True)
    recorded.write_bytes(b"\xff garbage")
    (recorded.parents[2] / "saved_model.pb").write_bytes(b"a model")
    verdict = check(tmp_path)
    assert verdict["ok"]
    (finding,) = verdict["findings"]
    assert finding["feature"] == "data"
    assert "what version 3 says about its data cannot be read" in finding["reason"]


def test_a_refusal_names_the_first_findings_and_counts_the_others():
    found = [Finding("label", f"new class {number}") for number in range(100)]
    lines = refusal(verdict(found, "stop")["findings"], "Fix the data.").splitlines()
    assert lines[0] == "the data was refused before training, for 100 reasons:"
    assert lines[40] == "  error: label: new class 39"
    assert lines[41:] == ["  and 60 more", "Fix the data."]
