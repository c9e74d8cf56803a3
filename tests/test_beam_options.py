"""The section `beam`: what is refused, and the arguments for Beam that the rest becomes."""

import logging
import re
import socket
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from pipeline.beam_config import Beam
from pipeline.beam_endpoint import unreachable_job_service
from pipeline.beam_options import beam_arguments
from pipeline.check import check_config
from pipeline.config import Config
from pipeline.config_file import load_config
from pipeline.config_validation import validate
from pipeline.kubeflow.beam_checks import beam_problems
from pipeline.kubeflow.steps import BEAM_STEPS
from pipeline.source_hash import ROOT

PORTABLE = {"runner": "portable", "job_endpoint": "jobs:8099"}
POOL = {**PORTABLE, "worker_pool": "localhost:50000"}
DATAFLOW = {"runner": "dataflow", "project": "p", "region": "europe-west4", "temp_location": "gs://bucket/t"}
IMAGE = "registry/headstart:1"

ARGUMENTS = {
    "threads": (
        {"mode": "threads", "workers": 4},
        ["--direct_running_mode=multi_threading", "--direct_num_workers=4"],
    ),
    "processes, one a core": (
        {"mode": "processes"},
        ["--direct_running_mode=multi_processing", "--direct_num_workers=0"],
    ),
    "further arguments": ({"args": ["--save_main_session"]}, ["--save_main_session"]),
    "a job service on this machine": (
        PORTABLE,
        ["--runner=PortableRunner", "--job_endpoint=jobs:8099", "--environment_type=LOOPBACK"],
    ),
    "a job service with a pool": (
        {**POOL, "args": ["--sdk_worker_parallelism=2"]},
        [
            "--runner=PortableRunner",
            "--job_endpoint=jobs:8099",
            "--environment_type=EXTERNAL",
            "--environment_config=localhost:50000",
            "--environment_cache_millis=60000",
            "--sdk_worker_parallelism=2",
        ],
    ),
    "dataflow": (
        DATAFLOW,
        [
            "--runner=DataflowRunner",
            "--project=p",
            "--region=europe-west4",
            "--temp_location=gs://bucket/t",
        ],
    ),
}


def beam(values: dict) -> Beam:
    return TypeAdapter(Beam).validate_python(values)


def config(**sections) -> tuple[Config | None, dict[str, str]]:
    """Returns a config of some sections, or what is wrong with it by key."""
    raw = {"name": "n", "output": "/runs/n", "data": {"source": "/data"}, **sections}
    loaded, problems = validate(raw)
    return loaded, {problem.key: problem.message for problem in problems}


def test_the_direct_runner_as_it_is_needs_no_arguments():
    assert beam_arguments(beam({})) == []
    assert beam_arguments(beam({}), IMAGE) == []


@pytest.mark.parametrize("name", ARGUMENTS)
def test_each_runner_gets_its_arguments_and_the_image(name):
    values, expected = ARGUMENTS[name]
    assert beam_arguments(beam(values), IMAGE) == [*expected, f"--sdk_container_image={IMAGE}"]


def test_arguments_of_a_step_come_after_those_of_the_section():
    found = beam_arguments(beam({"mode": "threads", "workers": 4}), IMAGE, ["--direct_num_workers=8"])
    assert found.index("--direct_num_workers=8") > found.index("--direct_num_workers=4")
    assert beam_arguments(beam({}), IMAGE, ["--direct_num_workers=8"])[0] == "--direct_num_workers=8"


@pytest.mark.parametrize("name", ARGUMENTS)
def test_beam_knows_every_argument_and_takes_its_value(name, caplog):
    from apache_beam.options.pipeline_options import PipelineOptions

    arguments = beam_arguments(beam(ARGUMENTS[name][0]), IMAGE)
    with caplog.at_level(logging.WARNING):
        options = PipelineOptions(arguments).get_all_options()
    assert "unparseable" not in caplog.text
    assert set(ARGUMENTS[name][1]) <= {
        f"--{option}" if value is True else f"--{option}={item}"
        for option, value in options.items()
        for item in (value if isinstance(value, list) else [value])
    }
    with caplog.at_level(logging.WARNING):  # so that the check above is known to see something
        PipelineOptions([*arguments, "--not_of_beam=1"]).get_all_options()
    assert "--not_of_beam=1" in caplog.text


def test_tfx_packs_nothing_for_the_workers_whether_there_is_an_image_or_not():
    from tfx.utils import dependency_utils

    arguments = beam_arguments(beam(POOL))
    assert dependency_utils.make_beam_dependency_flags(arguments) == arguments


# What is refused

REFUSED = {
    "portable without its job service": ({"runner": "portable"}, "runner portable needs job_endpoint"),
    "dataflow without its project": (
        {"runner": "dataflow", "region": "r"},
        "runner dataflow needs project and temp_location",
    ),
    "a field of another runner": (
        {"job_endpoint": "jobs:8099"},
        "job_endpoint is for runner portable, not direct. Take it out, or use another runner",
    ),
    "mode of the direct runner": ({**PORTABLE, "mode": "threads"}, "mode is for runner direct, not portable"),
    "workers of the direct runner": (
        {**DATAFLOW, "workers": 4},
        "workers is for runner direct, not dataflow",
    ),
    "workers without a mode": (
        {"workers": 4},
        "workers: 4 has no effect while mode is in_memory. Use mode: threads or processes",
    ),
    "an argument that has a key": (
        {"args": ["--direct_num_workers=4"]},
        "args: --direct_num_workers=4 has a key of its own, beam.workers. Use that",
    ),
    "a runner in the arguments": ({"args": ["--runner=FlinkRunner"]}, "has a key of its own, beam.runner"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_together_is_refused(name):
    values, message = REFUSED[name]
    assert message in config(beam=values)[1]["beam"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("runner", "flink", "use direct, portable or dataflow"),
        ("job_endpoint", "http://jobs:8099", "HOST:PORT without a scheme"),
        ("job_endpoint", "jobs", "HOST:PORT without a scheme"),
        ("worker_pool", "localhost:70000", "HOST:PORT without a scheme"),
        ("shared_folder", "shared", "an absolute path, such as /shared"),
        ("shared_folder", "s3://bucket/shared", "an absolute path, such as /shared"),
        ("temp_location", "s3://bucket/t", "an address such as gs://my-bucket/beam"),
        ("workers", -1, "at least 0"),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(key, value, message):
    _, problems = config(beam={**POOL, key: value})
    assert message in problems[f"beam.{key}"]
    assert repr(value) in problems[f"beam.{key}"]


@pytest.mark.parametrize(
    "endpoint", ["localhost:1", "10.0.0.1:8099", "beam-jobs.flink.svc:8099", "[::1]:50000"]
)
def test_hosts_addresses_and_names_of_services_are_endpoints(endpoint):
    assert beam({**PORTABLE, "worker_pool": endpoint}).worker_pool == endpoint


def test_a_local_run_on_dataflow_is_refused_before_it_starts(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        "name: n\noutput: runs/n\ndata: {source: photos}\n"
        "beam: {runner: dataflow, project: p, region: r, temp_location: gs://bucket/t}\n"
    )
    problems = {problem.key: problem.message for problem in check_config(load_config(file)).problems}
    assert problems["beam.runner"].startswith("got dataflow; its workers cannot see the folders")


def test_a_job_service_that_does_not_answer_is_said_before_a_run():
    with socket.create_server(("localhost", 0)) as server:
        answering = beam({"runner": "portable", "job_endpoint": f"localhost:{server.getsockname()[1]}"})
        assert unreachable_job_service(answering) is None
    found = unreachable_job_service(answering)
    assert found.startswith(f"beam.job_endpoint: no job service answers at {answering.job_endpoint} (Connect")
    assert unreachable_job_service(beam({})) is None
    nowhere = beam({"runner": "portable", "job_endpoint": "beam-jobs.invalid:8099"})
    assert "no job service answers at beam-jobs.invalid:8099 (" in unreachable_job_service(nowhere)


# In a cluster

SHARED = {step: ("/shared",) for step in BEAM_STEPS}


def in_cluster(values: dict, target="kfp", claims=SHARED) -> dict[str, str]:
    loaded, _ = config(beam=values)
    return {problem.key: problem.message for problem in beam_problems(loaded, target, claims)}


def test_a_pool_and_a_folder_on_a_volume_are_all_that_a_cluster_needs():
    assert in_cluster({}) == {}
    assert in_cluster({**POOL, "shared_folder": "/shared/beam"}) == {}
    assert in_cluster(DATAFLOW, "vertex") == {}
    assert in_cluster(POOL, "vertex") == {}


def test_workers_that_cannot_see_a_steps_files_are_refused():
    assert "Compile with --target vertex" in in_cluster(DATAFLOW)["beam.runner"]
    assert in_cluster(PORTABLE).keys() == {"beam.worker_pool", "beam.shared_folder"}
    assert "Leave it out" in in_cluster({**POOL, "shared_folder": "/shared"}, "vertex")["beam.shared_folder"]
    claims = SHARED | {"Evaluator": ("/sha", "/shared/beam/deeper")}
    found = in_cluster({**POOL, "shared_folder": "/shared/beam"}, claims=claims)
    assert (
        "got '/shared/beam'; no PersistentVolumeClaim is mounted there in Evaluator."
        in found["beam.shared_folder"]
    )


# docs/scaling.md


def documented(language: str) -> list[str]:
    text = (Path(__file__).parent.parent / "docs" / "scaling.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_documented_configs_are_right_in_a_cluster():
    configs = [yaml.safe_load(block)["beam"] for block in documented("yaml") if block.startswith("beam:")]
    assert [values.get("runner", "direct") for values in configs] == ["direct", "portable", "dataflow"]
    for values in configs:
        target = "vertex" if values.get("runner") == "dataflow" else "kfp"
        assert in_cluster(values, target, {step: ("/runs",) for step in BEAM_STEPS}) == {}


def test_the_documented_releases_of_beam_are_those_of_the_locks():
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    locks = {stack: (ROOT / "requirements" / f"tfx-{stack}.txt").read_text() for stack in ("1.16", "1.21")}
    beam = {stack: re.search(r"^apache-beam==(\S+)", text, re.MULTILINE)[1] for stack, text in locks.items()}
    assert set(re.findall(r"/beam_\w[\w.]*:([\d.]+)", page)) == {beam["1.16"]}
    assert f"Beam {beam['1.16']} and Python 3.10" in page
    assert f"Beam {beam['1.21']} and" in page


def test_beam_knows_the_documented_arguments(caplog):
    from apache_beam.options.pipeline_options import PipelineOptions

    for block in documented("yaml"):
        if block.startswith("beam:"):
            arguments = beam_arguments(beam(yaml.safe_load(block)["beam"]), IMAGE)
            with caplog.at_level(logging.WARNING):
                PipelineOptions(arguments).get_all_options()
    assert "unparseable" not in caplog.text


def test_the_documented_manifests_offer_what_the_documented_config_asks_for():
    (values,) = (block for block in documented("yaml") if "runner: portable" in block)
    portable = yaml.safe_load(values)["beam"]
    (manifests,) = (block for block in documented("yaml") if "FlinkDeployment" in block)
    by_kind = {document["kind"]: document for document in yaml.safe_load_all(manifests)}
    service = by_kind["Service"]
    ports = {f"{service['metadata']['name']}:{port['port']}" for port in service["spec"]["ports"]}
    assert portable["job_endpoint"] in ports
    assert portable["args"][0].partition("=")[2] in ports
    containers = by_kind["FlinkDeployment"]["spec"]["taskManager"]["podTemplate"]["spec"]["containers"]
    (pool,) = (container for container in containers if container["name"] == "worker-pool")
    assert portable["worker_pool"] == f"localhost:{pool['command'][-1].partition('=')[2]}"
    mounts = [mount["mountPath"] for mount in pool["volumeMounts"]]
    assert any(portable["shared_folder"].startswith(f"{path}/") for path in mounts)
