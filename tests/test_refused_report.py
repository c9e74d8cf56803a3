"""What DataCheck leaves when it refuses the data: a summary, and a page that says why."""

import pytest

from components import serving_versions
from components.errors import RunStopped
from components.report.made_from import made_from
from tests import tiny_data
from tests.checked_data import (
    CLEAN_INGEST,
    FIFTY_OF_EACH,
    ORDINARY,
    check,
    page,
    published,
    serve,
    with_files_set_aside,
)
from tests.tiny_report import CONFIG, INGEST


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
