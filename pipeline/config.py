"""The typed config: every field of a config file, documented once, here. Imports no TensorFlow."""

import re
from typing import Annotated, Literal, Optional

from pydantic import AfterValidator, Field, model_validator

from components.evaluator.thresholds import Threshold, Thresholds
from modules.recipe import Model, NonNegativeFloat, PositiveFloat, PositiveInt, Share, Training
from modules.settings import settings
from pipeline.beam_config import Beam
from pipeline.cluster_config import Cluster
from pipeline.keep_config import Keep
from pipeline.notify_config import Notify

SplitShare = Annotated[float, Field(gt=0.0, lt=1.0)]
SliceName = Literal["width", "height", "channels", "byte_size", "mean_brightness", "image_format"]


def check_name(name: str) -> str:
    """Returns the text unchanged when it can name a pipeline, in files and in a cluster.

    Raises:
      ValueError: for anything but letters, digits, - and _, beginning with a letter or digit.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ValueError("use letters, digits, - and _, and begin with a letter or digit")
    return name


def check_fingerprint(text: str) -> str:
    """Returns the text unchanged when it is what `DataRecord.fingerprint` writes.

    Raises:
      ValueError: for anything but data- and 16 hexadecimal digits.
    """
    if not re.fullmatch(r"data-[0-9a-f]{16}", text):
        raise ValueError("give the fingerprint that the refusal names: data- and 16 hexadecimal digits")
    return text


Fingerprint = Annotated[str, AfterValidator(check_fingerprint)]


@settings
class Splits:
    train: SplitShare = 0.7
    """Share of the images that train."""
    eval: SplitShare = 0.1
    """Share that is looked at while training: early stopping, learning rate, curves."""
    test: SplitShare = 0.2
    """Share that judges the model; it never steers training."""

    @model_validator(mode="after")
    def check_sum(self):
        total = self.train + self.eval + self.test
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"train, eval and test must add up to 1, not to {total:g}")
        return self


@settings
class TFRecordKeys:
    image: str = "image/encoded"
    """Feature with the encoded image bytes."""
    label: str = "image/class/text"
    """Feature with the class name, bytes or an integer."""
    split: Optional[str] = None
    """Feature with the split's name, when there is one."""
    path: Optional[str] = "image/filename"
    """Feature with a name for reports, when there is one."""


@settings
class Data:
    source: str
    """Folder of class folders, folder of split folders with class folders, CSV manifest, or TFRecord files (a pattern)."""
    format: Literal["auto", "class_folders", "split_folders", "manifest", "tfrecord"] = "auto"
    """Kind of the source; auto looks at it."""
    splits: Splits = Splits()
    """Shares of the splits that the source does not assign, drawn by a hash of each image's content."""
    tfrecord: TFRecordKeys = TFRecordKeys()
    """Which features of existing tf.Examples hold what."""
    max_megapixels: PositiveFloat = 50.0
    """Images of more than this many million pixels are set aside, before they are decoded."""
    max_rejected_share: Share = 0.01
    """The run stops before training when more than this share of the files had to be set aside."""
    images_per_shard: PositiveInt = 2000
    """Images in one file of the ingested examples, roughly."""


@settings
class Validation:
    schema: Optional[str] = None
    """A schema.pbtxt that you keep; by default one is inferred from the train split on every run."""
    on_anomaly: Literal["stop", "warn"] = "stop"
    """Whether anomalies in the data stop the run before training, or are only reported."""
    max_drift: NonNegativeFloat = 0.2
    """Largest distance (L-infinity for class shares, Jensen-Shannon divergence for numbers) from the data of the model before."""
    max_relabelled: Share = 0.05
    """Largest share of the images known from the model before that may have another class now, over all and within each class of five or more."""
    max_overlap: Share = 0.2
    """Largest share of the test split that the model before may have been trained with."""
    accepted_data: Optional[Fingerprint] = None
    """Fingerprint of data whose relabelled images are right; a refusal tells it, and other data is judged anew."""


@settings
class Evaluation:
    top_k: Annotated[int, Field(ge=2)] = 3
    """k of top-k accuracy."""
    slices: tuple[SliceName, ...] = ()
    """Scalars to slice by beside the class: width, height, channels, byte_size, mean_brightness, image_format."""
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    """Confidence level of every interval."""
    thresholds: Thresholds = Field(default_factory=lambda: {"accuracy": Threshold(change_at_least=-0.01)})
    """What the candidate must reach to be blessed, by metric."""
    max_baseline_fall: Share = 0.05
    """Largest fall of the baseline's accuracy since it was judged itself that does not refuse the candidate, as a share: the fall's lower bound counts."""
    accepted_data: Optional[Fingerprint] = None
    """Fingerprint of the data for which a person has accepted such a fall, as the refusal names it; other data is judged anew."""


@settings
class InfraCheck:
    images: PositiveInt = 16
    """Images of the test split that the exported model must answer in a clean process."""
    tolerance: PositiveFloat = 1e-3
    """Largest allowed difference of a probability between the exported model and the Trainer's."""
    max_latency_ms: PositiveFloat = 1000.0
    """Budget of the median time to answer one image, in milliseconds."""
    max_memory_mb: PositiveFloat = 4000.0
    """Budget of the serving process' peak resident memory, in megabytes."""
    timeout_seconds: PositiveFloat = 600.0
    """Longest time for the clean process to start, load the model and answer all images, in seconds."""


@settings
class Push:
    destination: Optional[str] = None
    """Folder of numbered model versions, as TensorFlow Serving watches it; by default OUTPUT/serving."""


@settings
class Config:
    name: Annotated[str, AfterValidator(check_name)]
    """Name of the pipeline: letters, digits, - and _."""
    output: str
    """Folder for everything that a run writes."""
    data: Data
    """Where the images are and how they are split."""
    validation: Validation = Validation()
    """What the data must look like."""
    model: Model = Model()
    """Backbone, weights, image size and head."""
    training: Training = Training()
    """The recipe and how it is run."""
    evaluation: Evaluation = Evaluation()
    """Metrics, slices and thresholds on the test split."""
    infra_check: InfraCheck = InfraCheck()
    """What the exported model must do before it may serve."""
    push: Push = Push()
    """Where blessed models go."""
    beam: Beam = Beam()
    """How Beam runs the data steps."""
    cluster: Cluster = Cluster()
    """Where and how the steps run in a cluster; a local run does not read it."""
    notify: Optional[Notify] = None
    """Who is told how a run ended."""
    keep: Keep = Keep()
    """What `headstart prune`, and each run on this machine at its end, leaves of runs and versions."""
