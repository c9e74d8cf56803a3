"""`headstart prune` and `keep`: what goes, and what stays whatever its age."""

import json
import os
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from components.pusher import fetch, history, remote_push, withdrawals
from components.pusher.push import push
from components.pusher.rollback import rollback
from modules.storage import files_below, is_remote, location
from pipeline import beam_runner, output_lock
from pipeline.cli import main
from pipeline.config_file import load_config
from tests.finished_runs import finish_a_run
from tests.pushed_models import WEIGHTS, tree
from tests.tiny_images import write_class_folders

DAY = timedelta(days=1)
NOW = datetime.now(timezone.utc)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_class_folders(tmp_path / "photos", ("cat", "dog"), count=30)
    write_config(tmp_path)
    return tmp_path


def write_config(folder: Path, output: str = "out", more: str = "") -> None:
    text = f"name: photos\noutput: {output}\ndata: {{source: photos}}\nmodel: {{weights: none}}\n{more}\n"
    (folder / "photos.yaml").write_text(text)


@pytest.fixture(params=["folder", "address"])
def place(request, workplace):
    """Path or address of an output with a config for it in the working directory."""
    if request.param == "folder":
        return workplace / "out"
    output = f"{request.getfixturevalue('s3_bucket')}/photos"
    write_config(workplace, output)
    return location(output)


def prune(*arguments: str) -> int:
    return main(["prune", "photos.yaml", *(part for one in arguments for part in expanded(one))])


def expanded(argument: str) -> list[str]:
    return [argument] if argument.startswith("--") else ["--set", f"keep.{argument}"]


def run_id(days_ago: float) -> str:
    return (NOW - days_ago * DAY).strftime("%Y%m%d-%H%M%S")


def push_model(place, graph: str, days_ago: float = 0, report: bool = True, **manifest) -> int:
    """Pushes a model as a run of a former day does, with its report; returns the number of the version."""
    model = Path("models") / graph
    (model / "variables").mkdir(parents=True, exist_ok=True)
    (model / "saved_model.pb").write_text(graph)
    (model / WEIGHTS).write_text(graph * 1000)
    at = (NOW - days_ago * DAY).isoformat(timespec="seconds")
    pushed = push(model, place / "serving", facts={"pushed_at": at, **manifest})
    if report:
        config = load_config("photos.yaml")
        finish_a_run(
            config,
            "images",
            run_id=run_id(days_ago),
            pushed_version=pushed.version,
            pushed_path=str(pushed.path),
        )
    return pushed.version


def numbers(place) -> list[int]:
    return [version.number for version in history.read(str(place / "serving"))]


def names(folder) -> list[str]:
    return sorted({name.partition("/")[0] for name in files_below(folder)})


def leave_run(output: Path, days_ago: float) -> None:
    """Leaves log, report and curves of a run whose model was not blessed."""
    config, name = load_config("photos.yaml"), run_id(days_ago)
    finish_a_run(config, "images", blessed=False, run_id=name)
    write(output / "logs" / f"{name}.log")
    write(
        output / "tensorboard" / f"{name}-0123456789abcdef" / "1_head" / "train" / "events.out.tfevents.1.v2"
    )


def write(file) -> None:
    if not is_remote(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * 500_000)


# Versions


def test_versions_beyond_the_newest_go_and_the_last_line_says_how_much(place, capsys):
    for day, graph in zip(range(9, 0, -1), "abcdefghi", strict=True):
        push_model(place, graph, day)
    before = numbers(place)
    assert prune("versions=3", "--dry-run") == 0
    shown = capsys.readouterr().out.splitlines()
    assert numbers(place) == before == list(range(1, 10))
    assert [line.split()[-1] for line in shown[:-1]] == [f"{place}/serving/{n}" for n in range(1, 7)]
    assert re.fullmatch(r"Would free 0\.\d MB: 6 versions\.", shown[-1])

    assert prune("versions=3") == 0
    removed = capsys.readouterr().out.splitlines()
    assert removed[:-1] == shown[:-1]
    assert removed[-1] == shown[-1].replace("Would free", "Freed")
    assert numbers(place) == [7, 8, 9]
    assert {int(name) for name in names(place / "serving") if name.isdigit()} == {7, 8, 9}
    assert len(names(place / "reports")) == 9  # keep.runs is not set
    assert prune("versions=3") == 0
    assert capsys.readouterr().out == "Freed 0.0 MB: there is nothing but what the config keeps.\n"


def test_what_serves_and_what_a_rollback_would_go_back_to_stay(place):
    for day, graph in ((400, "a"), (300, "b"), (200, "c"), (100, "d")):
        push_model(place, graph, day)
    assert prune("days=1", "versions=1") == 0
    assert numbers(place) == [3, 4]
    assert rollback(str(place / "serving")).copy_of == 3


def test_an_empty_folder_with_the_newest_number_hides_neither_what_serves_nor_its_fallback(workplace):
    for graph in "abcd":
        push_model(workplace / "out", graph, 5)
    (workplace / "out/serving/9").mkdir()
    assert prune("versions=1") == 0
    assert numbers(workplace / "out") == [3, 4, 9]


def test_withdrawn_models_stay_and_are_still_recognised(place):
    for day, graph in ((9, "a"), (8, "b"), (7, "c"), (6, "d"), (5, "e")):
        push_model(place, graph, day)
    rollback(str(place / "serving"), to=2)
    push_model(place, "f", 3)
    push_model(place, "g", 2)
    withdrawn = withdrawals.read(str(place / "serving"))
    assert prune("versions=1") == 0
    # 1 is old; 2 the original of 6; 3, 4, 5 withdrawn; 6 an older copy; 7 the fallback; 8 serves
    assert numbers(place) == [3, 4, 5, 7, 8]
    assert withdrawals.read(str(place / "serving")) == withdrawn
    assert push_model(place, "h", 0) == 9


def test_after_a_rollback_fresh_still_knows_what_happened(workplace, capsys):
    place = workplace / "out"
    for day, graph in ((9, "a"), (8, "b"), (7, "c")):
        push_model(place, graph, day)
    config = load_config("photos.yaml")
    finish_a_run(config, run_id=run_id(7))
    rollback(str(place / "serving"))
    rollback(str(place / "serving"), to=3)
    rollback(str(place / "serving"), to=1)
    assert prune("versions=1", "runs=1") == 0
    assert main(["fresh", "photos.yaml"]) == 0
    assert "was rolled back" in capsys.readouterr().out


def test_versions_younger_than_the_days_stay_however_many(place):
    for day, graph in ((9, "a"), (8, "b"), (3, "c"), (2, "d"), (1, "e")):
        push_model(place, graph, day)
    assert prune("versions=1", "days=5") == 0
    assert numbers(place) == [3, 4, 5]


def test_the_baseline_of_the_newest_run_stays(workplace):
    place = workplace / "out"
    for graph in "abcdef":
        push_model(place, graph, 5)
    for execution, version in ((8, 1), (21, 2)):
        file = place / f"pipeline/Baseline/baseline_model/{execution}/baseline.json"
        write(file)
        file.write_text(json.dumps({"version": version, "reason": ""}))
    assert prune("versions=1") == 0
    assert numbers(place) == [2, 5, 6]


def test_what_somebody_else_put_there_stays_and_is_named(workplace, capsys):
    place = workplace / "out"
    for graph in "abcd":
        push_model(place, graph, 5)
    push_model(place, "theirs", 4, name="shoes")
    push_model(place, "e", 3, name="photos")
    push_model(place, "f", 3)
    write(place / "serving/0/saved_model.pb")
    write(place / "serving/backup/saved_model.pb")
    (place / "serving/notes.txt").write_text("")
    (place / "elsewhere").mkdir()
    (place / "serving/00").symlink_to(place / "elsewhere")
    assert prune("versions=1") == 0
    shown = capsys.readouterr().out
    assert names(place / "serving") == [".push.lock", "0", "5", "6", "7", "backup", "notes.txt"]
    named = re.findall(r"Left alone, because this pipeline did not make it: .*/serving/(.*)", shown)
    assert named == ["0", "00", "5", "backup", "notes.txt"]


def test_a_local_version_is_hidden_before_it_is_removed_and_the_rest_goes_next_time(workplace, monkeypatch):
    place = workplace / "out"
    for graph in "abcd":
        push_model(place, graph, 5)
    seen = []

    def killed(folder):
        seen.append(Path(folder).name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fetch.shutil, "rmtree", killed)
        assert prune("versions=1") == 130
    assert seen == [".removing-1"]
    assert numbers(place) == [2, 3, 4]
    assert prune("versions=1") == 0
    assert names(place / "serving") == [".push.lock", "3", "4"]


def test_in_a_store_the_manifest_goes_first_and_a_later_push_removes_what_a_killed_removal_left(
    workplace, s3_bucket, monkeypatch
):
    output = f"{s3_bucket}/photos"
    write_config(workplace, output)
    place = location(output)
    for graph in "abcd":
        push_model(place, graph, 5)
    gone = []

    def unlink(file):
        if len(gone) == 2:
            raise KeyboardInterrupt
        gone.append(str(file).partition("/serving/")[2])
        file.unlink()

    with monkeypatch.context() as patched:
        patched.setattr(remote_push, "_remove", unlink)
        assert prune("versions=1") == 130
    assert gone == ["1/assets.extra/headstart/manifest.json", "1/saved_model.pb"]
    assert numbers(place) == [2, 3, 4]
    monkeypatch.setattr(remote_push, "LEFTOVER_AGE", timedelta(0))
    push_model(place, "e")
    assert names(place / "serving") == ["2", "3", "4", "5"]


def test_numbers_are_not_given_again(place):
    for graph in "abcd":
        push_model(place, graph, 5)
    assert prune("versions=1") == 0
    assert push_model(place, "e") == 5


# Runs


def test_reports_logs_and_curves_of_older_runs_go(place):
    for day in (9, 8, 7, 6, 5):
        leave_run(place, day)
    assert prune("runs=2") == 0
    newest = [run_id(6), run_id(5)]
    assert names(place / "reports") == newest
    assert names(place / "logs") == [f"{name}.log" for name in newest] or is_remote(place)
    assert names(place / "tensorboard") == [f"{name}-0123456789abcdef" for name in newest]
    assert {"report.html", "summary.json"} <= set(names(place))


def test_age_alone_decides_where_no_number_is_given_and_the_newest_run_stays_anyway(place):
    for day in (90, 80, 70):
        leave_run(place, day)
    assert prune("days=75") == 0
    assert names(place / "reports") == [run_id(70)]
    assert prune("days=1") == 0
    assert names(place / "reports") == [run_id(70)]
    assert names(place / "tensorboard") == [f"{run_id(70)}-0123456789abcdef"]


def test_runs_younger_than_the_days_stay_however_many(workplace):
    for day in (9, 8, 3, 2, 1):
        leave_run(workplace / "out", day)
    assert prune("runs=1", "days=5") == 0
    assert names(workplace / "out" / "reports") == [run_id(3), run_id(2), run_id(1)]


def test_reports_of_versions_that_stay_and_of_the_run_that_summary_json_speaks_of_stay(place):
    for day, graph in ((9, "a"), (8, "b"), (7, "c")):
        push_model(place, graph, day)
    for day in (6, 5, 4):
        leave_run(place, day)
    finish_a_run(load_config("photos.yaml"), "images", run_id="20200101-000000")
    assert prune("runs=1", "versions=1") == 0
    assert numbers(place) == [2, 3]
    assert names(place / "reports") == ["20200101-000000", run_id(8), run_id(7), run_id(4)]


def test_runs_of_a_cluster_whose_ids_are_no_dates_go_by_the_time_of_their_reports(workplace):
    output = workplace / "out"
    ids = ["9f3d0c5e-6a53", "20261199-999999", "1c3d0c5e-6a53"]
    for age, name in zip((9, 8, 7), ids, strict=True):
        finish_a_run(load_config("photos.yaml"), "images", blessed=False, run_id=name)
        for file in (output / "reports" / name).iterdir():
            os.utime(file, (NOW.timestamp() - age * 86400,) * 2)
    assert prune("runs=2") == 0
    assert names(output / "reports") == sorted(ids[1:])


def test_what_headstart_did_not_make_in_an_output_stays_and_is_named(workplace, capsys):
    output = workplace / "out"
    for day in (9, 8, 7):
        leave_run(output, day)
    mine = [
        f"reports/{run_id(9)}/notes.txt",
        "reports/index.html",
        "logs/cron.log",
        "tensorboard/my-experiment/events.out.tfevents.1",
        f"tensorboard/{run_id(8)}-0123456789abcdef/plan.md",
        "tensorboard/0123456789abcdef/1_head/train/events.out.tfevents.1",  # of before: the key alone
    ]
    for name in mine:
        write(output / name)
    os.utime(output / mine[-1], (0, 0))
    (workplace / "other").mkdir()
    (output / "reports" / "link").symlink_to(workplace / "other")
    assert prune("runs=1") == 0
    left = tree(output)
    assert [name in left for name in mine] == [True, True, True, True, True, False]
    assert f"reports/{run_id(9)}/report.html" in left
    named = re.findall(rf"did not make it: {output}/(.*)", capsys.readouterr().out)
    assert sorted(named) == sorted(
        [
            f"reports/{run_id(9)}",
            "reports/index.html",
            "reports/link",
            "logs/cron.log",
            "tensorboard/my-experiment",
            f"tensorboard/{run_id(8)}-0123456789abcdef",
        ]
    )


# The command


def test_a_config_that_keeps_everything_is_said(workplace, capsys):
    leave_run(workplace / "out", 900)
    before = tree(workplace)
    assert prune() == 2
    assert "keep: photos.yaml keeps everything. Set keep.runs" in capsys.readouterr().err
    assert tree(workplace) == before


def test_nothing_is_removed_while_a_run_is_under_way(workplace, capsys):
    for day in (9, 8):
        leave_run(workplace / "out", day)
    with output_lock.exclusive(workplace / "out"):
        before = tree(workplace)
        assert prune("runs=1") == 2
        assert tree(workplace) == before
    assert "another run" in capsys.readouterr().err


def test_before_the_first_run_there_is_nothing(workplace, capsys):
    assert prune("runs=1", "versions=1", "days=1") == 0
    assert capsys.readouterr().out.startswith("Freed 0.0 MB")
    assert not (workplace / "out").exists()


def test_what_cannot_be_removed_is_named_and_the_rest_goes(workplace, monkeypatch, capsys):
    output = workplace / "out"
    for day in (9, 8, 7):
        leave_run(output, day)
    rename = Path.rename

    def refuse_one(path, target):
        if path == output / "reports" / run_id(9):
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_one)
    assert prune("runs=1") == 2
    shown = capsys.readouterr().out
    assert f"{output}/reports/{run_id(9)} cannot be removed: Permission denied" in shown
    assert names(output / "reports") == [run_id(9), run_id(7)]
    assert shown.splitlines()[-1].endswith("MB: 1 report, 2 logs, 2 TensorBoard folders.")


def test_what_is_kept_is_no_reason_to_train(workplace):
    finish_a_run(load_config("photos.yaml"))
    for override in ("keep.runs=3", "keep.versions=2", "keep.days=1"):
        assert main(["fresh", "photos.yaml", "--set", override]) == 0, override


# At the end of a run


@pytest.fixture
def run(workplace, monkeypatch, capfd):
    """Runs the config with a pipeline that ends at once, not blessed; returns exit code and output."""

    def run() -> tuple[int, str]:
        def end(pipeline, console):
            (pusher,) = [step for step in pipeline.components if step.id == "Pusher"]
            name = pusher.exec_properties["run_id"]
            finish_a_run(load_config("photos.yaml"), "images", blessed=False, run_id=name)

        monkeypatch.setattr(beam_runner, "run", end)
        code = main(["run", "photos.yaml"])
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    return run


def test_a_run_ends_with_a_look_at_what_is_old(run, workplace):
    for day in (9, 8, 7):
        leave_run(workplace / "out", day)
    write_config(workplace, more="keep: {runs: 2}")
    code, printed = run()
    assert code == 3
    assert len(names(workplace / "out" / "reports")) == 2
    assert re.search(r"Freed \d\.\d MB: 2 reports, 2 logs, 1 TensorBoard folder\.", printed)
    (log,) = [file for file in (workplace / "out" / "logs").iterdir() if file.stem != run_id(7)]
    assert f"report              {workplace}/out/reports/{run_id(9)}" in log.read_text()


def test_a_run_without_keep_removes_nothing(run, workplace):
    for day in (900, 800):
        leave_run(workplace / "out", day)
    code, printed = run()
    assert (code, "Freed" in printed) == (3, False)
    assert len(names(workplace / "out" / "reports")) == 3


def test_what_goes_wrong_with_that_is_one_line_and_the_run_ends_as_it_did(run, workplace, monkeypatch):
    def fail(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr("pipeline.old_files.entries", fail)
    write_config(workplace, more="keep: {runs: 1}")
    code, printed = run()
    assert code == 3
    assert printed.count("Nothing old was removed: the disk is gone") == 1
    assert "Traceback" not in printed
