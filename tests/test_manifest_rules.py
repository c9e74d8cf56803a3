"""kubernetes/: what we ask of the manifests ourselves, object by object."""

import copy
from pathlib import PurePosixPath

import pytest
import yaml

from pipeline.cluster_values import image_fault
from pipeline.config_file import load_config
from pipeline.kubeflow.checks import cluster_problems
from pipeline.kubeflow.steps import all_step_settings
from tests.manifests import (
    BUCKET,
    OVERLAYS,
    RENDERED,
    VOLUME_SHELL,
    Objects,
    containers,
    overlay_folder,
    render,
    selects,
)

COMPONENTS = {"retrain", "serving", "tensorboard", "report"}
CONFIG_PATH = "/headstart/kubernetes/overlays/deployed/config.yaml"


@pytest.fixture(scope="module")
def overlays(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("rendered")
    return {name: Objects(render(overlay_folder(name, scratch))) for name in RENDERED}


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


def test_the_shell_on_the_volumes_satisfies_restricted(overlays):
    pod = yaml.safe_load(VOLUME_SHELL.read_text())
    assert restricted_faults(pod["spec"]) == []
    claims = {volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod["spec"]["volumes"]}
    assert claims - {None} == overlays["dev"].of("PersistentVolumeClaim").keys()


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


def test_secrets_are_only_referenced(objects):
    assert objects.of("Secret") == {}
    for template in objects.pod_templates().values():
        for container in containers(template):
            for variable in container.get("env", []):
                secret = any(word in variable["name"] for word in ("KEY", "SECRET", "TOKEN", "PASSWORD"))
                assert ("secretKeyRef" in variable.get("valueFrom", {})) == secret, variable


def test_one_schedule_and_only_the_cluster_for_trying_has_it_asleep(overlays):
    enabled = {}
    for name, objects in overlays.items():
        (job,) = objects.of("CronJob").values()
        assert job["spec"]["concurrencyPolicy"] == "Forbid"
        assert job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0
        enabled[name] = not job["spec"]["suspend"]
    assert enabled == {"dev": False, "gpu": True, "tpu": True, BUCKET: True}


def test_every_image_has_a_tag_of_its_own(objects):
    for template in objects.pod_templates().values():
        for container in containers(template):
            assert image_fault(container["image"]) is None
            assert container["imagePullPolicy"] == "IfNotPresent"


def test_selectors_take_the_pods_that_they_are_for(objects):
    labels = {name: template["metadata"]["labels"] for name, template in objects.pod_templates().items()}

    def taken(selector):
        return [name for name, found in labels.items() if selects(selector, found)]

    for deployment in objects.of("Deployment").values():
        assert taken(deployment["spec"]["selector"]) == [
            deployment["metadata"]["labels"]["app.kubernetes.io/name"]
        ]
    for kind in ("Service", "PodDisruptionBudget"):
        for found in objects.of(kind).values():
            selector = found["spec"]["selector"]
            selector = selector if kind == "PodDisruptionBudget" else {"matchLabels": selector}
            assert taken(selector) == [found["metadata"]["labels"]["app.kubernetes.io/name"]]
    assert len(objects.of("Service")) == 3


def test_services_name_ports_that_the_containers_have(objects):
    templates = objects.pod_templates()
    served = {}
    for service in objects.of("Service").values():
        component = service["spec"]["selector"]["app.kubernetes.io/name"]
        ports = {
            port["name"]: port["containerPort"]
            for container in templates[component]["spec"]["containers"]
            for port in container.get("ports", [])
        }
        served[component] = [(port["port"], ports[port["targetPort"]]) for port in service["spec"]["ports"]]
    assert served == {
        "serving": [(8500, 8500), (8501, 8501)],
        "tensorboard": [(80, 6006)],
        "report": [(80, 8080)],
    }


def test_a_budget_for_disruptions_lets_a_node_be_drained(objects):
    for budget in objects.of("PodDisruptionBudget").values():
        deployment = objects.of("Deployment")[budget["metadata"]["name"]]
        assert budget["spec"]["minAvailable"] < deployment["spec"]["replicas"]


def test_what_pods_refer_to_exists(objects):
    claims, config_maps = objects.of("PersistentVolumeClaim"), objects.of("ConfigMap")
    for template in objects.pod_templates().values():
        spec = template["spec"]
        assert spec["serviceAccountName"] in objects.of("ServiceAccount")
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
            if "configMap" in volume:
                data = config_maps[volume["configMap"]["name"]]["data"]
                assert {item["key"] for item in volume["configMap"].get("items", [])} <= data.keys()
        for container in containers(template):
            for mount in container["volumeMounts"]:
                assert mount["name"] in volumes
            for variable in container.get("env", []):
                source = variable.get("valueFrom", {}).get("configMapKeyRef")
                if source:
                    assert source["key"] in config_maps[source["name"]]["data"]


def test_pods_only_read_the_volumes(objects):
    for template in objects.pod_templates().values():
        for container in containers(template):
            for mount in container["volumeMounts"]:
                assert mount.get("readOnly") is True or mount["name"] in ("tmp", "models"), mount


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_config_of_an_overlay_can_be_compiled_and_agrees_with_its_objects(name, overlays, tmp_path):
    objects = overlays[name]
    config_map = objects.only("ConfigMap", "headstart")["data"]
    config = load_config(overlay_folder(name, tmp_path) / "config.yaml")
    assert cluster_problems(config, "kfp") == []
    assert config_map["OUTPUT"] == config.output
    assert config_map["SERVING"] == config.push.destination
    steps = all_step_settings(config.cluster)
    claims = {volume.claim for step in steps.values() for volume in step.volumes}
    assert claims <= objects.of("PersistentVolumeClaim").keys()
    retrain = objects.pod_templates()["retrain"]["spec"]
    assert config.cluster.image == retrain["containers"][0]["image"]
    namespaces = {
        document["metadata"].get("namespace")
        for document in objects.documents
        if document["kind"] != "Namespace"
    }
    assert namespaces == {config.cluster.namespace or "kubeflow"}
    wanted = {"dev": None, "gpu": "nvidia.com/gpu", "tpu": "google.com/tpu"}[name]
    assert (steps["Trainer"].accelerator and steps["Trainer"].accelerator.type) == wanted


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_config_means_the_same_in_the_scheduled_pod(name, overlays, tmp_path):
    objects = overlays[name]
    (container,) = objects.pod_templates()["retrain"]["spec"]["containers"]
    (mount,) = [found for found in container["volumeMounts"] if found["name"] == "config"]
    assert mount["mountPath"] == CONFIG_PATH
    assert mount["subPath"] == "config.yaml"
    # As the container sees it, below another root.
    file = tmp_path / PurePosixPath(CONFIG_PATH).relative_to("/")
    file.parent.mkdir(parents=True)
    file.write_text(objects.only("ConfigMap", "headstart")["data"]["config.yaml"])
    config = load_config(file)
    assert config.model.weights == f"{tmp_path}/headstart/data/weights/mobilenet_v2_1.0_notop.weights.h5"
    source = "/data/photos" if name != "dev" else f"{tmp_path}/headstart/data/fashion_mnist"
    assert config.data.source == source
    mounts = [found["mountPath"] for found in container["volumeMounts"]]
    assert {"/runs", "/data", "/tmp"} <= set(mounts)


def test_nobody_has_more_rights_than_starting_and_watching_runs(objects):
    (role,) = objects.of("Role").values()
    assert role["rules"] == [
        {"apiGroups": ["pipelines.kubeflow.org"], "resources": [what], "verbs": ["create", "get", "list"]}
        for what in ("runs", "experiments")
    ]
    (binding,) = objects.of("RoleBinding").values()
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    assert subject["name"] == objects.pod_templates()["retrain"]["spec"]["serviceAccountName"]
    assert {"ClusterRole", "ClusterRoleBinding"}.isdisjoint(found["kind"] for found in objects.documents)
    users = [template["spec"]["serviceAccountName"] for template in objects.pod_templates().values()]
    assert len(set(users)) == len(users) == len(objects.of("ServiceAccount"))


def test_the_only_token_is_for_kubeflow_pipelines(objects):
    for name, template in objects.pod_templates().items():
        projected = [volume["projected"] for volume in template["spec"]["volumes"] if "projected" in volume]
        audiences = [
            source["serviceAccountToken"]["audience"] for found in projected for source in found["sources"]
        ]
        assert audiences == (["pipelines.kubeflow.org"] if name == "retrain" else [])


def open_ports(objects: Objects, labels: dict, direction: str) -> set[int]:
    """Returns the ports that the network policies leave open for pods with these labels."""
    key = {"Ingress": "ingress", "Egress": "egress"}[direction]
    found = set()
    for policy in objects.of("NetworkPolicy").values():
        if selects(policy["spec"]["podSelector"], labels) and direction in policy["spec"]["policyTypes"]:
            for rule in policy["spec"].get(key, []):
                assert rule.get("from") or rule.get("to"), "a rule without peers is for everybody"
                found |= {port["port"] for port in rule["ports"]}
    return found


def test_network_policies_select_every_pod_and_open_what_it_needs(objects, overlays):
    deny = objects.of("NetworkPolicy")["headstart-deny"]["spec"]
    assert set(deny["policyTypes"]) == {"Ingress", "Egress"}
    assert "ingress" not in deny
    assert "egress" not in deny
    labels = {name: template["metadata"]["labels"] for name, template in objects.pod_templates().items()}
    assert all(selects(deny["podSelector"], found) for found in labels.values())
    store = {443, 9000, 8333, 53} if objects is overlays[BUCKET] else set()
    assert {name: open_ports(objects, found, "Ingress") for name, found in labels.items()} == {
        "retrain": set(),
        "serving": {8500, 8501},
        "tensorboard": {6006, 8080},
        "report": {6006, 8080},
    }
    assert {name: open_ports(objects, found, "Egress") for name, found in labels.items()} == {
        "retrain": {53, 8888} | store,
        "serving": store,
        "tensorboard": set(),
        "report": set(),
    }


def test_the_model_server_is_probed_where_it_says_whether_a_model_is_loaded(objects):
    spec = objects.pod_templates()["serving"]["spec"]
    (server,) = [found for found in spec["containers"] if found["name"] == "serving"]
    (model,) = [argument for argument in server["args"] if argument.startswith("--model_name=")]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server[probe]["httpGet"] == {"path": f"/v1/models/{model.partition('=')[2]}", "port": "rest"}
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert f"--port={ports['grpc']}" in server["args"]
    assert f"--rest_api_port={ports['rest']}" in server["args"]


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
