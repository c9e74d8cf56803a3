"""What a finished run leaves in its output folder, without the run."""

from datetime import datetime, timezone

from components import serving_versions
from components.image_example_gen.source_contents import settle
from components.image_example_gen.sources import list_images
from components.report.made_from import made_from
from components.report.publish import publish
from components.report.summary import Summary
from components.source_index import NO_INDEX, SourceIndex
from pipeline.config import Config
from pipeline.settings_json import as_dict
from pipeline.source_hash import code_hash


def source_fingerprint(config: Config) -> str:
    """Returns the fingerprint of the images that a config names, as they are now."""
    return source_index(config).fingerprint


def source_index(config: Config) -> SourceIndex:
    """Returns what ingest writes about the files that a config names."""
    return settle(list_images(config.data.source, config.data.format), NO_INDEX)


ACCURACY = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 40}


def finish_a_run(
    config: Config, images: str | None = None, blessed: bool = True, accuracy: dict = ACCURACY, **changes
) -> Summary:
    """Publishes the report of a run that was made from the present; returns its summary.

    Args:
      config: complete.
      images: fingerprint of the images; by default that of the images themselves.
      blessed: how the run ended, unless `outcome` says more.
      accuracy: with its interval and the number of test images.
      **changes: further attributes of the summary.
    """
    values = {
        "run_id": "20261120-140300",
        "outcome": "pushed" if blessed else "not_blessed",
        "finished": datetime(2026, 11, 20, 14, 3, tzinfo=timezone.utc),
        "metrics": {"accuracy": {name: accuracy[name] for name in ("value", "low", "high")}},
        "n": accuracy["n"],
        "made_from": made_from(
            as_dict(config),
            code_hash(),
            source_fingerprint(config) if images is None else images,
            serving_versions.state(config.push.destination),
        ),
    }
    summary = Summary(**(values | changes))
    if images is None:
        source_index(config).write(config.output)
    publish("<p>page</p>", summary.as_json(), config.output, summary.run_id)
    return summary


def refuse_the_data(config: Config, images: str | None = None, **changes) -> Summary:
    """Publishes the report of a run whose data DataCheck refused; returns its summary."""
    finding = {"severity": "error", "feature": "label", "reason": "new class 'fox': 3 images now"}
    values = {
        "outcome": "data_refused",
        "step": "DataCheck",
        "reasons": ["label: new class 'fox': 3 images now"],
        "advice": "Fix the data.",
        "findings": [finding],
        "metrics": {},
        "n": None,
    }
    return finish_a_run(config, images, **(values | changes))
