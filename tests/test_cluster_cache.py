"""What Kubeflow's cache may serve: no step whose inputs it cannot see."""

import pytest

from pipeline.kubeflow.caching import cache_problems, unseen_files, without_stale_caches
from pipeline.kubeflow.compile import compile_pipeline
from pipeline.kubeflow.steps import all_step_settings
from pipeline.source_hash import ROOT
from tests.tiny_cluster import PLAIN, config_of, task

IN_IMAGE = f"model.weights={ROOT}/data/weights/mobilenet_v2_1.0_notop.weights.h5"
IN_STORE = "model.weights=s3://bucket/weights.h5"
SCHEMA = "validation.schema=/data/schema.pbtxt"


@pytest.mark.parametrize(
    ("sets", "unseen"),
    [
        ((), {}),
        ((IN_IMAGE,), {}),
        (("model.weights=/headstart/data/weights/x.h5",), {}),
        ((IN_STORE,), {"Trainer": "model.weights"}),
        ((IN_IMAGE, SCHEMA), {"SchemaGen": "validation.schema"}),
        (
            ("model.backbone=custom", "model.backbone_file=s3://bucket/b.keras"),
            {"Trainer": "model.backbone_file"},
        ),
    ],
)
def test_a_file_that_may_change_without_a_new_compilation_switches_its_steps_cache_off(sets, unseen):
    config = config_of(PLAIN, *sets)
    before = all_step_settings(config.cluster)
    after = without_stale_caches(config, before)
    assert unseen_files(config) == unseen
    assert {name for name in before if before[name].cache != after[name].cache} == set(unseen)
    assert cache_problems(config, before) == []


def test_the_compiled_trainer_follows():
    trainer = task(compile_pipeline(config_of(PLAIN, IN_STORE)), "Trainer")
    assert trainer["cachingOptions"] == {}
    assert task(compile_pipeline(config_of(PLAIN, IN_IMAGE)), "Trainer")["cachingOptions"] == {
        "enableCache": True
    }


def test_a_cache_that_is_asked_for_all_the_same_is_refused():
    config = config_of(PLAIN, IN_STORE, "cluster.steps.Trainer.cache=true")
    (problem,) = cache_problems(config, all_step_settings(config.cluster))
    assert problem.key == "cluster.steps.Trainer.cache"
    assert "does not see when the file of model.weights changes" in problem.message
    config = config_of(PLAIN, IN_IMAGE, "cluster.steps.Trainer.cache=true")
    assert cache_problems(config, all_step_settings(config.cluster)) == []
