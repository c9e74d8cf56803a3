"""A training that a test kills from outside: `python -m tests.killed_training FOLDER`."""

import sys

import keras

from modules.recipe import Augmentation, EarlyStopping, Head, ReduceOnPlateau, Stage
from modules.stages import run_stages
from tests.tiny_training import tiny_classifier, tiny_setting

# Random augmentation, dropout, momentum, a falling rate, best weights: everything that has a state.
STAGES = (
    Stage(name="head", epochs=2),
    Stage(
        name="all",
        train="all",
        epochs=6,
        learning_rate=0.003,
        augmentation=Augmentation(shift=0.1, flip_horizontal=True),
        early_stopping=EarlyStopping(patience=6),
        reduce_on_plateau=ReduceOnPlateau(patience=1, factor=0.5),
    ),
    Stage(name="top", train="top 3 layers", epochs=30, schedule="cosine", warmup_epochs=1, optimizer="adamw"),
)


def train(folder: str):
    """Trains, or continues what lies in the folder; returns the classifier and the stages' records."""
    keras.utils.set_random_seed(9)
    classifier = tiny_classifier(Head(dropout=0.3, dense_units=(4,), batch_norm=True), dropout=0.2)
    return classifier, run_stages(classifier, tiny_setting(folder, *STAGES))


if __name__ == "__main__":
    train(sys.argv[1])
