"""The DAG, in one function that reads from top to bottom. Runners and compilers only differ outside of it."""

import dataclasses
import json
from collections.abc import Callable

from tfx.components import ExampleValidator, StatisticsGen, Trainer, Transform
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.proto import trainer_pb2

from components.baseline.component import Baseline
from components.data_check.component import DataCheck
from components.evaluator.component import Evaluator
from components.image_example_gen.component import ImageExampleGen
from components.infra_check.component import InfraCheck
from components.pusher.component import Pusher
from components.report.component import Report
from components.report.made_from import config_hash
from components.schema_gen.component import SchemaGen
from components.schema_gen.statistics import statistics_options
from components.verdict.component import Verdict
from modules.file_hash import file_hash
from modules.recipe import Head
from modules.storage import is_remote
from pipeline.beam_options import beam_arguments
from pipeline.config import Config
from pipeline.settings_json import as_dict, as_json
from pipeline.source_hash import code_hash, source_hash

# What makes the graph that serves, around the weights.
GRAPH_SOURCES = ("modules/serving.py", "modules/preprocessing.py", "modules/model.py")
# What makes a model of images.
MODEL_SOURCES = ("modules", "components/image_example_gen", "components/schema_gen")


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a run finds around it: it decides, beside the config, which steps the cache may serve."""

    source_fingerprint: str  # of the images, as the cache knows them: see pipeline.source_state.cache_key
    serving_state: str  # of the push destination: see components.serving_versions
    run_id: str  # unique to the run: what is published is never taken from the cache
    started_by: str = "headstart run"
    because: str = ""  # why it was started, in a person's words
    push: bool = True  # False judges the model only
    file_hash: Callable[[str], str] = file_hash  # of a file that the config names


def create_components(config: Config, surroundings: Surroundings) -> list:
    """Returns the steps of the pipeline, in order, wired to each other.

    Args:
      config: a complete config, paths absolute, the recipe as a list of stages.
      surroundings: what the run finds around it.
    """
    example_gen = ImageExampleGen(
        source=config.data.source,
        format=config.data.format,
        splits=as_json(config.data.splits),
        tfrecord_keys=as_json(config.data.tfrecord),
        max_megapixels=config.data.max_megapixels,
        images_per_shard=config.data.images_per_shard,
        source_fingerprint=surroundings.source_fingerprint,
        source_hash=source_hash("components/image_example_gen"),
    )
    examples = example_gen.outputs["examples"]
    statistics_gen = StatisticsGen(examples=examples, stats_options=statistics_options())
    statistics = statistics_gen.outputs["statistics"]
    schema_file = config.validation.schema
    schema_gen = SchemaGen(
        statistics=statistics,
        schema_file=schema_file,
        schema_file_hash=surroundings.file_hash(schema_file) if schema_file else None,
        source_hash=source_hash("components/schema_gen"),
    )
    schema = schema_gen.outputs["schema"]
    example_validator = ExampleValidator(statistics=statistics, schema=schema)
    data_check = DataCheck(
        ingest_report=example_gen.outputs["ingest_report"],
        statistics=statistics,
        schema=schema,
        anomalies=example_validator.outputs["anomalies"],
        max_rejected_share=config.data.max_rejected_share,
        on_anomaly=config.validation.on_anomaly,
        limits=json.dumps(limits(config), sort_keys=True),
        name=config.name,
        push_destination=config.push.destination,
        serving_state=surroundings.serving_state,
        config=as_json(config),
        code_hash=code_hash(),
        output=config.output,
        run_id=surroundings.run_id,
        source_hash=source_hash("components/data_check"),
    )
    transform = Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="modules.preprocessing.preprocessing_fn",
        materialize=False,
        disable_statistics=True,  # they would read the pixels, as input and as output
        custom_config=transform_config(config),
    )
    transform.add_upstream_node(data_check)
    trainer = Trainer(
        run_fn="modules.trainer.run_fn",
        examples=examples,
        schema=schema,
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
        custom_config=trainer_config(config, surroundings),
    )
    model = trainer.outputs["model"]
    baseline = Baseline(
        model=model,
        push_destination=config.push.destination,
        serving_state=surroundings.serving_state,
        source_hash=source_hash("components/baseline"),
    )
    evaluator = Evaluator(
        examples=examples,
        model=model,
        baseline_model=baseline.outputs["baseline_model"],
        schema=schema,
        ingest_report=example_gen.outputs["ingest_report"],
        evaluation=json.dumps(evaluation_settings(config), sort_keys=True),
        thresholds=json.dumps(thresholds(config), sort_keys=True),
        source_hash=source_hash("components/evaluator"),
    )
    infra_check = InfraCheck(
        model=model,
        model_run=trainer.outputs["model_run"],
        examples=examples,
        infra_check=as_json(config.infra_check),
        source_hash=source_hash("components/infra_check"),
    )
    pusher = Pusher(
        model=model,
        blessing=evaluator.outputs["blessing"],
        infra_blessing=infra_check.outputs["blessing"],
        statistics=statistics,
        ingest_report=example_gen.outputs["ingest_report"],
        push_destination=config.push.destination,
        push=surroundings.push,
        because=surroundings.because,
        origin=json.dumps(origin(config, surroundings), sort_keys=True),
        run_id=surroundings.run_id,
        source_hash=source_hash("components/pusher"),
    )
    report = Report(
        ingest_report=example_gen.outputs["ingest_report"],
        data_verdict=data_check.outputs["data_verdict"],
        statistics=statistics,
        examples=examples,
        model_run=trainer.outputs["model_run"],
        baseline_model=baseline.outputs["baseline_model"],
        evaluation=evaluator.outputs["evaluation"],
        blessing=evaluator.outputs["blessing"],
        predictions=evaluator.outputs["predictions"],
        infra_blessing=infra_check.outputs["blessing"],
        pushed_model=pusher.outputs["pushed_model"],
        config=as_json(config),
        code_hash=code_hash(),
        output=config.output,
        run_id=surroundings.run_id,
        source_hash=source_hash("components/report"),
    )
    verdict = Verdict(
        report=report.outputs["report"],
        output=config.output,
        source_hash=source_hash("components/verdict"),
    )
    steps = [
        example_gen,
        statistics_gen,
        schema_gen,
        example_validator,
        data_check,
        transform,
        trainer,
        baseline,
        evaluator,
        infra_check,
        pusher,
        report,
        verdict,
    ]
    for step in steps:
        if isinstance(step, BaseBeamComponent):
            step.with_beam_pipeline_args(beam_arguments(config.beam, config.cluster.image))
    return steps


def create_pipeline(
    config: Config, surroundings: Surroundings, root: str, metadata_connection_config=None
) -> tfx_pipeline.Pipeline:
    """Returns the pipeline over `create_components`, with the given root for its artifacts."""
    return tfx_pipeline.Pipeline(
        pipeline_name=config.name,
        pipeline_root=root,
        components=create_components(config, surroundings),
        enable_cache=True,
        metadata_connection_config=metadata_connection_config,
    )


def limits(config: Config) -> dict:
    """Returns how far the data may be from that of an earlier version, plain enough for JSON."""
    names = ("max_drift", "max_relabelled", "max_overlap", "accepted_data")
    return {name: getattr(config.validation, name) for name in names}


def origin(config: Config, surroundings: Surroundings) -> dict:
    """Returns what the manifest of a pushed version says about where it comes from."""
    return {
        "name": config.name,
        "config": config_hash(as_dict(config)),
        "code": code_hash(),
        "started_by": surroundings.started_by,
    }


def evaluation_settings(config: Config) -> dict:
    """Returns the settings of the Evaluator but for the thresholds, plain enough for JSON."""
    return {name: value for name, value in as_dict(config.evaluation).items() if name != "thresholds"}


def thresholds(config: Config) -> dict[str, dict[str, float]]:
    """Returns the bounds that are set, by metric: short enough to be edited as a parameter of a run."""
    return {
        metric: {bound: value for bound, value in bounds.items() if value is not None}
        for metric, bounds in as_dict(config.evaluation)["thresholds"].items()
    }


def transform_config(config: Config) -> dict:
    """Returns what `modules.preprocessing.preprocessing_fn` is told, plain enough for JSON.

    Head and weights are left out: the preprocessing does not depend on them, and a changed head
    must not run Transform again.
    """
    model = as_dict(dataclasses.replace(config.model, head=Head(), weights="none"))
    return {"model": model, "source_hash": source_hash("modules")}


def trainer_config(config: Config, surroundings: Surroundings) -> dict:
    """Returns what `modules.trainer.run_fn` is told, plain enough for JSON."""
    files = [config.model.backbone_file, config.model.weights]
    return {
        "model": as_dict(config.model),
        "training": as_dict(config.training),
        # Checkpoints are renamed into place, which object stores cannot do: the step works on its own disk.
        "training_dir": None if is_remote(config.output) else f"{config.output}/training",
        "tensorboard_dir": f"{config.output}/tensorboard",
        "file_hashes": {
            file: surroundings.file_hash(file) for file in files if file and file not in ("imagenet", "none")
        },
        "source_hash": source_hash("modules"),
        "graph_source_hash": source_hash(*GRAPH_SOURCES),
        "model_source_hash": source_hash(*MODEL_SOURCES),
    }
