"""ImageExampleGen as TFX sees it."""

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import channel_utils, component_spec, standard_artifacts

from components.artifacts import IngestReport
from components.image_example_gen import executor


class ImageExampleGenSpec(component_spec.ComponentSpec):
    PARAMETERS = {
        "source": component_spec.ExecutionParameter(type=str),
        "format": component_spec.ExecutionParameter(type=str),
        "splits": component_spec.ExecutionParameter(type=str),
        "tfrecord_keys": component_spec.ExecutionParameter(type=str),
        "max_megapixels": component_spec.ExecutionParameter(type=float),
        "images_per_shard": component_spec.ExecutionParameter(type=int),
        "source_fingerprint": component_spec.ExecutionParameter(type=str),
        "source_hash": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {}
    OUTPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "ingest_report": component_spec.ChannelParameter(type=IngestReport),
    }


class ImageExampleGen(base_beam_component.BaseBeamComponent):
    """Reads images and their labels into tf.Examples, in the splits train, eval and test.

    The fields of a raw example are in modules/features.py, those of the report in report.py.
    """

    SPEC_CLASS = ImageExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        source: str,
        format: str,
        splits: str,
        tfrecord_keys: str,
        max_megapixels: float,
        images_per_shard: int,
        source_fingerprint: str,
        source_hash: str,
    ):
        """Declares the step.

        Args:
          source: folder, manifest or pattern of TFRecord files, as sources.list_images takes it.
          format: auto, class_folders, split_folders, manifest or tfrecord.
          splits: JSON of the shares of train, eval and test.
          tfrecord_keys: JSON of pipeline.config.TFRecordKeys.
          max_megapixels: larger images are set aside before they are decoded.
          images_per_shard: images in one output file, roughly.
          source_fingerprint: of the source, see SourceIndex.cache_key; it makes TFX's cache notice images
            that were added, removed or changed. The report has that of the images which the step found,
            and the index beside it says under which one the cache has them.
          source_hash: hash of the code, for the cache as well.
        """
        super().__init__(
            spec=ImageExampleGenSpec(
                source=source,
                format=format,
                splits=splits,
                tfrecord_keys=tfrecord_keys,
                max_megapixels=float(max_megapixels),
                images_per_shard=images_per_shard,
                source_fingerprint=source_fingerprint,
                source_hash=source_hash,
                examples=channel_utils.as_channel([standard_artifacts.Examples()]),
                ingest_report=channel_utils.as_channel([IngestReport()]),
            )
        )
