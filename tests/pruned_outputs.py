"""Outputs with old versions and runs, and `headstart prune` on them."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

from components.pusher import history
from components.pusher.push import push
from modules.storage import files_below, is_remote, location
from pipeline.cli import main
from pipeline.config_file import load_config
from tests.finished_runs import finish_a_run
from tests.pushed_models import WEIGHTS
from tests.tiny_images import write_class_folders

DAY = timedelta(days=1)
NOW = datetime.now(timezone.utc)


def make_workplace(tmp_path, monkeypatch) -> Path:
    """Returns a working directory with images and a config."""
    monkeypatch.chdir(tmp_path)
    write_class_folders(tmp_path / "photos", ("cat", "dog"), count=30)
    write_config(tmp_path)
    return tmp_path


def write_config(folder: Path, output: str = "out", more: str = "") -> None:
    text = f"name: photos\noutput: {output}\ndata: {{source: photos}}\nmodel: {{weights: none}}\n{more}\n"
    (folder / "photos.yaml").write_text(text)


def make_place(request, workplace: Path):
    """Returns path or address of an output, with a config for it in the working directory.

    For a fixture whose parameter is "folder" or "address".
    """
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
