"""Compiles the DAG for Kubeflow Pipelines: open source (kfp) or on Google's Vertex (vertex)."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Literal

import yaml

from pipeline import __version__
from pipeline.cluster_config import Step
from pipeline.config import Config
from pipeline.console import quiet_stderr
from pipeline.kubeflow import linter
from pipeline.kubeflow.caching import without_stale_caches
from pipeline.kubeflow.checks import cluster_problems
from pipeline.kubeflow.parameters import add_runtime_parameters
from pipeline.kubeflow.paths import config_in_container, hash_for_container
from pipeline.kubeflow.platform import platform_spec
from pipeline.kubeflow.steps import BEAM_STEPS, all_step_settings
from pipeline.kubeflow.tasks import apply_step
from pipeline.problems import ConfigError

Target = Literal["kfp", "vertex"]
RUN_ID = "{{$.pipeline_job_uuid}}"  # the driver puts the run's id in its place
COMMANDS = {
    "kfp": ("python", "-m", "pipeline.kubeflow.entrypoint"),
    "vertex": ("python", "-m", "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"),
}


@dataclasses.dataclass(frozen=True)
class CompiledPipeline:
    """A pipeline as Kubeflow Pipelines takes it."""

    spec: dict
    """PipelineSpec as JSON, schema 2.1.0."""
    platform: dict
    """PlatformSpec as JSON; empty for Vertex."""
    job: dict = dataclasses.field(default_factory=dict)
    """PipelineJob as JSON without its spec; empty for kfp."""

    def as_text(self, command: str = "") -> str:
        """Returns the file: YAML of two documents for kfp, the JSON of a PipelineJob for Vertex.

        Args:
          command: by which it was made, for the first lines of the YAML.
        """
        if self.job:
            return json.dumps(self.job | {"pipelineSpec": self.spec}, indent=2, sort_keys=True) + "\n"
        head = f"# Headstart {__version__} made this file. Change the config and compile again.\n"
        head += f"#   {command}\n" if command else ""
        return head + yaml.safe_dump_all(
            [self.spec, self.platform], sort_keys=True, allow_unicode=True, width=120
        )


def compile_pipeline(config: Config, target: Target = "kfp") -> CompiledPipeline:
    """Compiles the DAG of a config and lets the linter look at it.

    Args:
      config: complete, see `pipeline.config_file.load_config`.
      target: kfp for open-source Kubeflow Pipelines, vertex for Google's.

    Raises:
      ConfigError: with everything in the config that would not work in a cluster.
      linter.LintError: when the backend would refuse or silently ignore something in the result.
    """
    problems = cluster_problems(config, target)
    if problems:
        raise ConfigError(f"target {target}", problems)
    steps = without_stale_caches(config, all_step_settings(config.cluster))
    job = _tfx_job(config, steps, target)
    spec = job.pop("pipelineSpec")
    spec["defaultPipelineRoot"] = config.cluster.pipeline_root
    add_runtime_parameters(spec)
    for name, step in steps.items():
        apply_step(spec, name, step, target)
    platform = {}
    if target == "kfp":
        job = {}
        platform = platform_spec({_executor_label(spec, name): step for name, step in steps.items()})
    findings = linter.lint(spec, platform, target)
    if findings:
        raise linter.LintError(findings)
    return CompiledPipeline(spec, platform, job)


def kubeflow_name(name: str) -> str:
    """Returns a pipeline's name as Kubeflow allows it: small letters, digits and dashes."""
    return name.lower().replace("_", "-")


def _executor_label(spec: dict, step: str) -> str:
    return spec["components"][spec["root"]["dag"]["tasks"][step]["componentRef"]["name"]]["executorLabel"]


def _tfx_job(config: Config, steps: dict[str, Step], target: Target) -> dict:
    """Returns the PipelineJob that TFX makes of the DAG, as JSON."""
    with quiet_stderr():
        from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

        from pipeline import dag

    surroundings = dag.Surroundings(
        source_fingerprint="",
        serving_state="",
        run_id=RUN_ID,
        started_by="Kubeflow Pipelines",
        file_hash=hash_for_container,
    )
    pipeline = dag.create_pipeline(config_in_container(config), surroundings, config.cluster.pipeline_root)
    pipeline.pipeline_info.pipeline_name = kubeflow_name(config.name)
    for component in pipeline.components:
        if component.id in BEAM_STEPS:
            component.executor_spec.beam_pipeline_args = list(
                _step_arguments(config, steps[component.id], target)
            )
    runner_config = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
        display_name=config.name,
        default_image=config.cluster.image,
        default_commands=list(COMMANDS[target]),
        use_pipeline_spec_2_1=True,
    )
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(runner_config)
    return runner.run(pipeline, write_out=False)


def _step_arguments(config: Config, step: Step, target: Target) -> Sequence[str]:
    from pipeline.beam_options import beam_arguments

    arguments = beam_arguments(config.beam, step.image, step.beam_args)
    if target == "kfp" and config.beam.shared_folder:
        arguments = [f"--headstart_shared_folder={config.beam.shared_folder}", *arguments]
    return arguments
