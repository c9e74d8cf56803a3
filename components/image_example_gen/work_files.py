"""What the workers of an ingest share: its options, and files that are deleted afterwards.

The files lie in the folder that TFX gives a step for such things: on a disk, or at an address when
the pipeline's root is one.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping

from components.image_example_gen.listing import SourceFile
from components.image_example_gen.tfrecords import RecordKeys
from modules.storage import explained, is_remote, location


@dataclasses.dataclass(frozen=True)
class IngestOptions:
    """What the workers need to know; folders are paths or addresses.

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

    def spool_file(self, path: str) -> str:
        """Returns where the records of a compressed TFRecord file are laid open."""
        return os.path.join(self.work_folder, hashlib.sha256(path.encode()).hexdigest() + ".spool")


def write_listing(files: Collection[SourceFile], options: IngestOptions) -> None:
    """Writes the files as JSON lines: a listing of a million files has no place in a pipeline's graph."""
    if not is_remote(options.work_folder):
        os.makedirs(options.work_folder, exist_ok=True)
    _write_lines(options.listing_file, files)


def read_batches(listing_file: str, batch_size: int) -> Iterator[list[SourceFile]]:
    """Yields the listed files in lists of a given length; the last may be shorter."""
    batch = []
    for values in _read_lines(listing_file):
        batch.append(SourceFile(*values))
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def write_events(events: Iterable[dict], events_file: str) -> None:
    """Writes what the workers have to say; read_events reads it."""
    # Beam's own text sink would do as well, at the price of ten more steps and half a second.
    _write_lines(events_file, events)


def read_events(options: IngestOptions) -> list[dict]:
    """Returns what the workers reported; nothing when TFRecord files hold no record."""
    try:
        return list(_read_lines(options.events_file))
    except FileNotFoundError:
        return []


def remove_work_files(options: IngestOptions) -> None:
    """Removes the work folder, as far as it can be removed."""
    if not is_remote(options.work_folder):
        shutil.rmtree(options.work_folder, ignore_errors=True)
        return
    folder = location(options.work_folder)
    with explained(folder):
        folder.fs.rm(folder.path, recursive=True)


def _write_lines(file: str, values: Iterable) -> None:
    with explained(file), location(file).open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(value) + "\n" for value in values)


def _read_lines(file: str) -> Iterator:
    with explained(file), location(file).open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
