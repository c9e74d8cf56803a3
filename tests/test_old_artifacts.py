"""`headstart prune` on artifacts, with TFX's own runs and metadata: what is removed is never a cache hit."""

import shutil
import time

import pytest
from ml_metadata.metadata_store.metadata_store import MetadataStore

from pipeline.beam_runner import sqlite_metadata
from pipeline.cli import main
from pipeline.leftovers import remove_leftovers
from tests import tiny_runs
from tests.tiny_images import write_class_folders

CACHED = {"Maker": "cached", "Report": "cached"}
DONE = {"Maker": "done", "Report": "done"}


@pytest.fixture
def output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_class_folders(tmp_path / "photos", ("cat", "dog"), count=3)
    (tmp_path / "photos.yaml").write_text("name: photos\noutput: out\ndata: {source: photos}\n")
    return tmp_path / "out"


def prune(*rules: str) -> int:
    return main(["prune", "photos.yaml", *(part for rule in rules for part in ("--set", f"keep.{rule}"))])


def test_artifacts_of_older_runs_go_and_the_cache_does_not_find_them(output, capsys):
    for letter in "abcd":
        assert tiny_runs.run(output, letter) == DONE
    assert tiny_runs.run(output, "d") == CACHED
    assert prune("runs=3") == 0
    assert tiny_runs.made(output) == "cd"
    assert capsys.readouterr().out.splitlines()[-1] == "Freed 0.2 MB: 4 artifacts."

    assert tiny_runs.run(output, "d") == CACHED
    assert tiny_runs.run(output, "c") == CACHED
    assert tiny_runs.run(output, "a") == DONE
    assert tiny_runs.made(output) == "cda"
    assert tiny_runs.run(output, "a") == CACHED


def test_what_a_kept_run_took_from_the_cache_of_an_old_one_stays(output):
    for letter in "abca":
        tiny_runs.run(output, letter)
    assert prune("runs=1") == 0
    assert tiny_runs.made(output) == "a"
    assert tiny_runs.run(output, "a") == CACHED


def test_the_newest_run_that_came_to_its_end_stays_beside_failed_ones(output):
    for letter in "ab":
        tiny_runs.run(output, letter)
    for letter in "cd":
        assert tiny_runs.run(output, letter, fails=True).get("Report") is None
    assert prune("runs=1") == 0
    assert tiny_runs.made(output) == "bd"
    assert tiny_runs.run(output, "b") == CACHED


def test_runs_younger_than_the_days_stay(output):
    for letter in "abc":
        tiny_runs.run(output, letter)
    assert prune("days=1") == 0
    assert tiny_runs.made(output) == "abc"
    time.sleep(1)
    assert prune("days=0.00001") == 0  # a second
    assert tiny_runs.made(output) == "c"


def test_a_dry_run_removes_nothing_and_says_the_same(output, capsys):
    for letter in "abc":
        tiny_runs.run(output, letter)
    assert main(["prune", "photos.yaml", "--dry-run", "--set", "keep.runs=1"]) == 0
    said = capsys.readouterr().out
    assert tiny_runs.made(output) == "abc"
    assert tiny_runs.run(output, "a") == CACHED
    tiny_runs.run(output, "c")
    assert prune("runs=1") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Freed 0.2 MB: 4 artifacts."
    assert said.splitlines()[-1] == "Would free 0.2 MB: 4 artifacts."


def test_artifacts_are_found_where_the_output_was_moved_to(output):
    for letter in "abc":
        tiny_runs.run(output, letter)
    output.rename(output.with_name("moved"))
    moved = output.with_name("moved")
    assert main(["prune", "photos.yaml", "--set", "output=moved", "--set", "keep.runs=1"]) == 0
    assert tiny_runs.made(moved) == "c"


def test_a_removal_that_was_killed_leaves_nothing_that_a_later_run_would_take(output, monkeypatch):
    for letter in "abc":
        tiny_runs.run(output, letter)

    def killed(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        assert prune("runs=1") == 130
    assert tiny_runs.made(output) == "abc"
    remove_leftovers(output / "pipeline", output / "metadata.sqlite")  # as the next run does
    assert tiny_runs.made(output) == "bc"
    assert tiny_runs.run(output, "a") == DONE


def test_metadata_that_is_damaged_is_said(output, capsys):
    tiny_runs.run(output, "a")
    (output / "metadata.sqlite").write_bytes(b"no database" * 100)
    assert prune("runs=1") == 2
    assert "the metadata of the runs (metadata.sqlite)" in capsys.readouterr().err
    assert tiny_runs.made(output) == "a"


def test_records_of_removed_artifacts_stay_in_the_metadata(output):
    for letter in "ab":
        tiny_runs.run(output, letter)
    assert prune("runs=1") == 0
    store = MetadataStore(sqlite_metadata(output / "metadata.sqlite"))
    states = [artifact.State.Name(artifact.state) for artifact in store.get_artifacts()]
    assert states == ["DELETED", "DELETED", "LIVE", "LIVE"]
