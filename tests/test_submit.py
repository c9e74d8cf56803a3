"""`headstart submit` against a server that speaks Kubeflow Pipelines' API."""

import time
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.cli import main
from pipeline.kubeflow import client, connection
from pipeline.kubeflow import compile as compiler
from tests.kfp_server import KfpServer
from tests.tiny_kubeflow import STEPS, compiled_pipeline, prepare_workplace, write_config


@pytest.fixture
def server():
    with KfpServer() as running:
        yield running


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    return prepare_workplace(tmp_path, monkeypatch)


def submit(server, *arguments):
    return main(["submit", "clothes.yaml", "--host", server.address, *arguments])


def test_the_posted_run_holds_spec_platform_root_and_account(workplace, server, capsys):
    assert submit(server) == 0
    (run,) = server.posted("/runs")
    compiled = compiled_pipeline()
    assert run["pipeline_spec"] == {"pipeline_spec": compiled.spec, "platform_spec": compiled.platform}
    assert run["runtime_config"] == {"parameters": {}, "pipeline_root": "s3://artifacts/clothes"}
    assert run["service_account"] == "pipeline-runner"
    assert run["display_name"].startswith("tiny_clothes 20")
    (experiment,) = server.experiments.values()
    assert experiment["display_name"] == "tiny_clothes"
    assert run["experiment_id"] == experiment["experiment_id"]
    (run_id,) = server.runs
    last_line = capsys.readouterr().out.splitlines()[-1]
    assert last_line == f"Run {run_id}: {server.address}/#/runs/details/{run_id}"


def test_caching_stays_as_it_was_compiled(workplace, server):
    assert submit(server) == 0
    tasks = server.posted("/runs")[0]["pipeline_spec"]["pipeline_spec"]["root"]["dag"]["tasks"]
    cached = {name: task["cachingOptions"].get("enableCache", False) for name, task in tasks.items()}
    assert cached == dict.fromkeys(STEPS, False) | {"Trainer": True}


def test_an_experiment_is_created_once(workplace, server):
    assert submit(server, "--experiment", "weekly") == 0
    assert submit(server, "--experiment", "weekly") == 0
    assert [item["display_name"] for item in server.experiments.values()] == ["weekly"]
    assert len(server.runs) == 2


def test_an_experiment_that_somebody_else_creates_just_now_is_used(workplace, server):
    reply = server.reply

    def created_by_another(method, path, query, body):
        answer = reply(method, path, query, body)
        if method == "POST" and path.endswith("/experiments"):
            return 409, {"code": 6, "message": "already exists"}
        return answer

    server.reply = created_by_another
    assert submit(server) == 0
    assert server.posted("/runs")[0]["experiment_id"] in server.experiments


def test_parameters_and_set_reach_the_run(workplace, server):
    thresholds = '{"accuracy": {"at_least": 0.9}}'
    arguments = ["--parameter", "data_source=s3://photos/b=c", "--parameter", f"thresholds={thresholds}"]
    arguments += ["--because", "version 7: the decoder is fixed"]
    assert submit(server, *arguments, "--set", "cluster.image=registry.example.com/headstart:9") == 0
    (run,) = server.posted("/runs")
    assert run["runtime_config"]["parameters"] == {
        "data_source": "s3://photos/b=c",
        "thresholds": thresholds,
        "because": "version 7: the decoder is fixed",
    }
    executors = run["pipeline_spec"]["pipeline_spec"]["deploymentSpec"]["executors"]
    assert executors["exec-Trainer"]["container"]["image"] == "registry.example.com/headstart:9"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--parameter", "data_sorce=x"], "Did you mean data_source?"),
        (["--parameter", "data_source"], "write NAME=VALUE"),
        (["--parameter", "data_source=a", "--parameter", "data_source=b"], "given twice, as 'a' and 'b'"),
        (["--parameter", "thresholds={accuracy: 1}"], "it is not JSON"),
        (["--host", "localhost:8888"], "--host: got 'localhost:8888'. Use an address with http://"),
        (["--host", "http://localhost:port"], "--host: got"),
        (["--host", ""], "there is no address of Kubeflow Pipelines. Give --host"),
        (["--token-file", "nowhere"], "--token-file: there is no file nowhere"),
        (["--ca-cert", "nowhere"], "--ca-cert: there is no file nowhere"),
        (["--set", "cluster.hots=x"], "cluster.host"),
        (["--follow", "5", "--parameter", "data_source=a"], "--follow starts nothing"),
    ],
)
def test_a_mistake_is_found_before_anything_is_compiled(
    workplace, server, capsys, monkeypatch, arguments, message
):
    monkeypatch.setattr(compiler, "compile_pipeline", None)
    assert submit(server, *arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert server.changes() == []


def test_flags_win_over_the_environment_and_that_over_the_config(workplace, server, monkeypatch):
    write_config(workplace, host="http://localhost:1", experiment="of-config", namespace="of-config")
    server.namespace = "of-environment"
    monkeypatch.setenv("HEADSTART_KFP_HOST", server.address)
    monkeypatch.setenv("HEADSTART_KFP_NAMESPACE", "of-environment")
    monkeypatch.setenv("HEADSTART_KFP_EXPERIMENT", "of-environment")
    monkeypatch.setenv("HEADSTART_KFP_UI_HOST", "https://kubeflow.example.com/pipeline/")
    assert main(["submit", "clothes.yaml", "--experiment", "of-flag"]) == 0
    (experiment,) = server.posted("/experiments")
    assert experiment == {"display_name": "of-flag", "namespace": "of-environment"}


def test_the_config_alone_is_enough(workplace, server, capsys, monkeypatch):
    write_config(workplace, host=server.address + "/", experiment="nightly")
    monkeypatch.setenv("HEADSTART_KFP_UI_HOST", "https://kubeflow.example.com/pipeline/")
    assert main(["submit", "clothes.yaml"]) == 0
    assert [item["display_name"] for item in server.experiments.values()] == ["nightly"]
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .endswith(f": https://kubeflow.example.com/pipeline/#/runs/details/{next(iter(server.runs))}")
    )


def test_a_namespace_is_left_out_where_kubeflow_has_one_user(workplace, server):
    assert submit(server, "--namespace", "kubeflow") == 0
    (experiment,) = server.posted("/experiments")
    assert experiment.get("namespace") in (None, "")


def test_a_kubeflow_of_many_users_wants_a_namespace(workplace, server, capsys):
    server.namespace = "team"
    assert submit(server) == 2
    assert "say whose runs these are with --namespace" in capsys.readouterr().err
    assert submit(server, "--namespace", "team") == 0


def test_nothing_is_read_from_or_written_to_the_home_folder(workplace, server, monkeypatch):
    monkeypatch.setattr(
        client.kfp.Client, "_LOCAL_KFP_CONTEXT", str(workplace / "home/.config/kfp/context.json")
    )
    context = workplace / "home/.config/kfp/context.json"
    assert submit(server) == 0
    assert not (workplace / "home").exists()
    context.parent.mkdir(parents=True)
    context.write_text("{broken")
    assert submit(server) == 0


def test_the_token_comes_from_the_environment_a_file_or_the_mounted_one(
    workplace, server, capsys, monkeypatch
):
    server.token = "s3cret"
    assert submit(server) == 2
    assert "asks for credentials (401): there was none; set HEADSTART_KFP_TOKEN" in capsys.readouterr().err
    (workplace / "mounted-token").write_text("s3cret\n")
    assert submit(server) == 0
    monkeypatch.setenv("HEADSTART_KFP_TOKEN", "wrong")
    assert submit(server) == 2
    assert "the token of HEADSTART_KFP_TOKEN was refused" in capsys.readouterr().err
    (workplace / "token").write_text("s3cret")
    assert submit(server, "--token-file", "token") == 0
    monkeypatch.setenv("HEADSTART_KFP_TOKEN", " s3cret ")
    assert submit(server) == 0
    (workplace / "token").write_text("")
    assert submit(server, "--token-file", "token") == 2
    assert "the token file token is empty" in capsys.readouterr().err


def test_a_token_that_kubernetes_replaces_is_read_again(workplace, server):
    (workplace / "token").write_text("first")
    server.token = "first"
    made = client.Client(
        connection.Connection(server.address, server.address, token_file=workplace / "token")
    )
    (workplace / "token").write_text("second")
    server.token = "second"
    assert made.experiment_id("any") in server.experiments


NOT_FOUND = {"code": 5, "message": "Failed to create: ResourceNotFoundError: it is not there"}


@pytest.mark.parametrize(
    ("path", "answer", "message"),
    [
        ("healthz", (401, {"code": 16, "message": "no"}), "asks for credentials (401): there was none"),
        (
            "healthz",
            (403, "RBAC: access denied", "text/plain"),
            "does not allow this (403): RBAC: access denied",
        ),
        (
            "runs",
            (403, {"code": 7, "message": "not authorized"}),
            "does not allow this (403): not authorized",
        ),
        ("healthz", (404, "not found", "text/plain"), "has nothing at /apis/v2beta1/healthz (404)"),
        ("runs", (404, NOT_FOUND), "does not know it (404): Failed to create: ResourceNotFoundError"),
        ("runs", (409, {"code": 6, "message": "exists"}), "has it already (409): exists"),
        ("runs", (400, {"code": 3, "message": "bad\nspec"}), "refused the request (400): bad spec"),
        ("runs", (500, {"code": 13, "error": "x" * 2000}), "failed (500): ... xxx"),
        ("healthz", (503, "<html>no upstream</html>", "text/html"), "failed (503): Service Unavailable"),
        (
            "healthz",
            (200, "<html>Log in</html>", "text/html"),
            "answered with a page, not as Kubeflow Pipelines",
        ),
    ],
)
def test_a_refusal_is_one_clear_line(workplace, server, capsys, path, answer, message):
    server.answers = {("GET" if path == "healthz" else "POST", path): answer}
    assert submit(server) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"Error: {server.address}") or "answered with a page" in shown
    assert message in shown
    assert len(shown.splitlines()) == 1
    assert len(shown) < 600


def test_an_address_where_nobody_listens_is_one_clear_line(workplace, capsys):
    with KfpServer() as gone:
        address = gone.address
    assert main(["submit", "clothes.yaml", "--host", address]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"Error: {address} cannot be reached: ")
    assert "refused" in shown
    assert len(shown.splitlines()) == 1
    assert main(["submit", "clothes.yaml", "--host", "http://nowhere.invalid"]) == 2
    shown = capsys.readouterr().err
    assert "http://nowhere.invalid cannot be reached" in shown
    assert len(shown.splitlines()) == 1


def test_a_server_that_does_not_answer_is_given_up(workplace, server, capsys, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", (0.2, 0.2))
    server.delay_seconds = 1.0
    assert submit(server) == 2
    assert "does not answer in time" in capsys.readouterr().err


def test_a_run_is_posted_once_even_when_the_answer_is_late(workplace, server, capsys, monkeypatch):
    """Posted again, it would run twice."""
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", (0.3, 0.3))
    reply = server.reply

    def slow_to_create(method, path, query, body):
        if (method, path[-5:]) == ("POST", "/runs"):
            time.sleep(0.6)
        return reply(method, path, query, body)

    server.reply = slow_to_create
    assert submit(server) == 2
    assert len(server.posted("/runs")) == 1
    shown = capsys.readouterr().err
    assert "does not answer in time" in shown
    assert f"The run may have been started all the same: see {server.address}/#/runs" in shown


@pytest.fixture
def certificate(tmp_path):
    """A key and a certificate for localhost that nobody trusts, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return str(file)


def test_an_unknown_certificate_is_refused_until_it_is_given(workplace, certificate, capsys):
    with KfpServer(certificate) as server:
        assert submit(server) == 2
        shown = capsys.readouterr().err
        assert f"no secure connection to {server.address}" in shown
        assert "certificate verify failed" in shown
        assert "--ca-cert FILE" in shown
        assert submit(server, "--ca-cert", certificate) == 0
        assert len(server.runs) == 1


def test_https_where_there_is_http_is_one_clear_line(workplace, server, capsys):
    assert main(["submit", "clothes.yaml", "--host", server.address.replace("http", "https")]) == 2
    assert "no secure connection to https://localhost" in capsys.readouterr().err
