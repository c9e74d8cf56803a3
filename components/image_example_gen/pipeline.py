"""Ingest on Beam, in two passes, so that no image waits in memory for a decision about it.

The first pass reads and decodes every image and keeps only its facts. The facts are grouped: copies by
content, then images by shard. The second pass reads the images of a shard again and writes them.
What the report needs to know comes out as events, small dicts in a file of JSON lines.
"""

import hashlib
from collections.abc import Iterator, Mapping

import apache_beam as beam

from components.image_example_gen.decisions import Decision, InspectedImage, decide
from components.image_example_gen.headers import NotAnImage, Rejected
from components.image_example_gen.inspection import inspect
from components.image_example_gen.listing import SourceFile
from components.image_example_gen.locations import MAX_IMAGE_BYTES, Location, join, read_ahead
from components.image_example_gen.report import (
    contents_event,
    decision_events,
    fault_event,
    not_an_image_event,
    set_aside_event,
)
from components.image_example_gen.shards import write_shard
from components.image_example_gen.splits import shard_of
from components.image_example_gen.tfrecords import (
    DamagedFile,
    description_of_record,
    image_of_record,
    read_records,
)
from components.image_example_gen.work_files import IngestOptions, read_batches, write_events
from modules.storage import StorageError

FILES_A_BATCH = 128  # enough to hide Beam's cost per element, few enough to spread over workers


def ingest(pipeline: beam.Pipeline, options: IngestOptions) -> None:
    """Adds the ingest of the listed files to a pipeline; writes examples and the events file."""
    usable, useless = (
        pipeline
        | "Listing" >> beam.Create([options.listing_file])
        | "Batches" >> beam.FlatMap(read_batches, 1 if options.records else FILES_A_BATCH)
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
        | "WriteEvents" >> beam.Map(lambda row, file: write_events(row[1], file), options.events_file)
    )


def _inspect_batch(files: list[SourceFile], options: IngestOptions) -> Iterator[InspectedImage | dict]:
    """Yields an InspectedImage for each usable image, an event for each other, and one of what was read."""
    if options.records is None:
        yield from _inspect_files(files, options)
    else:
        for file in files:
            yield from _inspect_records(file, options)


def _inspect_files(files: list[SourceFile], options: IngestOptions) -> Iterator[InspectedImage | dict]:
    places = [Location(join(options.root, file.path)) for file in files]
    # What is too large to read is not read ahead either.
    readings = read_ahead(
        (place, file.byte_size)
        for place, file in zip(places, files, strict=True)
        if file.byte_size <= MAX_IMAGE_BYTES
    )
    contents = {}
    for place, file in zip(places, files, strict=True):
        data = None
        try:
            if file.byte_size > MAX_IMAGE_BYTES:
                raise Rejected(
                    f"{file.byte_size} bytes are more than an example can hold ({MAX_IMAGE_BYTES})"
                )
            data = next(readings)()
            facts = inspect(data, options.max_megapixels)
        except NotAnImage as rejected:
            yield not_an_image_event(file.path, str(rejected))
        except Rejected as rejected:
            yield set_aside_event(file.path, str(rejected))
        except StorageError:  # the store fails, not the image; without images it would be a smaller data set
            raise
        except OSError as error:
            yield set_aside_event(file.path, f"cannot be read: {error.strerror}")
        else:
            yield InspectedImage(file.path, file.label, file.split, place, facts)
        if data is not None:
            contents[file.path] = hashlib.sha256(data).hexdigest()
    yield contents_event(contents)


def _inspect_records(file: SourceFile, options: IngestOptions) -> Iterator[InspectedImage | dict]:
    digest = hashlib.sha256()
    records = read_records(join(options.root, file.path), options.spool_file(file.path), digest.update)
    try:
        for number, (place, payload) in enumerate(records):
            yield _inspect_record(f"{file.path}#{number}", file.split, place, payload, options)
    except DamagedFile as damage:
        # Nobody can say how many images are lost, so the share of files set aside would be a guess.
        yield fault_event(str(damage))
    else:
        yield contents_event({file.path: digest.hexdigest()})


def _inspect_record(
    path: str, split: str | None, place: Location, payload: bytes, options: IngestOptions
) -> InspectedImage | dict:
    try:
        path, label, split_of_record = description_of_record(payload, options.records, default_path=path)
        facts = inspect(image_of_record(payload, options.records), options.max_megapixels)
    except Rejected as rejected:
        return set_aside_event(path, str(rejected))
    return InspectedImage(path, label, split_of_record or split, place, facts)


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
