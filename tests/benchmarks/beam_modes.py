"""Whether threads or processes of Beam's direct runner pay on this machine.

python -m tests.benchmarks.beam_modes FOLDER [PIXELS]

Runs ImageExampleGen and StatisticsGen over a folder of class folders in every mode. With PIXELS, over its
images enlarged to JPEG files of that size: photographs cost more to decode than the sample's images.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from pipeline.beam_config import Beam
from pipeline.beam_options import beam_arguments
from tests.beam_steps import run_example_gen, run_statistics_gen
from tests.benchmarks.rows import machine

MODES = {
    "in_memory": Beam(),
    "threads, one a core": Beam(mode="threads"),
    "processes, one a core": Beam(mode="processes"),
}
IMAGES_PER_SHARD = 500


def main(source: Path, pixels: int | None) -> None:
    os.environ["PYTHONPATH"] = str(
        Path(__file__).parents[2]
    )  # for the processes, which get no path otherwise
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if pixels:
            source = enlarged(source, folder / "enlarged", pixels)
        images = [file for file in source.rglob("*") if file.is_file()]
        print(f"{len(images):,} images of {sum(file.stat().st_size for file in images) / 1e6:,.0f} MB")
        measure(folder / "warm", source, Beam())  # what a process does once, no mode pays for
        print(f"{'mode':<24}{'ImageExampleGen':>20}{'StatisticsGen':>20}")
        for name, beam in MODES.items():
            ingest_seconds, statistics_seconds = measure(folder / name, source, beam)
            print(f"{name:<24}{ingest_seconds:>18.1f} s{statistics_seconds:>18.1f} s", flush=True)


def measure(folder: Path, source: Path, beam: Beam) -> tuple[float, float]:
    """Returns the seconds that ImageExampleGen and StatisticsGen took."""
    folder.mkdir()
    arguments = beam_arguments(beam)
    started = time.monotonic()
    examples = run_example_gen(folder, source, arguments, IMAGES_PER_SHARD)
    ingested = time.monotonic()
    run_statistics_gen(folder, examples, arguments)
    return ingested - started, time.monotonic() - ingested


def enlarged(source: Path, folder: Path, pixels: int) -> Path:
    """Writes every image as a JPEG file of pixels x pixels, in the same class folders."""
    for file in source.rglob("*.png"):
        target = folder / file.relative_to(source).with_suffix(".jpg")
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(file) as image:
            image.convert("RGB").resize((pixels, pixels), Image.Resampling.BICUBIC).save(target, quality=90)
    return folder


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else None)
