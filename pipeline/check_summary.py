"""What `check` prints about a config that can run."""

from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size

from components.image_example_gen.listing import Listing
from modules.features import SPLITS
from pipeline.check import (
    MOST_CLASSES_SHOWN,
    Checkup,
    expected_counts,
    expected_total,
    free_bytes,
    megabytes,
    needed_bytes,
)
from pipeline.config import Config

WIDEST_NAME = 40  # columns of a terminal, where a Chinese character takes two


def summarise(config: Config, checkup: Checkup) -> str:
    """Returns the lines that say what a run would do, on what, and what to look at before."""
    lines = [
        f"name      {config.name}",
        f"data      {config.data.source} ({checkup.listing.format.replace('_', ' ')})",
        *_data_lines(config, checkup.listing),
        f"model     {_describe_model(config)}",
        *_recipe_lines(config),
        f"output    {config.output}",
        f"          a run writes up to about {megabytes(needed_bytes(config, checkup.listing))}, "
        f"{megabytes(free_bytes(config.output))} are free",
        f"serving   {config.push.destination}",
        *(f"note      {note}" for note in checkup.notes),
    ]
    return "\n".join(lines)


def _describe_model(config: Config) -> str:
    model = config.model
    weights = {"imagenet": "ImageNet weights of Keras", "none": "random weights"}.get(
        model.weights, f"weights {model.weights}"
    )
    name = f"{model.backbone_file} (your own)" if model.backbone_file else f"{model.backbone}, {weights}"
    return f"{name}, at {model.image_size} px"


def _recipe_lines(config: Config) -> Iterator[str]:
    for index, stage in enumerate(config.training.recipe):
        how = f"{stage.epochs} epochs, {stage.optimizer} {stage.learning_rate:g} {stage.schedule}"
        augmented = ", augmented" if stage.augmentation.is_random else ""
        heading = "recipe" if index == 0 else ""
        yield f"{heading:10}{stage.name}: trains {stage.train}, {how}{augmented}"


def _data_lines(config: Config, listing: Listing) -> Iterator[str]:
    if listing.format == "tfrecord":
        yield f"          {len(listing.files):,} TFRecord files; a run counts their images"
        return
    counts = expected_counts(listing, config)
    totals = []
    for split in SPLITS:
        in_split = round(expected_total(counts[split]))
        is_drawn = in_split != listing.split_counts.get(split)
        totals.append(f"{'about ' if is_drawn else ''}{in_split:,} {split}")
    classes = listing.class_counts
    yield f"          {len(listing.files):,} images of {len(classes):,} classes: {', '.join(totals)}"
    names = list(classes)[:MOST_CLASSES_SHOWN]
    width = min(WIDEST_NAME, max(cell_len(name) for name in ["class", *names]))
    yield f"          {'class':{width}} " + "".join(f"{split:>9}" for split in SPLITS)
    for name in names:
        shown = name if cell_len(name) <= width else set_cell_size(name, width - 1) + "…"
        numbers = "".join(f"{_whole(counts[split][name]):>9}" for split in SPLITS)
        yield f"          {set_cell_size(shown, width)} {numbers}"
    if len(classes) > MOST_CLASSES_SHOWN:
        yield f"          and {len(classes) - MOST_CLASSES_SHOWN:,} more classes"


def _whole(images: float) -> str:
    """Returns an expected number as a person reads it: less than one image is neither none nor one."""
    return "<1" if 0 < images < 1 else f"{images:,.0f}"
