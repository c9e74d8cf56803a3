"""kubernetes/: what the objects say about each other: schedule, selectors, references, config."""

from pathlib import PurePosixPath

import pytest

from pipeline.cluster_config import Cluster
from pipeline.config_file import load_config
from pipeline.kubeflow.checks import cluster_problems
from pipeline.kubeflow.steps import all_step_settings
from tests.manifests import (
    BUCKET,
    OVERLAYS,
    RENDERED,
    containers,
    overlay_folder,
    rendered_overlays,
    selects,
)

WRITERS = {"shell", "rollback"}  # of the volumes; the steps of the runs are Kubeflow's pods
CONFIG_PATH = "/headstart/kubernetes/overlays/deployed/config.yaml"


@pytest.fixture(scope="module")
def overlays():
    return rendered_overlays()


@pytest.fixture(params=RENDERED)
def objects(request, overlays):
    """The objects of each overlay in turn."""
    return overlays[request.param]


def test_one_schedule_and_only_the_cluster_for_trying_has_it_asleep(overlays):
    enabled = {}
    for name, objects in overlays.items():
        for job in objects.of("CronJob").values():
            assert job["spec"]["concurrencyPolicy"] == "Forbid"
            assert job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0
            assert job["spec"]["jobTemplate"]["metadata"]["labels"] == job["metadata"]["labels"]
        jobs = objects.of("CronJob").items()
        enabled[name] = [job_name for job_name, job in jobs if not job["spec"].get("suspend")]
    awake = ["headstart-retrain"]
    assert enabled == {"dev": [], "gpu": awake, "tpu": awake, BUCKET: awake}


def test_the_pod_of_the_schedule_waits_longer_than_a_run_may_take(overlays):
    for name in OVERLAYS:
        job = overlays[name].of("CronJob")["headstart-retrain"]["spec"]["jobTemplate"]["spec"]
        seconds = [step.timeout_seconds for step in all_step_settings(Cluster()).values()]
        assert job["activeDeadlineSeconds"] > sum(seconds), (
            "else the next night starts a second run beside it"
        )


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
    ours = {"retrain", "tensorboard", *WRITERS}
    images = {objects.pod_templates()[found]["spec"]["containers"][0]["image"] for found in ours}
    assert images == {config.cluster.image}
    namespaces = {
        document["metadata"].get("namespace")
        for document in objects.documents
        if document["kind"] != "Namespace"
    }
    assert namespaces == {config.cluster.namespace or "kubeflow"}
    wanted = {"dev": None, "gpu": "nvidia.com/gpu", "tpu": "google.com/tpu"}[name]
    assert (steps["Trainer"].accelerator and steps["Trainer"].accelerator.type) == wanted


@pytest.mark.parametrize("component", ["retrain", *sorted(WRITERS)])
@pytest.mark.parametrize("name", OVERLAYS)
def test_the_config_means_the_same_in_our_pods(name, component, overlays, tmp_path):
    objects = overlays[name]
    (container,) = objects.pod_templates()[component]["spec"]["containers"]
    (mount,) = [found for found in container["volumeMounts"] if found["name"] == "config"]
    assert mount["mountPath"] == CONFIG_PATH == container["env"][0]["value"]
    assert mount["subPath"] == "config.yaml"
    # As the container sees it, below another root.
    file = tmp_path / PurePosixPath(CONFIG_PATH).relative_to("/")
    file.parent.mkdir(parents=True)
    file.write_text(objects.only("ConfigMap", "headstart")["data"]["config.yaml"])
    config = load_config(file)
    assert config.model.weights == f"{tmp_path}/headstart/data/weights/mobilenet_v2_1.0_notop.weights.h5"
    assert config.data.source == ("/data/fashion_mnist" if name == "dev" else "/data/photos")
    mounts = [found["mountPath"] for found in container["volumeMounts"]]
    assert {"/runs", "/tmp"} <= set(mounts)
    assert "/data" in mounts or component == "rollback"


def test_a_rollback_is_ready_to_be_started_and_the_shell_sleeps(objects):
    (container,) = objects.pod_templates()["rollback"]["spec"]["containers"]
    assert container["command"] == ["headstart", "rollback", "$(CONFIG)"]
    assert objects.of("Deployment")["headstart-shell"]["spec"]["replicas"] == 0
