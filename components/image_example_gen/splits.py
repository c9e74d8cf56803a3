"""Which split an image belongs to: the one given, or one drawn by a hash of its content."""

from collections.abc import Collection, Mapping
from typing import Optional

from modules.features import SPLITS, TRAIN_SPLIT

HASH_DIGITS = 13  # 52 bits, the most hexadecimal digits that a float holds exactly


def split_of(
    content_hash: str, given: Optional[str], assigned: Collection[str], shares: Mapping[str, float]
) -> str:
    """Returns train, eval or test.

    An image without a given split is drawn over all three. Splits that the source assigns to no image
    are drawn out of train, in proportion to their shares. The draw depends on nothing but the
    content, so a copy lands in the same split, and adding images moves none.

    Args:
      content_hash: SHA-256 of the file, hexadecimal.
      given: the split that the source assigns to the image, or None.
      assigned: all splits that the source assigns to any image.
      shares: of train, eval and test, each above 0.
    """
    if given is None:
        candidates = list(SPLITS)
    elif given == TRAIN_SPLIT:
        candidates = [split for split in SPLITS if split == TRAIN_SPLIT or split not in assigned]
    else:
        return given
    drawn = _fraction(content_hash[:HASH_DIGITS]) * sum(shares[split] for split in candidates)
    for split in candidates:
        drawn -= shares[split]
        if drawn < 0:
            return split
    return candidates[-1]  # where rounding left a crumb of the sum


def shard_of(content_hash: str, num_shards: int) -> int:
    """Returns the shard, 0 to num_shards - 1; shards are ranges of shard_order, so they mix classes."""
    return int(_fraction(shard_order(content_hash)[:HASH_DIGITS]) * num_shards)


def shard_order(content_hash: str) -> str:
    """Returns what images are sorted by: the half of the hash that the split does not depend on."""
    return content_hash[32:]


def _fraction(digits: str) -> float:
    return int(digits, 16) / 16 ** len(digits)
