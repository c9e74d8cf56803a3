"""What Kubernetes accepts in the section `cluster` of a config: names, quantities, images, addresses."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

MEMORY_UNITS = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50,
}  # fmt: skip
"""Bytes of each suffix, https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity"""
LEAST_MEMORY_BYTES = 64 * 2**20  # less is a forgotten suffix: no Python process with TFX starts in it
PIPELINE_ROOT_SCHEMES = ("s3", "gs", "minio")  # that the launcher of Kubeflow Pipelines downloads and uploads
RESERVED_PATHS = ("/gcs", "/s3", "/minio", "/kfp-launcher", "/.local", "/.cache", "/.config", "/headstart")
"""Where Kubeflow Pipelines mounts volumes of its own, and where the image keeps the code."""

LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
LABEL_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
QUALIFIED_NAME = rf"({SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
IMAGE_PART = r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?"
IMAGE = re.compile(
    rf"({IMAGE_PART}(:[0-9]+)?/)?{IMAGE_PART}(/{IMAGE_PART})*"
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def cpus(quantity: str) -> float:
    """Returns the number of CPUs that a quantity such as 2, 0.5 or 500m means.

    Raises:
      ValueError: for anything else, and for nothing at all.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(m?)", quantity)
    number = float(found[1]) / (1000 if found[2] else 1) if found else 0.0
    if not number:
        raise ValueError("write CPUs as Kubernetes does, such as 2, 0.5 or 500m")
    return number


def memory_bytes(quantity: str) -> int:
    """Returns the bytes that a quantity such as 8Gi or 500M means.

    Raises:
      ValueError: for anything else, and for less than a step can start in.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", quantity)
    if not found or found[2] not in MEMORY_UNITS:
        raise ValueError("write memory as Kubernetes does, such as 8Gi or 500Mi")
    size = int(Decimal(found[1]) * MEMORY_UNITS[found[2]])
    if size < LEAST_MEMORY_BYTES:
        raise ValueError(f"that is {size:,} bytes; write the unit as well, such as {found[1]}Gi")
    return size


def image_fault(image: str) -> str | None:
    """Says what is wrong with the name of an image, or returns None.

    An image without a tag, or with the tag latest, may be another one tomorrow: the runs could not be
    told apart, and the cache would take a step of new code for one of old code.
    """
    found = IMAGE.fullmatch(image)
    if not found:
        return "not the name of an image. Write it as registry.example.com/headstart:0.1.0"
    if not found["tag"] and not found["digest"]:
        return "the image has neither tag nor digest. Add one, such as :0.1.0"
    if found["tag"] == "latest" and not found["digest"]:
        return (
            "the tag latest may be another image tomorrow. Use a tag of its own for each build, or a digest"
        )
    return None


def check_image(image: str) -> str:
    """Returns the name of an image unchanged, or raises ValueError with what is wrong with it."""
    if fault := image_fault(image):
        raise ValueError(fault)
    return image


def pipeline_root_fault(root: str, schemes: tuple[str, ...] = PIPELINE_ROOT_SCHEMES) -> str | None:
    """Says what is wrong with the address for artifacts, or returns None."""
    scheme, separator, rest = root.partition("://")
    if not separator or scheme not in schemes:
        allowed = ", ".join(f"{name}://" for name in schemes)
        return f"artifacts need an address in a store that the steps reach: {allowed} and a bucket"
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]+(/[^?#{}\s]*)?", rest):
        return f"write a bucket and a folder in it, such as {scheme}://bucket/pipelines"
    return None


def _checked(check):
    """Returns a validator that keeps the text and lets a check complain."""

    def validator(text: str) -> str:
        check(text)
        return text

    return AfterValidator(validator)


def _matching(pattern: str, what: str):
    def check(text: str) -> None:
        if not re.fullmatch(pattern, text):
            raise ValueError(what)

    return _checked(check)


def check_pipeline_root(root: str) -> None:
    """Raises ValueError for an address that no launcher can use."""
    if fault := pipeline_root_fault(root):
        raise ValueError(fault)


def check_mount_path(path: str) -> None:
    """Raises ValueError for a path at which a volume cannot be mounted."""
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", path) or "/.." in path or "/./" in path:
        raise ValueError("a volume needs an absolute path, such as /data")
    for reserved in RESERVED_PATHS:
        if path == reserved or path.startswith(f"{reserved}/"):
            raise ValueError(f"{reserved} is taken in the container. Use another path, such as /data")


def _number_as_text(value):
    """Takes the 2 of `cpu: 2`, which YAML reads as a number."""
    return f"{value}" if isinstance(value, int | float) and not isinstance(value, bool) else value


Cpus = Annotated[str, _checked(cpus), BeforeValidator(_number_as_text)]
Memory = Annotated[str, _checked(memory_bytes), BeforeValidator(_number_as_text)]
Image = Annotated[str, AfterValidator(check_image)]
PipelineRoot = Annotated[str, _checked(check_pipeline_root)]
MountPath = Annotated[str, _checked(check_mount_path)]
ObjectName = Annotated[
    str, _matching(SUBDOMAIN, "names in Kubernetes have small letters, digits, - and ., such as my-secret")
]
Namespace = Annotated[
    str, _matching(LABEL, "a namespace has small letters, digits and -, such as team-photos")
]
DataKey = Annotated[str, _matching(r"[-._A-Za-z0-9]+", "a key has letters, digits, -, _ and .")]
EnvName = Annotated[
    str, _matching(r"[A-Za-z_][A-Za-z0-9_]*", "use letters, digits and _, and do not begin with a digit")
]
LabelName = Annotated[
    str, _matching(QUALIFIED_NAME, "a label is a name, or prefix/name, such as cloud.google.com/gke-nodepool")
]
LabelValue = Annotated[
    str, _matching(LABEL_VALUE, "a label's value has up to 63 letters, digits, -, _ and .")
]
Topology = Annotated[str, _matching(r"[0-9]+x[0-9]+(x[0-9]+)?", "write a topology as GKE does, such as 2x2")]
ServerAddress = Annotated[
    str, _matching(r"https?://[^\s/?#]+(/[^\s?#]*)?", "write an address such as https://kubeflow.example.com")
]
