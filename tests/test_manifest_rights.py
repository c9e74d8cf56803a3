"""kubernetes/: who may do what: rights, tokens, secrets, network."""

import pytest

from tests.manifests import BUCKET, RENDERED, Objects, containers, rendered_overlays, selects

NOTIFY_URL = "HEADSTART_NOTIFY_URL"


@pytest.fixture(scope="module")
def overlays():
    return rendered_overlays()


@pytest.fixture(params=RENDERED)
def objects(request, overlays):
    """The objects of each overlay in turn."""
    return overlays[request.param]


def test_secrets_are_only_referenced(objects):
    assert objects.of("Secret") == {}
    for template in objects.pod_templates().values():
        for container in containers(template):
            for variable in container.get("env", []):
                secret = any(
                    word in variable["name"] for word in ("KEY", "SECRET", "TOKEN", "PASSWORD", "NOTIFY")
                )
                assert ("secretKeyRef" in variable.get("valueFrom", {})) == secret, variable


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
    users = {template["spec"]["serviceAccountName"] for template in objects.pod_templates().values()}
    assert users == objects.of("ServiceAccount").keys()
    others = [name for name, template in objects.pod_templates().items() if name != "retrain"]
    assert all(
        objects.pod_templates()[name]["spec"]["serviceAccountName"] != subject["name"] for name in others
    )


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
        "shell": set(),
        "rollback": set(),
    }
    assert {name: open_ports(objects, found, "Egress") for name, found in labels.items()} == {
        "retrain": {53, 8888} | store,
        "serving": store,
        "tensorboard": set(),
        "report": set(),
        "shell": store,
        "rollback": store,
    }


def test_whoever_reads_or_writes_a_bucket_gets_the_credentials_of_the_steps(overlays):
    templates = overlays[BUCKET].pod_templates()
    wanted = {"AWS_ACCESS_KEY_ID": "accesskey", "AWS_SECRET_ACCESS_KEY": "secretkey"}
    given = {}
    for name, template in templates.items():
        for container in containers(template):
            sources = {
                variable["name"]: variable["valueFrom"]["secretKeyRef"]
                for variable in container.get("env", [])
                if "secretKeyRef" in variable.get("valueFrom", {}) and variable["name"] != NOTIFY_URL
            }
            assert {source["name"] for source in sources.values()} <= {"headstart-s3"}
            given[f"{name}/{container['name']}"] = {key: source["key"] for key, source in sources.items()}
    with_credentials = {name for name, found in given.items() if found}
    assert all(given[name] == wanted for name in with_credentials)
    assert with_credentials == {
        "retrain/retrain",
        "rollback/rollback",
        "serving/mirror",
        "serving/mirror-first",
        "shell/shell",
    }


def test_only_the_pod_that_waits_for_runs_gets_the_address_of_notifications_and_a_way_there(overlays):
    objects = overlays[BUCKET]
    given = {
        f"{name}/{container['name']}": variable["valueFrom"]["secretKeyRef"]
        for name, template in objects.pod_templates().items()
        for container in containers(template)
        for variable in container.get("env", [])
        if variable["name"] == NOTIFY_URL
    }
    # Without the Secret the night goes on; it would not, were the Secret not optional.
    assert given == {"retrain/retrain": {"name": "headstart-notify", "key": "url", "optional": True}}
    policy = objects.of("NetworkPolicy")["headstart-notification"]["spec"]
    labels = {name: found["metadata"]["labels"] for name, found in objects.pod_templates().items()}
    assert [name for name, found in labels.items() if selects(policy["podSelector"], found)] == ["retrain"]
    assert policy["policyTypes"] == ["Egress"]
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 443}
    assert NOTIFY_URL not in str(overlays["gpu"].documents)
