"""The report: what it says, and what it hides from harm."""

import dataclasses
import html
import html.parser
import json

import numpy as np
import pytest

from components.evaluator import analysis
from components.evaluator.baseline_records import BaselineRecords
from components.evaluator.judgement import Judgement
from components.report import content, mistakes, render
from tests.tiny_report import (
    CLASSES,
    EVIL,
    INFRA,
    INGEST,
    made_findings,
    made_predictions,
    png,
    text_of,
)


def summarise(found):
    return content.summary(found, run_id="1", made_from={"images": "f1"})


class Tags(html.parser.HTMLParser):
    """Gathers tags with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


# Verdict and summary


def test_the_page_begins_with_the_verdict_accuracy_interval_and_count():
    text = text_of(render.render(made_findings()))
    accuracy = made_findings().analysis["metrics"]["accuracy"]
    start = text[: text.index("Candidate against version 4")]
    assert "Pushed: version 5 serves now" in start
    assert "Accuracy on 90 test images" in start
    assert f"{100 * accuracy['value']:.1f} %" in start
    assert f"{100 * accuracy['low']:.1f} % to {100 * accuracy['high']:.1f} % with 95 % confidence" in start


def test_a_model_that_was_not_blessed_says_why_and_what_serves():
    text = text_of(render.render(made_findings(blessed=False)))
    assert "Not blessed: the model was not pushed" in text
    assert "accuracy is 0.5, below 0.9." in text
    assert "Version 4 goes on serving." in text


def test_a_failed_check_of_the_exported_model_is_among_the_reasons():
    failed = INFRA | {
        "ok": False,
        "reasons": ["took 9 s"],
        "latency_ms": None,
        "memory_mb": None,
        "max_difference": None,
    }
    found = made_findings(
        infra=failed, push={"outcome": "not_blessed", "version": None, "path": None, "reason": "InfraCheck"}
    )
    summary = summarise(found)
    assert summary.blessed is False
    assert summary.reasons == ["The exported model failed its check: took 9 s"]
    assert "Nothing serves." in text_of(render.render(found))


def test_a_model_that_was_rolled_back_is_refused_although_it_was_blessed():
    push = {
        "outcome": "withdrawn",
        "version": 6,
        "path": "/serving/6",
        "reason": "it is version 5, which was rolled back",
    }
    found = made_findings(push=push)
    summary = summarise(found)
    assert (summary.blessed, summary.outcome, summary.pushed_path) == (False, "withdrawn", None)
    assert summary.reasons == ["Not pushed: it is version 5, which was rolled back."]
    text = text_of(render.render(found))
    assert "Withdrawn: this model was rolled back, and not pushed again" in text
    assert "Version 6 goes on serving." in text


def test_summary_has_what_programs_read():
    found = made_findings()
    summary = json.loads(summarise(found).as_json())
    assert summary == {
        "format": 2,
        "run_id": "1",
        "outcome": "pushed",
        "verdict": "pushed",
        "blessed": True,
        "started": None,
        "finished": "2030-01-02T03:04:00Z",
        "written": "2030-01-02 03:04 UTC",
        "seconds": None,
        "step_seconds": {},
        "step": None,
        "reasons": [],
        "advice": None,
        "findings": [{"severity": "warning", "feature": "width", "reason": "small"}],
        "images": INGEST["splits"],
        "accuracy": {**found.analysis["metrics"]["accuracy"], "n": 90},
        "metrics": found.analysis["metrics"],
        "n": 90,
        "test_set": None,
        "baseline": found.verdict["baseline"],
        "difference": found.verdict["difference"],
        "pushed_version": 5,
        "pushed_path": "/serving/5",
        "serving_version": 5,
        "serving_path": "/serving/5",
        "report": "report.html",
        "made_from": {"images": "f1"},
    }
    refused = summarise(made_findings(blessed=False))
    assert (refused.pushed_version, refused.pushed_path) == (None, None)
    assert (refused.serving_version, refused.serving_path) == (4, "/serving/4")


# Tables


def test_a_difference_is_judged_by_its_interval_and_by_what_is_better():
    assert content.judgement("accuracy", {"value": 0.1, "low": 0.05, "high": 0.2}) == "better"
    assert content.judgement("cross_entropy", {"value": 0.1, "low": 0.05, "high": 0.2}) == "worse"
    assert content.judgement("accuracy", {"value": 0.1, "low": -0.05, "high": 0.2}) == "no clear difference"
    assert content.judgement("accuracy", None) is None


def test_confusion_matrix_counts_every_image_once():
    made = made_predictions()
    matrix = content.confusion_matrix(analysis.analyse(made, 2, 0.95))
    said = made.candidate.argmax(axis=1)
    for row, name in enumerate(CLASSES):
        expected = [int(((made.label == name) & (said == column)).sum()) for column in range(3)]
        assert [cell["count"] for cell in matrix["rows"][row]["cells"]] == expected
        assert sum(cell["share"] for cell in matrix["rows"][row]["cells"]) == pytest.approx(1)


def test_weakest_classes_come_first_and_absent_ones_last():
    rows = [
        {"label": "good", "support": 5, "f1": {"value": 0.9}},
        {"label": "absent", "support": 0, "f1": {"value": None}},
        {"label": "poor", "support": 5, "f1": {"value": 0.1}},
    ]
    assert [row["label"] for row in content.weakest_first(rows)] == ["poor", "good", "absent"]


def test_bars_begin_at_the_tenth_below_all_that_is_drawn():
    shares = [{"value": 0.8, "low": 0.72}, {"value": 0.9, "low": 0.85}, {"value": None, "low": 0.0}]
    assert content.axis_start(shares, [None]) == 0.7
    assert content.axis_start(shares, [{"value": 0.43, "low": 0.1}]) == 0.4


def test_without_a_serving_model_the_page_says_so():
    text = text_of(render.render(made_findings(made_predictions(with_baseline=False))))
    assert "There was no model to compare with: nothing serves yet." in text
    assert "Difference" not in text


def test_images_that_were_not_compared_are_counted_and_both_numbers_of_the_candidate_shown():
    made = made_predictions()
    classes = np.array([*CLASSES[:2], "older"])  # the version does not know the third class
    made = dataclasses.replace(made, baseline_classes=classes)
    records = BaselineRecords(
        trained_on=frozenset(made.content_hash[made.label == CLASSES[0]][:10].tolist()),
        judgement=Judgement({CLASSES[0]: [27, 30]}, "feedfeedfeedfeed", "2030-01-01 02:30 UTC"),
    )
    numbers = analysis.analyse(made, 2, 0.95, records)
    text = text_of(render.render(made_findings(made, analysis=numbers)))
    assert (
        "Of 90 test images, 50 are compared with version 4; left out are 10 that it was trained on, "
        "30 of classes that it does not know."
    ) in text
    everything, shared = numbers["metrics"]["accuracy"], numbers["compared"]["metrics"]["accuracy"]
    assert everything["value"] != shared["value"]
    start = text.index("share of images whose most probable class is the true one")
    shown = [
        f"{render.percent(value)}".replace("\u202f", " ") for value in (everything["value"], shared["value"])
    ]
    assert start < text.index(shown[0], start) < text.index(shown[1], start)
    assert "Candidate, all 90 images Candidate, 50 compared Version 4, the same 50" in text
    present = numbers["baseline_fall"]["present"]
    assert (
        "When version 4 was judged itself (2030-01-01 02:30 UTC, test set feedfeedfeedfeed), it was right "
        f"about 27 of 30 images (90.0 %); now it is right about {present['right']} of 20 of the same classes"
    ) in text


def test_a_version_that_does_not_serve_is_not_said_to():
    assert "Against version 4, which served before" in text_of(render.render(made_findings()))
    found = made_findings()
    found.verdict["baseline"]["serves"] = False
    assert "which served before" not in text_of(render.render(found))


def test_many_classes_are_listed_as_confused_pairs_not_as_a_matrix():
    names = [f"class {index:03d}" for index in range(120)]
    page = render.render(made_findings(made_predictions(600, names)))
    assert 'class="matrix' not in page
    assert "a matrix of 120 classes would not be readable" in page
    assert "60 more classes" in page


def test_stages_files_set_aside_and_config_are_on_the_page():
    text = text_of(render.render(made_findings()))
    assert "fine_tuning top 54 layers 1,500,000 2, stopped early 1 4 83.0 % +5.0 points" in text
    assert f"дом/{EVIL}.png truncated" in text
    assert "warning , width: small" in text
    assert "max_latency_ms: 1000.0" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1234, "1,234"),
        (28.0, "28"),
        (0.0, "0.000"),
        (0.5, "0.500"),
        (12.25, "12.250"),
        (None, render.NO_VALUE),
    ],
)
def test_counts_have_no_decimals_and_measures_have(value, text):
    assert render.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "+1.2"), (-0.0123, "\N{MINUS SIGN}1.2"), (0.0, "0.0"), (-0.0001, "0.0")]
)
def test_differences_have_a_sign_unless_they_are_shown_as_zero(value, text):
    assert render.points(value) == text


def test_models_that_are_right_about_the_same_images_are_told_so_without_a_test():
    made = made_predictions()
    same = dataclasses.replace(made, baseline=made.candidate)
    text = text_of(render.render(made_findings(same)))
    assert "They are right about the very same ones." in text
    assert "McNemar" not in text
    assert "McNemar" in text_of(render.render(made_findings(made)))


def test_a_bound_of_exactly_one_has_the_decimals_of_its_neighbours():
    found = made_findings()
    found.analysis["metrics"]["auc"] = {"value": 0.994, "low": 0.983, "high": 1.0}
    assert "0.994 0.983 to 1.000" in text_of(render.render(found))


def test_no_file_set_aside_is_told_as_zero():
    ingest = INGEST | {"counts": INGEST["counts"] | {"set_aside": 0}, "set_aside": []}
    assert "were used; 0 files were set aside." in text_of(render.render(made_findings(ingest=ingest)))


def test_slices_are_shown_with_the_change_against_the_serving_model():
    found = made_findings()
    rows = found.analysis["slices"]["width"]
    text = text_of(render.render(found))
    for row in rows:
        accuracy, change = row["metrics"]["accuracy"], row["difference"]["accuracy"]
        assert f"{row['value']} {row['images']} {100 * accuracy['value']:.1f} %" in text
        assert f"{render.points(change['value'])} points" in text


# Safety


def test_texts_of_the_user_are_escaped():
    page = render.render(made_findings())
    assert "<script" not in page
    assert "<img" not in page
    assert html.escape(CLASSES[2]) in page


def test_the_page_needs_nothing_from_outside():
    picture = mistakes.picture_of(png())
    mistake = {
        "path": EVIL, "content_hash": "h", "label": "a", "predicted": "b", "probability": 0.9,
        "label_probability": None,
    }  # fmt: skip
    page = render.render(made_findings(mistakes=[mistake | picture]))
    for tag, attributes in Tags(page).tags:
        assert tag not in ("script", "link", "iframe", "object")
        for name in ("src", "href"):
            address = attributes.get(name) or "#"
            assert address.startswith(("#", "data:image/webp;base64,")), (tag, address)
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_every_link_within_the_page_leads_somewhere():
    tags = Tags(render.render(made_findings())).tags
    targets = {attributes["id"] for _, attributes in tags if "id" in attributes}
    links = {attributes["href"][1:] for tag, attributes in tags if tag == "a"}
    assert links
    assert links <= targets


# The component


def test_of_many_findings_about_the_data_the_first_are_shown_and_the_others_counted():
    rows = [{"severity": "warning", "feature": "label", "reason": f"class no. {n}."} for n in range(100)]
    found = dataclasses.replace(made_findings(), data_verdict={"ok": True, "findings": rows})
    text = text_of(render.render(found))
    assert "class no. 59." in text
    assert "class no. 60." not in text
    assert "and 40 more" in text
