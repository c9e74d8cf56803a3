"""`headstart schedule` against a server that speaks Kubeflow Pipelines' API."""

import re

import pytest

from pipeline.cli import main
from pipeline.kubeflow import compile as compiler
from pipeline.kubeflow import schedules
from tests.kfp_server import KfpServer
from tests.tiny_kubeflow import compiled_pipeline, prepare_workplace, write_config

MONDAYS = "0 3 * * 1"


@pytest.fixture
def server():
    with KfpServer() as running:
        yield running


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    return prepare_workplace(tmp_path, monkeypatch)


def schedule(server, *arguments, config="clothes.yaml"):
    return main(["schedule", config, "--host", server.address, *arguments])


def only(server):
    (recurring_run,) = server.recurring_runs.values()
    return recurring_run


def test_the_posted_recurring_run_holds_spec_platform_and_six_fields(workplace, server, capsys):
    assert schedule(server, "--cron", MONDAYS, "--parameter", "data_source=s3://photos/new") == 0
    (posted,) = server.posted("/recurringruns")
    compiled = compiled_pipeline()
    assert posted["pipeline_spec"] == {"pipeline_spec": compiled.spec, "platform_spec": compiled.platform}
    assert posted["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * 1"}}
    assert posted["mode"] == "ENABLE"
    assert posted["no_catchup"] is True
    assert int(posted["max_concurrency"]) == 1
    assert posted["display_name"] == "tiny_clothes"
    assert posted["service_account"] == "pipeline-runner"
    assert posted["runtime_config"] == {
        "parameters": {"data_source": "s3://photos/new"},
        "pipeline_root": "s3://artifacts/clothes",
    }
    (experiment,) = server.experiments.values()
    assert posted["experiment_id"] == experiment["experiment_id"]
    shown = capsys.readouterr().out
    assert "Scheduled.\ntiny_clothes: at 03:00 every Monday; next: 20" in shown
    assert f'(Kubeflow\'s cron "0 0 3 * * 1"), id {only(server)["recurring_run_id"]}' in shown


@pytest.mark.parametrize("again", [MONDAYS, "0 0 3 * * 1", " 0  3 * * 1 "])
def test_the_same_call_again_changes_nothing(workplace, server, capsys, again):
    assert schedule(server, "--cron", MONDAYS) == 0
    before = server.changes()
    assert schedule(server, "--cron", again) == 0
    assert server.changes() == before
    assert "Nothing has changed.\n" in capsys.readouterr().out


def test_what_the_server_makes_of_the_pipeline_is_no_change(workplace, server, capsys):
    assert schedule(server, "--cron", MONDAYS) == 0
    kept = only(server)
    kept["pipeline_spec"] = {
        "root": {"dag": {}},
        "components": {},
    }  # keys in another order, and defaults left out
    kept["trigger"]["cron_schedule"]["start_time"] = kept["created_at"]
    before = server.changes()
    assert schedule(server, "--cron", MONDAYS) == 0
    assert server.changes() == before
    assert "Nothing has changed.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        ["--cron", "0 4 * * 1"],
        ["--cron", MONDAYS, "--set", "cluster.image=registry.example.com/headstart:9"],
        ["--cron", MONDAYS, "--set", "cluster.service_account=other"],
        ["--cron", MONDAYS, "--set", "cluster.pipeline_root=s3://artifacts/other"],
        ["--cron", MONDAYS, "--parameter", "data_source=s3://photos/new"],
        ["--cron", MONDAYS, "--experiment", "other"],
    ],
    ids=lambda change: change[-1],
)
def test_a_change_makes_a_new_one_before_the_old_one_goes(workplace, server, capsys, change):
    assert schedule(server, "--cron", MONDAYS) == 0
    old = only(server)["recurring_run_id"]
    server.requests.clear()
    assert schedule(server, *change) == 0
    assert [line for line in server.changes() if "experiments" not in line] == [
        "POST recurringruns",
        f"DELETE recurringruns/{old}",
    ]
    assert only(server)["mode"] == "ENABLE"
    assert "The schedule has changed: the new one is made, the old one deleted.\n" in capsys.readouterr().out


def test_other_schedules_are_left_alone(workplace, server):
    for name in ("a", "b", "c"):  # more than a page of the server
        assert schedule(server, "--cron", MONDAYS, "--name", name) == 0
    assert schedule(server, "--cron", "@daily", "--name", "c") == 0
    assert schedule(server, "--delete", "--name", "b") == 0
    crons = {run["display_name"]: run["trigger"] for run in server.recurring_runs.values()}
    assert crons == {
        "a": {"cron_schedule": {"cron": "0 0 3 * * 1"}},
        "c": {"cron_schedule": {"cron": "0 0 0 * * *"}},
    }


def test_what_a_crash_leaves_behind_is_cleared_by_the_next_call(workplace, server, capsys, monkeypatch):
    assert schedule(server, "--cron", MONDAYS) == 0
    with monkeypatch.context() as crash:
        crash.setattr(schedules, "_delete", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert schedule(server, "--cron", "@daily") == 130
    assert len(server.recurring_runs) == 2
    capsys.readouterr()
    assert schedule(server, "--cron", "@daily") == 0
    assert only(server)["trigger"] == {"cron_schedule": {"cron": "0 0 0 * * *"}}
    assert "Nothing has changed. Deleted 1 that an earlier call left behind." in capsys.readouterr().out


def test_a_crash_before_the_new_one_is_made_leaves_the_old_one(workplace, server):
    assert schedule(server, "--cron", MONDAYS) == 0
    server.answers = {("POST", "/recurringruns"): (500, {"message": "database is gone"})}
    assert schedule(server, "--cron", "@daily") == 2
    assert only(server)["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * 1"}}


def test_two_calls_at_the_same_time_keep_the_same_one(workplace, server):
    """The other call makes its own between our look and our making."""
    reply = server.reply

    def another_call_first(method, path, query, body):
        if method == "POST" and path.endswith("/recurringruns") and not server.recurring_runs:
            reply(method, path, query, body)
        return reply(method, path, query, body)

    server.reply = another_call_first
    assert schedule(server, "--cron", MONDAYS) == 0
    first = only(server)["recurring_run_id"]
    assert schedule(server, "--cron", MONDAYS) == 0
    assert only(server)["recurring_run_id"] == first


def test_pause_and_resume(workplace, server, capsys):
    assert schedule(server, "--cron", MONDAYS) == 0
    identifier = only(server)["recurring_run_id"]
    assert schedule(server, "--pause") == 0
    assert only(server)["mode"] == "DISABLE"
    assert "tiny_clothes: PAUSED, at 03:00 every Monday" in capsys.readouterr().out
    assert schedule(server, "--pause") == 0
    assert schedule(server, "--resume") == 0
    assert only(server)["mode"] == "ENABLE"
    verbs = [line for line in server.changes() if ":" in line]
    assert verbs == [f"POST recurringruns/{identifier}:{verb}" for verb in ("disable", "enable")]


def test_a_paused_schedule_stays_paused_when_it_changes(workplace, server, capsys):
    assert schedule(server, "--cron", MONDAYS) == 0
    assert schedule(server, "--pause") == 0
    assert schedule(server, "--cron", "@daily") == 0
    assert only(server)["mode"] == "DISABLE"
    assert server.posted("/recurringruns")[-1]["mode"] == "DISABLE"
    assert "It is paused." in capsys.readouterr().out


def test_of_two_that_a_crash_left_the_enabled_state_wins(workplace, server, monkeypatch):
    assert schedule(server, "--cron", MONDAYS) == 0
    assert schedule(server, "--pause") == 0
    (wanted,) = server.recurring_runs
    other = only(server) | {"recurring_run_id": "other", "mode": "ENABLE"}
    other["description"] = re.sub("[0-9a-f]{64}", "0" * 64, other["description"])
    server.recurring_runs["other"] = other
    assert schedule(server, "--cron", MONDAYS) == 0
    assert only(server)["recurring_run_id"] == wanted
    assert only(server)["mode"] == "ENABLE"
    assert server.changes()[-2:] == [f"POST recurringruns/{wanted}:enable", "DELETE recurringruns/other"]


def test_delete_removes_it_and_may_be_said_twice(workplace, server, capsys):
    assert schedule(server, "--cron", MONDAYS) == 0
    assert schedule(server, "--delete") == 0
    assert server.recurring_runs == {}
    assert "Deleted tiny_clothes." in capsys.readouterr().out
    assert schedule(server, "--delete") == 0
    assert "There is no schedule 'tiny_clothes'; nothing to delete." in capsys.readouterr().out


def test_one_that_is_gone_when_it_is_deleted_is_no_error(workplace, server):
    assert schedule(server, "--cron", MONDAYS) == 0
    server.answers = {("DELETE", "recurringruns/.*"): (404, {"code": 5, "message": "not found"})}
    assert schedule(server, "--delete") == 0


def test_a_recurring_run_made_by_hand_is_left_alone(workplace, server, capsys):
    assert schedule(server, "--cron", MONDAYS) == 0
    only(server)["description"] = "mine"
    server.requests.clear()
    for arguments in (["--cron", "@daily"], ["--pause"], ["--delete"]):
        assert schedule(server, *arguments) == 2
        shown = capsys.readouterr().err
        assert "was not made by `headstart schedule`" in shown
        assert "--name" in shown
    assert [line for line in server.changes() if "recurringruns" in line] == []
    assert schedule(server, "--cron", "@daily", "--name", "another") == 0
    assert len(server.recurring_runs) == 2


@pytest.mark.parametrize("change", ["--pause", "--resume"])
def test_what_is_not_there_cannot_be_paused(workplace, server, capsys, change):
    assert schedule(server, change) == 2
    assert (
        "there is no schedule 'tiny_clothes'. `headstart schedule CONFIG --cron ...` makes one"
        in capsys.readouterr().err
    )


def test_without_options_the_schedule_is_shown(workplace, server, capsys):
    assert schedule(server) == 0
    shown = capsys.readouterr().out
    assert (
        "There is no schedule 'tiny_clothes'. `headstart schedule clothes.yaml --cron ...` makes one."
        in shown
    )
    assert schedule(server, "--cron", MONDAYS) == 0
    capsys.readouterr()
    assert schedule(server) == 0
    assert capsys.readouterr().out.startswith("tiny_clothes: at 03:00 every Monday; next: ")


def test_all_schedules_are_listed_with_and_without_a_config(workplace, server, capsys):
    assert schedule(server, config="list") == 0
    assert capsys.readouterr().out == "There are no schedules.\n"
    for name in ("a", "b", "c"):
        assert schedule(server, "--cron", MONDAYS, "--name", name) == 0
    first, second, third = server.recurring_runs.values()
    second["mode"] = "DISABLE"
    third |= {"description": "", "trigger": {"periodic_schedule": {"interval_second": "3600"}}}
    first |= {"trigger": {"cron_schedule": {"cron": "0 0 3 ? * 1"}}}
    capsys.readouterr()
    write_config(workplace, host=server.address)
    for arguments in (["list", "--host", server.address], ["clothes.yaml", "--list"]):
        assert main(["schedule", *arguments]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.partition(";")[0] for line in lines] == [
            "a: at 03:00 every Monday",
            "b: PAUSED, at 03:00 every Monday",
            f"c: every 3600 s, id {third['recurring_run_id']}",
        ]
        assert lines[2].endswith("; not made by `headstart schedule`")


def test_only_the_namespace_asked_for_is_looked_at(workplace, server):
    server.namespace = "team"
    assert schedule(server, "--cron", MONDAYS, "--namespace", "team") == 0
    assert schedule(server, "--cron", MONDAYS, "--namespace", "other") == 2
    assert len(server.recurring_runs) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cron", "0 3 * * 7"], "day of week: got '7'"),
        (["--cron", "0 3 * *"], "5 fields"),
        (["--cron", MONDAYS, "--pause"], "--cron and --pause: give one of them"),
        (["--pause", "--parameter", "data_source=x"], "--parameter goes with --cron"),
        (["--cron", MONDAYS, "--parameter", "x=1"], "--parameter x: unknown"),
        (["--cron", MONDAYS, "--set", "cluster.hots=x"], "cluster.host"),
    ],
)
def test_a_mistake_is_found_before_anything_is_compiled(
    workplace, server, capsys, monkeypatch, arguments, message
):
    monkeypatch.setattr(compiler, "compile_pipeline", None)
    assert schedule(server, *arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert server.changes() == []


def test_a_server_that_refuses_is_one_clear_line(workplace, server, capsys):
    server.answers = {
        ("POST", "/recurringruns"): (400, {"code": 3, "message": "Schedule cron is not supported"})
    }
    assert schedule(server, "--cron", MONDAYS) == 2
    shown = capsys.readouterr().err
    assert shown == f"Error: {server.address} refused the request (400): Schedule cron is not supported\n"
