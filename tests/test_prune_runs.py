"""Which reports, logs and curves `headstart prune` removes, by itself and at the end of a run."""

import os
import re
from pathlib import Path

import pytest

from modules.storage import is_remote
from pipeline import beam_runner, output_lock
from pipeline.cli import main
from pipeline.config_file import load_config
from tests.finished_runs import finish_a_run
from tests.pruned_outputs import (
    NOW,
    leave_run,
    make_place,
    make_workplace,
    names,
    numbers,
    prune,
    push_model,
    run_id,
    write,
    write_config,
)
from tests.pushed_models import tree


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    return make_workplace(tmp_path, monkeypatch)


@pytest.fixture(params=["folder", "address"])
def place(request, workplace):
    return make_place(request, workplace)


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
            return beam_runner.Ended(None, {})

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
