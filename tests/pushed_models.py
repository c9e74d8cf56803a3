"""Push destinations with models of a few bytes, and what lies in a folder of copies."""

from pathlib import Path

from components.pusher.copies import MARK
from components.pusher.push import push

WEIGHTS = "variables/variables.index"


def destination(request, tmp_path: Path) -> str:
    """Returns a push destination for a fixture whose parameter is "folder" or "address" (an object store)."""
    if request.param == "folder":
        return str(tmp_path / "serving")
    return f"{request.getfixturevalue('s3_bucket')}/models/pets"


def push_models(destination: str, tmp_path: Path, *graphs: str) -> None:
    """Pushes a model for each text; the text is its graph."""
    for graph in graphs:
        model = tmp_path / "models" / graph
        (model / "variables").mkdir(parents=True)
        (model / "saved_model.pb").write_text(graph)
        (model / WEIGHTS).write_text(graph * 1000)
        push(model, destination, {"training_statistics.pb": b""})


def graphs(folder: Path) -> dict[str, str]:
    """Returns everything a model server sees in a folder: names, and what their models are."""
    return {path.name: (path / "saved_model.pb").read_text() for path in folder.iterdir()}


def tree(folder: Path) -> dict[str, bytes]:
    """Returns every file below a folder with its content: what must not change."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def forget_marks(folder: Path) -> None:
    """Makes copies those of a mirror of before, which left no mark."""
    for mark in folder.glob(f"*/{MARK}"):
        mark.unlink()
