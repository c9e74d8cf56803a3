"""A pipeline of two steps that TFX runs in a second, with its metadata in an output folder."""

import logging
import os
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.types import standard_artifacts

from pipeline import beam_runner
from pipeline.console import plain_console


@component
def Maker(made: OutputArtifact[standard_artifacts.Model], text: Parameter[str]):
    """Writes a text of 100 kB."""
    with open(os.path.join(made.uri, "model"), "w") as file:
        file.write(text * 100_000)


@component
def Report(
    made: InputArtifact[standard_artifacts.Model],
    report: OutputArtifact[standard_artifacts.ModelRun],
    fails: Parameter[int],
):
    """Writes the first letter of the text, or fails. Has the name of the step that ends a run."""
    with open(os.path.join(made.uri, "model")) as file:
        letter = file.read(1)
    if fails:
        raise ValueError("no report")
    with open(os.path.join(report.uri, "report"), "w") as file:
        file.write(letter)


def run(output: Path, letter: str, fails: bool = False) -> dict[str, str]:
    """Runs the pipeline; returns how each step ended, "cached" or "done"."""
    maker = Maker(text=letter)
    reporter = Report(made=maker.outputs["made"], fails=int(fails))
    pipeline = tfx_pipeline.Pipeline(
        pipeline_name="tiny",
        pipeline_root=str(output / "pipeline"),
        components=[maker, reporter],
        enable_cache=True,
        metadata_connection_config=beam_runner.sqlite_metadata(output / "metadata.sqlite"),
    )
    output.mkdir(exist_ok=True)
    launcher_log = logging.getLogger("absl")
    level = launcher_log.level
    launcher_log.setLevel(logging.INFO)  # TFX tells nowhere else that a step came from the cache
    with open(output / "progress.txt", "w+") as screen:
        beam_runner.run(pipeline, plain_console(screen))
        screen.seek(0)
        lines = [line.split() for line in screen if "/2 " in line]
    launcher_log.setLevel(level)
    return {words[1]: "cached" if words[2] == "cached" else "done" for words in lines}


def made(output: Path) -> str:
    """Returns the letters of the models that lie in the output, oldest first."""
    models = sorted((output / "pipeline/Maker/made").iterdir(), key=lambda folder: int(folder.name))
    return "".join((model / "model").read_text()[0] for model in models)
