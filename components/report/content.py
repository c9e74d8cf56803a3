"""What the page says, as plain data: the verdict in words, and tables ready to be drawn."""

import dataclasses
import datetime
import math

from components.evaluator.metrics import LOWER_IS_BETTER
from components.report.summary import Summary

LARGEST_MATRIX = 25  # classes; above, the most frequent confusions are listed instead
MOST_CONFUSIONS = 40
MOST_FILES = 200
METRIC_WORDS = {
    "accuracy": ("Accuracy", "share of images whose most probable class is the true one"),
    "balanced_accuracy": ("Balanced accuracy", "mean over the classes of the share that is right"),
    "top_k_accuracy": ("Top-{k} accuracy", "share of images with the true class among the {k} most probable"),
    "cross_entropy": ("Cross-entropy", "mean surprise at the true class, in nats; less is better"),
    "auc": ("AUC", "how well a class is ranked above the others, mean over classes"),
    "calibration_error": ("Calibration error", "how far confidence is from accuracy; less is better"),
}
SHARES = frozenset({"accuracy", "balanced_accuracy", "top_k_accuracy", "calibration_error"})


@dataclasses.dataclass(frozen=True)
class Findings:
    """What the steps of a run left behind, as they wrote it."""

    config: dict
    ingest: dict  # ingest_report.json
    data_verdict: dict  # verdict.json of DataCheck
    scalars: list[dict]  # see scalars.scalar_rows
    history: dict  # history.json
    analysis: dict  # analysis.json of the Evaluator
    verdict: dict  # verdict.json of the Evaluator
    baseline_choice: str  # why this version, or none, is the baseline
    infra: dict  # verdict.json of InfraCheck
    push: dict  # push.json
    mistakes: list[dict]  # mistakes.surest_mistakes with picture_of's fields; image None without a picture
    versions: dict[str, str]
    finished: datetime.datetime  # UTC


def summary(found: Findings, run_id: str, made_from: dict) -> Summary:
    """What the run leaves for programs and for its last lines."""
    serves = found.push["outcome"] in ("pushed", "unchanged")
    return Summary(
        run_id=run_id,
        outcome=found.push["outcome"],
        finished=found.finished,
        reasons=reasons(found),
        findings=found.data_verdict["findings"],
        images=found.ingest["splits"],
        metrics=found.verdict["metrics"],
        n=found.verdict["images"],
        test_set=found.verdict.get("test_set"),
        baseline=found.verdict["baseline"],
        difference=found.verdict["difference"],
        pushed_version=found.push["version"] if serves else None,
        pushed_path=found.push["path"] if serves else None,
        serving_version=found.push["version"],
        serving_path=found.push["path"],
        made_from=made_from,
    )


def reasons(found: Findings) -> list[str]:
    """Why the verdict is what it is; remarks when the candidate was blessed."""
    sentences = list(found.verdict["reasons"])
    sentences += [f"The exported model failed its check: {reason}" for reason in found.infra["reasons"]]
    if found.push["outcome"] == "unchanged":
        sentences.append(f"Not pushed again: {found.push['reason']}.")
    if found.push["outcome"] == "withdrawn":
        sentences.append(f"Not pushed: {found.push['reason']}.")
    if found.push["outcome"] == "judged":
        sentences.append("Not pushed: the run was started with --no-push. The next run without it pushes it.")
    return sentences


def headline(found: Findings) -> dict:
    """{"tone": good or bad, "title", "detail"}: what a reader sees first."""
    version, outcome = found.push["version"], found.push["outcome"]
    if outcome == "pushed":
        return {
            "tone": "good",
            "title": f"Pushed: version {version} serves now",
            "detail": found.push["path"],
        }
    if outcome == "unchanged":
        return {
            "tone": "good",
            "title": f"Unchanged: version {version} is this very model",
            "detail": found.push["path"],
        }
    stays = "Nothing serves." if version is None else f"Version {version} goes on serving."
    if outcome == "judged":
        return {"tone": "good", "title": "Judged: blessed, and not pushed (--no-push)", "detail": stays}
    refused = {
        "not_blessed": "Not blessed: the model was not pushed",
        "withdrawn": "Withdrawn: this model was rolled back, and not pushed again",
    }
    return {"tone": "bad", "title": refused[outcome], "detail": stays}


def metric_rows(compared: dict, top_k: int) -> list[dict]:
    """One row a metric: words, candidate, baseline and difference with the judgement "better" or "worse".

    Args:
      compared: {"metrics", "compared", "baseline", "difference"} as the Evaluator writes them, the last
        two None when there was nothing to compare with.
      top_k: k of top_k_accuracy.
    """
    rows = []
    for name, value in compared["metrics"].items():
        title, meaning = (words.format(k=top_k) for words in METRIC_WORDS[name])
        difference = compared["difference"][name] if compared["difference"] else None
        rows.append(
            {
                "name": name,
                "title": title,
                "meaning": meaning,
                "share": name in SHARES,
                "candidate": value,
                "candidate_compared": compared["compared"]["metrics"][name] if difference else None,
                "baseline": compared["baseline"][name] if compared["baseline"] else None,
                "difference": difference,
                "judgement": judgement(name, difference),
            }
        )
    return rows


def left_out(compared: dict | None) -> list[str]:
    """Which images the two models were not compared on, and how many: in words, none for none."""
    if compared is None:
        return []
    trained_on = compared["left_out"]["trained_on"]
    of_baseline, of_candidate = (
        sum(compared["left_out"][f"unknown_to_{model}"].values()) for model in ("baseline", "candidate")
    )
    return (
        [f"{trained_on:,} that it was trained on"] * bool(trained_on)
        + [f"{of_baseline:,} of classes that it does not know"] * bool(of_baseline)
        + [f"{of_candidate:,} of classes that the candidate does not know"] * bool(of_candidate)
    )


def judgement(name: str, difference: dict | None) -> str | None:
    """better or worse when the interval leaves zero out, else "no clear difference"; None without one."""
    if difference is None or difference["value"] is None:
        return None
    if difference["low"] <= 0 <= difference["high"]:
        return "no clear difference"
    return "better" if (difference["value"] > 0) != (name in LOWER_IS_BETTER) else "worse"


def confusion_matrix(analysis: dict) -> dict | None:
    """{"classes", "rows": [{"label", "support", "cells": [{"count", "share"}]}]}; None when it is too large.

    Shares are of the row: of the images of a true class.
    """
    rows = analysis["per_class"]
    if len(rows) > LARGEST_MATRIX:
        return None
    counts = {(cell["label"], cell["predicted"]): cell["count"] for cell in analysis["confusions"]}
    wrong_by_label = {row["label"]: 0 for row in rows}
    for cell in analysis["confusions"]:
        wrong_by_label[cell["label"]] += cell["count"]
    matrix = []
    for row in rows:
        counts[row["label"], row["label"]] = row["support"] - wrong_by_label[row["label"]]
        cells = [counts.get((row["label"], predicted), 0) for predicted in analysis["classes"]]
        shares = [count / row["support"] if row["support"] else 0.0 for count in cells]
        cells = [
            {"predicted": name, "count": count, "share": share, "right": name == row["label"]}
            for name, count, share in zip(analysis["classes"], cells, shares, strict=True)
        ]
        matrix.append({"label": row["label"], "support": row["support"], "cells": cells})
    return {"classes": analysis["classes"], "rows": matrix}


def confusion_rows(analysis: dict) -> list[dict]:
    """The most frequent confusions, with the share of the true class's images that they take."""
    support = {row["label"]: row["support"] for row in analysis["per_class"]}
    return [
        {**cell, "share": cell["count"] / support[cell["label"]]}
        for cell in analysis["confusions"][:MOST_CONFUSIONS]
    ]


def weakest_first(per_class: list[dict]) -> list[dict]:
    """Classes by rising F1; those without any image in the test split last."""
    return sorted(per_class, key=lambda row: (row["support"] == 0, row["f1"]["value"] or 0.0, row["label"]))


def split_rows(ingest: dict) -> dict:
    """{"splits": names, "rows": [{"label", "counts"}], "totals"} of the images of each class."""
    splits = [split for split, counts in ingest["splits"].items() if counts]
    labels = sorted({label for counts in ingest["splits"].values() for label in counts})
    return {
        "splits": splits,
        "rows": [
            {"label": label, "counts": [ingest["splits"][split].get(label, 0) for split in splits]}
            for label in labels
        ],
        "totals": [sum(ingest["splits"][split].values()) for split in splits],
    }


def axis_start(shares: list[dict], baseline_shares: list[dict | None]) -> float:
    """Where the axis of a column of bars begins: the tenth below all that is drawn, 0 to 0.9."""
    lows = [share["low"] for share in shares if share["value"] is not None]
    lows += [share["value"] for share in baseline_shares if share and share["value"] is not None]
    return math.floor(min([*lows, 0.9]) * 10) / 10
