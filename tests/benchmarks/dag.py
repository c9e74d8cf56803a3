"""The whole DAG against the plain one: time, accuracy, bytes on disk, and a run with nothing to do.

python -m tests.benchmarks.dag
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py

from tests.benchmarks.rows import Row, machine, table

WEIGHTS = Path("data/weights/mobilenet_v2_1.0_notop.weights.h5")
CONFIG = f"""
name: benchmark
output: out
data: {{source: {Path("data/fashion_mnist").resolve()}}}
model: {{weights: {WEIGHTS.resolve()}, image_size: 161}}
training:
  recipe:
    - {{name: head, train: head, epochs: 10, learning_rate: 0.001}}
    - {{name: fine_tuning, train: top 54 layers, epochs: 5, learning_rate: 0.00001}}
"""
IMPORTS = "from tfx.orchestration.beam import beam_dag_runner; import tfx.components"


def timed(*command: str) -> float:
    """Returns the wall time of a command in seconds, its imports included.

    Raises:
      RuntimeError: when it fails; with the end of what it printed.
    """
    started = time.perf_counter()
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stdout[-3000:]}")
    return time.perf_counter() - started


def headstart(config: Path) -> float:
    program = "import sys; from pipeline.cli import main; sys.exit(main())"
    return timed(sys.executable, "-c", program, "run", str(config))


def forget_last_run(output: Path) -> None:
    """Lets the next run ask the cache step by step instead of ending at once."""
    (output / "summary.json").unlink()


def bytes_of_examples(pipeline_root: Path) -> int:
    """Returns the bytes of examples in every form: ingested, transformed, cached arrays."""
    files = (file for file in pipeline_root.rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in files if is_examples(file))


def is_examples(file: Path) -> bool:
    return file.suffix in (".gz", ".npy", ".tfrecord") and "statistics" not in file.as_posix().lower()


def bytes_of_weights() -> int:
    """Returns the bytes of the backbone's arrays and of a head from its 1,280 features to ten classes."""
    total = (1280 + 1) * 10 * 4

    def add(_, item):
        nonlocal total
        total += item.nbytes if isinstance(item, h5py.Dataset) else 0

    with h5py.File(WEIGHTS) as file:
        file.visititems(add)
    return total


def rows(folder: Path) -> tuple[list[Row], str]:
    """Returns the comparisons, and a line on the accuracies."""
    config = folder / "benchmark.yaml"
    config.write_text(CONFIG)
    plain_folder = folder / "plain"
    plain_seconds = timed(sys.executable, "-m", "tests.benchmarks.plain_pipeline", str(plain_folder))
    plain_accuracy = json.loads((plain_folder / "accuracy.json").read_text())
    our_seconds = headstart(config)
    ours = json.loads((folder / "out" / "summary.json").read_text())["accuracy"]
    unchanged = headstart(config)
    forget_last_run(folder / "out")
    headstart(config)  # judges the model again, now that one serves
    forget_last_run(folder / "out")
    cached = headstart(config)
    imports = timed(sys.executable, "-c", IMPORTS)

    model = folder / "out" / "serving" / "1"
    variables = sum(file.stat().st_size for file in (model / "variables").iterdir())
    accuracies = (
        f"Accuracy on the test images: Headstart {ours['value']:.3f} "
        f"({ours['low']:.3f} to {ours['high']:.3f}), "
        f"plain way {plain_accuracy['accuracy']:.3f}; n = {plain_accuracy['images']}, one seed."
    )
    return [
        Row("whole DAG", our_seconds, plain_seconds, "s", 0.5),
        Row(
            "examples on disk",
            (bytes_of_examples(folder / "out")) / 1e6,
            bytes_of_examples(plain_folder / "pipeline") / 1e6,
            "MB",
            0.03,
        ),
        Row("exported weights, against the weights", variables / 1e6, bytes_of_weights() / 1e6, "MB", 1.2),
        Row("run with nothing changed, against the imports", unchanged, imports, "s", 1.2),
        Row("run with each step taken from the cache, against the imports", cached, imports, "s", 1.5),
    ], accuracies


def main() -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        measured, accuracies = rows(Path(folder))
    print(table(measured))
    print(accuracies)


if __name__ == "__main__":
    main()
