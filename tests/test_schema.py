"""Statistics leave the pixels alone; the schema names all features; a kept schema file is checked."""

import unicodedata

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils
from tfx.components.statistics_gen import executor as statistics_gen
from tfx.types import standard_artifacts

from components.schema_gen import executor as schema_gen
from components.schema_gen.inference import infer_schema
from components.schema_gen.limits import read_limits
from components.schema_gen.schema_file import check_schema_file, schema_classes
from components.schema_gen.statistics import class_counts, statistics_options
from modules import features
from tests import tiny_data


def feature(schema: schema_pb2.Schema, name: str) -> schema_pb2.Feature:
    return next(feature for feature in schema.feature if feature.name == name)


def kept(tmp_path, schema: schema_pb2.Schema):
    path = tmp_path / "schema.pbtxt"
    tfdv.write_schema_text(schema, str(path))
    return path


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    """Examples of two classes, one image of which is larger than all others."""
    images = [("cat", 20), ("dög", 200), ("cat", 60), ("dög", 90)]
    train = [tiny_data.raw_example(tiny_data.grey_png(grey), label) for label, grey in images]
    return tiny_data.examples_artifact(
        tmp_path_factory.mktemp("data") / "examples", {"train": train, "eval": train[:2], "test": train[2:]}
    )


@pytest.fixture(scope="module")
def computed(ingested, tmp_path_factory):
    """The statistics that TFX's StatisticsGen computes with our options."""
    artifact = tiny_data.new_artifact(
        standard_artifacts.ExampleStatistics, tmp_path_factory.mktemp("statistics") / "1"
    )
    statistics_gen.Executor().Do(
        {"examples": [ingested]},
        {"statistics": [artifact]},
        {"stats_options_json": statistics_options().to_json()},
    )
    return artifact


def test_statistics_cover_label_and_scalars_but_not_the_pixels(computed):
    train = tfdv.load_stats_binary(f"{computed.uri}/Split-train/FeatureStats.pb")

    measured = {measured.path.step[0] for measured in train.datasets[0].features}

    assert measured == {features.LABEL, features.IMAGE_FORMAT, *features.NUMERIC_SCALARS}
    assert class_counts(train) == {"cat": 2, "dög": 2}


def test_all_raw_features_are_read_from_examples_by_the_inferred_schema(computed, ingested, tmp_path):
    artifact = tiny_data.new_artifact(standard_artifacts.Schema, tmp_path / "schema")
    schema_gen.Executor().Do({"statistics": [computed]}, {"schema": [artifact]}, {"source_hash": "1"})
    schema = tfdv.load_schema_text(f"{artifact.uri}/schema.pbtxt")

    spec = schema_utils.schema_as_feature_spec(schema).feature_spec
    files = tf.io.gfile.glob(f"{ingested.uri}/Split-train/*")
    examples = next(iter(tf.data.TFRecordDataset(files, "GZIP").batch(4)))
    parsed = tf.io.parse_example(examples, spec)

    assert spec.keys() == {features.IMAGE_BYTES, features.LABEL, *features.SCALARS}
    assert parsed[features.IMAGE_BYTES].shape == (4, 1)
    assert parsed[features.IMAGE_BYTES][0, 0] == tiny_data.grey_png(20)
    assert parsed[features.MEAN_BRIGHTNESS][:, 0].numpy().tolist() == [20.0, 200.0, 60.0, 90.0]


def test_the_schema_that_a_user_keeps_is_used_instead_of_the_statistics(tmp_path):
    schema = infer_schema(tiny_data.statistics(["cat", "dog", "emu"]))
    artifact = tiny_data.new_artifact(standard_artifacts.Schema, tmp_path / "out")

    schema_gen.Executor().Do({}, {"schema": [artifact]}, {"schema_file": str(kept(tmp_path, schema))})

    assert tfdv.load_schema_text(f"{artifact.uri}/schema.pbtxt") == schema


def test_a_schema_file_that_became_unfit_stops_the_step(tmp_path):
    schema = infer_schema(tiny_data.statistics(["cat"]))
    artifact = tiny_data.new_artifact(standard_artifacts.Schema, tmp_path / "out")

    with pytest.raises(ValueError, match="label must list the classes, two or more"):
        schema_gen.Executor().Do({}, {"schema": [artifact]}, {"schema_file": str(kept(tmp_path, schema))})


def test_data_conform_to_the_schema_that_was_inferred_from_them(computed):
    train = tfdv.load_stats_binary(f"{computed.uri}/Split-train/FeatureStats.pb")

    assert not tfdv.validate_statistics(train, infer_schema(train)).anomaly_info


def test_only_the_label_has_a_closed_list_of_values():
    schema = infer_schema(tiny_data.statistics(["true", "false", "true"]))

    assert schema_classes(schema) == ["false", "true"]
    assert [f.name for f in schema.feature if f.WhichOneof("domain_info")] == [features.LABEL]
    assert feature(schema, features.IMAGE_FORMAT).type == schema_pb2.BYTES


def test_classes_that_are_called_by_numbers_stay_texts():
    schema = infer_schema(tiny_data.statistics(["10", "9", "1"]))

    assert feature(schema, features.LABEL).type == schema_pb2.BYTES
    assert schema_classes(schema) == ["1", "10", "9"]


def test_all_of_many_classes_are_in_the_schema():
    labels = [f"class {number:04}" for number in range(1500)]

    assert schema_classes(infer_schema(tiny_data.statistics(labels))) == labels


def test_limits_of_the_median_are_the_outer_deciles_and_a_margin():
    brightness = [float(value) for value in range(10, 110)]
    schema = infer_schema(tiny_data.statistics(["cat", "dog"] * 50, mean_brightness=brightness))

    at_least, at_most = read_limits(feature(schema, features.MEAN_BRIGHTNESS))

    assert at_least == pytest.approx(20 / 1.25, rel=0.05)
    assert at_most == pytest.approx(100 * 1.25, rel=0.05)
    assert read_limits(feature(schema, features.WIDTH)) == (pytest.approx(51.2), pytest.approx(80.0))


def test_one_outlier_in_the_train_split_does_not_widen_the_limits():
    widths = [100] * 99 + [40_000]
    schema = infer_schema(tiny_data.statistics(["cat", "dog"] * 50, width=widths))

    assert read_limits(feature(schema, features.WIDTH)) == (pytest.approx(80.0), pytest.approx(125.0))


def test_a_schema_without_any_image_is_refused():
    with pytest.raises(ValueError, match="no labelled image"):
        infer_schema(tiny_data.statistics([]))


def test_an_inferred_schema_can_be_kept_in_a_file(tmp_path):
    schema = infer_schema(tiny_data.statistics(["cat", "dog"]))

    assert check_schema_file(kept(tmp_path, schema)) == schema


def test_the_classes_of_a_kept_schema_are_named_as_in_the_data(tmp_path):
    composed, decomposed = unicodedata.normalize("NFC", "dög"), unicodedata.normalize("NFD", "dög")
    schema = infer_schema(tiny_data.statistics(["cat", decomposed]))

    assert schema_classes(check_schema_file(kept(tmp_path, schema))) == ["cat", composed]
    del schema.string_domain[:]
    feature(schema, features.LABEL).string_domain.value.extend(["cat", decomposed, composed])
    assert schema_classes(check_schema_file(kept(tmp_path, schema))) == ["cat", composed]


def test_a_kept_schema_has_no_class_with_a_separator_of_lines(tmp_path):
    schema = infer_schema(tiny_data.statistics(["cat", "d\u2028g"]))

    with pytest.raises(ValueError, match=r"feature label: class name 'd\\u2028g' has a control character"):
        check_schema_file(kept(tmp_path, schema))


def test_a_kept_schema_must_not_ask_for_the_presence_of_what_is_not_measured(tmp_path):
    schema = infer_schema(tiny_data.statistics(["cat", "dog"]))
    feature(schema, features.IMAGE_BYTES).presence.min_fraction = 1.0

    with pytest.raises(ValueError, match="feature image_bytes has no statistics, so it must have neither"):
        check_schema_file(kept(tmp_path, schema))


def test_a_kept_schema_says_all_that_is_missing_in_it(tmp_path):
    schema = infer_schema(tiny_data.statistics(["cat", "dog"]))
    del schema.string_domain[:]
    feature(schema, features.WIDTH).type = schema_pb2.FLOAT
    feature(schema, features.HEIGHT).annotation.tag[0] = "median_at_least=tall"
    feature(schema, features.BYTE_SIZE).ClearField("presence")
    schema.feature.remove(feature(schema, features.IMAGE_BYTES))

    with pytest.raises(ValueError, match=r"validation\.schema") as raised:
        check_schema_file(kept(tmp_path, schema))

    message = str(raised.value)
    assert "feature image_bytes is missing" in message
    assert "feature width has type FLOAT, it must be INT" in message
    assert 'the tag "median_at_least=tall" must be median_at_least= and a number' in message
    assert "feature byte_size must have shape { dim { size: 1 } } and presence min_fraction 1" in message
    assert "label must list the classes" in message
    assert "Start from the schema.pbtxt of a run" in message


def test_a_file_that_is_no_schema_is_named_with_the_line(tmp_path):
    path = tmp_path / "schema.pbtxt"
    path.write_text("feature {\n  nmae: 'label'\n}\n")

    with pytest.raises(ValueError, match=r"not a schema in text format: 2:3.*nmae"):
        check_schema_file(path)


def test_a_schema_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"validation\.schema: no file .*absent\.pbtxt"):
        check_schema_file(tmp_path / "absent.pbtxt")
