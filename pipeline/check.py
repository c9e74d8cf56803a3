"""What can be said about a run before it starts: files, classes, images, disk. Imports no TensorFlow."""

import contextlib
import dataclasses
import itertools
import math
import os
import shutil
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from components.image_example_gen import sources
from components.image_example_gen.listing import Listing
from components.report.publish import HISTORY, SUMMARY
from components.report.summary import Summary
from components.schema_gen.schema_file import check_schema_file
from modules.backbones import check_model
from modules.features import SPLITS, TRAIN_SPLIT
from modules.storage import StorageError, check_access, is_remote
from pipeline import notify
from pipeline.config import Config
from pipeline.destination_check import another_pipeline, strangers_in_destination
from pipeline.problems import Problem

BUNDLED_WEIGHTS = "mobilenet_v2_1.0_notop.weights.h5"
FEW_IMAGES_A_CLASS = 20
MOST_CLASSES_SHOWN = 40
# The Trainer's, the pushed and the baseline's copy of the model, and a checkpoint with the optimizer's state.
COPIES_OF_WEIGHTS = 6
UNKNOWN_WEIGHTS_BYTES = 100e6  # of a backbone of 25 million parameters, such as ResNet50
LOGS_BYTES = 20e6


@dataclasses.dataclass(frozen=True)
class Checkup:
    """What `check` found."""

    problems: tuple[Problem, ...]
    """What stops a run."""
    notes: tuple[str, ...]
    """What a person should know and a run survives."""
    listing: Listing | None
    """The images; None when they could not be listed."""


def check_config(config: Config) -> Checkup:
    """Looks at everything that a config names, without opening an image.

    Args:
      config: complete, see `pipeline.config_file.load_config`.
    """
    problems = _file_problems(config) + _beam_problems(config) + another_pipeline(config)
    notes = _recipe_notes(config) + strangers_in_destination(config) + notify.notes(config.notify)
    listing = None
    try:
        listing = sources.list_images(config.data.source, config.data.format)
    except (ValueError, OSError) as error:
        problems.append(Problem.from_error(error, "data.source"))
    else:
        problems += _listing_problems(config, listing)
        if not any(problem.key == "output" for problem in problems):
            problems += _disk_problems(config, listing)
        notes += _listing_notes(config, listing)
    return Checkup(tuple(problems), tuple(notes), listing)


def expected_counts(listing: Listing, config: Config) -> dict[str, Counter]:
    """Returns about how many images of each class every split gets, in fractions: {split: {class: images}}.

    What the source assigns is counted; what is drawn by content hash is estimated by the shares,
    as `components.image_example_gen.splits` draws: a split that the source gives to no image comes
    out of train.
    """
    chances = _chances_of_splits(listing, config)
    expected = {split: Counter() for split in SPLITS}
    for (label, given), images in Counter((file.label, file.split) for file in listing.files).items():
        for split, chance in chances[given].items():
            expected[split][label] += images * chance
    return {
        split: Counter({label: round(images, 9) for label, images in counts.items()})  # 1, not a crumb less
        for split, counts in expected.items()
    }


def expected_untrained_classes(listing: Listing, config: Config) -> float:
    """Returns about how many classes miss the train split by the luck of the draw, as small ones may."""
    chances = _chances_of_splits(listing, config)
    missed = {label: 1.0 for label in listing.class_counts}
    for (label, given), images in Counter((file.label, file.split) for file in listing.files).items():
        missed[label] *= (1 - chances[given].get(TRAIN_SPLIT, 0.0)) ** images
    return math.fsum(chance for chance in missed.values() if chance < 1)


def _chances_of_splits(listing: Listing, config: Config) -> dict[str | None, dict[str, float]]:
    """Returns the chance of each split that an image has, by the split that the source gives it."""
    shares = dataclasses.asdict(config.data.splits)
    assigned = {file.split for file in listing.files} - {None}
    chances = {}
    for given in (None, *SPLITS):
        if given is None:
            candidates = list(SPLITS)
        elif given == TRAIN_SPLIT:
            candidates = [split for split in SPLITS if split == TRAIN_SPLIT or split not in assigned]
        else:
            candidates = [given]
        total = sum(shares[split] for split in candidates)
        chances[given] = {split: shares[split] / total for split in candidates}
    return chances


def expected_total(counts: Counter) -> float:
    """Returns about how many images a split gets; rounded by class, small classes would be lost."""
    return round(math.fsum(counts.values()), 6)


def needed_bytes(config: Config, listing: Listing) -> float:
    """Returns about how much disk a run writes at most: images once more, stored pixels, models, logs."""
    ingested = sum(file.byte_size for file in listing.files)
    stored = len(listing.files) * config.model.image_size**2 * 3
    weights_file = config.model.backbone_file or config.model.weights
    weights = os.path.getsize(weights_file) if os.path.isfile(weights_file) else UNKNOWN_WEIGHTS_BYTES
    return ingested + stored + COPIES_OF_WEIGHTS * weights + LOGS_BYTES


def written_bytes(output: str) -> int:
    """Returns how much the runs wrote that have not finished since one did: the next one goes on from there.

    That is what is newer in an output folder than the summary of the last run that came to its end.
    """
    root = Path(output)
    finished = _last_end(root)
    written = 0
    for folder in ("pipeline", "training"):
        for place, _, names in os.walk(root / folder):
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # of a run that goes on
                    stat = os.lstat(os.path.join(place, name))
                    written += stat.st_size if stat.st_mtime > finished else 0
    return written


def _last_end(root: Path) -> float:
    """Returns when the last run judged a model, in seconds since 1970; 0 when none did.

    Runs that were refused or failed do not count: what they wrote is of use to the next one.
    """
    kept = [root / SUMMARY, *root.glob(f"{HISTORY}/*/{SUMMARY}")]
    times = {file: file.stat().st_mtime for file in kept if file.exists()}
    for file in sorted(times, key=times.get, reverse=True):
        with contextlib.suppress(ValueError, OSError):  # damaged, or not to be read
            if Summary.from_json(file.read_bytes()).is_judged:
                return times[file]
    return 0.0


def free_bytes(folder: str) -> int:
    """Returns the free space of the disk that holds a folder, or that will hold it once it is made."""
    return shutil.disk_usage(nearest_existing(folder)).free


def nearest_existing(path: str) -> Path:
    """Returns the path, or the nearest folder above it that exists."""
    return next(folder for folder in (Path(path), *Path(path).parents) if folder.exists())


def _file_problems(config: Config) -> list[Problem]:
    problems = []
    try:
        check_model(config.model)
    except (ValueError, FileNotFoundError) as error:
        problems.append(Problem.from_error(error))
    if config.validation.schema:
        try:
            check_schema_file(config.validation.schema)
        except (ValueError, OSError) as error:
            problems.append(Problem.from_error(error, "validation.schema"))
    problems += _output_problems(config)
    weights_name = os.path.basename(config.model.weights)
    if weights_name == BUNDLED_WEIGHTS and config.model.backbone != "MobileNetV2":
        message = (
            f"{weights_name} fits MobileNetV2, not {config.model.backbone}. Use imagenet, or another file"
        )
        problems.append(Problem("model.weights", message))
    return problems


def _output_problems(config: Config) -> list[Problem]:
    problems = []
    if is_remote(config.output):
        message = (
            f"got {config.output}; a run on this machine keeps its metadata, its state and a lock there, "
            "which needs a local folder. Use one; push.destination may be an address"
        )
        problems.append(Problem("output", message))
    destination = config.push.destination
    if not is_remote(config.output) or destination != os.path.join(config.output, "serving"):
        try:
            check_access(destination)
        except StorageError as error:
            problems.append(Problem("push.destination", str(error)))
    for key, folder in (("output", config.output), ("push.destination", destination)):
        if is_remote(folder):
            continue
        try:
            existing = nearest_existing(folder)
        except OSError as error:  # a name that is too long
            problems.append(Problem(key, f"{folder} cannot be used: {error.strerror}. Use another path"))
            continue
        if not existing.is_dir():
            problems.append(Problem(key, f"{existing} is a file, not a folder. Use another path"))
        elif not os.access(existing, os.W_OK):
            problems.append(Problem(key, f"{existing} cannot be written to. Use another path"))
    return problems


def _disk_problems(config: Config, listing: Listing) -> list[Problem]:
    needed = needed_bytes(config, listing) - written_bytes(config.output)
    free = free_bytes(config.output)
    if needed <= free:
        return []
    message = f"a run writes up to {megabytes(needed)}, but {megabytes(free)} are free. Use another disk"
    return [Problem("output", message)]


def _beam_problems(config: Config) -> list[Problem]:
    if config.beam.runner != "dataflow":
        return []
    message = (
        "got dataflow; its workers cannot see the folders of this machine. Use direct or portable here, "
        "or compile with --target vertex"
    )
    return [Problem("beam.runner", message)]


def _recipe_notes(config: Config) -> list[str]:
    notes = []
    model = config.model
    if os.path.basename(model.weights) == BUNDLED_WEIGHTS and model.image_size % 32 != 1:
        nearest = max(1, round((model.image_size - 1) / 32)) * 32 + 1
        notes.append(
            f"model.image_size: {model.image_size} works, but the bundled weights are at their best at sizes "
            f"of the form 32k+1, such as {nearest}"
        )
    only_head = all(stage.train == "head" for stage in config.training.recipe)
    if model.weights == "none" and not model.backbone_file and only_head:
        notes.append(
            "training.recipe: only the head trains, on a backbone of random weights (model.weights: none)"
        )
    return notes


def _listing_problems(config: Config, listing: Listing) -> list[Problem]:
    problems = []
    total = len(listing.files) + len(listing.set_aside)
    if len(listing.set_aside) > config.data.max_rejected_share * total:
        path, reason = listing.set_aside[0]
        problems.append(
            Problem(
                "data.source",
                f"{len(listing.set_aside)} of {total} files cannot be used ({path}: {reason}), more than "
                f"data.max_rejected_share = {config.data.max_rejected_share:g} allows",
            )
        )
    classes = listing.class_counts
    weights = config.training.class_weights
    if isinstance(weights, dict) and classes:
        found = ", ".join([*itertools.islice(classes, MOST_CLASSES_SHOWN), *_more_classes(classes)])
        for name in sorted(weights.keys() - classes.keys())[:MOST_CLASSES_SHOWN]:
            problems.append(Problem("training.class_weights", f"there is no class {name!r}. Found: {found}"))
    if classes:
        for split, counts in expected_counts(listing, config).items():
            if expected_total(counts) < 1:
                problems.append(
                    Problem("data.source", f"{total} images are too few: the {split} split has none")
                )
    return problems


def _listing_notes(config: Config, listing: Listing) -> list[str]:
    notes = list(listing.findings)
    notes += [f"set aside: {path}: {reason}" for path, reason in listing.set_aside[:5]]
    if not listing.class_counts:
        return notes
    counts = expected_counts(listing, config)
    poor = {name: poor for name in listing.class_counts if (poor := _what_is_poor(name, counts))}
    notes += [
        f"class {name!r}: {'; '.join(poor[name])}" for name in itertools.islice(poor, MOST_CLASSES_SHOWN)
    ]
    notes += [f"{more} with few images" for more in _more_classes(poor)]
    if untrained := round(expected_untrained_classes(listing, config)):
        notes.append(
            f"about {untrained:,} of {len(listing.class_counts):,} classes will have no training image, as "
            "it happens to small classes when splits are drawn. That stops a run unless "
            "validation.on_anomaly is warn. Add images, or give the splits in the source"
        )
    if config.evaluation.top_k >= len(listing.class_counts):
        top_k, classes = config.evaluation.top_k, len(listing.class_counts)
        notes.append(f"evaluation.top_k: among {classes} classes the right one is always in the top {top_k}")
    return notes


def _what_is_poor(name: str, counts: dict[str, Counter]) -> list[str]:
    """Returns what a class has too little of."""
    found = []
    training = counts[TRAIN_SPLIT][name]
    if not training:
        found.append("no training image; that stops a run unless validation.on_anomaly is warn")
    elif training < FEW_IMAGES_A_CLASS:
        about = "1 training image" if round(training) == 1 else f"{training:.0f} training images"
        found.append(f"only {about}, which is little to learn from")
    for split in SPLITS[1:]:
        if counts[split][name] < 1:
            found.append(f"{'perhaps ' if counts[split][name] else ''}no image in the {split} split")
    return found


def _more_classes(classes: Collection[str]) -> list[str]:
    """Returns what stands for the classes behind the first ones, if there are any."""
    more = len(classes) - MOST_CLASSES_SHOWN
    return [f"and {more:,} more class{'es' if more > 1 else ''}"] if more > 0 else []


def megabytes(size: float) -> str:
    """Returns a number of bytes as a person reads it."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
