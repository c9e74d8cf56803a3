"""The section `cluster`: what is refused, how settings are merged, and what a container would not find."""

from glob import glob
from pathlib import Path

import pytest

from pipeline.cluster_config import Cluster, Retries, SecretKey, Step, Toleration, Volume
from pipeline.cluster_values import cpus, image_fault, memory_bytes, pipeline_root_fault
from pipeline.config_file import load_config
from pipeline.kubeflow.checks import cluster_problems
from pipeline.kubeflow.paths import config_in_container, hash_for_container, in_container, on_this_machine
from pipeline.kubeflow.steps import BEAM_STEPS, NEVER_CACHED, PRODUCT_DEFAULTS, merged, step_settings
from pipeline.problems import ConfigError
from pipeline.source_hash import ROOT

MINIMAL = "name: shoes\noutput: s3://bucket/runs\ndata: {source: s3://bucket/shoes}\n"
READY = (
    MINIMAL
    + "cluster: {image: registry.example.com/headstart:1, pipeline_root: s3://bucket/root, steps: {}}\n"
)


def load(tmp_path: Path, text: str, *sets: str):
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return load_config(file, sets)


def refusals(tmp_path: Path, cluster: str) -> dict[str, str]:
    """Returns what is refused when a config is read, by key below `cluster`."""
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, f"{MINIMAL}cluster: {cluster}\n")
    return {problem.key.removeprefix("cluster."): problem.message for problem in refused.value.problems}


def problems(tmp_path: Path, *sets: str, target: str = "kfp") -> dict[str, str]:
    """Returns what is refused before a config is compiled, by key."""
    return {
        problem.key: problem.message for problem in cluster_problems(load(tmp_path, READY, *sets), target)
    }


# Values


@pytest.mark.parametrize(("quantity", "number"), [("2", 2.0), ("0.5", 0.5), ("500m", 0.5), ("7500m", 7.5)])
def test_cpus_are_read_as_kubernetes_reads_them(quantity, number):
    assert cpus(quantity) == number


@pytest.mark.parametrize(
    ("quantity", "number"), [("8Gi", 8 * 2**30), ("500M", 500_000_000), ("1.5Gi", 3 * 2**29), ("64Mi", 2**26)]
)
def test_memory_is_read_as_kubernetes_reads_it(quantity, number):
    assert memory_bytes(quantity) == number


@pytest.mark.parametrize(
    ("cluster", "key", "message"),
    [
        ("{defaults: {cpu: two}}", "defaults.cpu", "got 'two'; write CPUs as Kubernetes does, such as 2"),
        ("{defaults: {cpu: 0}}", "defaults.cpu", "write CPUs"),
        ("{defaults: {memory: 8GB}}", "defaults.memory", "got '8GB'; write memory as Kubernetes does"),
        (
            "{defaults: {memory: 8}}",
            "defaults.memory",
            "that is 8 bytes; write the unit as well, such as 8Gi",
        ),
        ("{image: headstart}", "image", "the image has neither tag nor digest. Add one, such as :0.1.0"),
        ("{image: 'headstart:latest'}", "image", "the tag latest may be another image tomorrow"),
        ("{image: 'Head Start:1'}", "image", "not the name of an image"),
        ("{steps: {Trainer: {image: a/b}}}", "steps.Trainer.image", "neither tag nor digest"),
        ("{pipeline_root: /runs}", "pipeline_root", "s3://, gs://, minio:// and a bucket"),
        (
            "{pipeline_root: 's3://'}",
            "pipeline_root",
            "write a bucket and a folder in it, such as s3://bucket",
        ),
        ("{pipeline_root: 'hdfs://a/b'}", "pipeline_root", "artifacts need an address"),
        ("{host: kubeflow}", "host", "write an address such as https://kubeflow.example.com"),
        ("{namespace: Team_A}", "namespace", "a namespace has small letters, digits and -"),
        ("{service_account: 'a b'}", "service_account", "names in Kubernetes have small letters"),
        ("{defaults: {env: {9X: a}}}", "defaults.env.9X", "use letters, digits and _"),
        ("{defaults: {env: {X: 3}}}", "defaults.env.X", "it must be text; a number or date needs quotes"),
        ("{defaults: {node_selector: {'a b': c}}}", "defaults.node_selector.a b", "a label is a name"),
        ("{defaults: {node_selector: {a: 'b c'}}}", "defaults.node_selector.a", "a label's value has"),
        (
            "{defaults: {secret_env: {A: {secret: S, key: k}}}}",
            "defaults.secret_env.A.secret",
            "names in Kub",
        ),
        (
            "{defaults: {volumes: [{path: /a}]}}",
            "defaults.volumes.0",
            "give one of claim, secret, config_map, ",
        ),
        (
            "{defaults: {volumes: [{path: /a, claim: a, secret: b}]}}",
            "defaults.volumes.0",
            "got claim and secret",
        ),
        ("{defaults: {volumes: [{path: a, claim: b}]}}", "defaults.volumes.0.path", "an absolute path"),
        ("{defaults: {volumes: [{path: /a/.., claim: b}]}}", "defaults.volumes.0.path", "an absolute path"),
        ("{defaults: {volumes: [{path: /gcs/b, claim: b}]}}", "defaults.volumes.0.path", "/gcs is taken"),
        (
            "{defaults: {volumes: [{path: /headstart, claim: b}]}}",
            "defaults.volumes.0.path",
            "is taken in the",
        ),
        (
            "{defaults: {volumes: [{path: /a, empty_dir: 9}]}}",
            "defaults.volumes.0.empty_dir",
            "that is 9 bytes",
        ),
        ("{defaults: {tolerations: [{value: a}]}}", "defaults.tolerations.0", "operator must be Exists"),
        (
            "{defaults: {tolerations: [{key: a, operator: Exists, value: b}]}}",
            "defaults.tolerations.0",
            "Exists compares no value",
        ),
        ("{defaults: {tolerations: [{key: a, seconds: 3}]}}", "defaults.tolerations.0", "NoExecute"),
        ("{defaults: {retries: {max: -1}}}", "defaults.retries.max", "it must be at least 0"),
        ("{defaults: {retries: {backoff_factor: 1.5}}}", "defaults.retries.backoff_factor", "a whole number"),
        ("{defaults: {timeout_seconds: 0}}", "defaults.timeout_seconds", "it must be at least 1"),
        (
            "{defaults: {accelerator: {type: nvidia.com/gpu, topology: 2x2}}}",
            "defaults.accelerator",
            "topology is for TPUs, and type is nvidia.com/gpu",
        ),
        (
            "{defaults: {accelerator: {type: google.com/tpu, topology: 4}}}",
            "defaults.accelerator.topology",
            "it must be text",
        ),
        (
            "{defaults: {accelerator: {type: google.com/tpu, topology: two}}}",
            "defaults.accelerator.topology",
            "such as 2x2",
        ),
        (
            "{defaults: {env: {A: b}, secret_env: {A: {secret: s, key: k}}}}",
            "defaults",
            "A: given in env and in",
        ),
        ("{steps: {Triner: {cpu: 2}}}", "steps.Triner", "got 'Triner'; use ImageExampleGen"),
        ("{steps: {Trainer: {cpus: 2}}}", "steps.Trainer.cpus", "Did you mean cluster.steps.Trainer.cpu?"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_with_its_key(tmp_path, cluster, key, message):
    assert message in refusals(tmp_path, cluster)[key]


@pytest.mark.parametrize(
    "image",
    [
        "headstart:1",
        "registry.example.com:5000/team/headstart:0.1.0-gpu",
        "europe-docker.pkg.dev/project/repo/headstart@sha256:" + "0" * 64,
        "headstart:latest@sha256:" + "0" * 64,
    ],
)
def test_images_with_a_tag_or_a_digest_are_accepted(image):
    assert image_fault(image) is None


@pytest.mark.parametrize("root", ["s3://bucket", "gs://bucket/a/b", "minio://mlpipeline/v2/artifacts"])
def test_addresses_that_the_launcher_understands_are_pipeline_roots(root):
    assert pipeline_root_fault(root) is None


def test_numbers_may_stand_without_quotes(tmp_path):
    config = load(tmp_path, MINIMAL + "cluster: {defaults: {cpu: 1.5, memory: 4Gi}}\n")
    assert (config.cluster.defaults.cpu, config.cluster.defaults.memory) == ("1.5", "4Gi")


# Merging


def test_every_step_has_resources_a_timeout_retries_and_a_word_on_the_cache():
    for name in PRODUCT_DEFAULTS:
        step = step_settings(Cluster(image="a:1"), name)
        assert None not in (step.image, step.cpu, step.memory, step.timeout_seconds, step.retries, step.cache)


def test_a_verdict_is_not_asked_for_twice():
    retried = {name for name in PRODUCT_DEFAULTS if step_settings(Cluster(), name).retries.max}
    assert PRODUCT_DEFAULTS.keys() - retried == {"DataCheck", "Verdict"}


def test_steps_that_work_outside_of_the_pipeline_are_not_cached():
    cached = {name for name in PRODUCT_DEFAULTS if step_settings(Cluster(), name).cache}
    assert PRODUCT_DEFAULTS.keys() - cached == {*NEVER_CACHED, "ImageExampleGen"}


def test_a_step_wins_over_the_defaults_and_they_over_the_products_own():
    cluster = Cluster(
        image="a:1",
        defaults=Step(cpu="3", memory="5Gi", timeout_seconds=60, retries=Retries(max=1, backoff_seconds=5)),
        steps={"Trainer": Step(cpu="9", image="b:2", cache=False)},
    )
    trainer, pusher = step_settings(cluster, "Trainer"), step_settings(cluster, "Pusher")
    assert (trainer.image, trainer.cpu, trainer.memory, trainer.cache) == ("b:2", "9", "5Gi", False)
    assert (pusher.image, pusher.cpu, pusher.memory, pusher.timeout_seconds) == ("a:1", "3", "5Gi", 60)
    assert trainer.retries == pusher.retries == Retries(max=1, backoff_seconds=5)


def test_maps_merge_by_name_volumes_by_path_and_lists_add_up():
    under = Step(
        env={"A": "1", "B": "1"},
        node_selector={"pool": "x", "zone": "a"},
        tolerations=(Toleration(key="t"),),
        volumes=(Volume(path="/a", claim="old"), Volume(path="/b", claim="b")),
        beam_args=("--x",),
    )
    over = Step(
        env={"B": "2"},
        node_selector={"zone": "b"},
        tolerations=(Toleration(key="t"), Toleration(key="u")),
        volumes=(Volume(path="/a", claim="new"), Volume(path="/c", secret="c")),
        beam_args=("--y",),
    )
    result = merged(under, over)
    assert result.env == {"A": "1", "B": "2"}
    assert result.node_selector == {"pool": "x", "zone": "b"}
    assert [toleration.key for toleration in result.tolerations] == ["t", "u"]
    assert [(volume.path, volume.claim) for volume in result.volumes] == [
        ("/a", "new"),
        ("/b", "b"),
        ("/c", None),
    ]
    assert result.beam_args == ("--x", "--y")


def test_a_variable_is_either_plain_or_secret_and_the_later_settings_say_which():
    plain, secret = Step(env={"A": "1"}), Step(secret_env={"A": SecretKey(secret="s", key="k")})
    assert merged(plain, secret).env == {}
    assert merged(secret, plain).secret_env == {}


# Before compiling


def test_a_complete_config_has_no_problem(tmp_path):
    assert problems(tmp_path) == {}


@pytest.mark.parametrize(
    "file", ["pipeline/configs/kubernetes.yaml", *glob("kubernetes/overlays/*/config.yaml", root_dir=ROOT)]
)
def test_the_ready_configs_are_complete_although_their_volumes_are_not_here(file):
    assert cluster_problems(load_config(ROOT / file), "kfp") == []


def test_a_source_in_the_image_may_be_a_pattern_of_files(tmp_path):
    assert problems(tmp_path, f"data.source={ROOT}/data/weights/*") == {}


def test_image_and_pipeline_root_are_needed(tmp_path):
    found = cluster_problems(load(tmp_path, MINIMAL), "kfp")
    assert [problem.key for problem in found] == ["cluster.image", "cluster.pipeline_root"]
    assert all(problem.message.startswith("missing. Give ") for problem in found)


@pytest.mark.parametrize(
    ("target", "kind", "message"),
    [
        ("kfp", "NVIDIA_L4", "use the name of a resource, such as nvidia.com/gpu or google.com/tpu"),
        ("vertex", "nvidia.com/gpu", "Vertex has names of its own, such as NVIDIA_L4"),
    ],
)
def test_an_accelerator_has_the_name_of_its_target(tmp_path, target, kind, message):
    sets = ("cluster.pipeline_root=gs://bucket/root", f"cluster.steps.Trainer.accelerator.type={kind}")
    assert message in problems(tmp_path, *sets, target=target)["cluster.steps.Trainer.accelerator.type"]


def test_what_vertex_cannot_do_is_refused_for_vertex_only(tmp_path):
    sets = [
        "cluster.defaults.volumes=[{path: /data, claim: data}]",
        "cluster.defaults.secret_env={A: {secret: a, key: b}}",
        "cluster.steps.Trainer.tolerations=[{key: a}]",
        "cluster.steps.Trainer.node_selector={a: b}",
        "cluster.steps.Trainer.timeout_seconds=60",
    ]
    assert problems(tmp_path, *sets) == {}
    found = problems(tmp_path, *sets, target="vertex")
    assert found.pop("cluster.pipeline_root").startswith("got 's3://bucket/root'; on Vertex, ")
    assert found == dict.fromkeys(
        [
            "cluster.defaults.volumes",
            "cluster.defaults.secret_env",
            "cluster.steps.Trainer.tolerations",
            "cluster.steps.Trainer.node_selector",
            "cluster.steps.Trainer.timeout_seconds",
        ],
        "Vertex has nothing like it. Leave it out, or compile with --target kfp",
    )


def test_a_claim_is_mounted_once(tmp_path):
    found = problems(
        tmp_path,
        "cluster.defaults.volumes=[{path: /data, claim: shared}]",
        "cluster.steps.Trainer.volumes=[{path: /runs, claim: shared}]",
    )
    assert list(found) == ["cluster.steps.Trainer.volumes"]
    assert found["cluster.steps.Trainer.volumes"].startswith("shared: mounted more than once")


@pytest.mark.parametrize("step", NEVER_CACHED)
def test_a_step_with_effects_must_not_be_cached(tmp_path, step):
    found = problems(tmp_path, f"cluster.steps.{step}.cache=true")
    assert "the cache would leave it undone. Set it to false" in found[f"cluster.steps.{step}.cache"]


def test_beam_arguments_are_for_beam_steps(tmp_path):
    found = problems(tmp_path, "cluster.steps.Trainer.beam_args=[--x]")
    assert found == {
        "cluster.steps.Trainer.beam_args": f"Trainer runs no Beam pipeline; those are {', '.join(BEAM_STEPS)}"
    }


# Paths


def test_paths_in_the_repository_become_paths_in_the_image_and_back():
    assert in_container(str(ROOT / "data/fashion_mnist")) == "/headstart/data/fashion_mnist"
    assert in_container(str(ROOT)) == "/headstart"
    assert on_this_machine("/headstart/data/fashion_mnist") == str(ROOT / "data/fashion_mnist")
    for path in ("/data/photos", "s3://bucket/headstart", f"{ROOT}-other/data"):
        assert in_container(path) == on_this_machine(path) == path


def test_every_path_of_a_config_is_mapped(tmp_path):
    weights = ROOT / "data/weights/mobilenet_v2_1.0_notop.weights.h5"
    config = load(
        tmp_path,
        READY,
        f"data.source={ROOT}/data/fashion_mnist",
        f"model.weights={weights}",
        f"validation.schema={ROOT}/schema.pbtxt",
        "push.destination=/serving",
    )
    mapped = config_in_container(config)
    assert mapped.data.source == "/headstart/data/fashion_mnist"
    assert mapped.model.weights == "/headstart/data/weights/mobilenet_v2_1.0_notop.weights.h5"
    assert mapped.validation.schema == "/headstart/schema.pbtxt"
    assert (mapped.output, mapped.push.destination) == ("s3://bucket/runs", "/serving")


def test_a_file_of_the_image_has_a_hash_and_one_on_a_volume_has_none(tmp_path):
    licence = hash_for_container("/headstart/LICENSE")
    assert len(licence) == 16
    assert hash_for_container(str(ROOT / "LICENSE")) == licence
    assert hash_for_container("/data/weights.h5") == ""


@pytest.mark.parametrize(
    ("sets", "key", "message"),
    [
        (
            ["data.source=/photos"],
            "data.source",
            "/photos does not exist in the container of ImageExampleGen",
        ),
        (
            ["output=/runs/x"],
            "output",
            "does not exist in the container of DataCheck, Trainer, Report, Verdict",
        ),
        ([f"output={ROOT}/runs/x"], "output", "lies in the image, which is gone when the step ends"),
        ([f"data.source={ROOT}/data/weights/x"], "data.source", "so the image has nothing there either"),
        ([f"data.source={ROOT}/data/fashion_mnist"], "data.source", "is not in the image, which holds"),
        ([f"validation.schema={ROOT}/schema.pbtxt"], "validation.schema", "is not in the image, which holds"),
        (["push.destination=/serving"], "push.destination", "of DataCheck, Baseline, Pusher, Report"),
        (["model.weights=/weights.h5"], "model.weights", "does not exist in the container of Trainer"),
        (["data.source=minio://bucket/x"], "data.source", "s3:// with AWS_ENDPOINT_URL for any S3 server"),
        (
            ["output=hdfs://bucket/x"],
            "output",
            "got hdfs://bucket/x; the steps read and write s3:// or gs://",
        ),
        ([f"data.source={ROOT}/pipeline/*.nothing"], "data.source", "so the image has nothing there either"),
    ],
)
def test_a_path_that_no_container_has_is_refused(tmp_path, sets, key, message):
    found = problems(tmp_path, *sets)
    assert message in found[key]
    assert list(found) == [key]


def test_what_is_written_needs_a_claim_and_what_is_read_any_volume_of_the_step(tmp_path):
    config_map = "cluster.defaults.volumes=[{path: /here, config_map: files}]"
    claim = "cluster.defaults.volumes=[{path: /here, claim: files}]"
    scratch = "cluster.defaults.volumes=[{path: /here, empty_dir: 1Gi}]"
    assert problems(tmp_path, "validation.schema=/here/schema.pbtxt", config_map) == {}
    assert problems(tmp_path, "output=/here/out", claim) == {}
    assert "output" in problems(tmp_path, "output=/here/out", config_map)
    assert "data.source" in problems(tmp_path, "data.source=/here/images", scratch)
    only_trainer = "cluster.steps.Trainer.volumes=[{path: /here, claim: files}]"
    assert "of DataCheck, Report, Verdict." in problems(tmp_path, "output=/here/out", only_trainer)["output"]


def test_vertex_has_no_volumes(tmp_path):
    sets = ("cluster.pipeline_root=gs://bucket/root", "output=/runs")
    found = problems(tmp_path, *sets, target="vertex")
    assert found["output"].endswith("Use an address such as s3://bucket/folder or gs://bucket/folder")
