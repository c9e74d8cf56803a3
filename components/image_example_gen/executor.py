"""The shell around ingest: TFX's dictionaries in, plain functions inside, artifacts out."""

import json
import logging
import os
import time

from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components.errors import RunStopped
from components.image_example_gen.listing import Listing
from components.image_example_gen.pipeline import ingest
from components.image_example_gen.report import (
    IngestReport,
    build_report,
    contents_of,
    data_record,
    write_report,
)
from components.image_example_gen.source_contents import index_of
from components.image_example_gen.sources import list_images
from components.image_example_gen.tfrecords import RecordKeys
from components.image_example_gen.work_files import (
    IngestOptions,
    read_events,
    remove_work_files,
    write_listing,
)
from modules.features import SPLITS, TRAIN_SPLIT

logger = logging.getLogger("headstart.ingest")


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes the examples of all splits, the ingest report, and beside it what is known of every file."""

    def Do(self, input_dict, output_dict, exec_properties) -> None:
        """Ingests the source.

        Raises:
          ValueError, FileNotFoundError: when the source cannot be used.
          StorageError: when an object store cannot be asked.
          RunStopped: when what is usable does not make a training set.
        """
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        report_artifact = artifact_utils.get_single_instance(output_dict["ingest_report"])
        listing = list_images(exec_properties["source"], exec_properties["format"])
        reading_since_ns = time.time_ns()
        keys = RecordKeys(**json.loads(exec_properties["tfrecord_keys"]))
        options = IngestOptions(
            root=listing.root,
            records=keys if listing.format == "tfrecord" else None,
            shares=json.loads(exec_properties["splits"]),
            max_megapixels=exec_properties["max_megapixels"],
            images_per_shard=exec_properties["images_per_shard"],
            examples_uri=examples.uri,
            work_folder=os.path.join(self._get_tmp_dir(), "ingest"),
        )
        events = self._ingest(listing, options)
        index = index_of(listing, contents_of(events), reading_since_ns)
        report = build_report(listing, events, index.fingerprint)
        write_report(report, report_artifact.uri)
        data_record(events).write(report_artifact.uri)
        index.cached_as(exec_properties["source_fingerprint"]).write(report_artifact.uri)
        _stop_unless_trainable(report, events)
        examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
        for finding in report.findings:
            logger.warning("%s", finding)
        logger.info("%s", summary(report))

    def _ingest(self, listing: Listing, options: IngestOptions) -> list[dict]:
        write_listing(listing.files, options)
        try:
            with self._make_beam_pipeline() as pipeline:
                ingest(pipeline, options)
            return read_events(options)
        finally:
            remove_work_files(options)


def summary(report: IngestReport) -> str:
    """Returns what became of the files, in a sentence or two: the splits, and what was set aside."""
    splits = ", ".join(f"{sum(report.splits[split].values()):,} {split}" for split in SPLITS)
    used, listed = report.counts["ingested"], report.counts["listed"]
    return f"{used:,} of {listed:,} images: {splits}.{_set_aside_text(report)}"


def _stop_unless_trainable(report: IngestReport, events: list[dict]) -> None:
    faults = sorted(event["message"] for event in events if event["kind"] == "fault")
    if faults:
        raise RunStopped(f"Ingest stopped: {faults[0]}")
    set_aside = _set_aside_text(report)
    if not report.counts["ingested"]:
        raise RunStopped(f"Ingest stopped: no image of {report.source} can be used.{set_aside}")
    classes = list(report.splits[TRAIN_SPLIT])
    if len(classes) == 1:
        raise RunStopped(
            f"Ingest stopped: the train split of {report.source} has only one class, {classes[0]!r}. A "
            f"classifier needs at least two.{set_aside}"
        )
    for split in SPLITS:
        if not report.splits[split]:
            raise RunStopped(
                f"Ingest stopped: none of the {report.counts['ingested']} images of {report.source} are in "
                f"the {split} split. Add images, raise data.splits.{split}, or assign images to {split} in "
                f"the source.{set_aside}"
            )


def _set_aside_text(report: IngestReport) -> str:
    if not report.set_aside:
        return ""
    first = "".join(f"\n  {entry['path']}: {entry['reason']}" for entry in report.set_aside[:5])
    were = "1 file was" if len(report.set_aside) == 1 else f"{len(report.set_aside)} files were"
    return f" {were} set aside, the first:{first}"
