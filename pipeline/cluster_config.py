"""Where and how the steps run in a cluster: the section `cluster` of a config."""

from typing import Annotated, Literal, Optional

from pydantic import Field, model_validator

from modules.recipe import PositiveInt
from modules.settings import settings
from pipeline.beam_config import BeamArgument
from pipeline.cluster_values import (
    Cpus,
    DataKey,
    EnvName,
    Image,
    LabelName,
    LabelValue,
    Memory,
    MountPath,
    Namespace,
    ObjectName,
    PipelineRoot,
    ServerAddress,
    Topology,
)

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
    model: Optional[LabelValue] = None
    """GKE's name of the device, such as nvidia-l4 or tpu-v5-lite-podslice; it becomes a node selector."""
    topology: Optional[Topology] = None
    """GKE's topology of a TPU slice, such as 2x2; it becomes a node selector."""

    @model_validator(mode="after")
    def check_topology(self):
        if self.topology and "tpu" not in self.type.lower():
            raise ValueError(f"topology is for TPUs, and type is {self.type}; leave it out")
        return self


@settings
class Toleration:
    key: Optional[LabelName] = None
    """Key of the taint; without one, every taint is tolerated."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Equal compares the value, Exists does not."""
    value: Optional[str] = None
    """Value of the taint."""
    effect: Optional[Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]] = None
    """Effect of the taint; without one, all effects."""
    seconds: Optional[int] = None
    """How long a NoExecute taint is tolerated; without it, for ever."""

    @model_validator(mode="after")
    def check_operator(self):
        if self.key is None and self.operator != "Exists":
            raise ValueError("without a key, operator must be Exists: every taint is tolerated then")
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator Exists compares no value; leave value out, or use Equal")
        if self.seconds is not None and self.effect != "NoExecute":
            raise ValueError("seconds needs the effect NoExecute")
        return self


@settings
class SecretKey:
    secret: ObjectName
    """Name of the Secret."""
    key: DataKey
    """Key in it."""


@settings
class Volume:
    path: MountPath
    """Where the step sees it."""
    claim: Optional[ObjectName] = None
    """A PersistentVolumeClaim."""
    secret: Optional[ObjectName] = None
    """A Secret, as files."""
    config_map: Optional[ObjectName] = None
    """A ConfigMap, as files."""
    empty_dir: Optional[Memory] = None
    """Size of scratch space that lives as long as the pod, such as 10Gi."""

    @model_validator(mode="after")
    def check_source(self):
        sources = {"claim": self.claim, "secret": self.secret, "config_map": self.config_map}
        sources["empty_dir"] = self.empty_dir
        given = [name for name, value in sources.items() if value is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(sources)}; got {' and '.join(given) or 'none'}")
        return self


@settings
class Retries:
    max: Annotated[int, Field(ge=0)] = 2
    """How often a failed step is tried again; 0 switches it off."""
    backoff_seconds: Annotated[int, Field(ge=0)] = 30
    """Seconds before the first retry."""
    backoff_factor: PositiveInt = 2
    """Each further wait is longer by this factor, a whole number: Argo Workflows takes no other."""


@settings
class Step:
    """What is not given is that of `cluster.defaults`, and then the product's own default for the step."""

    image: Optional[Image] = None
    """Container image, with a tag or digest."""
    cpu: Optional[Cpus] = None
    """CPUs, as Kubernetes writes them: 2 or 500m."""
    memory: Optional[Memory] = None
    """Memory, as Kubernetes writes it: 8Gi."""
    accelerator: Optional[Accelerator] = None
    """GPU or TPU."""
    node_selector: dict[LabelName, LabelValue] = Field(default_factory=dict)
    """Labels that a node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints of nodes that the step may run on."""
    env: dict[EnvName, str] = Field(default_factory=dict)
    """Environment variables."""
    secret_env: dict[EnvName, SecretKey] = Field(default_factory=dict)
    """Environment variables from Secrets."""
    volumes: tuple[Volume, ...] = ()
    """Volumes, each at its path."""
    retries: Optional[Retries] = None
    """Retries with back-off."""
    timeout_seconds: Optional[PositiveInt] = None
    """Longest time of one attempt."""
    cache: Optional[bool] = None
    """Whether an earlier, equal execution may stand for this one. Steps that read or write what lies outside of the pipeline must not have it."""
    beam_args: tuple[BeamArgument, ...] = ()
    """Arguments for Beam beside those of `beam`."""

    @model_validator(mode="after")
    def check_names(self):
        if twice := sorted(self.env.keys() & self.secret_env.keys()):
            raise ValueError(f"{', '.join(twice)}: given in env and in secret_env; keep one of the two")
        return self


@settings
class Cluster:
    image: Optional[Image] = None
    """Container image of the steps, with a tag or digest: see docs/kubernetes.md. Needed to compile."""
    pipeline_root: Optional[PipelineRoot] = None
    """Where artifacts go: an address such as s3://bucket/pipelines or gs://bucket/pipelines. Needed to compile."""
    host: Optional[ServerAddress] = None
    """Address of the Kubeflow Pipelines API."""
    namespace: Optional[Namespace] = None
    """Namespace of the runs, in a multi-user Kubeflow."""
    experiment: Optional[str] = None
    """Experiment of the runs; by default the pipeline's name."""
    service_account: Optional[ObjectName] = None
    """Service account of the steps' pods."""
    defaults: Step = Step()
    """For every step."""
    steps: dict[StepName, Step] = Field(default_factory=dict)
    """For single steps."""
