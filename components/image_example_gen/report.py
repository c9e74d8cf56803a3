"""ingest_report.json: what was found, what became of it, and why. Also the events it is made from."""

import collections
import dataclasses
import json
import os
from collections.abc import Iterable, Iterator

from components.data_record import DataRecord
from components.image_example_gen.decisions import Decision, InspectedImage
from components.image_example_gen.image_walk import sidecars_text
from components.image_example_gen.listing import Listing
from modules.features import SPLITS
from modules.storage import explained, is_remote, location

FILE_NAME = "ingest_report.json"


@dataclasses.dataclass(frozen=True)
class IngestReport:
    """The content of ingest_report.json. Paths are relative to `source`; lists are sorted by path.

    Attributes:
      source: absolute folder, or address, of the data.
      format: class_folders, split_folders, manifest or tfrecord.
      source_fingerprint: of the contents of the source as this run read it, see Listing.fingerprint.
      counts: images, by what became of them; listed = ingested + set_aside + leaks. converted, oriented
        and duplicates (second and further copies) are parts of ingested, conflicts of set_aside.
        sidecars counts files that are not images, such as annotations, by their names or by their content
        where the name says nothing; ignored counts hidden files and leftovers of operating systems. Neither
        is listed.
      splits: {split: {class: images}}, of what was ingested.
      formats: {format as found: images}, of what was ingested.
      converted: {why it became a PNG: images}.
      set_aside: [{"path", "reason"}], what data.max_rejected_share counts.
      conflicts: [{"content_hash", "images": [{"path", "label"}]}], same content under different labels.
      leaks: [{"content_hash", "kept": {"path", "split"}, "left_out": [{"path", "split"}]}], same content in
        two splits; the copy in test stays, else the one in eval.
      duplicates: [{"content_hash", "label", "split", "paths"}], same content, label and split; all stay.
      findings: sentences about odd things in the source that do no harm.
    """

    source: str
    format: str
    source_fingerprint: str
    counts: dict[str, int]
    splits: dict[str, dict[str, int]]
    formats: dict[str, int]
    converted: dict[str, int]
    set_aside: list[dict[str, str]]
    conflicts: list[dict]
    leaks: list[dict]
    duplicates: list[dict]
    findings: list[str]


def set_aside_event(path: str, reason: str) -> dict:
    return {"kind": "set_aside", "path": path, "reason": reason}


def not_an_image_event(path: str, reason: str) -> dict:
    return {"kind": "not_an_image", "path": path, "reason": reason}


def contents_event(contents: dict[str, str]) -> dict:
    """An event of what was read: the SHA-256 of each file, hexadecimal, by path; also of those set aside."""
    return {"kind": "contents", "files": contents}


def fault_event(message: str) -> dict:
    """An event that stops the run."""
    return {"kind": "fault", "message": message}


def decision_events(decision: Decision) -> Iterator[dict]:
    """Yields an event for each conflict, leak and duplicate."""
    if decision.conflicting:
        yield {
            "kind": "conflict",
            "content_hash": decision.conflicting[0].facts.content_hash,
            "images": [{"path": image.path, "label": image.label} for image in decision.conflicting],
        }
        return
    kept = decision.kept[0]
    if decision.leaks:
        yield {
            "kind": "leak",
            "content_hash": kept.facts.content_hash,
            "kept": {"path": kept.path, "split": kept.split},
            "left_out": [{"path": image.path, "split": image.split} for image in decision.leaks],
        }
    if len(decision.kept) > 1:
        yield {
            "kind": "duplicate",
            "content_hash": kept.facts.content_hash,
            "label": kept.label,
            "split": kept.split,
            "paths": [image.path for image in decision.kept],
        }


def shard_event(split: str, images: Iterable[InspectedImage]) -> dict:
    """Returns the counts of a written shard, and which images it holds."""
    images = list(images)
    facts = [image.facts for image in images]
    return {
        "kind": "shard",
        "split": split,
        "classes": collections.Counter(image.label for image in images),
        "formats": collections.Counter(fact.image_format for fact in facts),
        "converted": collections.Counter(fact.conversion for fact in facts if fact.conversion),
        "oriented": sum(fact.oriented for fact in facts),
        "images": [(image.facts.content_hash, image.label) for image in images],
    }


def contents_of(events: Iterable[dict]) -> dict[str, bytes]:
    """Returns the SHA-256 of each file that was read, by path."""
    return {
        path: bytes.fromhex(content_hash)
        for event in events
        if event["kind"] == "contents"
        for path, content_hash in event["files"].items()
    }


def data_record(events: Iterable[dict]) -> DataRecord:
    """Returns which images were ingested."""
    return DataRecord.of(
        (content_hash, label, shard["split"])
        for shard in events
        if shard["kind"] == "shard"
        for content_hash, label in shard["images"]
    )


def build_report(listing: Listing, events: Iterable[dict], source_fingerprint: str) -> IngestReport:
    """Puts the listing and the workers' events together; the order of the events does not matter."""
    by_kind = collections.defaultdict(list)
    for event in events:
        by_kind[event["kind"]].append({key: value for key, value in event.items() if key != "kind"})

    splits = {split: collections.Counter() for split in SPLITS}
    formats, converted = collections.Counter(), collections.Counter()
    for shard in by_kind["shard"]:
        splits[shard["split"]].update(shard["classes"])
        formats.update(shard["formats"])
        converted.update(shard["converted"])
    set_aside = [rejected._asdict() for rejected in listing.set_aside]
    set_aside += by_kind["set_aside"]
    not_images = by_kind["not_an_image"]
    set_aside += [row for row in not_images if listing.is_meant_to_be_image(row["path"])]
    sidecars = [row["path"] for row in not_images if not listing.is_meant_to_be_image(row["path"])]
    set_aside += [rejected for conflict in by_kind["conflict"] for rejected in _conflict_reasons(conflict)]

    ingested = sum(splits_counts.total() for splits_counts in splits.values())
    leaks = sum(len(leak["left_out"]) for leak in by_kind["leak"])
    return IngestReport(
        source=listing.root,
        format=listing.format,
        source_fingerprint=source_fingerprint,
        counts={
            "listed": ingested + len(set_aside) + leaks,
            "ingested": ingested,
            "set_aside": len(set_aside),
            "leaks": leaks,
            "conflicts": sum(len(conflict["images"]) for conflict in by_kind["conflict"]),
            "converted": converted.total(),
            "oriented": sum(shard["oriented"] for shard in by_kind["shard"]),
            "duplicates": sum(len(duplicate["paths"]) - 1 for duplicate in by_kind["duplicate"]),
            "sidecars": listing.sidecars + len(sidecars),
            "ignored": listing.ignored,
        },
        splits={split: _sorted(counts) for split, counts in splits.items()},
        formats=_sorted(formats),
        converted=_sorted(converted),
        set_aside=sorted(set_aside, key=lambda entry: (entry["path"], entry["reason"])),
        conflicts=sorted(by_kind["conflict"], key=lambda conflict: conflict["images"][0]["path"]),
        leaks=sorted(by_kind["leak"], key=lambda leak: leak["kept"]["path"]),
        duplicates=sorted(by_kind["duplicate"], key=lambda duplicate: duplicate["paths"][0]),
        findings=[
            *listing.findings,
            *([sidecars_text(sidecars)] if sidecars else []),
            *_classes_without_images(listing, splits),
        ],
    )


def write_report(report: IngestReport, folder: str) -> None:
    """Writes the report of an artifact; `folder` is its URI."""
    if not is_remote(folder):
        os.makedirs(folder, exist_ok=True)
    text = json.dumps(dataclasses.asdict(report), indent=2, ensure_ascii=False)
    with explained(folder):
        location(os.path.join(folder, FILE_NAME)).write_text(text, encoding="utf-8")


def read_report(folder: str) -> IngestReport:
    """Reads the report of an artifact; `folder` is its URI."""
    with explained(folder):
        return IngestReport(**json.loads(location(os.path.join(folder, FILE_NAME)).read_text("utf-8")))


def _conflict_reasons(conflict: dict) -> Iterator[dict[str, str]]:
    labels = sorted({image["label"] for image in conflict["images"]})
    for image in conflict["images"]:
        yield {
            "path": image["path"],
            "reason": f"the same content has the labels {', '.join(labels)}; keep the file under one of them",
        }


def _classes_without_images(listing: Listing, splits: dict[str, collections.Counter]) -> list[str]:
    ingested = set().union(*splits.values())
    return [f"class {label!r} has no usable image" for label in listing.class_counts if label not in ingested]


def _sorted(counts: collections.Counter) -> dict[str, int]:
    return dict(sorted(counts.items()))
