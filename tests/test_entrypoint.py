"""What the container entrypoint does between Kubeflow's launcher and a TFX executor."""

import json

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor
from tfx.orchestration.kubeflow.v2.container.kubeflow_v2_entrypoint_utils import parse_raw_artifact_dict
from tfx.types.standard_artifacts import Model

import components
from components import artifacts
from components.errors import NotBlessed, RunStopped
from pipeline.kubeflow import entrypoint


def executor_input(folder, **outputs) -> dict:
    """Returns an ExecutorInput with one input, the given outputs and the driver's own."""
    listed = {name: {"artifacts": [{"name": name, "uri": uri}]} for name, uri in outputs.items()}
    logs = {"uri": "s3://bucket/logs", "type": {"schemaTitle": "system.Artifact"}}
    return {
        "inputs": {"artifacts": {"model": {"artifacts": [{"uri": f"s3:/{folder}/in/model"}]}}},
        "outputs": {
            "artifacts": {**listed, "executor-logs": {"artifacts": [logs]}},
            "outputFile": str(folder / "output_metadata.json"),
        },
    }


@pytest.fixture
def launcher_in(tmp_path, monkeypatch):
    """Lets addresses s3:/FOLDER/... lie at FOLDER/..., as s3://bucket/... lies at /s3/bucket/... in a pod."""
    monkeypatch.setattr(entrypoint, "LOCAL_FOLDERS", {f"s3:/{tmp_path}": str(tmp_path)})
    return tmp_path


def write_output(local: dict, **uris) -> None:
    """Writes what TFX's entrypoint writes: the artifacts with the URIs that it was given."""
    produced = {name: {"artifacts": [{"uri": uri, "metadata": {"n": 1}}]} for name, uri in uris.items()}
    with open(local["outputs"]["outputFile"], "w") as file:
        json.dump({"artifacts": produced}, file)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("s3://bucket/a/b", "/s3/bucket/a/b"),
        ("gs://bucket/a", "/gcs/bucket/a"),
        ("minio://mlpipeline/v2/a", "/minio/mlpipeline/v2/a"),
    ],
)
def test_an_address_lies_where_the_launcher_keeps_it(address, path):
    assert str(entrypoint.launcher_path(address)) == path


def test_an_address_that_the_launcher_skips_is_refused_with_those_it_takes():
    with pytest.raises(
        ValueError, match=r"/runs/x lies where .* cluster.pipeline_root .* s3://, gs://, minio://"
    ):
        entrypoint.launcher_path("/runs/x")


def test_the_executor_sees_local_paths_and_no_logs_and_the_launcher_sees_addresses_again(launcher_in):
    address = f"s3:/{launcher_in}/out/examples"
    given = executor_input(launcher_in, examples=address)
    with entrypoint.workspace(given) as local:
        (model,) = local["inputs"]["artifacts"]["model"]["artifacts"]
        (examples,) = local["outputs"]["artifacts"]["examples"]["artifacts"]
        assert model["uri"] == f"{launcher_in}/in/model"
        assert examples["uri"] == f"{launcher_in}/out/examples"
        assert list(local["outputs"]["artifacts"]) == ["examples"]
        assert (launcher_in / "out" / "examples").is_dir()
        write_output(local, examples=examples["uri"])
    said = json.loads((launcher_in / "output_metadata.json").read_text())
    assert said == {"artifacts": {"examples": {"artifacts": [{"uri": address, "metadata": {"n": 1}}]}}}
    assert "executor-logs" in given["outputs"]["artifacts"], "the given document must stay as it is"


@pytest.mark.parametrize(
    "handed_on",
    [{"instanceSchema": ""}, {"schemaTitle": "title: tfx.Model\ntype: object\n"}],
    ids=["2.17", "later"],
)
def test_inputs_have_the_types_that_the_component_declares_whatever_the_driver_says(handed_on):
    declared = {"instanceSchema": "title: tfx.Model\ntype: object\n"}
    model = {"uri": "s3://bucket/model", "type": handed_on}
    given = {"inputs": {"artifacts": {"model": {"artifacts": [model]}}}}
    entrypoint.declare_types(given, {"artifacts": {"model": {"artifactType": declared}}})
    assert model["type"] == declared
    read = json_format.ParseDict(given, pipeline_spec_pb2.ExecutorInput())
    assert isinstance(parse_raw_artifact_dict(read.inputs.artifacts)["model"][0], Model)


def test_with_a_shared_folder_the_step_works_on_copies_there_and_leaves_nothing(launcher_in):
    shared = launcher_in / "shared" / "beam"  # made when it is missing
    (launcher_in / "in" / "model").mkdir(parents=True)
    (launcher_in / "in" / "model" / "weights").write_text("w")
    with entrypoint.workspace(
        executor_input(launcher_in, examples=f"s3:/{launcher_in}/out/examples"), str(shared)
    ) as local:
        (model,) = local["inputs"]["artifacts"]["model"]["artifacts"]
        (examples,) = local["outputs"]["artifacts"]["examples"]["artifacts"]
        assert model["uri"].startswith(str(shared))
        with open(f"{model['uri']}/weights") as file:
            assert file.read() == "w"
        with open(f"{examples['uri']}/shard", "w") as file:
            file.write("s")
        # TFX derives the folder of a step's temporary files from it.
        assert local["outputs"]["outputFile"].startswith(str(shared))
        write_output(local, examples=examples["uri"])
    said = json.loads((launcher_in / "output_metadata.json").read_text())
    assert said["artifacts"]["examples"]["artifacts"][0]["uri"] == f"s3:/{launcher_in}/out/examples"
    assert (launcher_in / "out" / "examples" / "shard").read_text() == "s"
    assert list(shared.iterdir()) == []


def test_a_failed_step_leaves_nothing_in_the_shared_folder_and_hands_nothing_over(launcher_in):
    shared = launcher_in / "shared"
    shared.mkdir()
    (launcher_in / "in" / "model").mkdir(parents=True)
    given = executor_input(launcher_in, examples=f"s3:/{launcher_in}/out/examples")
    with pytest.raises(RuntimeError, match="lost"), entrypoint.workspace(given, str(shared)):
        raise RuntimeError("lost")
    assert list(shared.iterdir()) == []
    assert not (launcher_in / "out").exists()


def test_every_artifact_type_is_found_by_its_name():
    types = [value for value in vars(artifacts).values() if hasattr(value, "TYPE_NAME")]
    assert len(types) >= 5
    for artifact_type in types:
        package, _, name = artifact_type.TYPE_NAME.partition(".")
        assert package == "components"
        assert getattr(components, name) is artifact_type


def test_the_package_has_no_other_names():
    with pytest.raises(AttributeError, match="no_such_step"):
        _ = components.no_such_step


@pytest.mark.parametrize(
    ("error", "exit_code", "last_words"),
    [
        (None, 0, ""),
        (RunStopped("41 broken images"), 4, "data_check stopped the run: 41 broken images"),
        (NotBlessed("accuracy is 0.4"), 3, "data_check stopped the run: accuracy is 0.4"),
        (OSError("disk full"), 1, "data_check failed: OSError: disk full"),
    ],
)
def test_a_step_ends_with_the_exit_code_of_a_local_run_and_the_reason(
    launcher_in, monkeypatch, capsys, error, exit_code, last_words
):
    declared = {"instanceSchema": "title: tfx.Model\ntype: object\n"}
    inputs_spec = {"artifacts": {"model": {"artifactType": declared}}}

    def step(arguments):
        local = json.loads(arguments[0].json_serialized_invocation_args)
        assert local["inputs"]["artifacts"]["model"]["artifacts"][0]["type"] == declared
        if error:
            raise error
        write_output(local)

    monkeypatch.setattr(kubeflow_v2_run_executor, "main", step)
    code = entrypoint.main(
        [
            *("--executor_class_path", "components.data_check.executor.Executor"),
            *("--json_serialized_invocation_args", json.dumps(executor_input(launcher_in))),
            *("--json_serialized_inputs_spec_args", json.dumps(inputs_spec)),
        ]
    )
    assert code == exit_code
    assert capsys.readouterr().err.strip().endswith(last_words)
