"""The report: what it says, what it hides from harm, and the real executor on the files of a run."""

import dataclasses
import html
import html.parser
import io
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.types import channel_utils, standard_artifacts

from components import artifacts
from components.evaluator import analysis, predictions
from components.report import content, executor, mistakes, render
from components.report.component import Report
from components.report.made_from import config_hash

CLASSES = ["Bücher", "дом", "<script>alert(1)</script>"]
EVIL = '"><img src=x onerror=alert(1)>'


def png(width=20, height=10, colour=(200, 30, 30)):
    encoded = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(encoded, format="PNG")
    return encoded.getvalue()


def made_predictions(n=90, classes=CLASSES, with_baseline=True):
    """Predictions of a model that is mostly right, with known order."""
    generator = np.random.default_rng(3)
    labels = np.arange(n) % len(classes)

    def model(skill):
        logits = generator.normal(size=(n, len(classes)))
        logits[np.arange(n), labels] += skill
        return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)

    names = np.array(classes)
    return predictions.Predictions(
        content_hash=np.array([f"hash{index}" for index in range(n)]),
        source_path=np.array([f"{EVIL}/{index:04d}.png" for index in range(n)]),
        label=names[labels],
        classes=names,
        candidate=model(2.5),
        baseline=model(1.0) if with_baseline else None,
        slices={"width": np.array(["10 to 20", "over 20 to 30"])[np.arange(n) % 2]},
    )


def epoch(number, accuracy):
    return {
        "epoch": number, "seconds": 2.0, "learning_rate": 1e-3,
        "loss": 1 - accuracy, "accuracy": accuracy, "val_loss": 1.05 - accuracy,
        "val_accuracy": accuracy - 0.02,
    }  # fmt: skip


HISTORY = {
    "stages": [
        {
            "name": "head", "train": "head", "trainable_parameters": 3843, "stopped_early": False,
            "epochs": [epoch(1, 0.6), epoch(2, 0.8)], "best_epoch": 2, "eval_accuracy": 0.78,
        },
        {
            "name": "fine_tuning", "train": "top 54 layers", "trainable_parameters": 1_500_000,
            "stopped_early": True, "epochs": [epoch(1, 0.85), epoch(2, 0.84)], "best_epoch": 1,
            "eval_accuracy": 0.83,
        },
    ],
    "images": {"train": 1500, "eval": 150},
    "parameters": 2_260_000,
    "versions": {"keras": "3"},
    "machine": {"cpu_cores": 2, "accelerators": []},
}  # fmt: skip
INGEST = {
    "source": "/pictures", "format": "class_folders", "source_fingerprint": "f1",
    "counts": {"listed": 271, "ingested": 270, "set_aside": 1, "converted": 0, "oriented": 0},
    "splits": {name: dict.fromkeys(CLASSES, 30) for name in ("train", "eval", "test")},
    "formats": {"PNG": 270}, "converted": {}, "conflicts": [], "leaks": [], "duplicates": [],
    "set_aside": [{"path": f"дом/{EVIL}.png", "reason": "truncated"}],
    "findings": ["a file in the root: notes.txt"],
}  # fmt: skip
INFRA = {
    "ok": True, "reasons": [], "images": 16, "latency_ms": {"median": 12.3, "p95": 20.0}, "memory_mb": 800.0,
    "max_difference": 1e-6,
}  # fmt: skip
CONFIG = {
    "name": EVIL,
    "data": {"source": "/pictures"},
    "model": {"weights": "none", "backbone_file": None},
    "validation": {"schema": None},
    "evaluation": {"thresholds": {}},
    "infra_check": {"max_latency_ms": 1000.0, "max_memory_mb": 4000.0, "tolerance": 1e-3},
}


def made_findings(made=None, blessed=True, **changes):
    made = made or made_predictions()
    analysed = analysis.analyse(made, top_k=2, confidence=0.95)
    has_baseline = made.baseline is not None
    found = {
        "config": CONFIG,
        "ingest": INGEST,
        "data_verdict": {
            "ok": True,
            "findings": [{"severity": "warning", "feature": "width", "reason": "small"}],
        },
        "scalars": [{"name": "width", "splits": {"train": {"min": 1, "median": 5, "mean": 5, "max": 9}}}],
        "history": HISTORY,
        "analysis": analysed,
        "verdict": {
            "blessed": blessed,
            "reasons": [] if blessed else ["accuracy is 0.5, below 0.9."],
            "images": analysed["images"],
            "metrics": analysed["metrics"],
            "baseline": {"version": 4 if has_baseline else None, "reason": "nothing serves yet"},
            "difference": analysed["difference"] or {},
            "thresholds": {"accuracy": {"at_least": 0.9}},
        },
        "baseline_choice": "it is the newest comparable one",
        "infra": INFRA,
        "push": {
            "outcome": "pushed",
            "version": 5,
            "path": "/serving/5",
            "reason": "blessed",
            "serving_state": "5 abc",
        }
        if blessed
        else {
            "outcome": "not_blessed",
            "version": 4,
            "path": "/serving/4",
            "reason": "not blessed by Evaluator",
            "serving_state": "4 abc",
        },
        "mistakes": [],
        "versions": {"tfx": "1.16.0"},
        "written": "2030-01-02 03:04 UTC",
    }
    return content.Findings(**(found | changes))


def text_of(page):
    """The page's text as a reader sees it, white space collapsed."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body))).replace("\u202f", " ")


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
    start = text[: text.index("Candidate against the serving model")]
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
    summary = content.summary(found)
    assert summary["blessed"] is False
    assert summary["reasons"] == ["The exported model failed its check: took 9 s"]
    assert "Nothing serves." in text_of(render.render(found))


def test_a_model_that_was_rolled_back_is_refused_although_it_was_blessed():
    push = {
        "outcome": "withdrawn",
        "version": 6,
        "path": "/serving/6",
        "reason": "it is version 5, which was rolled back",
    }
    found = made_findings(push=push)
    summary = content.summary(found)
    assert (summary["blessed"], summary["verdict"], summary["pushed_path"]) == (False, "withdrawn", None)
    assert summary["reasons"] == ["Not pushed: it is version 5, which was rolled back."]
    text = text_of(render.render(found))
    assert "Withdrawn: this model was rolled back, and not pushed again" in text
    assert "Version 6 goes on serving." in text


def test_summary_has_what_programs_read():
    found = made_findings()
    assert content.summary(found) == {
        "verdict": "pushed",
        "blessed": True,
        "accuracy": {**found.analysis["metrics"]["accuracy"], "n": 90},
        "reasons": [],
        "pushed_version": 5,
        "pushed_path": "/serving/5",
        "serving_path": "/serving/5",
        "report": "report.html",
        "written": "2030-01-02 03:04 UTC",
    }
    refused = content.summary(made_findings(blessed=False))
    assert (refused["pushed_version"], refused["pushed_path"]) == (None, None)
    assert refused["serving_path"] == "/serving/4"


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
    assert "No serving model was compared with: nothing serves yet." in text
    assert "Difference" not in text


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


def test_the_component_takes_what_every_step_hands_over(tmp_path):
    inputs = {
        name: channel_utils.as_channel(made) for name, made in write_run(tmp_path, made_predictions()).items()
    }
    step = Report(**inputs, config="{}", code_hash="c", output="/runs/a", run_id="1", source_hash="abc")
    assert step.outputs["report"].type is artifacts.Report
    assert step.inputs.keys() == inputs.keys()


# The real executor


def write_run(folder, made):
    """Writes what every step of a run leaves behind; returns the executor's input_dict."""
    kinds = {
        "ingest_report": artifacts.IngestReport,
        "data_verdict": artifacts.DataVerdict,
        "statistics": standard_artifacts.ExampleStatistics,
        "examples": standard_artifacts.Examples,
        "model_run": standard_artifacts.ModelRun,
        "baseline_model": artifacts.BaselineModel,
        "evaluation": standard_artifacts.ModelEvaluation,
        "blessing": standard_artifacts.ModelBlessing,
        "predictions": artifacts.Predictions,
        "infra_blessing": standard_artifacts.InfraBlessing,
        "pushed_model": standard_artifacts.PushedModel,
    }
    input_dict = {}
    for name, kind in kinds.items():
        artifact = kind()
        artifact.uri = str(folder / name)
        (folder / name).mkdir(parents=True)
        input_dict[name] = [artifact]
    for name in ("statistics", "examples"):
        input_dict[name][0].split_names = '["train", "eval", "test"]'
    found = made_findings(made)
    for file, data in {
        "ingest_report/ingest_report.json": found.ingest,
        "data_verdict/verdict.json": found.data_verdict,
        "model_run/history.json": found.history,
        "baseline_model/baseline.json": {"version": 4, "reason": found.baseline_choice},
        "evaluation/analysis.json": found.analysis,
        "blessing/verdict.json": found.verdict,
        "infra_blessing/verdict.json": found.infra,
        "pushed_model/push.json": found.push,
    }.items():
        (folder / file).write_text(json.dumps(data), encoding="utf-8")
    predictions.write(made, str(folder / "predictions"))
    for split in ("train", "eval", "test"):
        statistics = statistics_pb2.DatasetFeatureStatisticsList()
        feature = statistics.datasets.add().features.add()
        feature.path.step.append("width")
        feature.num_stats.median = 77
        (folder / f"statistics/Split-{split}").mkdir()
        (folder / f"statistics/Split-{split}/FeatureStats.pb").write_bytes(statistics.SerializeToString())
    (folder / "examples/Split-test").mkdir()
    with tf.io.TFRecordWriter(str(folder / "examples/Split-test/data.gz"), "GZIP") as writer:
        for content_hash in made.content_hash:
            example = tf.train.Example()
            example.features.feature["content_hash"].bytes_list.value.append(content_hash.encode())
            example.features.feature["image_bytes"].bytes_list.value.append(png())
            writer.write(example.SerializeToString())
    return input_dict


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The folder and the predictions of a run of the executor."""
    folder, made = tmp_path_factory.mktemp("executed"), made_predictions()
    report = artifacts.Report()
    report.uri = str(folder / "report")
    executor.Executor().Do(
        write_run(folder, made),
        {"report": [report]},
        {
            "config": json.dumps(CONFIG),
            "code_hash": "c0de",
            "output": str(folder / "output"),
            "run_id": "20300102-030400",
            "source_hash": "abc",
        },
    )
    return folder, made


def test_the_executor_writes_page_and_summary(executed):
    folder, made = executed
    page = (folder / "report/report.html").read_text(encoding="utf-8")
    summary = json.loads((folder / "report/summary.json").read_text(encoding="utf-8"))
    wrong = int((made.candidate.argmax(axis=1) != made.label_index).sum())
    assert page.count("data:image/webp;base64,") == min(wrong, mistakes.MOST_SHOWN)
    assert summary["accuracy"]["value"] == pytest.approx(1 - wrong / 90)
    assert summary["accuracy"]["n"] == 90
    assert "<td>77<" in page
    assert "tensorflow-model-analysis" in page


def test_the_executor_publishes_the_report_and_keeps_it_under_the_name_of_the_run(executed):
    folder, _ = executed
    published = sorted(
        path.relative_to(folder / "output").as_posix() for path in folder.glob("output/**/*.*")
    )
    assert published == [
        "report.html",
        "reports/20300102-030400/report.html",
        "reports/20300102-030400/summary.json",
        "summary.json",
    ]
    for name in ("report.html", "summary.json"):
        original = (folder / "report" / name).read_bytes()
        assert (folder / "output" / name).read_bytes() == original
        assert (folder / "output/reports/20300102-030400" / name).read_bytes() == original


def test_the_summary_says_what_the_model_was_made_from(executed):
    summary = json.loads((executed[0] / "output/summary.json").read_text(encoding="utf-8"))
    made = summary["made_from"]
    judged_by = CONFIG | {"evaluation": {"thresholds": {"accuracy": {"at_least": 0.9}}}}
    assert made["config"] == config_hash(judged_by) != config_hash(CONFIG)
    assert (made["images"], made["code"], made["serving"]) == ("f1", "c0de", "5 abc")
    assert summary["run_id"] == "20300102-030400"


def test_the_page_shows_the_thresholds_that_the_model_was_judged_by(executed):
    assert "at_least: 0.9" in text_of((executed[0] / "report/report.html").read_text(encoding="utf-8"))
