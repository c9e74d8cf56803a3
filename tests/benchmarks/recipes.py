"""What fine-tuning gains over feature extraction on the sample, with a paired interval, for three seeds.

    python -m tests.benchmarks.recipes

Feature extraction is pushed first, so that the fine-tuned model is judged against it on the same images.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.rows import machine

CONFIG = "pipeline/configs/quickstart.yaml"
SEEDS = (1, 2, 3)


def run(output: Path, *sets: str) -> dict:
    """Runs the quickstart with some values changed; returns the Evaluator's verdict.

    Raises:
      RuntimeError: when the run did not end with a verdict.
    """
    program = "import sys; from pipeline.cli import main; sys.exit(main())"
    arguments = [f"--set={value}" for value in (f"output={output}", *sets)]
    result = subprocess.run(
        [sys.executable, "-c", program, "run", CONFIG, *arguments], capture_output=True, text=True
    )
    if result.returncode not in (0, 3):
        raise RuntimeError(result.stdout + result.stderr)
    newest = max((output / "pipeline/Evaluator/blessing").iterdir(), key=lambda folder: int(folder.name))
    return json.loads((newest / "verdict.json").read_text())


def main() -> None:
    print(machine())
    print("| seed | feature extraction | fine-tuning | difference, paired 95 % interval | McNemar p |")
    print("|---|---:|---:|---:|---:|")
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            output, seed_set = Path(folder), f"training.seed={seed}"
            anything_goes = "evaluation.thresholds.accuracy.at_least=0"
            run(output, seed_set, "training.recipe=feature_extraction", anything_goes)
            verdict = run(output, seed_set)
        tuned, before = verdict["metrics"]["accuracy"], verdict["baseline"]["metrics"]["accuracy"]
        gain = verdict["difference"]["accuracy"]
        print(
            f"| {seed} | {before['value']:.1%} | {tuned['value']:.1%} | {100 * gain['value']:+.1f} points "
            f"({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}) | {gain['p_value']:.1g} |",
            flush=True,
        )
    print(f"n = {verdict['images']} test images")


if __name__ == "__main__":
    main()
