"""Writes a commented config that fits a folder of images. Imports no TensorFlow."""

import dataclasses
import os
import re
import shlex
import statistics
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from components.image_example_gen import sources
from components.image_example_gen.headers import NotAnImage, Rejected, read_header
from components.image_example_gen.image_walk import sidecars_text
from components.image_example_gen.listing import Listing, SetAside
from components.image_example_gen.locations import Location, join, read_ahead, read_bytes
from modules.features import SPLITS, TRAIN_SPLIT
from modules.path_patterns import pattern_characters
from modules.storage import StorageError, is_remote
from pipeline.check import BUNDLED_WEIGHTS
from pipeline.config import Data, Splits

CHECKOUT = Path(__file__).resolve().parent.parent
SAMPLED_IMAGES = 200
HEADER_BYTES = 256 << 10  # holds the sizes, behind colour profile and EXIF with its small preview
CLASSES_NAMED = 30
UNUSABLE_SHOWN = 3
# 32k+1, where the bundled weights are at their best. Below 97 px the last feature map has 3 x 3 cells or
# fewer; 225 px is nearest to the 224 px that most published weights were trained on.
IMAGE_SIZES = (97, 129, 161, 193, 225)
# A rule of thumb: with fewer training images, a head on fixed features overfits less than fine-tuning.
FINE_TUNING_FROM_IMAGES = 500


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of a sample of the images, in pixels as stored."""

    smallest: tuple[int, int]
    largest: tuple[int, int]
    median_short_side: int
    sampled: int
    """Number of files that were opened."""
    unreadable: tuple[SetAside, ...]
    """Those that ingest will set aside."""
    sidecars: tuple[str, ...]
    """Those that are not images, as their names did not say."""


@dataclasses.dataclass(frozen=True)
class Written:
    """A config that was written."""

    file: Path
    summary: str
    notes: tuple[str, ...]


def write_config(source: str, file: str | None = None, force: bool = False) -> Written:
    """Looks at a source of images and writes a config for it.

    Args:
      source: a folder of class folders or split folders, or a CSV manifest; a path or an address.
      file: where to write; by default NAME.yaml in the working directory, named after the source.
      force: overwrite the file when it exists.

    Raises:
      FileExistsError: when the file exists and force is not given.
      FileNotFoundError, ValueError: when the source holds no images to train on.
    """
    listing = sources.list_images(source)
    if listing.format == "tfrecord":
        raise ValueError(
            f"{source} holds TFRecord files, which say nothing about themselves. Copy "
            "pipeline/configs/quickstart.yaml, and set data.source and data.tfrecord."
        )
    name = config_name(source)
    target = Path(file or f"{name}.yaml")
    if target.exists() and not force:
        raise FileExistsError(f"{target} exists. Choose another file with -o, or overwrite it with --force.")
    sizes = sample_sizes(listing)
    text = config_text(name, source, target, listing, sizes)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    summary = f"{len(listing.files):,} images of {len(listing.class_counts)} classes, {describe_sizes(sizes)}"
    return Written(target, summary, tuple(_notes(listing, sizes)))


def _notes(listing: Listing, sizes: Sizes) -> Iterator[str]:
    yield from listing.findings
    if listing.set_aside:
        yield unusable_note(listing.set_aside, f"{len(listing.files) + len(listing.set_aside):,} files")
    if sizes.unreadable:
        yield unusable_note(sizes.unreadable, f"{sizes.sampled:,} files that were opened")
    if sizes.sidecars:
        yield sidecars_text(sizes.sidecars)


def config_name(source: str) -> str:
    """Returns a name for the pipeline: that of the folder, in the letters that a name may have."""
    last = source.rstrip("/").rpartition("/")[2] if is_remote(source) else Path(source).resolve().name
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", last.removesuffix(".csv")).strip("_-")
    return name or "images"


def sample_sizes(listing: Listing) -> Sizes:
    """Opens the headers of up to 200 images, evenly over the listing.

    Raises:
      ValueError: when none of them can be read.
    """
    step = max(1, len(listing.files) // SAMPLED_IMAGES)
    sampled = listing.files[::step]
    places = [Location(join(listing.root, file.path)) for file in sampled]
    headers = [
        place if file.byte_size <= HEADER_BYTES else place._replace(offset=0, byte_size=HEADER_BYTES)
        for place, file in zip(places, sampled, strict=True)
    ]
    readings = read_ahead((header, HEADER_BYTES) for header in headers)
    found, rejected, sidecars = [], [], []
    for file, place, read in zip(sampled, places, readings, strict=True):
        try:
            found.append(image_size(place, read))
        except Rejected as reason:
            rejected.append(SetAside(file.path, str(reason)))
            if isinstance(reason, NotAnImage) and not listing.is_meant_to_be_image(file.path):
                sidecars.append(file.path)
        except StorageError:
            raise
        except OSError as error:
            rejected.append(SetAside(file.path, f"cannot be read: {error.strerror}"))
    if not found:
        path, reason = rejected[0]
        raise ValueError(
            f"none of {len(sampled)} files that were opened below {listing.root} can be used, the first: "
            f"{path}: {reason}"
        )
    return Sizes(
        smallest=min(found, key=min),
        largest=max(found, key=max),
        median_short_side=round(statistics.median(min(size) for size in found)),
        sampled=len(sampled),
        unreadable=tuple(file for file in rejected if file.path not in sidecars),
        sidecars=tuple(sidecars),
    )


def image_size(place: Location, read_start: Callable[[], bytes]) -> tuple[int, int]:
    """Returns width and height of an image file in pixels, as stored.

    Args:
      place: the whole file.
      read_start: returns how the file begins. Where that says too little, as in a TIFF whose
        description stands at the end, the whole file is read.

    Raises:
      Rejected: when ingest would not use it.
      OSError: when it cannot be read.
    """
    max_megapixels = Data.max_megapixels  # the default, as the config will have it
    try:
        header = read_header(read_start(), max_megapixels)
    except Rejected:
        header = read_header(read_bytes(place), max_megapixels)
    return header.width, header.height


def unusable_note(unusable: Sequence[SetAside], of: str) -> str:
    """Returns a note about files that ingest would set aside: their number, the first with the reasons.

    Args:
      unusable: at least one.
      of: what they are part of, such as "200 files".
    """
    shown = "; ".join(f"{path}: {reason}" for path, reason in unusable[:UNUSABLE_SHOWN])
    more = len(unusable) - UNUSABLE_SHOWN
    return f"{len(unusable):,} of {of} cannot be used: {shown}" + (f"; and {more:,} more" if more > 0 else "")


def describe_sizes(sizes: Sizes) -> str:
    """Returns the sizes as a person reads them."""
    if sizes.smallest == sizes.largest:
        return "{} x {} px".format(*sizes.smallest)
    return "{} x {} to {} x {} px".format(*sizes.smallest, *sizes.largest)


def propose_image_size(median_short_side: int) -> int:
    """Returns the smallest size of IMAGE_SIZES that loses no detail, or the largest."""
    return next((size for size in IMAGE_SIZES if size >= median_short_side), IMAGE_SIZES[-1])


def propose_recipe(training_images: int) -> str:
    """Returns the name of the ready recipe for a number of training images."""
    return "fine_tuning" if training_images >= FINE_TUNING_FROM_IMAGES else "feature_extraction"


def config_text(name: str, source: str, target: Path, listing: Listing, sizes: Sizes) -> str:
    """Returns the config with its comments."""
    given = listing.split_counts
    training_images = given.get(TRAIN_SPLIT, 0) + round(Splits().train * given.get(None, 0))
    bundled = CHECKOUT / "data" / "weights" / BUNDLED_WEIGHTS
    weights = (
        _scalar(_path_from(target, bundled)) if bundled.exists() else "imagenet # Keras downloads them once"
    )
    command_argument = shlex.quote(str(target))
    few = FINE_TUNING_FROM_IMAGES
    return f"""\
# {len(listing.files):,} images of {len(listing.class_counts)} classes, {describe_sizes(sizes)}:
{_classes_comment(listing)}
#
#   headstart check {command_argument}
#   headstart run {command_argument}
#
# Relative paths are relative to this file. docs/config.md describes every key and its default.

name: {_scalar(name)}
output: {_scalar(_output_folder(name, source, target))} # report, models and all else that a run writes

data:
  source: {_scalar(_path_from(target, source))}
  format: {listing.format}
{_splits_text(listing)}
model:
  backbone: MobileNetV2 # small and fast; `headstart list backbones` shows the others
  weights: {weights}
  # The images' shorter sides have a median of {sizes.median_short_side} px. More is slower.
  image_size: {propose_image_size(sizes.median_short_side)}
  resize:
    aspect: stretch # or crop (loses the edges) or pad (adds black ones)

training:
  # {training_images:,} training images: up to some {few} feature_extraction is the safer recipe, above
  # fine_tuning is the better one. `headstart list recipes` shows all; your own is a list of stages.
  recipe: {propose_recipe(training_images)}
  batch_size: 32
  class_weights: none # balanced: classes with few images count as much as the others

evaluation:
  thresholds:
    accuracy:
      # at_least: 0.8 # no model below it is pushed
      change_at_least: -0.01 # nor one that is more than a point worse than the model that serves
"""


def _classes_comment(listing: Listing) -> str:
    classes = [f"{label} ({images:,})" for label, images in listing.class_counts.items()][:CLASSES_NAMED]
    left_out = len(listing.class_counts) - len(classes)
    text = ", ".join(classes) + (f", and {left_out} more" if left_out else "")
    return textwrap.fill(text, 100, initial_indent="# ", subsequent_indent="# ")


def _splits_text(listing: Listing) -> str:
    missing = [split for split in SPLITS if not listing.split_counts.get(split)]
    if None in listing.split_counts:
        drawn = "Images without a split are drawn" if len(missing) < len(SPLITS) else "Drawn"
    elif missing:
        drawn = f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} drawn out of train"
    else:
        return "  # train, eval and test are in the data.\n"
    return f"""\
  # {drawn}, by a hash of each image's content: a copy never lies in two splits.
  splits: {{train: {Splits().train}, eval: {Splits().eval}, test: {Splits().test}}}
"""


def _output_folder(name: str, source: str, target: Path) -> str:
    """Returns runs/NAME beside the config, or in the nearest folder above where a run can write.

    That is not among the images, nor in a folder whose name is a pattern, see modules.path_patterns.
    """
    beside = target.resolve().parent
    folder, images = beside, Path(source).resolve()
    if not is_remote(source) and beside.is_relative_to(images):
        folder = images.parent
    while pattern_characters(str(folder)):
        folder = folder.parent
    return os.path.relpath(folder / "runs" / name, beside)


def _path_from(target: Path, path: str | Path) -> str:
    """Returns a path relative to the config file when it lies near, else the absolute one; or the address."""
    if is_remote(path):
        return str(path).rstrip("/")
    relative = os.path.relpath(Path(path).resolve(), target.resolve().parent)
    far_away = os.path.join("..", "..", "..")
    return str(Path(path).resolve()) if relative.startswith(far_away) else relative


def _scalar(text: str) -> str:
    """Returns a text as YAML on one line, with quotes where it needs them."""
    return yaml.safe_dump(text, allow_unicode=True, width=10_000).removesuffix("\n").removesuffix("\n...")
