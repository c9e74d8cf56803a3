"""Where images go: splits by hash, and what becomes of several images with the same content."""

import collections
import hashlib

import pytest

from components.image_example_gen.decisions import InspectedImage, decide
from components.image_example_gen.inspection import ImageFacts
from components.image_example_gen.locations import Location
from components.image_example_gen.splits import shard_of, shard_order, split_of

SHARES = {"train": 0.7, "eval": 0.1, "test": 0.2}
HASHES = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(10_000)]


def image(path, label="cat", split=None, content_hash=HASHES[0]):
    facts = ImageFacts(
        width=1,
        height=1,
        channels=1,
        byte_size=1,
        mean_brightness=0.0,
        image_format="PNG",
        content_hash=content_hash,
        oriented=False,
        conversion=None,
    )
    return InspectedImage(path, label, split, Location(path), facts)


def drawn(given=None, assigned=(), shares=SHARES):
    return {content_hash: split_of(content_hash, given, assigned, shares) for content_hash in HASHES}


def shares_of(splits):
    counts = collections.Counter(splits.values())
    return {split: count / len(splits) for split, count in counts.items()}


# Splits


def test_images_are_drawn_in_the_configured_shares():
    # 0.015 is three standard errors of a share of 0.5 over 10,000 images.
    assert shares_of(drawn()) == pytest.approx(SHARES, abs=0.015)


def test_a_given_split_is_kept_when_the_source_assigns_all():
    for split in SHARES:
        assert set(drawn(given=split, assigned=SHARES).values()) == {split}


def test_eval_comes_out_of_train_when_only_train_and_test_are_given():
    splits = drawn(given="train", assigned=("train", "test"))
    assert shares_of(splits) == pytest.approx({"train": 0.7 / 0.8, "eval": 0.1 / 0.8}, abs=0.015)
    assert set(drawn(given="test", assigned=("train", "test")).values()) == {"test"}


def test_test_comes_out_of_train_when_only_train_and_eval_are_given():
    splits = drawn(given="train", assigned=("train", "eval"))
    assert shares_of(splits) == pytest.approx({"train": 0.7 / 0.9, "test": 0.2 / 0.9}, abs=0.015)


def test_a_change_of_the_shares_only_moves_images_across_the_changed_border():
    before, after = drawn(), drawn(shares={"train": 0.7, "eval": 0.15, "test": 0.15})
    moves = {(before[h], after[h]) for h in HASHES if before[h] != after[h]}
    assert moves == {("test", "eval")}


def test_shards_are_even_and_independent_of_the_split():
    train = [content_hash for content_hash, split in drawn().items() if split == "train"]
    counts = collections.Counter(shard_of(content_hash, 7) for content_hash in train)
    assert sorted(counts) == list(range(7))
    assert min(counts.values()) > 0.85 * len(train) / 7
    assert max(counts.values()) < 1.15 * len(train) / 7


def test_shards_are_ranges_of_one_order():
    shards = [shard_of(content_hash, 5) for content_hash in sorted(HASHES, key=shard_order)]
    assert shards == sorted(shards)


# Images with the same content


def test_a_single_image_is_kept_in_its_split():
    decision = decide([image("cat/1.png", split="test")], assigned=("train", "test"), shares=SHARES)
    assert [(kept.path, kept.split) for kept in decision.kept] == [("cat/1.png", "test")]
    assert (decision.conflicting, decision.leaks) == ((), ())


def test_copies_without_given_splits_land_in_one_split():
    for content_hash in HASHES[:20]:
        copies = [image(f"cat/{number}.png", content_hash=content_hash) for number in range(3)]
        decision = decide(copies, assigned=(), shares=SHARES)
        assert len(decision.kept) == 3
        assert len({kept.split for kept in decision.kept}) == 1


@pytest.mark.parametrize(
    ("given", "kept", "left_out"),
    [
        (("train", "eval", "test"), ["test"], ["train", "eval"]),
        (("train", "eval"), ["eval"], ["train"]),
        (("test", "train", "test"), ["test", "test"], ["train"]),
    ],
)
def test_of_copies_in_several_splits_the_one_that_judges_the_model_stays(given, kept, left_out):
    copies = [image(f"{number}.png", split=split) for number, split in enumerate(given)]
    decision = decide(copies, assigned=tuple(SHARES), shares=SHARES)
    assert [copy.split for copy in decision.kept] == kept
    assert [copy.split for copy in decision.leaks] == left_out


@pytest.mark.parametrize("given", list(SHARES))
@pytest.mark.parametrize("assigned", [tuple(SHARES), ("train", "test"), ("train",)])
def test_a_copy_without_a_given_split_goes_where_the_given_one_is(given, assigned):
    for content_hash in HASHES[:50]:  # drawn alone, they would go to all three
        copies = [
            image("a.png", split=given, content_hash=content_hash),
            image("a.png", content_hash=content_hash),
            image("b.png", content_hash=content_hash),
        ]
        decision = decide(copies, assigned=assigned, shares=SHARES)
        alone = decide(copies[:1], assigned=assigned, shares=SHARES).kept[0].split
        assert [(kept.path, kept.split) for kept in decision.kept] == [
            ("a.png", alone),
            ("a.png", alone),
            ("b.png", alone),
        ]
        assert decision.leaks == ()


def test_a_copy_without_a_given_split_follows_the_one_that_judges_the_model():
    for content_hash in HASHES[:20]:
        copies = [
            image(f"{number}.png", split=split, content_hash=content_hash)
            for number, split in enumerate(("train", None, "test"))
        ]
        decision = decide(copies, assigned=tuple(SHARES), shares=SHARES)
        assert [(kept.path, kept.split) for kept in decision.kept] == [("1.png", "test"), ("2.png", "test")]
        assert [leak.path for leak in decision.leaks] == ["0.png"]


def test_the_same_content_under_two_labels_is_a_conflict_and_nothing_of_it_is_kept():
    copies = [
        image("dog/1.png", "dog", "test"),
        image("cat/1.png", "cat", "train"),
        image("cat/2.png", "cat"),
    ]
    decision = decide(copies, assigned=tuple(SHARES), shares=SHARES)
    assert (decision.kept, decision.leaks) == ((), ())
    assert [copy.path for copy in decision.conflicting] == ["cat/1.png", "cat/2.png", "dog/1.png"]


def test_decisions_do_not_depend_on_the_order_of_the_copies():
    copies = [
        image(f"{number // 2}.png", split=split)
        for number, split in enumerate(("train", "test", "eval", "test", None, "test"))
    ]
    assert decide(copies, SHARES, SHARES) == decide(copies[::-1], SHARES, SHARES)
