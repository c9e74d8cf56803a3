"""Has the baseline fallen: is it right less often today than it was when it was judged itself?

A candidate learns whatever the labels say, so it cannot tell that two folders were swapped: it looks much
better than the model before. A model that was right about a class and suddenly is not shows it.
"""

import dataclasses

import numpy as np

from components.evaluator import intervals
from components.evaluator.baseline_records import BaselineRecords
from components.evaluator.comparison import seen
from components.evaluator.predictions import Predictions


def baseline_fall(predictions: Predictions, records: BaselineRecords, confidence: float) -> dict | None:
    """Compares the baseline's recorded accuracy with its accuracy today, over the classes of both test sets.

    Today counts what it was not trained on.

    Returns:
      recorded: {right, images, test_set, judged}; present: {right, images, test_set}; value, low, high of the
      fall as a difference of shares, positive when it is right less often now. None when the baseline has
      no record, or no class is in both test sets.
    """
    if predictions.baseline is None or records.judgement is None:
        return None
    recorded = {
        label: counts
        for label, counts in records.judgement.by_class.items()
        if counts[1] and label in predictions.baseline_classes
    }
    judged = ~seen(predictions, records.trained_on) & np.isin(predictions.label, list(recorded))
    if not judged.any():
        return None
    labels = predictions.label[judged]
    right = predictions.baseline_classes[predictions.baseline[judged].argmax(axis=1)] == labels
    before = [recorded[label] for label in np.unique(labels).tolist()]
    before_right, before_images = (sum(column) for column in zip(*before, strict=True))
    fall = intervals.newcombe(before_right, before_images, int(right.sum()), len(labels), confidence)
    return {
        "recorded": {
            "right": before_right,
            "images": before_images,
            "test_set": records.judgement.test_set,
            "judged": records.judgement.judged,
        },
        "present": {"right": int(right.sum()), "images": len(labels), "test_set": predictions.fingerprint()},
        **dataclasses.asdict(fall),
    }
