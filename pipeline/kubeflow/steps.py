"""What each step gets in a cluster: the product's defaults, and how a config changes them."""

import dataclasses

from pipeline.cluster_config import Cluster, Retries, Step, StepName

HOUR = 3600
NEVER = Retries(max=0)

PRODUCT_DEFAULTS: dict[StepName, Step] = {
    "ImageExampleGen": Step(cpu="2", memory="4Gi", timeout_seconds=12 * HOUR, cache=False),
    "StatisticsGen": Step(cpu="2", memory="4Gi", timeout_seconds=12 * HOUR, cache=True),
    "SchemaGen": Step(cpu="1", memory="2Gi", timeout_seconds=HOUR, cache=True),
    "ExampleValidator": Step(cpu="1", memory="2Gi", timeout_seconds=HOUR, cache=True),
    # What it refuses, it refuses again.
    "DataCheck": Step(cpu="1", memory="2Gi", timeout_seconds=HOUR, cache=False, retries=NEVER),
    "Transform": Step(cpu="2", memory="4Gi", timeout_seconds=12 * HOUR, cache=True),
    "Trainer": Step(cpu="4", memory="12Gi", timeout_seconds=48 * HOUR, cache=True),
    "Baseline": Step(cpu="1", memory="2Gi", timeout_seconds=HOUR, cache=False),
    "Evaluator": Step(cpu="2", memory="8Gi", timeout_seconds=12 * HOUR, cache=True),
    "InfraCheck": Step(cpu="2", memory="6Gi", timeout_seconds=HOUR, cache=True),
    "Pusher": Step(cpu="1", memory="2Gi", timeout_seconds=HOUR, cache=False),
    "Report": Step(cpu="1", memory="4Gi", timeout_seconds=2 * HOUR, cache=False),
    "Verdict": Step(cpu="1", memory="2Gi", timeout_seconds=HOUR, cache=False, retries=NEVER),
}
"""TFX alone takes 900 MB. Steps that read or write what lies outside of the pipeline are not cached."""

NEVER_CACHED = ("DataCheck", "Baseline", "Pusher", "Report", "Verdict")
"""Steps whose work lies outside of the pipeline's artifacts: taken from the cache, it would not be done."""

BEAM_STEPS = ("ImageExampleGen", "StatisticsGen", "Transform", "Evaluator")
"""Steps that run Beam pipelines."""


def step_settings(cluster: Cluster, name: StepName) -> Step:
    """Returns what one step gets, complete but for image and accelerator, which may be None.

    The product's defaults, `cluster.image`, `cluster.defaults` and `cluster.steps.NAME` follow each other,
    and the later one wins: single values and whole groups (accelerator, retries) replace, maps (env,
    secret_env, node_selector) are merged by name, volumes by path, tolerations and Beam arguments add up.
    """
    step = dataclasses.replace(PRODUCT_DEFAULTS[name], image=cluster.image)
    if step.retries is None:
        step = dataclasses.replace(step, retries=Retries())
    for over in (cluster.defaults, cluster.steps.get(name, Step())):
        step = merged(step, over)
    return step


def merged(under: Step, over: Step) -> Step:
    """Returns the settings of `under`, changed by what `over` gives."""
    single = ("image", "cpu", "memory", "accelerator", "retries", "timeout_seconds", "cache")
    values = {name: getattr(over, name) for name in single if getattr(over, name) is not None}
    values["node_selector"] = under.node_selector | over.node_selector
    # A name has one value: what the later settings give as a secret is no plain text any more, or back.
    values["env"] = {name: text for name, text in under.env.items() if name not in over.secret_env} | over.env
    values["secret_env"] = {
        name: key for name, key in under.secret_env.items() if name not in over.env
    } | over.secret_env
    values["volumes"] = tuple({volume.path: volume for volume in (*under.volumes, *over.volumes)}.values())
    values["tolerations"] = tuple(dict.fromkeys((*under.tolerations, *over.tolerations)))
    values["beam_args"] = under.beam_args + over.beam_args
    return dataclasses.replace(under, **values)


def all_step_settings(cluster: Cluster) -> dict[StepName, Step]:
    """Returns what every step gets, by its name."""
    return {name: step_settings(cluster, name) for name in PRODUCT_DEFAULTS}
