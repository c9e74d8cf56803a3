"""What the steps of a run leave behind for the report, small and made up."""

import datetime
import html
import io
import json
import re

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.types import standard_artifacts

from components import artifacts
from components.evaluator import analysis, predictions
from components.report import content

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
        baseline_classes=names if with_baseline else None,
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
            "baseline": {
                "version": 4 if has_baseline else None,
                "reason": "it serves" if has_baseline else "nothing serves yet",
                "serves": has_baseline,
            },
            "difference": analysed["difference"] or {},
            "thresholds": {"accuracy": {"at_least": 0.9}},
        },
        "baseline_choice": "it serves",
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
        "finished": datetime.datetime(2030, 1, 2, 3, 4, tzinfo=datetime.timezone.utc),
    }
    return content.Findings(**(found | changes))


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


def text_of(page):
    """The page's text as a reader sees it, white space collapsed."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body))).replace("\u202f", " ")
