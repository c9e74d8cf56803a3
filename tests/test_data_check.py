"""The data is refused before training when it should be, with feature and reason; else it is not."""

import json

import pytest
import tensorflow_data_validation as tfdv
from tfx.components.example_validator import executor as example_validator
from tfx.types import Channel, standard_artifacts

from components import artifacts, serving_versions
from components.data_check import executor as data_check
from components.data_check.component import DataCheck
from components.data_check.findings import Finding, refusal, verdict
from components.data_record import DataRecord
from components.errors import RunStopped
from components.report.made_from import made_from
from components.report.summary import Summary
from components.schema_gen.inference import infer_schema
from tests import tiny_data
from tests.tiny_report import CONFIG, INGEST, text_of

FIFTY_OF_EACH = ["cat", "dog"] * 50
ORDINARY = tiny_data.statistics(FIFTY_OF_EACH)
NO_IMAGES = DataRecord.of([])
LIMITS = {"max_drift": 0.2, "max_relabelled": 0.05, "max_overlap": 0.2, "accepted_data": None}
CLEAN_INGEST = INGEST | {
    "counts": {"listed": 300, "ingested": 300, "set_aside": 0},
    "splits": {split: {"cat": 50, "dog": 50} for split in ("train", "eval", "test")},
    "set_aside": [],
}


def with_files_set_aside(listed, *set_aside):
    """Returns the report of an ingest that could not use some of the files: (path, reason) each."""
    counts = {"listed": listed, "ingested": listed - len(set_aside), "set_aside": len(set_aside)}
    rows = [{"path": path, "reason": reason} for path, reason in set_aside]
    return CLEAN_INGEST | {"counts": counts, "set_aside": rows}


def check(
    tmp_path,
    train=ORDINARY,
    eval_=ORDINARY,
    test=ORDINARY,
    schema=None,
    ingest=CLEAN_INGEST,
    images=NO_IMAGES,
    limits=None,
    **properties,
):
    """Runs ExampleValidator and DataCheck as the pipeline does; returns the verdict.

    Without a schema, the one that the train split implies is used.
    """
    statistics = tiny_data.statistics_artifact(
        tmp_path / "statistics", {"train": train, "eval": eval_, "test": test}
    )
    schema_artifact = tiny_data.new_artifact(standard_artifacts.Schema, tmp_path / "schema")
    tfdv.write_schema_text(schema or infer_schema(train), f"{schema_artifact.uri}/schema.pbtxt")
    anomalies = tiny_data.new_artifact(standard_artifacts.ExampleAnomalies, tmp_path / "anomalies")
    example_validator.Executor().Do(
        {"statistics": [statistics], "schema": [schema_artifact]}, {"anomalies": [anomalies]}, {}
    )
    report = tiny_data.new_artifact(artifacts.IngestReport, tmp_path / "ingest_report")
    (tmp_path / "ingest_report" / "ingest_report.json").write_text(json.dumps(ingest))
    images.write(report.uri)
    verdict = tiny_data.new_artifact(artifacts.DataVerdict, tmp_path / "data_verdict")
    data_check.Executor().Do(
        {
            "ingest_report": [report],
            "statistics": [statistics],
            "schema": [schema_artifact],
            "anomalies": [anomalies],
        },
        {"data_verdict": [verdict]},
        {
            "max_rejected_share": 0.01,
            "on_anomaly": "stop",
            "limits": json.dumps(LIMITS | (limits or {})),
            "name": "pets",
            "push_destination": str(tmp_path / "serving"),
            "config": json.dumps(CONFIG | {"name": "pets"}),
            "code_hash": "c0de",
            "output": str(tmp_path / "output"),
            "run_id": "20300102-030400",
            **properties,
        },
    )
    return json.loads((tmp_path / "data_verdict" / "verdict.json").read_text())


def refused(tmp_path, **arguments) -> list[str]:
    """Returns "feature: reason" of each finding of a check that must stop the run."""
    with pytest.raises(RunStopped) as stopped:
        check(tmp_path, **arguments)
    summary = published(tmp_path)
    assert summary.outcome == "data_refused"
    found = [f"{row['feature']}: {row['reason']}" for row in summary.findings]
    assert all(finding in str(stopped.value) for finding in found)
    return found


def published(tmp_path) -> Summary:
    """Returns the summary that the step published, which is the same in both places."""
    newest = (tmp_path / "output/summary.json").read_bytes()
    assert (tmp_path / "output/reports/20300102-030400/summary.json").read_bytes() == newest
    return Summary.from_json(newest)


def page(tmp_path) -> str:
    """Returns the text of the page that the step published."""
    return text_of((tmp_path / "output/report.html").read_text(encoding="utf-8"))


def serve(tmp_path, statistics, version=3):
    """Puts a model version in place that was trained on data of these statistics."""
    recorded = tmp_path / "serving" / str(version) / serving_versions.TRAINING_STATISTICS
    recorded.parent.mkdir(parents=True)
    recorded.write_bytes(statistics.SerializeToString())
    (tmp_path / "serving" / str(version) / "saved_model.pb").write_bytes(b"a model")
    NO_IMAGES.write(recorded.parent)


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


def test_data_that_pass_leave_the_report_to_the_end_of_the_run(tmp_path):
    check(tmp_path)

    assert not (tmp_path / "output").exists()


def test_a_refusal_leaves_a_summary_of_what_was_found_in_what(tmp_path):
    serve(tmp_path, tiny_data.statistics([*FIFTY_OF_EACH, "fox", "fox"]))
    ingest = with_files_set_aside(300, ("a.jpg", "empty"))

    with pytest.raises(RunStopped):
        check(tmp_path, ingest=ingest)

    missing = "missing class 'fox': no image now, 2 in the data of version 3"
    set_aside = "1 of 300 files were set aside (0.3%): a.jpg (empty)"
    summary = published(tmp_path)
    assert (summary.outcome, summary.step, summary.blessed) == ("data_refused", "DataCheck", False)
    assert summary.findings == [
        {"severity": "error", "feature": "label", "reason": missing},
        {"severity": "warning", "feature": "data", "reason": set_aside},
    ]
    assert summary.reasons == [f"label: {missing}"]
    assert summary.images == CLEAN_INGEST["splits"]
    assert (summary.metrics, summary.accuracy, summary.pushed_path) == ({}, None, None)
    assert (summary.serving_version, summary.serving_path) == (3, str(tmp_path / "serving/3"))
    assert summary.made_from == made_from(
        CONFIG | {"name": "pets"},
        "c0de",
        INGEST["source_fingerprint"],
        serving_versions.state(tmp_path / "serving"),
    )


def test_a_refusal_leaves_a_page_with_findings_data_what_serves_and_what_to_do(tmp_path):
    serve(tmp_path, tiny_data.statistics([*FIFTY_OF_EACH, "fox", "fox"]))

    with pytest.raises(RunStopped):
        check(tmp_path, ingest=with_files_set_aside(300, ("dim/<b>.jpg", "empty")))

    text = page(tmp_path)
    assert text.startswith(" pets: Refused: the data was not trained on pets · ")
    assert "Version 3 goes on serving." in text
    assert "Fix the data, or accept it for one run with --set validation.on_anomaly=warn." in text
    assert text.index("missing class 'fox'") < text.index("1 of 300 files were set aside (0.3%)")
    assert "299 of 300 images found under /pictures were used; 1 file was set aside." in text
    assert "cat 50 50 50" in text
    assert "dim/<b>.jpg empty" in text
    assert "mean_brightness 128 128 to 128" in text.replace(".0", "")


def test_every_finding_is_on_the_page_of_a_refusal_with_none_that_acts_as_markup(tmp_path):
    names = [f"<i>{number:03}" for number in range(100)]
    serve(tmp_path, ORDINARY)

    with pytest.raises(RunStopped):
        check(tmp_path, train=tiny_data.statistics([*FIFTY_OF_EACH, *names]))

    assert all(f"new class '{name}'" in page(tmp_path) for name in names)
    assert "<i>" not in (tmp_path / "output/report.html").read_text(encoding="utf-8")


def test_a_refusal_where_nothing_serves_says_so(tmp_path):
    with pytest.raises(RunStopped):
        check(tmp_path, test=tiny_data.statistics([]))

    assert published(tmp_path).serving_path is None
    assert "Nothing serves." in page(tmp_path)
    assert "What to do Fix the data. Findings" in page(tmp_path)
