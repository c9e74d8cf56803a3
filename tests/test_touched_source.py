"""Files that were touched, copied or moved are read once and found equal: their content decides."""

import os
import shutil
import time
from pathlib import Path

import pytest

from components.image_example_gen import source_contents
from components.image_example_gen.sources import list_images
from components.source_index import FILE_NAME, SourceIndex
from modules.storage import StorageError
from pipeline import source_state
from pipeline.cli import main
from pipeline.config_file import load_config
from tests.finished_runs import finish_a_run
from tests.tiny_images import write_class_folders

CLASSES = ("cat", "dog", "emu", "fox")
CONFIG = """
name: photos
output: runs
data: {source: SOURCE}
model: {image_size: 33, weights: own.weights.h5}
"""


@pytest.fixture(params=["photos", "labels.csv"])
def project(request, tmp_path, monkeypatch):
    """A working directory with images, as class folders or by a manifest, their config and a finished run."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_class_folders(folder / "photos", CLASSES, count=10)
    rows = [f"{file.relative_to(folder)},{file.parent.name}" for file in images()]
    Path("labels.csv").write_text("\n".join(["path,label", *rows]))
    Path("own.weights.h5").write_bytes(b"weights")
    Path("photos.yaml").write_text(CONFIG.replace("SOURCE", request.param))
    # All of this was written just now, when only a file system with a coarse clock could confuse two changes.
    monkeypatch.setattr(source_contents, "COARSEST_CLOCK_NS", 0)
    finish_a_run(load_config("photos.yaml"))
    return folder


@pytest.fixture
def read(monkeypatch):
    """The names of the files whose content was read; a test may clear it."""
    names, content_hash = [], source_contents.content_hash

    def noted(file):
        names.append(os.path.basename(file))
        return content_hash(file)

    monkeypatch.setattr(source_contents, "content_hash", noted)
    return names


def images() -> list[Path]:
    return sorted(Path("photos").absolute().rglob("*.png"))


def fresh(capsys, *arguments: str) -> tuple[int, str]:
    """Returns exit code and answer of `headstart fresh`."""
    code = main(["fresh", "photos.yaml", *arguments])
    return code, capsys.readouterr().out.strip().rpartition(": ")[2]


NOTHING_CHANGED = (0, "nothing has changed since the run of 2026-11-20 14:03 UTC.")
IMAGES_CHANGED = (5, "the images changed.")


def replace(file: Path) -> None:
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)


TOUCHES = {
    "chmod": lambda file: file.chmod(0o600),
    "touch": os.utime,
    "touch to the past": lambda file: os.utime(file, (0, 0)),
    "another file of the same content": replace,
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_touched_files_are_read_once_and_are_no_change(project, capsys, read, touch):
    for file in [*images(), Path("labels.csv"), Path("own.weights.h5")]:
        touch(file)
    assert fresh(capsys) == NOTHING_CHANGED
    assert sorted(read) == sorted(file.name for file in images())
    read.clear()
    assert fresh(capsys) == NOTHING_CHANGED
    assert read == []


def test_a_run_after_a_touch_is_over_at_once_and_remembers_what_it_read(project, capsys, read):
    for file in images():
        os.utime(file)
    assert main(["run", "photos.yaml"]) == 0
    assert "Nothing has changed since the last run; its result holds." in capsys.readouterr().out
    assert len(read) == 40
    assert fresh(capsys) == NOTHING_CHANGED
    assert len(read) == 40


def test_another_content_is_a_change_even_with_the_same_size_and_time_and_its_return_is_none(
    project, capsys, read
):
    file = images()[3]
    before, stat = file.read_bytes(), file.stat()
    time.sleep(0.02)  # some ticks of the kernel's clock, which stamps files every 1 to 10 ms
    file.write_bytes(before[::-1])
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fresh(capsys) == IMAGES_CHANGED
    file.write_bytes(before)
    assert fresh(capsys) == NOTHING_CHANGED
    assert read == [file.name] * 2


def test_of_a_source_that_grew_only_the_new_file_is_read(project, capsys, read):
    file = Path("photos/cat/new.png")
    shutil.copy(images()[0], file)
    with open("labels.csv", "a") as manifest:
        manifest.write(f"\n{file},cat")
    assert fresh(capsys) == IMAGES_CHANGED
    assert read == ["new.png"]
    file.unlink()
    Path("labels.csv").write_text(Path("labels.csv").read_text().replace(f"\n{file},cat", ""))
    assert fresh(capsys) == NOTHING_CHANGED
    assert read == ["new.png"]


def test_a_renamed_class_is_a_change(project, capsys):
    Path("photos/cat").rename("photos/tom")
    Path("labels.csv").write_text(Path("labels.csv").read_text().replace("cat", "tom"))
    assert fresh(capsys) == IMAGES_CHANGED


def test_a_copied_checkout_has_nothing_new_in_it(project, capsys, read, monkeypatch):
    copy = project.with_name("copy")
    shutil.copytree(project, copy, copy_function=shutil.copyfile)
    shutil.rmtree(project)
    monkeypatch.chdir(copy)
    assert fresh(capsys) == NOTHING_CHANGED
    assert len(read) == 40
    assert main(["run", "photos.yaml"]) == 0
    assert "Nothing has changed" in capsys.readouterr().out
    assert len(read) == 40


def test_a_file_of_the_config_is_known_by_its_content_wherever_it_lies(project, capsys, tmp_path):
    moved = f"model.weights={shutil.move('own.weights.h5', tmp_path / 'elsewhere.h5')}"
    assert fresh(capsys, "--set", moved) == NOTHING_CHANGED
    (tmp_path / "elsewhere.h5").write_bytes(b"changed")
    assert fresh(capsys, "--set", moved) == (5, "the file of model.weights changed.")
    assert fresh(capsys, "--set", "model.weights=none") == (5, "the config changed.")


def test_a_file_of_the_config_that_is_out_of_sight_is_known_by_its_path(project, capsys):
    Path("own.weights.h5").unlink()
    assert fresh(capsys) == NOTHING_CHANGED
    assert fresh(capsys, "--set", "model.weights=other.h5") == (5, "the file of model.weights changed.")


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(file.read_bytes()[:-30])])
def test_without_an_index_the_source_is_read_and_known_again(project, capsys, read, damage):
    damage(project / "runs" / FILE_NAME)
    assert fresh(capsys) == NOTHING_CHANGED
    assert len(read) == 40
    assert fresh(capsys) == NOTHING_CHANGED
    assert len(read) == 40


def test_an_output_that_cannot_be_written_to_is_no_obstacle(project, capsys, monkeypatch):
    def deny(index, folder):
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(SourceIndex, "write", deny)
    os.utime(images()[0])
    assert fresh(capsys) == NOTHING_CHANGED


def test_a_file_that_can_no_longer_be_read_is_a_change_until_it_can(project, capsys, monkeypatch):
    gone, content_hash = images()[0], source_contents.content_hash

    def read_others(file):
        if Path(file) == gone:
            raise PermissionError(13, "Permission denied", file)
        return content_hash(file)

    monkeypatch.setattr(source_contents, "content_hash", read_others)
    os.utime(gone)
    for _ in range(2):
        assert fresh(capsys) == IMAGES_CHANGED
    monkeypatch.setattr(source_contents, "content_hash", content_hash)
    assert fresh(capsys) == NOTHING_CHANGED


def test_files_that_changed_just_before_they_were_read_are_read_once_more(project, capsys, read, monkeypatch):
    """A file system that stamps files to two seconds may hide a second change in them."""
    monkeypatch.setattr(source_contents, "COARSEST_CLOCK_NS", 2_000_000_000)
    for file in images():
        os.utime(file)
    for _ in range(2):
        assert fresh(capsys) == NOTHING_CHANGED
    assert len(read) == 80
    now_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + 2_000_000_000)
    for _ in range(2):
        assert fresh(capsys) == NOTHING_CHANGED
    assert len(read) == 120


def test_before_the_first_run_no_file_is_read_and_nothing_written(project, capsys, read):
    shutil.rmtree("runs")
    assert fresh(capsys) == (5, "no run has finished yet.")
    config = load_config("photos.yaml")
    listing = list_images(config.data.source)
    assert source_state.fingerprint(listing, config.output) == listing.fingerprint()
    assert read == []
    assert not Path("runs").exists()


def test_a_store_that_fails_is_no_file_without_content(project, capsys, monkeypatch):
    def fail(file):
        raise StorageError(f"{file}: the store does not answer")

    monkeypatch.setattr(source_contents, "content_hash", fail)
    os.utime(images()[0])
    assert main(["fresh", "photos.yaml"]) == 2
    assert main(["run", "photos.yaml"]) == 2
    assert capsys.readouterr().err.count("the store does not answer") == 2
