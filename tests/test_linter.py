"""The linter: each test breaks a good pipeline in one way."""

import pytest

from pipeline.kubeflow.lint_executors import EXECUTOR_CLASSES
from pipeline.kubeflow.lint_platform import EXECUTOR_CONFIG_KEYS
from pipeline.kubeflow.linter import LintError, lint
from pipeline.kubeflow.steps import NEVER_CACHED
from tests.tiny_cluster import PLAIN, RICH, VERTEX, compiled, container, executor_config, task


def findings(pipeline, target="kfp") -> list[tuple[str, str]]:
    """Returns place and subject of every finding; each explains itself and says what to do."""
    found = lint(pipeline.spec, pipeline.platform, target)
    for finding in found:
        assert min(len(finding.where), len(finding.why), len(finding.mend)) > 10
        assert str(finding) == f"{finding.where}: {finding.what}. {finding.why}. {finding.mend}."
        assert not finding.why.endswith(".")
    return [(finding.where, finding.what) for finding in found]


@pytest.fixture
def plain():
    return compiled(PLAIN)


@pytest.fixture
def rich():
    return compiled(RICH)


@pytest.fixture
def vertex():
    return compiled(VERTEX)


@pytest.mark.parametrize(("text", "target"), [(PLAIN, "kfp"), (RICH, "kfp"), (VERTEX, "vertex")])
def test_a_good_pipeline_has_no_finding(text, target):
    assert findings(compiled(text), target) == []


# The document


def test_another_schema_version(plain):
    plain.spec["schemaVersion"] = "2.0.0"
    assert findings(plain) == [("schemaVersion", "'2.0.0'")]


@pytest.mark.parametrize("root", ["", "/runs", "hdfs://a/b", "s3://"])
def test_a_pipeline_root_that_the_launcher_skips(plain, root):
    plain.spec["defaultPipelineRoot"] = root
    assert findings(plain) == [("defaultPipelineRoot", repr(root))]


def test_a_pipeline_root_outside_of_google_on_vertex(vertex):
    vertex.spec["defaultPipelineRoot"] = "s3://bucket/root"
    assert findings(vertex, "vertex") == [("defaultPipelineRoot", "'s3://bucket/root'")]


def test_a_key_that_the_pipeline_spec_does_not_know(plain):
    task(plain, "Trainer")["retries"] = 3
    ((where, what),) = findings(plain)
    assert where == "pipeline spec"
    assert 'no field named "retries"' in what


def test_a_key_that_a_container_does_not_know(plain):
    container(plain, "Trainer")["volumeMounts"] = []
    ((where, what),) = findings(plain)
    assert where == "deploymentSpec"
    assert 'no field named "volumeMounts"' in what


def test_a_value_of_the_wrong_type(plain):
    container(plain, "Trainer")["resources"]["cpuLimit"] = "two"
    ((where, what),) = findings(plain)
    assert where == "deploymentSpec"
    assert "cpuLimit" in what


def test_a_key_that_the_platform_spec_does_not_know(plain):
    plain.platform["platform"] = {}
    ((where, what),) = findings(plain)
    assert where == "platform spec"
    assert 'no field named "platform"' in what


# Parameters and artifacts


def test_a_parameter_of_the_pipeline_that_is_not_declared(plain):
    del plain.spec["root"]["inputDefinitions"]["parameters"]["data_source"]
    place = "root.ImageExampleGen.inputs.parameters.source"
    assert findings(plain) == [
        (place, "takes 'data_source' from the DAG around it, which declares no such input")
    ]


def test_a_parameter_of_the_pipeline_without_a_default(plain):
    del plain.spec["root"]["inputDefinitions"]["parameters"]["thresholds"]["defaultValue"]
    assert findings(plain) == [("root.inputDefinitions.parameters.thresholds", "no default value")]


def test_a_parameter_with_the_type_of_schema_2_0(plain):
    declared = plain.spec["root"]["inputDefinitions"]["parameters"]["thresholds"]
    declared["type"] = declared.pop("parameterType")
    assert findings(plain) == [("root.inputDefinitions.parameters.thresholds", "no parameterType")]


@pytest.mark.parametrize(("kind", "name"), [("parameters", "source_hash"), ("artifacts", "model")])
def test_an_input_that_the_component_does_not_declare(plain, kind, name):
    del plain.spec["components"]["Pusher"]["inputDefinitions"][kind][name]
    place = f"root.Pusher.inputs.{kind}.{name}"
    assert findings(plain) == [(place, "the component Pusher declares no such input")]


@pytest.mark.parametrize(("kind", "name"), [("parameters", "run_id"), ("artifacts", "model")])
def test_an_input_that_is_not_given(plain, kind, name):
    del task(plain, "Pusher")["inputs"][kind][name]
    place = f"root.Pusher.inputs.{kind}.{name}"
    assert findings(plain) == [(place, "is needed, and neither given nor has a default")]


def test_an_input_that_is_not_given_may_have_a_default(plain):
    del task(plain, "Pusher")["inputs"]["parameters"]["run_id"]
    plain.spec["components"]["Pusher"]["inputDefinitions"]["parameters"]["run_id"]["defaultValue"] = "x"
    assert findings(plain) == []


@pytest.mark.parametrize("value", [{"constantValue": {"stringValue": "a"}}, {"runtimeParameter": "a"}])
def test_a_value_as_schema_2_0_gives_it(plain, value):
    task(plain, "Pusher")["inputs"]["parameters"]["run_id"] = {"runtimeValue": value}
    place = "root.Pusher.inputs.parameters.run_id"
    assert findings(plain) == [(place, f"its value is given as {next(iter(value))}")]


def test_an_output_that_its_step_does_not_declare(plain):
    del plain.spec["components"]["Baseline"]["outputDefinitions"]["artifacts"]["baseline_model"]
    what = "is the output 'baseline_model' of Baseline, which declares no such output"
    assert findings(plain) == [
        ("root.Evaluator.inputs.artifacts.baseline_model", what),
        ("root.Report.inputs.artifacts.baseline_model", what),
    ]


def test_an_output_of_a_task_that_is_not_there(plain):
    source = task(plain, "Pusher")["inputs"]["artifacts"]["model"]["taskOutputArtifact"]
    source["producerTask"] = "Tuner"
    place = "root.Pusher.inputs.artifacts.model"
    assert findings(plain) == [(place, "comes from the task 'Tuner', which is not there")]


# Tasks


def test_a_consumed_output_that_dependent_tasks_do_not_name(plain):
    task(plain, "Transform")["dependentTasks"].remove("SchemaGen")
    place = "root.Transform.inputs.artifacts.schema"
    assert findings(plain) == [(place, "comes from SchemaGen, and dependentTasks does not name SchemaGen")]


def test_a_dependency_that_is_no_task(plain):
    task(plain, "Transform")["dependentTasks"].append("Tuner")
    assert findings(plain) == [("root.Transform.dependentTasks", "names 'Tuner', which is not a task")]


def test_a_cycle(plain):
    task(plain, "ImageExampleGen")["dependentTasks"] = ["StatisticsGen"]
    assert ("root.ImageExampleGen.dependentTasks", "leads back to the task itself") in findings(plain)
    assert ("root.StatisticsGen.dependentTasks", "leads back to the task itself") in findings(plain)


def test_a_component_that_is_not_declared(plain):
    task(plain, "Verdict")["componentRef"]["name"] = "Judge"
    assert ("root.Verdict", "refers to the component 'Judge'") in findings(plain)


def test_an_exit_handler_whose_inner_dag_does_not_declare_its_parameters(plain):
    """What TFX makes of an exit handler and RuntimeParameters, and kfp's own parser accepts."""
    inner = {"dag": plain.spec["root"]["dag"]}
    plain.spec["components"]["tfx-dag"] = inner
    plain.spec["root"]["dag"] = {"tasks": {"tfx-dag": {"componentRef": {"name": "tfx-dag"}}}}
    places = [where for where, what in findings(plain) if "declares no such input" in what]
    assert sorted(places) == [
        "components.tfx-dag.Baseline.inputs.parameters.push_destination",
        "components.tfx-dag.DataCheck.inputs.parameters.push_destination",
        "components.tfx-dag.Evaluator.inputs.parameters.thresholds",
        "components.tfx-dag.ImageExampleGen.inputs.parameters.source",
        "components.tfx-dag.Pusher.inputs.parameters.because",
        "components.tfx-dag.Pusher.inputs.parameters.push_destination",
    ]


# Executors


@pytest.mark.parametrize(
    ("kind", "executor"),
    [
        ("resolver", {"resolver": {"outputArtifactQueries": {}}}),
        ("importer", {"importer": {"artifactUri": {"constant": "s3://a/b"}}}),
        ("customJob", {"customJob": {"customJob": {}}}),
    ],
)
def test_an_executor_that_is_no_container(plain, vertex, kind, executor):
    for pipeline in (plain, vertex):
        pipeline.spec["deploymentSpec"]["executors"]["Baseline_executor"] = executor
    assert findings(plain) == [("deploymentSpec.executors.Baseline_executor", f"is a {kind}")]
    assert findings(vertex, "vertex") == []


def test_a_hook(plain, vertex):
    hook = {"preCacheCheck": {"command": ["python"]}}
    for pipeline in (plain, vertex):
        container(pipeline, "ImageExampleGen")["lifecycle"] = hook
    place = "deploymentSpec.executors.ImageExampleGen_executor.container.lifecycle"
    assert findings(plain) == [(place, "has preCacheCheck")]
    assert findings(vertex, "vertex") == []


@pytest.mark.parametrize(
    ("image", "what"),
    [
        ("headstart", "the image has neither tag nor digest"),
        ("headstart:latest", "the tag latest may be another image tomorrow"),
        ("", "not the name of an image"),
    ],
)
def test_an_image_that_may_change(plain, image, what):
    container(plain, "Trainer")["image"] = image
    ((where, found),) = findings(plain)
    assert where == "deploymentSpec.executors.Trainer_executor.container.image"
    assert what in found


def test_a_container_without_a_command(plain):
    del container(plain, "Trainer")["command"]
    place = "deploymentSpec.executors.Trainer_executor.container.command"
    assert findings(plain) == [(place, "is missing")]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("module_file", "/home/me/trainer.py"),
        ("module_path", "trainer@s3://bucket/_wheels/tfx_user_code_Trainer-0.0.whl"),
    ],
)
def test_user_code_that_is_a_file(plain, name, code):
    plain.spec["components"]["Trainer"]["inputDefinitions"]["parameters"][name] = {"parameterType": "STRING"}
    task(plain, "Trainer")["inputs"]["parameters"][name] = {"runtimeValue": {"constant": code}}
    assert findings(plain) == [(f"root.Trainer.inputs.parameters.{name}", f"user code as a file: {code!r}")]


def test_a_wheel_in_a_command(plain):
    container(plain, "Trainer")["args"].append("--extra_package=user_code.whl")
    ((where, what),) = findings(plain)
    assert where == "deploymentSpec.executors.Trainer_executor.container.args"
    assert what == "user code as a file: '--extra_package=user_code.whl'"


def test_accelerators_with_the_names_of_the_other_target(rich, vertex):
    container(rich, "Trainer")["resources"]["accelerator"]["type"] = "NVIDIA_L4"
    container(vertex, "Trainer")["resources"]["accelerator"]["type"] = "nvidia.com/gpu"
    place = "deploymentSpec.executors.Trainer_executor.container.resources.accelerator.type"
    assert findings(rich) == [(place, "'NVIDIA_L4'")]
    assert findings(vertex, "vertex") == [(place, "'nvidia.com/gpu'")]


def test_an_executor_that_no_component_has(plain):
    executors = plain.spec["deploymentSpec"]["executors"]
    executors["spare"] = executors["Trainer_executor"]
    assert findings(plain) == [("deploymentSpec.executors.spare", "no component has this executor")]


def test_a_component_whose_executor_is_not_there(plain):
    del plain.spec["deploymentSpec"]["executors"]["Trainer_executor"]
    assert (
        "components.Trainer.executorLabel",
        "names 'Trainer_executor', which is not in deploymentSpec.executors",
    ) in findings(plain)


def test_a_component_that_no_task_uses(plain):
    plain.spec["components"]["Spare"] = plain.spec["components"]["Trainer"]
    assert findings(plain) == [("components.Spare", "no task uses it")]


@pytest.mark.parametrize("step", NEVER_CACHED)
def test_a_step_with_effects_that_may_come_from_the_cache(plain, step):
    task(plain, step)["cachingOptions"] = {"enableCache": True}
    assert findings(plain) == [(f"root.{step}.cachingOptions", f"{step} may be taken from the cache")]


def test_the_steps_with_effects_are_known_by_their_executors(plain):
    classes = {container(plain, step)["args"][1]: step for step in NEVER_CACHED}
    assert classes == EXECUTOR_CLASSES


@pytest.mark.parametrize(
    ("key", "value", "where", "what"),
    [
        ("backoffMaxDuration", None, "", "backoffMaxDuration is missing"),
        ("backoffDuration", "0.5s", ".backoffDuration", "'0.5s'"),
        ("backoffFactor", 1.5, ".backoffFactor", "1.5"),
    ],
)
def test_retries_that_the_backend_cannot_do(plain, key, value, where, what):
    policy = task(plain, "Trainer")["retryPolicy"]
    policy.update({key: value} if value else {})
    if value is None:
        del policy[key]
    assert findings(plain) == [(f"root.Trainer.retryPolicy{where}", what)]


# The platform


def entries(pipeline) -> dict:
    return pipeline.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


PLATFORM = "platforms.kubernetes.deploymentSpec.executors"


def test_a_platform_entry_of_no_executor(rich):
    entries(rich)["Tuner_executor"] = {}
    assert findings(rich) == [(f"{PLATFORM}.Tuner_executor", "no executor has this label")]


def test_another_platform(plain):
    plain.platform["platforms"]["nomad"] = {"deploymentSpec": {}}
    assert findings(plain) == [("platforms.nomad", "unknown platform")]


def test_keys_that_the_driver_does_not_know(rich):
    executor_config(rich, "Trainer")["nodeSelectors"] = {}
    executor_config(rich, "Trainer")["pvcMount"][1]["readOnly"] = True
    place = f"{PLATFORM}.Trainer_executor"
    assert findings(rich) == [
        (f"{place}.nodeSelectors", "unknown key"),
        (f"{place}.pvcMount.1.readOnly", "unknown key"),
    ]


def test_a_volume_name_that_a_pod_would_have_twice(rich):
    executor_config(rich, "Trainer")["secretAsVolume"][0]["secretName"] = "runs"
    assert findings(rich) == [(f"{PLATFORM}.Trainer_executor", "mounts 'runs' 2 times")]


def test_a_platform_for_vertex(vertex, rich):
    vertex.platform.update(rich.platform)
    assert findings(vertex, "vertex") == [("platforms.kubernetes", "settings of Kubernetes")]


def test_the_known_keys_are_those_that_are_written(rich):
    for config in entries(rich).values():
        assert config.keys() <= EXECUTOR_CONFIG_KEYS


# The error


def test_the_error_lists_every_finding(plain):
    plain.spec["schemaVersion"] = "2.0.0"
    container(plain, "Trainer")["image"] = "headstart"
    error = LintError(lint(plain.spec, plain.platform, "kfp"))
    assert str(error).splitlines() == [
        "the compiled pipeline has 2 faults",
        "  schemaVersion: '2.0.0'. The open-source backend and Vertex' template gallery take 2.1.0 only. "
        "Compile with use_pipeline_spec_2_1=True.",
        "  deploymentSpec.executors.Trainer_executor.container.image: 'headstart': the image has neither tag "
        "nor digest. Runs of different code could not be told apart, and the cache would mix them up. "
        "Name the image with a tag of its own or a digest.",
    ]
