"""Ingest on Beam, in two passes, so that no image waits in memory for a decision about it.

The first pass reads and decodes every image and keeps only its facts. The facts are grouped: copies by
content, then images by shard. The second pass reads the images of a shard again and writes them.
What the report needs to know comes out as events, small dicts in a file of JSON lines.
"""

import dataclasses
import hashlib
import json
import os
import uuid
from collections.abc import Collection, Iterator, Mapping

import apache_beam as beam
import tensorflow as tf

from components.image_example_gen.decisions import Decision, InspectedImage, decide
from components.image_example_gen.examples import to_example
from components.image_example_gen.headers import Rejected
from components.image_example_gen.inspection import inspect, to_png
from components.image_example_gen.listing import SourceFile
from components.image_example_gen.locations import Location, file_byte_size, read_bytes
from components.image_example_gen.report import decision_events, fault_event, set_aside_event, shard_event
from components.image_example_gen.splits import shard_of, shard_order
from components.image_example_gen.tfrecords import (
    DamagedFile,
    RecordKeys,
    description_of_record,
    image_of_record,
    read_records,
)

FILES_A_BATCH = 128  # enough to hide Beam's cost per element, few enough to spread over workers
MAX_FILE_BYTES = 1 << 30  # protobuf serializes at most 2 GiB, and nothing useful comes near half of it


@dataclasses.dataclass(frozen=True)
class IngestOptions:
    """What the workers need to know.

    Attributes:
      root: folder that the listed paths are relative to.
      records: keys of existing tf.Examples when the listed files are TFRecords, else None.
      shares: of train, eval and test.
      max_megapixels: limit of an image.
      images_per_shard: images in one output file, roughly.
      examples_uri: folder for Split-train, Split-eval and Split-test.
      work_folder: folder for what is deleted afterwards; workers can reach it.
    """

    root: str
    records: RecordKeys | None
    shares: Mapping[str, float]
    max_megapixels: float
    images_per_shard: int
    examples_uri: str
    work_folder: str

    @property
    def listing_file(self) -> str:
        return os.path.join(self.work_folder, "listing.jsonl")

    @property
    def events_file(self) -> str:
        return os.path.join(self.work_folder, "events.jsonl")


def write_listing(files: Collection[SourceFile], options: IngestOptions) -> None:
    """Writes the files as JSON lines: a listing of a million files has no place in a pipeline's graph."""
    os.makedirs(options.work_folder, exist_ok=True)
    with open(options.listing_file, "w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(file) + "\n" for file in files)


def read_events(options: IngestOptions) -> list[dict]:
    """Returns what the workers reported; nothing when TFRecord files hold no record."""
    if not os.path.exists(options.events_file):
        return []
    with open(options.events_file, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def ingest(pipeline: beam.Pipeline, options: IngestOptions) -> None:
    """Adds the ingest of the listed files to a pipeline; writes examples and the events file."""
    usable, useless = (
        pipeline
        | "Listing" >> beam.Create([options.listing_file])
        | "Batches" >> beam.FlatMap(_read_batches, 1 if options.records else FILES_A_BATCH)
        | "Spread" >> beam.Reshuffle()
        | "Inspect" >> beam.FlatMap(_inspect_batch, options)
        | "Usable" >> beam.Partition(lambda row, _: 0 if isinstance(row, InspectedImage) else 1, 2)
    )
    assigned = (
        usable
        | "GivenSplits" >> beam.Map(lambda image: image.split)
        | "DistinctSplits" >> beam.Distinct()
        | "NotNone" >> beam.Filter(bool)
    )
    decisions = (
        usable
        | "ByContent" >> beam.Map(lambda image: (image.facts.content_hash, image))
        | "GroupCopies" >> beam.GroupByKey()
        | "Decide" >> beam.Map(_decide, beam.pvalue.AsList(assigned), options.shares)
    )
    kept = decisions | "Kept" >> beam.FlatMap(lambda decision: decision.kept)
    # Images that are kept have a split; Beam would infer `str | None` from the class.
    split_of = beam.Map(lambda image: image.split).with_output_types(str)
    sizes = kept | "SplitOf" >> split_of | beam.combiners.Count.PerElement()
    # Every shard is written, so that shard numbers have no gaps even where images are few.
    every_shard = sizes | "EveryShard" >> beam.FlatMap(_shards_of_split, options.images_per_shard)
    written = (
        (
            kept | "ShardOf" >> beam.Map(_with_shard, options.images_per_shard, beam.pvalue.AsDict(sizes)),
            every_shard,
        )
        | "ShardsAndImages" >> beam.Flatten()
        | "GroupShards" >> beam.GroupByKey()
        | "WriteShard" >> beam.FlatMap(write_shard, options)
    )
    (
        (
            useless,
            decisions | "DecisionEvents" >> beam.FlatMap(decision_events),
            written,
        )
        | "Events" >> beam.Flatten()
        | "Together" >> beam.Map(lambda event: (None, event))
        | "GroupEvents" >> beam.GroupByKey()
        | "WriteEvents" >> beam.Map(_write_events, options.events_file)
    )


def _read_batches(listing_file: str, batch_size: int) -> Iterator[list[SourceFile]]:
    batch = []
    with open(listing_file, encoding="utf-8") as lines:
        for line in lines:
            batch.append(SourceFile(*json.loads(line)))
            if len(batch) == batch_size:
                yield batch
                batch = []
    if batch:
        yield batch


def _inspect_batch(files: list[SourceFile], options: IngestOptions) -> Iterator[InspectedImage | dict]:
    """Yields an InspectedImage for each usable image, and an event for each other."""
    for file in files:
        if options.records is None:
            yield _inspect_file(file, options)
        else:
            yield from _inspect_records(file, options)


def _inspect_file(file: SourceFile, options: IngestOptions) -> InspectedImage | dict:
    location = Location(os.path.join(options.root, file.path))
    try:
        byte_size = file_byte_size(location.file)
        if byte_size > MAX_FILE_BYTES:
            raise Rejected(f"{byte_size} bytes are more than an example can hold ({MAX_FILE_BYTES})")
        facts = inspect(read_bytes(location), options.max_megapixels)
    except Rejected as rejected:
        return set_aside_event(file.path, str(rejected))
    except OSError as error:
        return set_aside_event(file.path, f"cannot be read: {error.strerror}")
    return InspectedImage(file.path, file.label, file.split, location, facts)


def _inspect_records(file: SourceFile, options: IngestOptions) -> Iterator[InspectedImage | dict]:
    full_path = os.path.join(options.root, file.path)
    spool_file = os.path.join(options.work_folder, hashlib.sha256(file.path.encode()).hexdigest() + ".spool")
    try:
        for number, (location, payload) in enumerate(read_records(full_path, spool_file)):
            yield _inspect_record(f"{file.path}#{number}", file.split, location, payload, options)
    except DamagedFile as damage:
        # Nobody can say how many images are lost, so the share of files set aside would be a guess.
        yield fault_event(str(damage))


def _inspect_record(
    path: str, split: str | None, location: Location, payload: bytes, options: IngestOptions
) -> InspectedImage | dict:
    try:
        path, label, split_of_record = description_of_record(payload, options.records, default_path=path)
        facts = inspect(image_of_record(payload, options.records), options.max_megapixels)
    except Rejected as rejected:
        return set_aside_event(path, str(rejected))
    return InspectedImage(path, label, split_of_record or split, location, facts)


def _decide(content_hash_and_copies, assigned: list[str], shares: Mapping[str, float]) -> Decision:
    _, copies = content_hash_and_copies
    return decide(list(copies), assigned, shares)


def _num_shards(split_size: int, images_per_shard: int) -> int:
    return -(-split_size // images_per_shard)


def _shards_of_split(split_and_size: tuple[str, int], images_per_shard: int):
    split, split_size = split_and_size
    num_shards = _num_shards(split_size, images_per_shard)
    for shard in range(num_shards):
        yield (split, shard, num_shards), None


def _with_shard(image: InspectedImage, images_per_shard: int, split_sizes: Mapping[str, int]):
    num_shards = _num_shards(split_sizes[image.split], images_per_shard)
    return (image.split, shard_of(image.facts.content_hash, num_shards), num_shards), image


def write_shard(shard_and_images, options: IngestOptions) -> Iterator[dict]:
    """Writes one shard, sorted by content, so that equal data gives equal files on every runner."""
    (split, shard, num_shards), images = shard_and_images
    images = sorted(
        (image for image in images if image is not None),
        key=lambda image: (shard_order(image.facts.content_hash), image.path),
    )
    folder = os.path.join(options.examples_uri, f"Split-{split}")
    tf.io.gfile.makedirs(folder)
    # A shard appears when it is whole: a runner may start the same work twice.
    unfinished = os.path.join(options.work_folder, f"shard-{uuid.uuid4().hex}")
    # Level 1: encoded images hardly shrink, and the level makes no difference that pays for its time.
    gzip = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    with tf.io.TFRecordWriter(unfinished, gzip) as writer:
        for image in images:
            image_bytes = _read_again(image, options)
            if image_bytes is None:
                yield fault_event(
                    f"{image.path} changed while it was read. Run again when the data is at rest."
                )
                return
            writer.write(to_example(image, image_bytes).SerializeToString(deterministic=True))
    name = f"data_tfrecord-{shard:05d}-of-{num_shards:05d}.gz"
    tf.io.gfile.rename(unfinished, os.path.join(folder, name), overwrite=True)
    yield shard_event(split, images)


def _write_events(nothing_and_events, events_file: str) -> None:
    # Beam's own text sink would do as well, at the price of ten more steps and half a second.
    _, events = nothing_and_events
    with open(events_file, "w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(event) + "\n" for event in events)


def _read_again(image: InspectedImage, options: IngestOptions) -> bytes | None:
    """Returns the bytes to write, or None when they are not those that were inspected."""
    try:
        data = read_bytes(image.location)
        if options.records is not None:
            data = image_of_record(data, options.records)
    except (OSError, Rejected):
        return None
    if hashlib.sha256(data).hexdigest() != image.facts.content_hash:
        return None
    return data if image.facts.conversion is None else to_png(data)
