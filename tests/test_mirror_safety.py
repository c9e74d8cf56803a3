"""A mirror removes and overwrites nothing but its own copies, whatever it is given."""

import json
import os
import shutil
from pathlib import Path

import pytest

from components.pusher.copies import Mark
from components.pusher.mirror import Mirror
from components.report.publish import publish
from pipeline.cli import main
from tests.pushed_models import WEIGHTS, destination, forget_marks, graphs, push_models, tree


@pytest.fixture(params=["folder", "address"])
def source(request, tmp_path):
    return destination(request, tmp_path)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "beside the server"


# Which folder


def test_swapped_arguments_change_nothing(tmp_path, capsys):
    serving = tmp_path / "serving"
    push_models(str(serving), tmp_path, "a", "b", "c")
    push_models(str(tmp_path / "other"), tmp_path, "d")
    before = tree(serving)

    assert main(["mirror", str(tmp_path / "other"), str(serving)]) == 2

    error = capsys.readouterr().err
    assert f"FOLDER {serving} is a push destination" in error
    assert "Are SOURCE and FOLDER swapped?" in error
    assert tree(serving) == before


@pytest.mark.parametrize("legacy", [False, True], ids=["marked", "of a mirror of before"])
def test_a_destination_is_not_made_the_mirror_of_its_mirror(tmp_path, folder, capsys, legacy):
    serving = tmp_path / "serving"
    push_models(str(serving), tmp_path, "a", "b", "c")
    assert main(["mirror", str(serving), str(folder), "--keep", "3"]) == 0
    if legacy:
        forget_marks(folder)
    else:
        (serving / ".push.lock").unlink()  # as in a destination that was copied from a backup
    before = tree(serving), tree(folder)

    assert main(["mirror", str(folder), str(serving), "--keep", "1"]) == 2

    assert "swapped" in capsys.readouterr().err
    assert (tree(serving), tree(folder)) == before


def test_versions_that_were_pushed_elsewhere_are_refused_without_a_lock_file_too(source, tmp_path, capsys):
    push_models(source, tmp_path, "a", "b")
    other = tmp_path / "other"
    push_models(str(other), tmp_path, "x", "y", "z")
    (other / ".push.lock").unlink()
    before = tree(other)

    assert main(["mirror", source, str(other), "--keep", "1"]) == 2

    assert f"its version 1 was not copied from {source}" in capsys.readouterr().err
    assert tree(other) == before


def test_copies_of_another_source_are_refused_and_the_source_is_named(tmp_path, folder, capsys):
    for name in ("first", "second"):
        push_models(str(tmp_path / name), tmp_path, name)
    assert main(["mirror", str(tmp_path / "first"), str(folder)]) == 0
    before = tree(folder)

    assert main(["mirror", str(tmp_path / "second"), str(folder)]) == 2

    assert f"its version 1 was copied from {tmp_path}/first" in capsys.readouterr().err
    assert tree(folder) == before


@pytest.mark.parametrize("option", [[], ["--reports"]], ids=["models", "reports"])
@pytest.mark.parametrize(
    "folder_argument",
    ["{0}", "{0}/", "./serving", "elsewhere/../serving", "link", "{0}/copies", "{0}/1", "."],
)
def test_a_folder_that_is_the_source_or_lies_in_it_or_around_it_is_refused(
    tmp_path, monkeypatch, capsys, folder_argument, option
):
    serving = tmp_path / "serving"
    push_models(str(serving), tmp_path, "a", "b", "c")
    publish("page", "{}", str(serving), "run-1")
    (serving / ".push.lock").unlink()
    (tmp_path / "link").symlink_to(serving)
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)

    assert main(["mirror", str(serving), folder_argument.format(serving), *option, "--keep", "1"]) == 2

    assert "are one folder, or one lies in the other" in capsys.readouterr().err
    assert tree(tmp_path) == before


def test_an_address_as_folder_is_refused_and_no_folder_of_that_name_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("copies").mkdir()
    assert main(["mirror", "copies", "s3://models/shoes"]) == 2
    assert "FOLDER: s3://models/shoes is an address" in capsys.readouterr().err
    assert os.listdir() == ["copies"]


def test_a_refused_folder_ends_the_command_that_looks_again_and_again(tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("it goes on"))
    push_models(str(tmp_path / "serving"), tmp_path, "a")
    push_models(str(tmp_path / "other"), tmp_path, "b")
    assert main(["mirror", str(tmp_path / "other"), str(tmp_path / "serving"), "--every", "600"]) == 2


# Which source


@pytest.mark.parametrize("option", [[], ["--reports"]], ids=["models", "reports"])
def test_a_source_folder_that_does_not_exist_is_an_error_and_no_folder_is_made(
    tmp_path, folder, capsys, option
):
    assert main(["mirror", str(tmp_path / "typo"), str(folder), *option]) == 2
    assert f"there is no folder {tmp_path}/typo" in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.parametrize("option", [[], ["--reports"]], ids=["models", "reports"])
def test_a_bucket_that_does_not_exist_is_an_error(s3_bucket, folder, capsys, option):
    assert main(["mirror", f"{s3_bucket}-typo/models", str(folder), *option]) == 2
    assert "there is no bucket" in capsys.readouterr().err


def test_an_empty_prefix_of_a_bucket_has_no_model_yet_which_is_no_error(s3_bucket, folder, capsys):
    assert main(["mirror", f"{s3_bucket}/models", str(folder)]) == 0
    assert capsys.readouterr().out == f"Nothing to copy: no model was pushed to {s3_bucket}/models yet.\n"


# What is the mirror's own


def test_copies_of_a_mirror_of_before_are_taken_over_by_their_hash(source, folder, tmp_path, capsys):
    push_models(source, tmp_path, "a", "b")
    main(["mirror", source, str(folder)])
    forget_marks(folder)
    inode = os.stat(folder / "2" / WEIGHTS).st_ino
    capsys.readouterr()

    assert main(["mirror", source, str(folder)]) == 0

    assert capsys.readouterr().out.splitlines()[:2] == [
        f"Adopted version {number}: {folder}/{number} is a copy of it" for number in (2, 1)
    ]
    assert os.stat(folder / "2" / WEIGHTS).st_ino == inode  # not copied again
    assert Mark.read(folder / "2").damage(folder / "2") is None
    push_models(source, tmp_path, "c", "d")
    main(["mirror", source, str(folder)])
    assert graphs(folder) == {"3": "c", "4": "d"}


def test_copies_go_on_being_the_mirrors_when_the_source_is_moved(tmp_path, folder, capsys):
    push_models(str(tmp_path / "old"), tmp_path, "a", "b")
    main(["mirror", str(tmp_path / "old"), str(folder)])
    (tmp_path / "old").rename(tmp_path / "new")
    capsys.readouterr()

    assert main(["mirror", str(tmp_path / "new"), str(folder), "--keep", "1"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        f"Adopted version 2: {folder}/2 is a copy of it",
        "Removed version 1",
    ]


def test_what_the_mirror_did_not_make_is_left_alone_and_said_once(source, folder, tmp_path):
    push_models(source, tmp_path, "a", "b", "c")
    for name in ("1", "7", "0003"):
        (folder / name).mkdir(parents=True)
        (folder / name / "saved_model.pb").write_text(f"somebody's {name}")
    (folder / "notes.txt").write_text("mine")
    (folder / ".copying-notes").mkdir()
    (folder / "2").symlink_to(folder / "7")
    strange = tree(folder)
    lines: list[str] = []
    mirror = Mirror(source, folder, 2, lines.append)

    for _ in range(3):
        mirror.look()

    assert lines == [
        f"Copied version 3 to {folder}/3",
        f"Left out version 2: {folder}/2 is in the way, and this mirror did not make it. Move it away",
        f"Left out version 1: {folder}/1 is in the way, and this mirror did not make it. Move it away",
        f"Left alone in {folder}, not made by this mirror: .copying-notes, 0003, 1, 2, 7 and 1 more. "
        "A model server takes 7, the highest number",
    ]
    assert {path: content for path, content in tree(folder).items() if path in strange} == strange
    assert (folder / "2").is_symlink()


def test_a_link_to_a_version_of_the_source_is_not_taken_for_a_copy(tmp_path, folder):
    serving = tmp_path / "serving"
    push_models(str(serving), tmp_path, "a", "b")
    folder.mkdir()
    for name in ("1", "2"):
        (folder / name).symlink_to(serving / name)
    before = tree(serving)

    assert main(["mirror", str(serving), str(folder), "--keep", "1"]) == 0

    assert tree(serving) == before
    assert (folder / "1").is_symlink()


def test_a_copy_in_which_somebody_left_notes_is_neither_removed_nor_replaced(
    source, folder, tmp_path, capsys
):
    push_models(source, tmp_path, "a")
    main(["mirror", source, str(folder), "--keep", "1"])
    (folder / "1" / "notes.txt").write_text("mine")
    push_models(source, tmp_path, "b")
    capsys.readouterr()

    assert main(["mirror", source, str(folder), "--keep", "1"]) == 0

    assert (
        f"Left version 1 where it is: notes.txt in it was not copied from {source}" in capsys.readouterr().out
    )
    assert (folder / "1" / "notes.txt").read_text() == "mine"
    assert graphs(folder) == {"1": "a", "2": "b"}
    (folder / "1" / "saved_model.pb").write_text("damaged")
    main(["mirror", source, str(folder), "--keep", "2"])
    assert "1 is not replaced, though saved_model.pb has changed: notes.txt in it" in capsys.readouterr().out
    assert (folder / "1" / "notes.txt").read_text() == "mine"


def test_a_mirror_of_a_mirror_has_marks_of_its_own(tmp_path):
    push_models(str(tmp_path / "serving"), tmp_path, "a")
    for name, copy in (("serving", "first"), ("first", "second")):
        assert main(["mirror", str(tmp_path / name), str(tmp_path / copy)]) == 0
    assert Mark.read(tmp_path / "second/1").source == str(tmp_path / "first")
    assert main(["mirror", str(tmp_path / "first"), str(tmp_path / "second")]) == 0


# Reports


def summary(run: int) -> str:
    return json.dumps({"run": run})


def publish_runs(output: Path, *runs: int) -> None:
    for run in runs:
        publish(f"page {run}", summary(run), str(output), f"run-{run}")


@pytest.mark.parametrize("legacy", [False, True], ids=["marked", "of a mirror of before"])
def test_swapped_arguments_put_no_old_report_over_the_newest(tmp_path, capsys, legacy):
    output, site = tmp_path / "runs", tmp_path / "site"
    publish_runs(output, 1, 2)
    assert main(["mirror", str(output), str(site), "--reports"]) == 0
    if legacy:
        (site / ".mirrored.json").unlink(missing_ok=True)
    publish_runs(output, 3)
    before = tree(output)

    assert main(["mirror", str(site), str(output), "--reports"]) == 2

    assert "Are SOURCE and FOLDER swapped?" in capsys.readouterr().err
    assert tree(output) == before


def test_reports_of_other_runs_are_not_overwritten(s3_bucket, tmp_path, capsys):
    publish("page", summary(1), f"{s3_bucket}/runs", "run-1")
    site = tmp_path / "site"
    site.mkdir()
    (site / "report.html").write_text("somebody's")

    assert main(["mirror", f"{s3_bucket}/runs", str(site), "--reports"]) == 2

    assert f"its report.html was not copied from {s3_bucket}/runs" in capsys.readouterr().err
    assert tree(site) == {"report.html": b"somebody's"}


@pytest.mark.parametrize("legacy", [False, True], ids=["marked", "of a mirror of before"])
def test_a_mirror_of_reports_goes_on_with_what_it_wrote(tmp_path, legacy):
    output, site = tmp_path / "runs", tmp_path / "site"
    publish_runs(output, 1)
    main(["mirror", str(output), str(site), "--reports"])
    if legacy:
        (site / ".mirrored.json").unlink(missing_ok=True)
    else:
        shutil.rmtree(output / "reports/run-1")  # somebody cleans up
        (site / "summary.json").unlink()  # the copy was killed half-way
    publish_runs(output, 2)

    assert main(["mirror", str(output), str(site), "--reports"]) == 0

    assert (site / "report.html").read_text() == "page 2"
    assert (site / "summary.json").read_text() == summary(2)
