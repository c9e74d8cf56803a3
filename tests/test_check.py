import dataclasses
import os
from pathlib import Path

import pytest
from google.protobuf import text_format

from components.schema_gen.inference import infer_schema
from modules.recipe import Model, Training
from modules.storage import location
from pipeline import check
from pipeline.check import check_config
from pipeline.check_summary import summarise
from pipeline.config import Config, Data, Evaluation, Push, Validation
from pipeline.config_file import complete
from pipeline.recipes import load_stages
from tests import s3, tiny_data
from tests.finished_runs import finish_a_run
from tests.tiny_images import write_class_folders, write_images
from tests.tiny_sources import write, write_record


def make_config(tmp_path: Path, **sections) -> Config:
    sections = {
        "data": Data(source=str(tmp_path / "photos")),
        "model": Model(weights="none"),
        "training": Training(recipe=load_stages("fine_tuning")),
    } | sections
    return complete(Config(name="photos", output=str(tmp_path / "runs"), **sections))


def test_a_sound_config_has_no_problem_and_its_images_are_counted(tmp_path):
    write_class_folders(tmp_path / "photos", ("cat", "dog", "emu", "fox"), count=50)
    config = make_config(tmp_path)
    checkup = check_config(config)
    assert (checkup.problems, checkup.notes) == ((), ())
    counts = check.expected_counts(checkup.listing, config)
    assert {split: counts[split]["cat"] for split in counts} == pytest.approx(
        {"train": 35, "eval": 5, "test": 10}
    )
    summary = summarise(config, checkup)
    assert "200 images of 4 classes: about 140 train, about 20 eval, about 40 test" in summary
    assert "fine_tuning: trains all" in summary


def test_a_split_that_the_source_gives_is_counted_and_the_missing_one_comes_out_of_train(tmp_path):
    write_class_folders(tmp_path / "photos/train", count=80)
    write_class_folders(tmp_path / "photos/test", count=40)
    config = make_config(tmp_path)
    checkup = check_config(config)
    counts = check.expected_counts(checkup.listing, config)
    assert {split: counts[split]["dog"] for split in counts} == pytest.approx(
        {"train": 70, "eval": 10, "test": 40}
    )
    assert "about 140 train, about 20 eval, 80 test" in summarise(config, checkup)


def test_every_missing_file_is_reported_at_once(tmp_path):
    config = make_config(
        tmp_path,
        model=Model(weights=str(tmp_path / "w.weights.h5")),
        validation=Validation(schema=str(tmp_path / "s.pbtxt")),
    )
    problems = {problem.key: problem.message for problem in check_config(config).problems}
    assert set(problems) == {"model.weights", "validation.schema", "data.source"}
    assert "s.pbtxt" in problems["validation.schema"]
    assert "there is nothing at" in problems["data.source"]


def test_a_missing_backbone_file_is_reported(tmp_path):
    write_class_folders(tmp_path / "photos")
    config = make_config(tmp_path, model=Model(backbone_file=str(tmp_path / "own.keras"), image_size=64))
    (problem,) = check_config(config).problems
    assert problem.key == "model.backbone_file"


@pytest.mark.parametrize("key", ["output", "push.destination"])
def test_a_file_where_a_folder_is_to_be_is_reported(tmp_path, key):
    write_class_folders(tmp_path / "photos")
    (tmp_path / "taken").write_text("")
    config = make_config(tmp_path)
    folder = str(tmp_path / "taken" / "deeper")
    if key == "output":
        config = dataclasses.replace(config, output=folder)
    else:
        config = dataclasses.replace(config, push=Push(destination=folder))
    (problem,) = check_config(config).problems
    assert (problem.key, "is a file, not a folder" in problem.message) == (key, True)


@pytest.mark.parametrize("pushed_to", ["elsewhere", "the output"])
def test_the_output_of_a_local_run_is_a_local_folder(tmp_path, pushed_to):
    write_class_folders(tmp_path / "photos")
    config = dataclasses.replace(make_config(tmp_path), output="s3://bucket/out")
    if pushed_to == "the output":
        config = complete(dataclasses.replace(config, push=Push()))
        assert config.push.destination == "s3://bucket/out/serving"
    (problem,) = check_config(config).problems
    assert problem.key == "output"
    assert problem.message.startswith("got s3://bucket/out; a run on this machine keeps its metadata")
    assert problem.message.endswith("push.destination may be an address")


def test_files_and_the_push_destination_may_be_addresses(tmp_path, s3_bucket):
    write_class_folders(tmp_path / "photos", ("cat", "dog", "emu", "fox"), count=50)
    schema = infer_schema(tiny_data.statistics(["cat", "dog", "emu", "fox"]))
    (location(s3_bucket) / "net.weights.h5").write_bytes(b"weights")
    (location(s3_bucket) / "s.pbtxt").write_text(text_format.MessageToString(schema))
    config = make_config(
        tmp_path,
        model=Model(weights=f"{s3_bucket}/net.weights.h5"),
        validation=Validation(schema=f"{s3_bucket}/s.pbtxt"),
        push=Push(destination=f"{s3_bucket}/nothing/here/yet"),
    )
    checkup = check_config(config)
    assert (checkup.problems, checkup.notes) == ((), ())
    assert f"serving   {s3_bucket}/nothing/here/yet" in summarise(config, checkup)


def test_every_address_that_cannot_be_used_is_reported_at_once(tmp_path, s3_bucket):
    write_class_folders(tmp_path / "photos", ("cat", "dog", "emu", "fox"), count=50)
    config = make_config(
        tmp_path,
        model=Model(weights=f"{s3_bucket}/absent.weights.h5"),
        validation=Validation(schema="ftp://host/s.pbtxt"),
        push=Push(destination="s3://no-such-bucket/served"),
    )
    problems = {problem.key: problem.message for problem in check_config(config).problems}
    assert problems == {
        "model.weights": f"there is no file at {s3_bucket}/absent.weights.h5.",
        "validation.schema": "ftp://host/s.pbtxt: unknown kind of address ftp://. Use s3:// or gs://, or a "
        "local path.",
        "push.destination": "s3://no-such-bucket/served: there is no bucket 'no-such-bucket'. Create it, or "
        "correct the address.",
    }


def test_a_backbone_file_in_a_bucket_that_is_not_there_is_reported_by_its_key(tmp_path, s3_bucket):
    write_class_folders(tmp_path / "photos")
    model = Model(backbone_file="s3://no-such-bucket/own.keras", image_size=64)
    (problem,) = check_config(make_config(tmp_path, model=model)).problems
    assert problem.key == "model.backbone_file"
    assert problem.message.startswith("s3://no-such-bucket/own.keras: there is no bucket 'no-such-bucket'")


def test_a_store_that_does_not_answer_is_one_problem_that_names_the_variable(tmp_path, s3_endpoint):
    write_class_folders(tmp_path / "photos", ("cat", "dog", "emu", "fox"), count=50)
    with s3.environment("http://127.0.0.1:9"):
        config = make_config(tmp_path, push=Push(destination="s3://bucket/served"))
        (problem,) = check_config(config).problems
    assert problem.key == "push.destination"
    assert "the store does not answer" in problem.message
    assert "Set AWS_ENDPOINT_URL" in problem.message


def test_a_schema_file_that_a_run_could_not_use_is_reported(tmp_path):
    write_class_folders(tmp_path / "photos")
    (tmp_path / "s.pbtxt").write_text('feature { name: "label" type: INT }')
    config = make_config(tmp_path, validation=Validation(schema=str(tmp_path / "s.pbtxt")))
    (problem,) = check_config(config).problems
    assert problem.key == "validation.schema"
    assert "feature image_bytes is missing" in problem.message
    assert "feature label has type INT, it must be BYTES" in problem.message


def test_class_weights_must_name_classes_that_exist(tmp_path):
    write_class_folders(tmp_path / "photos")
    training = Training(recipe=load_stages("feature_extraction"), class_weights={"cat": 1.0, "dgo": 2.0})
    (problem,) = check_config(make_config(tmp_path, training=training)).problems
    assert problem.key == "training.class_weights"
    assert problem.message == "there is no class 'dgo'. Found: cat, dog"


def test_the_bundled_weights_fit_one_backbone_only(tmp_path):
    write_class_folders(tmp_path / "photos")
    (tmp_path / check.BUNDLED_WEIGHTS).write_bytes(b"")
    model = Model(backbone="ResNet50", weights=str(tmp_path / check.BUNDLED_WEIGHTS))
    (problem,) = check_config(make_config(tmp_path, model=model)).problems
    assert "fits MobileNetV2, not ResNet50" in problem.message


def test_a_size_at_which_the_bundled_weights_lose_is_noted(tmp_path):
    write_class_folders(tmp_path / "photos")
    (tmp_path / check.BUNDLED_WEIGHTS).write_bytes(b"")
    model = Model(weights=str(tmp_path / check.BUNDLED_WEIGHTS), image_size=224)
    checkup = check_config(make_config(tmp_path, model=model))
    assert checkup.problems == ()
    assert any("of the form 32k+1, such as 225" in note for note in checkup.notes)


def test_what_is_odd_but_no_mistake_is_noted(tmp_path):
    write_images(tmp_path / "photos/cat", 40)
    write_images(tmp_path / "photos/dog", 3)
    training = Training(recipe=load_stages("feature_extraction"))
    notes = check_config(make_config(tmp_path, training=training, evaluation=Evaluation(top_k=2))).notes
    assert (
        "class 'dog': only 2 training images, which is little to learn from; perhaps no image in the eval "
        "split; perhaps no image in the test split"
    ) in notes
    assert any("backbone of random weights" in note for note in notes)
    assert any("evaluation.top_k" in note for note in notes)


def test_a_class_that_cannot_be_learned_is_noted(tmp_path):
    write_class_folders(tmp_path / "photos/train", count=40)
    write_class_folders(tmp_path / "photos/test", ("cat", "dog", "emu"), count=40)
    notes = check_config(make_config(tmp_path)).notes
    assert (
        "class 'emu': no training image; that stops a run unless validation.on_anomaly is warn; no image in "
        "the eval split"
    ) in notes


def test_too_many_useless_files_are_a_problem_before_the_run(tmp_path):
    write_class_folders(tmp_path / "photos")
    (tmp_path / "photos/cat/gone.png").symlink_to(tmp_path / "nowhere.png")
    (problem,) = check_config(make_config(tmp_path)).problems
    assert "1 of 61 files cannot be used" in problem.message
    assert "data.max_rejected_share = 0.01" in problem.message


def test_too_few_images_for_three_splits_are_a_problem(tmp_path):
    write_class_folders(tmp_path / "photos", count=2)
    problems = [problem.message for problem in check_config(make_config(tmp_path)).problems]
    assert problems == [
        "4 images are too few: the eval split has none",
        "4 images are too few: the test split has none",
    ]


def write_many_classes(root: Path, classes: int, images: int) -> None:
    """Writes files that are listed as images of classes called class 0001 and so on."""
    for number in range(1, classes + 1):
        for image in range(images):
            write(root / f"class {number:04}" / f"{image}.png")


def test_many_classes_with_few_images_each_are_counted_before_they_are_rounded(tmp_path):
    write_many_classes(tmp_path / "photos", 600, 4)
    config = make_config(tmp_path)
    checkup = check_config(config)
    assert checkup.problems == ()
    summary = summarise(config, checkup).splitlines()
    assert (
        "          2,400 images of 600 classes: about 1,680 train, about 240 eval, about 480 test" in summary
    )
    assert "          class          train     eval     test" in summary
    assert "          class 0001         3       <1       <1" in summary
    assert "          and 560 more classes" in summary
    assert summary[-3].startswith("note      class 'class 0040': only 3 training images, which is little")
    assert summary[-2] == "note      and 560 more classes with few images"
    # 600 x 0.3^4 = 4.86
    assert summary[-1].startswith(
        "note      about 5 of 600 classes will have no training image, as it happens"
    )


def test_a_class_whose_split_is_given_never_misses_it_by_chance(tmp_path):
    for name in ("a", "b"):
        write_images(tmp_path / "photos" / "train" / name, 1)
        write_images(tmp_path / "photos" / "eval" / name, 1)
        write_images(tmp_path / "photos" / "test" / name, 1)
    config = make_config(tmp_path)
    assert check.expected_untrained_classes(check_config(config).listing, config) == 0


def test_a_split_that_may_expect_one_image_of_any_class_is_none_too_few(tmp_path):
    write_many_classes(tmp_path / "photos", 10, 1)  # 0.1 images of each class for eval
    assert check_config(make_config(tmp_path)).problems == ()


def test_a_weight_for_a_class_that_is_not_there_is_answered_with_the_first_classes_only(tmp_path):
    write_many_classes(tmp_path / "photos", 100, 4)
    training = Training(recipe=load_stages("feature_extraction"), class_weights={"calss 0001": 2.0})
    (problem,) = check_config(make_config(tmp_path, training=training)).problems
    assert problem.message.startswith("there is no class 'calss 0001'. Found: class 0001, class 0002, ")
    assert problem.message.endswith("class 0040, and 60 more classes")


def test_long_and_wide_names_of_classes_keep_the_table_in_shape(tmp_path):
    write_class_folders(tmp_path / "photos", ("猫", "n" * 200), count=50)
    config = make_config(tmp_path)
    lines = summarise(config, check_config(config)).splitlines()
    assert f"          {'n' * 39}…        35        5       10" in lines
    assert f"          猫{' ' * 38}        35        5       10" in lines


def test_a_disk_that_is_too_small_is_a_problem(tmp_path, monkeypatch):
    write_class_folders(tmp_path / "photos")
    monkeypatch.setattr(check, "free_bytes", lambda folder: 10_000_000)
    (problem,) = check_config(make_config(tmp_path)).problems
    assert problem.key == "output"
    assert "but 10 MB are free" in problem.message


def test_the_estimate_of_disk_counts_images_stored_pixels_copies_of_the_weights_and_logs(tmp_path):
    write_class_folders(tmp_path / "photos", count=5)
    (tmp_path / "w.weights.h5").write_bytes(b"x" * 1000)
    model = Model(weights=str(tmp_path / "w.weights.h5"), image_size=100)
    config = make_config(tmp_path, model=model)
    images = sum(file.stat().st_size for file in tmp_path.rglob("*.png"))
    listing = check_config(config).listing
    assert check.needed_bytes(config, listing) == images + 10 * 100 * 100 * 3 + 6 * 1000 + 20e6


def test_the_images_of_tfrecords_are_left_to_the_run(tmp_path):
    write_record(tmp_path / "photos/a.tfrecord")
    config = make_config(tmp_path)
    checkup = check_config(config)
    assert checkup.problems == ()
    assert "1 TFRecord files; a run counts their images" in summarise(config, checkup)


def test_what_an_unfinished_run_has_written_is_not_needed_again(tmp_path, monkeypatch):
    write_class_folders(tmp_path / "photos")
    config = make_config(tmp_path)
    needed = check.needed_bytes(config, check_config(config).listing)
    monkeypatch.setattr(check, "free_bytes", lambda folder: needed - 1_000)
    (problem,) = check_config(config).problems
    assert (problem.key, "a run writes up to" in problem.message) == ("output", True)

    examples = tmp_path / "runs/pipeline/ImageExampleGen/examples/1/data.gz"
    examples.parent.mkdir(parents=True)
    examples.write_bytes(bytes(1_000))
    assert check_config(config).problems == ()

    summary = tmp_path / "runs/summary.json"
    summary.write_text("{}")  # that run has finished: a new one writes all of its own
    os.utime(summary, (examples.stat().st_mtime + 1,) * 2)
    assert [problem.key for problem in check_config(config).problems] == ["output"]


@pytest.mark.parametrize("outcome", ["data_refused", "failed"])
def test_what_a_refused_or_failed_run_has_written_is_not_needed_again(tmp_path, outcome):
    config = make_config(tmp_path)
    step = Path(config.output) / "pipeline/ImageExampleGen"
    step.mkdir(parents=True)

    def run(hours: int, outcome: str, byte_count: int) -> None:
        """A run that writes and then ends, so many hours after 1970."""
        (step / f"{hours}.gz").write_bytes(bytes(byte_count))
        os.utime(step / f"{hours}.gz", (3600 * hours - 60,) * 2)
        finish_a_run(config, "images", outcome=outcome, run_id=f"run-{hours}")
        for file in (Path(config.output) / "summary.json", *Path(config.output).glob(f"reports/*-{hours}/*")):
            os.utime(file, (3600 * hours,) * 2)

    run(1, "pushed", 1)
    run(2, outcome, 20)
    run(3, outcome, 300)
    assert check.written_bytes(config.output) == 320
    run(4, "unchanged", 4000)
    assert check.written_bytes(config.output) == 0


@pytest.mark.parametrize("key", ["output", "push.destination"])
def test_a_name_that_no_disk_takes_is_reported(tmp_path, key):
    write_class_folders(tmp_path / "photos")
    config, folder = make_config(tmp_path), str(tmp_path / ("a" * 300))
    if key == "output":
        config = dataclasses.replace(config, output=folder)
    else:
        config = dataclasses.replace(config, push=Push(destination=folder))
    (problem,) = check_config(config).problems
    assert (problem.key, "File name too long" in problem.message) == (key, True)
