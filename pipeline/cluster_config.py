"""Where and how the steps run in a cluster: the section `cluster` of a config."""

from typing import Annotated, Literal, Optional

from pydantic import Field

from modules.recipe import NonNegativeFloat, PositiveFloat, PositiveInt
from modules.settings import settings
from pipeline.beam_config import BeamArgument

StepName = Literal[
    "ImageExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "DataCheck",
    "Transform",
    "Trainer",
    "Baseline",
    "Evaluator",
    "InfraCheck",
    "Pusher",
    "Report",
    "Verdict",
]


@settings
class Accelerator:
    type: str
    """Kubernetes' resource name, such as nvidia.com/gpu or google.com/tpu; on Vertex a name such as NVIDIA_L4."""
    count: PositiveInt = 1
    """Devices (GPUs, TPU chips) of one pod."""
    model: Optional[str] = None
    """GKE's name of the device, such as nvidia-l4 or tpu-v5-lite-podslice; it becomes a node selector."""
    topology: Optional[str] = None
    """GKE's topology of a TPU slice, such as 2x2; it becomes a node selector."""


@settings
class Toleration:
    key: Optional[str] = None
    """Key of the taint; without one, every taint is tolerated."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Equal compares the value, Exists does not."""
    value: Optional[str] = None
    """Value of the taint."""
    effect: Optional[Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]] = None
    """Effect of the taint; without one, all effects."""
    seconds: Optional[int] = None
    """How long a NoExecute taint is tolerated; without it, for ever."""


@settings
class SecretKey:
    secret: str
    """Name of the Secret."""
    key: str
    """Key in it."""


@settings
class Volume:
    path: str
    """Where the step sees it."""
    claim: Optional[str] = None
    """A PersistentVolumeClaim."""
    secret: Optional[str] = None
    """A Secret, as files."""
    config_map: Optional[str] = None
    """A ConfigMap, as files."""
    empty_dir: Optional[str] = None
    """Size of scratch space that lives as long as the pod, such as 10Gi."""


@settings
class Retries:
    max: Annotated[int, Field(ge=0)] = 2
    """How often a failed step is tried again; 0 switches it off."""
    backoff_seconds: NonNegativeFloat = 30.0
    """Seconds before the first retry."""
    backoff_factor: Annotated[float, Field(ge=1.0)] = 2.0
    """Each further wait is longer by this factor."""
    max_backoff_seconds: PositiveFloat = 600.0
    """Longest wait."""


@settings
class Step:
    """What is not given is that of `cluster.defaults`, and then the product's own default for the step."""

    image: Optional[str] = None
    """Container image, with a tag or digest."""
    cpu: Optional[str] = None
    """CPUs, as Kubernetes writes them: 2 or 500m."""
    memory: Optional[str] = None
    """Memory, as Kubernetes writes it: 8Gi."""
    accelerator: Optional[Accelerator] = None
    """GPU or TPU."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels that a node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints of nodes that the step may run on."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment variables."""
    secret_env: dict[str, SecretKey] = Field(default_factory=dict)
    """Environment variables from Secrets."""
    volumes: tuple[Volume, ...] = ()
    """Volumes, each at its path."""
    retries: Optional[Retries] = None
    """Retries with back-off."""
    timeout_seconds: Optional[PositiveInt] = None
    """Longest time of one attempt."""
    cache: Optional[bool] = None
    """Whether an earlier, equal execution may stand for this one."""
    beam_args: tuple[BeamArgument, ...] = ()
    """Arguments for Beam beside those of `beam`."""


@settings
class Cluster:
    image: Optional[str] = None
    """Container image of the steps, with a tag or digest: see docs/kubernetes.md. Needed to compile."""
    pipeline_root: Optional[str] = None
    """Where artifacts go: an address such as s3://bucket/pipelines or gs://bucket/pipelines. Needed to compile."""
    host: Optional[str] = None
    """Address of the Kubeflow Pipelines API."""
    namespace: Optional[str] = None
    """Namespace of the runs, in a multi-user Kubeflow."""
    experiment: Optional[str] = None
    """Experiment of the runs; by default the pipeline's name."""
    service_account: Optional[str] = None
    """Service account of the steps' pods."""
    defaults: Step = Step()
    """For every step."""
    steps: dict[StepName, Step] = Field(default_factory=dict)
    """For single steps."""
