"""The command `headstart compile`: from a config file to a pipeline file, written whole or not at all."""

import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.config_file import load_config
from pipeline.kubeflow.checks import cluster_problems
from pipeline.problems import ConfigError

ENDINGS = {"kfp": (".yaml", ".yml"), "vertex": (".json",)}


def compile_file(config_file: str, target: str, file: Path, sets: Sequence[str] = ()) -> list[str]:
    """Compiles a config and returns what a person is told: what was written, and the next command.

    Args:
      config_file: path of the config.
      target: kfp or vertex.
      file: to write; its ending is that of the target.
      sets: overrides, see `pipeline.config_set`.

    Raises:
      ConfigError: with everything that is wrong with the config.
      linter.LintError: when the backend would not do what the compiled pipeline says.
      ValueError: for a file of another ending.
      OSError: when the file cannot be written.
    """
    if file.suffix not in ENDINGS[target]:
        raise ValueError(f"{file}: a pipeline for {target} ends in {' or '.join(ENDINGS[target])}")
    if not file.parent.is_dir():
        raise ValueError(f"{file}: there is no folder {file.parent}; make it first")
    config = load_config(config_file, sets)
    problems = cluster_problems(config, target)
    if problems:  # before TFX is imported, which takes 20 s
        raise ConfigError(f"{config_file} for {target}", problems)

    from pipeline.kubeflow.compile import compile_pipeline

    overrides = [part for override in sets for part in ("--set", override)]
    arguments = [config_file, "--target", target, "-o", str(file), *overrides]
    compiled = compile_pipeline(config, target)
    write_whole(file, compiled.as_text(shlex.join(["headstart", "compile", *arguments])))
    steps = len(compiled.spec["root"]["dag"]["tasks"])
    written = f"{config.name}: {steps} steps, artifacts below {config.cluster.pipeline_root}"
    if target == "vertex":
        call = (
            f"aiplatform.PipelineJob(display_name={config.name!r}, template_path={str(file)!r}, "
            "project=PROJECT, location=REGION).submit()"
        )
        return [written, f"Wrote {file}. Next, in Python: from google.cloud import aiplatform; {call}"]
    return [written, f"Wrote {file}. Next: {shlex.join(['headstart', 'submit', config_file, *overrides])}"]


def write_whole(file: Path, text: str) -> None:
    """Writes a file completely or not at all.

    Raises:
      OSError: when that is not possible.
    """
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as scratch:
        try:
            scratch.write(text)
            scratch.close()
            os.chmod(scratch.name, 0o644)  # a temporary file is its owner's alone
            os.replace(scratch.name, file)
        except BaseException:
            os.unlink(scratch.name)
            raise
