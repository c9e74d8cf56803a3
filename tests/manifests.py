"""The manifests of kubernetes/ as kubectl renders them, for the tests."""

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ROOT / ".tools" / "checks" / "bin"
OVERLAYS = ("dev", "gpu", "tpu")
BUCKET = "bucket"  # an overlay of the tests: gpu, with the components that no overlay has
RENDERED = (*OVERLAYS, BUCKET)

BUCKET_OVERLAY = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: headstart
resources: [../../base]
components:
  - ../../components/namespace
  - ../../components/object-storage
  - ../../components/serving-from-bucket
  - ../../components/gpu-serving
  - ../../components/notification
configMapGenerator:
  - name: headstart
    files: [config.yaml]
    literals: [OUTPUT=/runs/photos, SERVING=s3://models/photos, "AWS_ENDPOINT_URL=http://minio-service.kubeflow:9000"]
"""


def tool(name: str) -> str:
    """Returns the path of a tool of .tools/checks; skips the test when it is not there."""
    found = CHECKS / name
    if not found.exists():
        pytest.skip(f"no {name} in .tools/checks: requirements/set_up_checks.sh makes it")
    return str(found)


def overlay_folder(name: str, scratch: Path) -> Path:
    """Returns the folder of an overlay; that of the tests lies in a copy of kubernetes/ below scratch."""
    if name != BUCKET:
        return ROOT / "kubernetes" / "overlays" / name
    shutil.copytree(ROOT / "kubernetes", scratch / "kubernetes")
    folder = scratch / "kubernetes" / "overlays" / name
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(BUCKET_OVERLAY)
    config = (ROOT / "kubernetes" / "overlays" / "gpu" / "config.yaml").read_text()
    (folder / "config.yaml").write_text(f"{config}\npush:\n  destination: s3://models/photos\n")
    return folder


def render(folder: Path) -> str:
    """Returns what `kubectl kustomize` makes of an overlay."""
    made = subprocess.run([tool("kubectl"), "kustomize", str(folder)], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert not made.stderr, made.stderr  # such as a warning that a field is deprecated
    return made.stdout


@functools.cache
def rendered_overlays() -> dict[str, "Objects"]:
    """Returns the objects of every overlay by its name; not to be changed."""
    with tempfile.TemporaryDirectory() as scratch:
        return {name: Objects(render(overlay_folder(name, Path(scratch)))) for name in RENDERED}


class Objects:
    """The objects of one overlay."""

    def __init__(self, text: str):
        self.documents = list(yaml.safe_load_all(text))

    def of(self, kind: str) -> dict[str, dict]:
        """Returns the objects of a kind by name."""
        return {found["metadata"]["name"]: found for found in self.documents if found["kind"] == kind}

    def only(self, kind: str, prefix: str) -> dict:
        """Returns the one object of a kind whose name is the prefix and perhaps a hash."""
        names = [name for name in self.of(kind) if name == prefix or name.rpartition("-")[0] == prefix]
        assert len(names) == 1, (kind, prefix, names)
        return self.of(kind)[names[0]]

    def pod_templates(self) -> dict[str, dict]:
        """Returns the template (metadata and spec) of every pod, by its component's name."""
        owners = [*self.of("Deployment").values(), *self.of("CronJob").values()]
        templates = [pod_template(owner) for owner in owners]
        found = {template["metadata"]["labels"]["app.kubernetes.io/name"]: template for template in templates}
        kinds = {document["kind"] for document in self.documents}
        assert kinds.isdisjoint({"Pod", "Job", "StatefulSet", "DaemonSet", "ReplicaSet"})
        assert len(found) == len(owners)
        return found


def pod_template(owner: dict) -> dict:
    """Returns the pod template of a Deployment or a CronJob."""
    return (owner["spec"]["jobTemplate"]["spec"] if owner["kind"] == "CronJob" else owner["spec"])["template"]


def containers(template: dict) -> list[dict]:
    """Returns all containers of a pod template, those that run first included."""
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def selects(selector: dict, labels: dict) -> bool:
    """True when a label selector takes an object with these labels."""
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", "the tests know no other operator"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()
