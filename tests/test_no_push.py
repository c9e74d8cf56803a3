"""`run --no-push` and `run --because`: what each starts, and what is left to do afterwards."""

import pytest

from pipeline import beam_runner
from pipeline.beam_runner import Ended
from pipeline.cli import main
from pipeline.config_file import load_config
from tests.finished_runs import finish_a_run
from tests.tiny_images import write_class_folders

RUN = ("run", "photos.yaml", "--set", "model.weights=none")


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_class_folders(tmp_path / "photos", ("cat", "dog"), count=30)
    assert main(["init", "photos"]) == 0
    return load_config("photos.yaml", ["model.weights=none"])


@pytest.fixture
def pushes(config, monkeypatch):
    """Lists the properties of the Pusher of each run that had something to do; the runs end as judged."""
    found = []

    def end(pipeline, console):
        (pusher,) = [step for step in pipeline.components if step.id == "Pusher"]
        found.append(pusher.exec_properties)
        finish_a_run(config, run_id=pusher.exec_properties["run_id"], outcome="judged")
        return Ended(None, {})

    monkeypatch.setattr(beam_runner, "run", end)
    return found


def test_a_judged_model_keeps_the_config_stale_until_a_run_may_push_it(config, pushes, capfd):
    finish_a_run(config, outcome="judged")
    assert main(["fresh", *RUN[1:]]) == 5
    assert "its model was judged, but not pushed" in capfd.readouterr().out

    assert main([*RUN, "--no-push"]) == 0
    assert "Nothing has changed since the last run" in capfd.readouterr().out
    assert pushes == []

    assert main(RUN) == 0
    assert [pusher["push"] for pusher in pushes] == [1]


def test_without_a_push_a_change_is_judged_as_any_other(config, pushes):
    finish_a_run(config, "other images", outcome="judged")
    assert main([*RUN, "--no-push"]) == 0
    assert [pusher["push"] for pusher in pushes] == [0]


def test_the_reason_of_a_run_is_what_has_changed_unless_a_person_gives_one(config, pushes):
    assert main(RUN) == 0
    finish_a_run(config, "other images")
    assert main(RUN) == 0
    finish_a_run(config, "other images")
    assert main([*RUN, "--because", "boots for the winter"]) == 0
    reasons = [pusher["because"] for pusher in pushes]
    assert reasons == ["the first run", "the images changed", "boots for the winter"]


def test_a_withdrawn_model_is_looked_at_again_only_when_a_person_says_why(config, pushes, capfd):
    finish_a_run(config, outcome="withdrawn")
    assert main(RUN) == 3
    assert pushes == []
    main([*RUN, "--because", "version 2: the decoder is fixed"])
    assert [pusher["because"] for pusher in pushes] == ["version 2: the decoder is fixed"]
