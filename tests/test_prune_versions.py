"""Which versions `headstart prune` removes, and which stay whatever their age."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from components.pusher import fetch, remote_push, withdrawals
from components.pusher.rollback import rollback
from modules.storage import location
from pipeline.cli import main
from pipeline.config_file import load_config
from tests.finished_runs import finish_a_run
from tests.pruned_outputs import (
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


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    return make_workplace(tmp_path, monkeypatch)


@pytest.fixture(params=["folder", "address"])
def place(request, workplace):
    return make_place(request, workplace)


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
    assert names(place / "serving") == [
        ".push.highest",
        ".push.lock",
        "0",
        "5",
        "6",
        "7",
        "backup",
        "notes.txt",
    ]
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
    assert names(place / "serving") == [".push.highest", ".push.lock", "3", "4"]


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
    assert names(place / "serving") == [".push", "2", "3", "4", "5"]
    assert push_model(place, "f") == 6


def test_numbers_are_not_given_again(place):
    for graph in "abcd":
        push_model(place, graph, 5)
    assert prune("versions=1") == 0
    assert push_model(place, "e") == 5


# Runs
