"""What becomes of images with the same content: kept, left out as a leak, or set aside as a conflict."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Optional

from components.image_example_gen.inspection import ImageFacts
from components.image_example_gen.locations import Location
from components.image_example_gen.splits import split_of
from modules.features import EVAL_SPLIT, TEST_SPLIT, TRAIN_SPLIT

# A test image must not have been trained on, so its copies elsewhere go; then eval, by the same reason.
KEPT_FIRST = (TEST_SPLIT, EVAL_SPLIT, TRAIN_SPLIT)


@dataclasses.dataclass(frozen=True)
class InspectedImage:
    """A usable image: where it is and what is known about it, without its bytes."""

    path: str  # relative to the source
    label: str
    split: Optional[str]  # as the source gives it; after decide(), the split it goes to
    location: Location
    facts: ImageFacts


@dataclasses.dataclass(frozen=True)
class Decision:
    """Attributes are sorted by path.

    kept: images to write, with their final split.
    conflicting: images of one content with different labels; none of them is used, because at least
      one of the labels is wrong and nothing says which.
    leaks: copies left out because a copy lies in a split that judges the model.
    """

    kept: tuple[InspectedImage, ...] = ()
    conflicting: tuple[InspectedImage, ...] = ()
    leaks: tuple[InspectedImage, ...] = ()


def decide(
    copies: Sequence[InspectedImage], assigned: Collection[str], shares: Mapping[str, float]
) -> Decision:
    """Decides about all images that share one content hash.

    A copy without a given split goes where the given ones are: drawn elsewhere, it would be a leak, or
    make one of them a leak.

    Args:
      copies: at least one image; all have the same content.
      assigned: all splits that the source assigns to any image.
      shares: of train, eval and test.
    """
    copies = sorted(copies, key=lambda image: (image.path, image.label, image.split or ""))
    if len({image.label for image in copies}) > 1:
        return Decision(conflicting=tuple(copies))
    split_of_given = {
        given: split_of(copies[0].facts.content_hash, given, assigned, shares)
        for given in {image.split for image in copies if image.split} or {None}
    }
    kept_split = min(split_of_given.values(), key=KEPT_FIRST.index)
    placed = [
        dataclasses.replace(image, split=split_of_given.get(image.split, kept_split)) for image in copies
    ]
    return Decision(
        kept=tuple(image for image in placed if image.split == kept_split),
        leaks=tuple(image for image in placed if image.split != kept_split),
    )
