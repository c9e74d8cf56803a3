"""A copy that was damaged is fetched anew; a version that is damaged in the source is passed over."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from components import serving_versions
from components.pusher import copies, fetch
from components.pusher.mirror import Mirror
from modules.file_hash import file_hash
from modules.storage import location
from pipeline.cli import main
from tests.permissions import bound_by_permissions
from tests.pushed_models import WEIGHTS, destination, forget_marks, graphs, push_models, tree


@pytest.fixture(params=["folder", "address"])
def source(request, tmp_path):
    return destination(request, tmp_path)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "beside the server"


def truncate(copy: Path) -> None:
    os.truncate(copy / WEIGHTS, 10)


def change(copy: Path) -> None:
    """Writes other bytes, and puts size and time of the last change back."""
    times = os.stat(copy / WEIGHTS)
    (copy / WEIGHTS).write_bytes(b"x" * times.st_size)
    os.utime(copy / WEIGHTS, ns=(times.st_atime_ns, times.st_mtime_ns))


def lose(copy: Path) -> None:
    (copy / WEIGHTS).unlink()


def lose_manifest(copy: Path) -> None:
    (copy / serving_versions.MANIFEST).unlink()


def change_statistics(copy: Path) -> None:
    (copy / serving_versions.TRAINING_STATISTICS).write_bytes(b"no statistics")


@pytest.mark.parametrize("again", [False, True], ids=["at the start", "while it runs"])
@pytest.mark.parametrize(
    ("hurt", "damage"),
    [
        (truncate, f"{WEIGHTS} has changed"),
        (change, f"{WEIGHTS} has changed"),
        (lose, f"{WEIGHTS} is missing"),
        (lose_manifest, f"{serving_versions.MANIFEST} is missing"),
        (change_statistics, f"{serving_versions.TRAINING_STATISTICS} has changed"),
    ],
)
def test_a_damaged_copy_is_fetched_anew(source, folder, tmp_path, hurt, damage, again):
    push_models(source, tmp_path, "a", "b")
    lines: list[str] = []
    mirror = Mirror(source, folder, 2, lines.append)
    mirror.look()
    before = tree(folder)
    hurt(folder / "2")
    lines.clear()

    (mirror if again else Mirror(source, folder, 2, lines.append)).look()

    assert lines == [f"Copied version 2 to {folder}/2 anew: {damage}"]
    assert tree(folder) == before


@pytest.mark.parametrize("hurt", [truncate, change, lose])
def test_a_damaged_copy_of_a_mirror_of_before_is_fetched_anew(source, folder, tmp_path, capsys, hurt):
    push_models(source, tmp_path, "a")
    main(["mirror", source, str(folder)])
    before = tree(folder)
    forget_marks(folder)
    hurt(folder / "1")
    capsys.readouterr()

    assert main(["mirror", source, str(folder)]) == 0

    assert f"Copied version 1 to {folder}/1 anew: its files are not those" in capsys.readouterr().out
    assert tree(folder) == before


def test_a_damaged_copy_stays_when_the_source_has_no_better_one(source, folder, tmp_path, capsys):
    push_models(source, tmp_path, "a", "b")
    main(["mirror", source, str(folder)])
    truncate(folder / "2")
    (location(source) / "2" / WEIGHTS).write_bytes(b"damaged as well")
    before = tree(folder)

    assert main(["mirror", source, str(folder)]) == 0

    assert "Left out version 2: its files are not those" in capsys.readouterr().out
    assert tree(folder) == before


def test_a_look_with_nothing_to_do_reads_no_file_of_a_model(source, folder, tmp_path, monkeypatch):
    push_models(source, tmp_path, "a", "b")
    mirror = Mirror(source, folder, 2, lambda _: None)
    mirror.look()
    os.utime(folder / "2" / WEIGHTS)
    read: list[str] = []
    monkeypatch.setattr(copies, "file_hash", lambda file: read.append(str(file)) or file_hash(file))
    monkeypatch.setattr(serving_versions, "content_hash", lambda folder: read.append(str(folder)))

    mirror.look()
    assert {Path(file).relative_to(folder).parts[0] for file in read} == {"2"}  # its time has changed
    read.clear()
    mirror.look()
    assert read == []


def test_a_version_that_is_damaged_in_the_source_is_not_copied_again_on_each_look(
    source, folder, tmp_path, monkeypatch
):
    push_models(source, tmp_path, "a", "b")
    weights = location(source) / "2" / WEIGHTS
    whole = weights.read_bytes()
    weights.write_bytes(b"damaged")
    lines: list[str] = []
    mirror = Mirror(source, folder, 1, lines.append)
    mirror.look()
    with monkeypatch.context() as patched:
        patched.setattr(fetch, "_copy_files", lambda *_: pytest.fail("copied again"))
        assert mirror.look().left_out == [2]
    assert [line[:20] for line in lines] == ["Left out version 2: ", "Copied version 1 to "]

    weights.write_bytes(whole)

    look = mirror.look()
    assert (look.copied, look.removed) == ([2], [1])


def test_a_version_that_may_not_be_read_is_passed_over_and_what_serves_stays(capsys):
    with tempfile.TemporaryDirectory() as root:  # tmp_path is closed to other users
        os.chmod(root, 0o777)
        serving, folder = Path(root, "serving"), Path(root, "copies")
        push_models(str(serving), Path(root), "a", "b", "c", "d")
        (serving / "4").chmod(0)
        (serving / "3" / WEIGHTS).chmod(0)
        (serving / "2" / serving_versions.MANIFEST).chmod(0)
        with bound_by_permissions():
            assert main(["mirror", str(serving), str(folder), "--keep", "1"]) == 0
        lines = capsys.readouterr().out.splitlines()
        (serving / "4").chmod(0o755)
        assert graphs(folder) == {"1": "a"}
    assert lines == [
        f"Left out version 4: {serving}/4/saved_model.pb: Permission denied",
        f"Left out version 3: {serving}/3/{WEIGHTS}: Permission denied",
        f"Left out version 2: {serving}/2/{serving_versions.MANIFEST} is damaged, or may not be read",
        f"Copied version 1 to {folder}/1",
    ]


def test_the_newest_good_copy_stays_beside_a_stale_one_whose_version_is_damaged(source, folder, tmp_path):
    push_models(source, tmp_path, "a", "b")
    assert main(["mirror", source, str(folder)]) == 0
    truncate(folder / "2")
    (location(source) / "2" / "saved_model.pb").unlink()

    assert main(["mirror", source, str(folder), "--keep", "1"]) == 0

    assert graphs(folder) == {"1": "a", "2": "b"}


def test_a_full_disk_ends_the_look_and_is_no_matter_of_one_version(tmp_path, folder, monkeypatch, capsys):
    push_models(str(tmp_path / "serving"), tmp_path, "a", "b")

    def fail(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(shutil, "copyfile", fail)
    assert main(["mirror", str(tmp_path / "serving"), str(folder)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert list(folder.iterdir()) == []
