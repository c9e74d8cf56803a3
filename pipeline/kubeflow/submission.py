"""What is handed to Kubeflow Pipelines: the compiled pipeline, and what goes beside it."""

import contextlib
import dataclasses
import difflib
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from components.evaluator.thresholds import parse_thresholds
from pipeline.config import Config
from pipeline.kubeflow.compile import CompiledPipeline
from pipeline.kubeflow.parameters import RUNTIME_PARAMETERS


@dataclasses.dataclass(frozen=True)
class Submission:
    name: str
    """Of the pipeline; runs and schedules are named after it."""
    experiment: str
    """In which runs are listed."""
    pipeline: CompiledPipeline
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    """Runtime parameters that differ from the compiled defaults."""
    pipeline_root: str | None = None
    """Where artifacts go."""
    service_account: str | None = None
    """Of the steps' pods."""

    def fingerprint(self, **also: str) -> str:
        """Returns a hash of all of it, and of what else is given."""
        text = json.dumps(dataclasses.asdict(self) | also, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @contextlib.contextmanager
    def package(self) -> Iterator[str]:
        """Yields the path of a file as kfp takes it, for as long as the context is open."""
        with tempfile.TemporaryDirectory(prefix="headstart-") as folder:
            file = Path(folder) / "pipeline.yaml"
            file.write_text(self.pipeline.as_text(), encoding="utf-8")
            yield str(file)


def submission_of(
    config: Config, pipeline: CompiledPipeline, parameters: dict[str, str], experiment: str | None
) -> Submission:
    """Returns what is submitted for a config.

    Args:
      config: complete.
      pipeline: what the config was compiled to, for kfp.
      parameters: as `parse_parameters` returns them.
      experiment: of the connection; None for one with the pipeline's name.
    """
    return Submission(
        name=config.name,
        experiment=experiment or config.name,
        pipeline=pipeline,
        parameters=parameters,
        pipeline_root=config.cluster.pipeline_root,
        service_account=config.cluster.service_account,
    )


def parse_parameters(arguments: Sequence[str]) -> dict[str, str]:
    """Reads arguments such as data_source=s3://bucket/photos.

    Raises:
      ValueError: for an unknown parameter, one given twice, or thresholds that the Evaluator would refuse.
    """
    names = [parameter.name for parameter in RUNTIME_PARAMETERS]
    values = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals:
            raise ValueError(
                f"--parameter {argument}: write NAME=VALUE, such as {names[0]}=s3://bucket/photos"
            )
        if name not in names:
            nearest = difflib.get_close_matches(name, names, 1)
            hint = f"Did you mean {nearest[0]}? " if nearest else ""
            raise ValueError(
                f"--parameter {name}: unknown. {hint}A run takes {', '.join(names)}; anything else is part "
                "of the config: --set"
            )
        if name in values:
            raise ValueError(f"--parameter {name}: given twice, as {values[name]!r} and {value!r}")
        if name == "thresholds":
            try:
                parse_thresholds(value)
            except ValueError as error:
                raise ValueError(f"--parameter {error}") from None
        values[name] = value
    return values
