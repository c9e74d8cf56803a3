"""The DAG as Kubeflow Pipelines gets it: tasks, their order, parameters, and how the file is written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp import components as kfp_components
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent

from pipeline import __version__, dag
from pipeline.cli import main
from pipeline.kubeflow.compile import compile_pipeline
from pipeline.kubeflow.compile_file import compile_file, write_whole
from pipeline.kubeflow.linter import LintError
from pipeline.kubeflow.parameters import add_runtime_parameters, default_parameters
from pipeline.kubeflow.steps import BEAM_STEPS
from pipeline.problems import ConfigError
from pipeline.source_hash import ROOT
from tests import tiny_cluster
from tests.tiny_cluster import PLAIN, RICH, STEPS, VERTEX, compiled, config_of, container, task


@pytest.fixture(scope="module")
def plain():
    return compiled(PLAIN)


@pytest.fixture(scope="module")
def dag_steps() -> dict:
    """The steps of the DAG as a local run has them."""
    surroundings = dag.Surroundings(source_fingerprint="1", serving_state="2", run_id="3")
    pipeline = dag.create_pipeline(config_of(PLAIN), surroundings, root="unused")
    return {step.id: step for step in pipeline.components}


# The graph


def test_the_tasks_are_the_steps_of_the_dag(plain, dag_steps):
    assert plain.spec["root"]["dag"]["tasks"].keys() == dag_steps.keys() == set(STEPS)


def test_every_task_waits_for_what_its_step_waits_for(plain, dag_steps):
    for name, step in dag_steps.items():
        assert set(task(plain, name).get("dependentTasks", [])) == {up.id for up in step.upstream_nodes}, name


def test_training_waits_for_the_verdict_on_the_data(plain):
    assert "DataCheck" in task(plain, "Transform")["dependentTasks"]


def test_the_steps_with_beam_are_known(dag_steps):
    assert {name for name, step in dag_steps.items() if isinstance(step, BaseBeamComponent)} == {*BEAM_STEPS}


def test_every_step_runs_its_executor_in_the_entrypoint_of_its_target(plain):
    for name in STEPS:
        spec = container(plain, name)
        assert spec["command"] == ["python", "-m", "pipeline.kubeflow.entrypoint"]
        assert spec["args"][0] == "--executor_class_path"
        assert spec["args"][1].endswith("executor.Executor") or name == "Trainer"
        assert spec["args"][2:4] == ["--json_serialized_invocation_args", "{{$}}"]
    assert container(plain, "Trainer")["args"][1] == "tfx.components.trainer.executor.GenericExecutor"
    assert container(compiled(VERTEX), "Pusher")["command"] == [
        "python", "-m", "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor",
    ]  # fmt: skip


def test_no_hook_no_resolver_and_no_importer_is_left(plain):
    for executor in plain.spec["deploymentSpec"]["executors"].values():
        assert executor.keys() == {"container"}
        assert "lifecycle" not in executor["container"]


def test_the_name_is_one_that_kubeflow_allows(plain):
    assert plain.spec["pipelineInfo"]["name"] == "tiny-shoes"


def test_what_is_unknown_before_the_run_is_empty_and_the_run_has_the_id_that_kubeflow_gives(plain):
    def constants(name):
        parameters = task(plain, name)["inputs"]["parameters"]
        return {
            key: value["runtimeValue"]["constant"]
            for key, value in parameters.items()
            if "runtimeValue" in value
        }

    assert constants("ImageExampleGen")["source_fingerprint"] == ""
    assert constants("DataCheck")["serving_state"] == constants("Baseline")["serving_state"] == ""
    for step in ("DataCheck", "Pusher", "Report"):
        assert constants(step)["run_id"] == "{{$.pipeline_job_uuid}}"


def test_paths_in_the_repository_are_paths_in_the_image(tmp_path):
    weights = ROOT / "data/weights/mobilenet_v2_1.0_notop.weights.h5"
    sets = (
        f"data.source={ROOT}/data/weights",
        f"model.weights={weights}",
        f"validation.schema={ROOT}/setup.py",
    )
    pipeline = compile_pipeline(config_of(PLAIN, *sets))
    assert str(ROOT) not in pipeline.as_text() or str(ROOT) == "/headstart"
    assert default_parameters(pipeline.spec)["data_source"] == "/headstart/data/weights"
    schema = task(pipeline, "SchemaGen")["inputs"]["parameters"]
    assert schema["schema_file"]["runtimeValue"]["constant"] == "/headstart/setup.py"
    assert len(schema["schema_file_hash"]["runtimeValue"]["constant"]) == 16
    custom = json.loads(
        task(pipeline, "Trainer")["inputs"]["parameters"]["custom_config"]["runtimeValue"]["constant"]
    )
    image_file = "/headstart/data/weights/mobilenet_v2_1.0_notop.weights.h5"
    assert custom["model"]["weights"] == image_file
    assert len(custom["file_hashes"][image_file]) == 16


# Parameters


def test_data_push_and_thresholds_are_parameters_with_the_configs_values_as_defaults(plain):
    assert default_parameters(plain.spec) == {
        "data_source": "s3://bucket/shoes",
        "push_destination": "s3://bucket/runs/shoes/serving",
        "thresholds": task_thresholds(config_of(PLAIN)),
        "because": "",
    }
    declared = plain.spec["root"]["inputDefinitions"]["parameters"]
    assert {parameter["parameterType"] for parameter in declared.values()} == {"STRING"}
    given = json.loads(default_parameters(compiled(RICH).spec)["thresholds"])
    assert given["accuracy"]["at_least"] == 0.5


def task_thresholds(config) -> str:
    surroundings = dag.Surroundings(source_fingerprint="", serving_state="", run_id="")
    steps = dag.create_components(config, surroundings)
    return next(step for step in steps if step.id == "Evaluator").exec_properties["thresholds"]


def test_the_steps_take_them_from_the_pipeline(plain):
    def source(step, name):
        return task(plain, step)["inputs"]["parameters"][name]

    assert source("ImageExampleGen", "source") == {"componentInputParameter": "data_source"}
    assert source("Evaluator", "thresholds") == {"componentInputParameter": "thresholds"}
    for step in ("DataCheck", "Baseline", "Pusher"):
        assert source(step, "push_destination") == {"componentInputParameter": "push_destination"}


def test_no_step_keeps_a_constant_of_what_is_a_parameter(plain):
    for step in STEPS:
        for name, value in task(plain, step)["inputs"].get("parameters", {}).items():
            if name in ("push_destination", "thresholds", "because"):
                assert "componentInputParameter" in value, step


def test_steps_that_share_a_parameter_must_agree():
    value = {"runtimeValue": {"constant": "a"}}
    names = {"ImageExampleGen": "source", "DataCheck": "push_destination", "Baseline": "push_destination",
             "Pusher": "push_destination", "Evaluator": "thresholds"}  # fmt: skip
    tasks = {step: {"inputs": {"parameters": {name: dict(value)}}} for step, name in names.items()}
    tasks["Pusher"]["inputs"]["parameters"]["push_destination"] = {"runtimeValue": {"constant": "b"}}
    with pytest.raises(ValueError, match="push_destination: its steps were given different values"):
        add_runtime_parameters({"root": {"dag": {"tasks": tasks}}})


# Cache


def test_only_steps_that_depend_on_their_inputs_alone_are_cached(plain):
    cached = {name for name in STEPS if task(plain, name)["cachingOptions"].get("enableCache")}
    assert cached == {
        "StatisticsGen", "SchemaGen", "ExampleValidator", "Transform", "Trainer", "Evaluator", "InfraCheck",
    }  # fmt: skip


# The documents


@pytest.mark.parametrize("text", [PLAIN, RICH])
def test_the_file_holds_two_documents_that_kfp_reads(text):
    pipeline = compiled(text)
    spec, platform = yaml.safe_load_all(pipeline.as_text())
    assert (spec, platform) == (pipeline.spec, pipeline.platform)
    assert spec["schemaVersion"] == "2.1.0"
    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(spec["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())
    json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    loaded = kfp_components.load_component_from_text(pipeline.as_text())
    assert loaded.name == spec["pipelineInfo"]["name"]
    assert loaded.platform_spec.platforms.keys() == {"kubernetes"}
    assert loaded.component_spec.inputs.keys() == {
        "data_source",
        "push_destination",
        "thresholds",
        "because",
    }


def test_vertex_gets_a_pipeline_job():
    document = json.loads(compiled(VERTEX).as_text())
    json_format.ParseDict(document, pipeline_spec_pb2.PipelineJob())
    assert document["displayName"] == "shoes"
    assert document["runtimeConfig"]["gcsOutputDirectory"] == "gs://bucket/pipelines"
    assert document["pipelineSpec"]["schemaVersion"] == "2.1.0"
    assert default_parameters(document["pipelineSpec"])["data_source"] == "gs://bucket/shoes"


@pytest.mark.slow  # importing google.cloud.aiplatform takes 10 to 20 s
def test_vertex_own_client_takes_the_job(tmp_path):
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import aiplatform

    file = tmp_path / "job.json"
    file.write_text(compiled(VERTEX).as_text())
    job = aiplatform.PipelineJob(
        display_name="shoes",
        template_path=str(file),
        project="project",
        location="europe-west4",
        credentials=AnonymousCredentials(),
        parameter_values={"push_destination": "gs://elsewhere/serving"},
    )
    runtime = job.to_dict()["runtimeConfig"]
    assert runtime["gcsOutputDirectory"] == "gs://bucket/pipelines"
    assert runtime["parameterValues"] == {"push_destination": "gs://elsewhere/serving"}


# The command


def test_the_command_writes_the_same_file_in_every_process_and_names_the_next_command(tmp_path):
    config, file = tmp_path / "config.yaml", tmp_path / "pipeline.yaml"
    config.write_text(PLAIN)
    arguments = ["compile", str(config), "-o", str(file)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    ran = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments],
        capture_output=True,
        text=True,
        env=environment | {"PYTHONHASHSEED": "7"},
        cwd=ROOT,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == (
        "Tiny_Shoes: 13 steps, artifacts below s3://bucket/pipelines\n"
        f"Wrote {file}. Next: headstart submit {config}\n"
    )
    head, rest = file.read_text().split("components:", 1)
    assert head == (
        f"# Headstart {__version__} made this file. Change the config and compile again.\n"
        f"#   headstart compile {config} --target kfp -o {file}\n"
    )
    assert "components:" + rest == compiled(PLAIN).as_text().split("\n", 1)[1]


def test_overrides_reach_the_pipeline_and_the_next_command(tmp_path, capsys):
    config, file = tmp_path / "config.yaml", tmp_path / "pipeline.yaml"
    config.write_text(PLAIN)
    assert main(["compile", str(config), "-o", str(file), "--set", "cluster.image=other:2"]) == 0
    assert capsys.readouterr().out.endswith(f"Next: headstart submit {config} --set cluster.image=other:2\n")
    spec, _ = yaml.safe_load_all(file.read_text())
    assert {executor["container"]["image"] for executor in spec["deploymentSpec"]["executors"].values()} == {
        "other:2"
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "here/pipeline.json"], "a pipeline for kfp ends in .yaml or .yml"),
        (["-o", "here/pipeline.yaml", "--target", "vertex"], "a pipeline for vertex ends in .json"),
        (["-o", "nowhere/pipeline.yaml"], "there is no folder nowhere; make it first"),
        (["-o", "here/pipeline.yaml", "--set", "cluster.image="], "cluster.image: missing"),
        (
            ["-o", "here/pipeline.yaml", "--set", "cluster.image=a"],
            "cluster.image: got 'a'; the image has neither",
        ),
        (
            ["-o", "here/pipeline.yaml", "--set", "output=/runs"],
            "output: /runs does not exist in the container",
        ),
    ],
)
def test_a_mistake_is_one_message_and_no_file(tmp_path, monkeypatch, capsys, arguments, message):
    (tmp_path / "here").mkdir()
    (tmp_path / "config.yaml").write_text(PLAIN)
    monkeypatch.chdir(tmp_path)
    assert main(["compile", "config.yaml", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list((tmp_path / "here").iterdir()) == []


def test_a_finding_of_the_linter_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    config, file = tmp_path / "config.yaml", tmp_path / "pipeline.yaml"
    config.write_text(PLAIN)
    file.write_text("before")
    monkeypatch.setattr("pipeline.kubeflow.compile.add_runtime_parameters", forget_a_dependency)
    message = r"the compiled pipeline has 1 fault\n  root\.Transform\.inputs\.artifacts\.schema:"
    with pytest.raises(LintError, match=message):
        compile_file(str(config), "kfp", file)
    assert file.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "pipeline.yaml"]


def forget_a_dependency(spec: dict) -> None:
    spec["root"]["dag"]["tasks"]["Transform"]["dependentTasks"].remove("SchemaGen")


def test_a_config_that_fits_no_cluster_is_refused_whoever_compiles():
    with pytest.raises(ConfigError, match=r"cluster\.image: missing"):
        compile_pipeline(config_of(tiny_cluster.PLAIN, "cluster.image="))


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "pipeline.yaml"
    write_whole(file, "one")
    assert file.read_text() == "one"
    assert file.stat().st_mode & 0o777 == 0o644
    with monkeypatch.context() as patched:
        patched.setattr("os.replace", raise_error)
        with pytest.raises(OSError, match="no space"):
            write_whole(file, "two")
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.yaml"]
    assert Path(file).read_text() == "one"


def raise_error(*_):
    raise OSError("no space")
