"""kubernetes/: how the pods run: the level `restricted`, images, probes, volumes."""

import copy

import pytest

from pipeline.cluster_values import image_fault
from tests.manifests import BUCKET, RENDERED, containers, rendered_overlays

COMPONENTS = {"retrain", "serving", "tensorboard", "report", "shell", "rollback"}
WRITERS = {"shell", "rollback"}  # of the volumes; the steps of the runs are Kubeflow's pods


@pytest.fixture(scope="module")
def overlays():
    return rendered_overlays()


@pytest.fixture(params=RENDERED)
def objects(request, overlays):
    """The objects of each overlay in turn."""
    return overlays[request.param]


def restricted_faults(spec: dict) -> list[str]:
    """Returns what the Pod Security Standard `restricted` refuses in a pod, and what we ask beyond it.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    pod = spec.get("securityContext", {})
    faults = [f"{field} is set" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
    faults += [f"volume {found}" for found in spec["volumes"] if not allowed & found.keys()]
    if pod.get("runAsNonRoot") is not True or pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
        faults.append("the pod may run as root, or without seccomp")
    if pod.get("runAsUser", 0) <= 10000 or pod.get("runAsGroup", 0) <= 10000:
        faults.append("user or group may be one of the node's")
    if spec.get("automountServiceAccountToken") is not False:
        faults.append("a token for the API of Kubernetes is mounted")
    for container in containers({"spec": spec}):
        context = container.get("securityContext", {})
        asked = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        asked["readOnlyRootFilesystem"] = True
        if context != asked:
            faults.append(f"container {container['name']}: {context}")
        if any("hostPort" in port for port in container.get("ports", [])):
            faults.append(f"container {container['name']} takes a port of the node")
        resources = container.get("resources", {})
        if any(not {"cpu", "memory"} <= resources.get(kind, {}).keys() for kind in ("requests", "limits")):
            faults.append(f"container {container['name']} has no bounds")
    return faults


def test_every_pod_satisfies_restricted(objects):
    templates = objects.pod_templates()
    assert templates.keys() == COMPONENTS
    for name, template in templates.items():
        assert restricted_faults(template["spec"]) == [], name


@pytest.mark.parametrize(
    "harm",
    [
        lambda spec: spec["securityContext"].pop("runAsNonRoot"),
        lambda spec: spec["securityContext"].pop("seccompProfile"),
        lambda spec: spec["securityContext"].update(runAsUser=1000),
        lambda spec: spec.pop("automountServiceAccountToken"),
        lambda spec: spec.update(hostNetwork=True),
        lambda spec: spec["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
        lambda spec: spec["containers"][0]["securityContext"].pop("capabilities"),
        lambda spec: spec["containers"][0]["securityContext"].update(privileged=True),
        lambda spec: spec["containers"][0]["resources"].pop("limits"),
    ],
)
def test_the_check_of_restricted_finds_faults(overlays, harm):
    spec = copy.deepcopy(overlays["gpu"].pod_templates()["serving"]["spec"])
    harm(spec)
    assert len(restricted_faults(spec)) == 1


def test_every_image_has_a_tag_of_its_own(objects):
    for template in objects.pod_templates().values():
        for container in containers(template):
            assert image_fault(container["image"]) is None
            assert container["imagePullPolicy"] == "IfNotPresent"


def test_no_pod_gets_a_proxy_of_a_mesh(objects):
    # Kubeflow labels the namespaces of its profiles for Istio. The proxy asks for rights that `baseline`
    # refuses, our network policies cut it off, and a Job with one never ends.
    for name, template in objects.pod_templates().items():
        assert template["metadata"]["labels"]["sidecar.istio.io/inject"] == "false", name


def test_requests_are_answered_all_through_an_update(overlays):
    spec = overlays["gpu"].of("Deployment")["headstart-serving"]["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }
    pod = spec["template"]["spec"]
    (server,) = pod["containers"]
    seconds = int(server["lifecycle"]["preStop"]["exec"]["command"][1])
    assert 0 < seconds < pod["terminationGracePeriodSeconds"]


def test_the_model_server_is_probed_where_it_says_whether_a_model_is_loaded(objects):
    spec = objects.pod_templates()["serving"]["spec"]
    (server,) = [found for found in spec["containers"] if found["name"] == "serving"]
    (model,) = [argument for argument in server["args"] if argument.startswith("--model_name=")]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server[probe]["httpGet"] == {"path": f"/v1/models/{model.partition('=')[2]}", "port": "rest"}
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert f"--port={ports['grpc']}" in server["args"]
    assert f"--rest_api_port={ports['rest']}" in server["args"]


def test_only_what_people_start_by_hand_writes_to_the_volumes(objects):
    for name, template in objects.pod_templates().items():
        writable = {"tmp", "models"} | ({"runs", "data"} if name in WRITERS else set())
        for container in containers(template):
            for mount in container["volumeMounts"]:
                assert mount.get("readOnly") is True or mount["name"] in writable, mount


def test_a_bucket_is_mirrored_to_the_folder_that_the_server_reads(overlays):
    spec = overlays[BUCKET].pod_templates()["serving"]["spec"]
    by_name = {found["name"]: found for found in containers({"spec": spec})}
    assert by_name["mirror-first"]["command"] == ["headstart", "mirror", "$(SERVING)", "/models"]
    assert by_name["mirror"]["command"] == [*by_name["mirror-first"]["command"], "--every", "60"]
    assert "--model_base_path=/models" in by_name["serving"]["args"]
    folders = {
        name: {mount["mountPath"]: mount["name"] for mount in found["volumeMounts"]}
        for name, found in by_name.items()
    }
    assert {found["/models"] for found in folders.values()} == {"models"}
    assert "/runs" not in folders["serving"]
    assert not any("persistentVolumeClaim" in volume for volume in spec["volumes"])


def test_the_namespace_is_that_of_the_profile_and_warns_of_what_restricted_refuses(overlays):
    assert overlays["dev"].of("Namespace") == {}  # Kubeflow's own
    for name in ("gpu", "tpu"):
        labels = overlays[name].of("Namespace")["headstart"]["metadata"]["labels"]
        levels = {mode: labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "warn", "audit")}
        assert levels == {"enforce": "baseline", "warn": "restricted", "audit": "restricted"}
