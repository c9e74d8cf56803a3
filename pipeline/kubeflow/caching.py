"""Which steps Kubeflow's cache may not serve, because it cannot see all that they read or write."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from pipeline.cluster_config import Step
from pipeline.config import Config
from pipeline.kubeflow.paths import STEPS_OF_PATH, named_paths, on_this_machine
from pipeline.kubeflow.steps import NEVER_CACHED
from pipeline.problems import Problem
from pipeline.source_hash import ROOT

FILES = ("validation.schema", "model.weights", "model.backbone_file")
"""Keys that name a file; its hash is among the inputs of the step that reads it, where it is known."""


def without_stale_caches(config: Config, steps: Mapping[str, Step]) -> dict[str, Step]:
    """Returns the settings of all steps, the cache switched off for those that `unseen_files` names."""
    unseen = unseen_files(config)
    return {
        name: dataclasses.replace(step, cache=False) if name in unseen else step
        for name, step in steps.items()
    }


def unseen_files(config: Config) -> dict[str, str]:
    """Returns the steps that read a file of a volume or a store, each with the key that names the file.

    Such a file may change without a new compilation. The cache would give the outputs made of the old one.
    """
    return {
        step: key
        for key, path in named_paths(config).items()
        if key in FILES and not Path(on_this_machine(path)).is_relative_to(ROOT)
        for step in STEPS_OF_PATH[key]
    }


def cache_problems(config: Config, steps: Mapping[str, Step]) -> list[Problem]:
    """Returns where a config asks for a cache that would leave work undone or serve what is old.

    Args:
      config: complete.
      steps: the settings of all steps, as the config has them.
    """
    problems = []
    unseen = unseen_files(config)
    for name, step in steps.items():
        key = f"cluster.steps.{name}.cache"
        if step.cache and name in NEVER_CACHED:
            message = (
                "got true; its work lies outside of the pipeline's artifacts, and the cache would leave it "
                "undone. Set it to false"
            )
            problems.append(Problem(key, message))
        elif name in unseen and config.cluster.steps.get(name, Step()).cache:
            message = (
                f"got true; the cache does not see when the file of {unseen[name]} changes. Leave it out, or "
                "use a file that the image holds"
            )
            problems.append(Problem(key, message))
    return problems
