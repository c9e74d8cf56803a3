"""Transform's graph, made by tf.Transform from tiny data and then called as training and serving call it."""

import io

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from PIL import Image
from tfx_bsl.public import tfxio

from modules import features
from modules.backbones import preprocess
from modules.images import decode_and_resize_batch
from modules.preprocessing import preprocessing_fn, write_sorted_lines
from modules.recipe import Resize

RAW_SPEC = {
    features.IMAGE_BYTES: tf.io.FixedLenFeature([1], tf.string),
    features.LABEL: tf.io.FixedLenFeature([1], tf.string),
    features.WIDTH: tf.io.FixedLenFeature([1], tf.int64),
}
LABELS = ["zebra", "ant", "bee", "zebra", "Äsche"]


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (20 + seed, 30, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def custom_config(**model) -> dict:
    return {"model": {"backbone": "MobileNetV2", "image_size": 32} | model, "source_hash": "abc"}


def serialized(image_bytes: bytes, label: str) -> bytes:
    def feature(value):
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    values = {features.IMAGE_BYTES: image_bytes, features.LABEL: label.encode(), features.WIDTH: 30}
    by_name = {name: feature(value) for name, value in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=by_name)).SerializeToString()


def transform_output(tmp_path, images: list[bytes], config: dict) -> tft.TFTransformOutput:
    """Analyses examples as the Transform component does, and writes its graph."""
    metadata = tft.DatasetMetadata.from_feature_spec(RAW_SPEC)
    records = [serialized(image, label) for image, label in zip(images, LABELS, strict=True)]
    path = str(tmp_path / "examples.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for record in records:
            writer.write(record)
    source = tfxio.TFExampleRecord(path, schema=metadata.schema)
    output = str(tmp_path / "transform")
    with beam.Pipeline() as pipeline, tft_beam.Context(temp_dir=str(tmp_path / "temporary")):
        data = (pipeline | source.BeamSource(), source.TensorAdapterConfig())
        transform_fn = data | tft_beam.AnalyzeDataset(lambda inputs: preprocessing_fn(inputs, config))
        transform_fn | tft_beam.WriteTransformFn(output)
    return tft.TFTransformOutput(output)


def raw(images: list[bytes], labels: list[str]) -> dict[str, tf.Tensor]:
    parsed = [serialized(image, label) for image, label in zip(images, labels, strict=True)]
    return tf.io.parse_example(parsed, RAW_SPEC)


@pytest.fixture(scope="module")
def images():
    return [png(seed) for seed in range(len(LABELS))]


@pytest.fixture(scope="module")
def output(tmp_path_factory, images):
    return transform_output(tmp_path_factory.mktemp("transform"), images, custom_config())


@pytest.fixture(scope="module")
def transformed(output, images):
    loaded = tf.saved_model.load(output.transform_savedmodel_dir)
    return loaded.transform_fn(raw(images, LABELS))


def test_pixels_are_the_decoded_and_resized_images(transformed, images):
    assert transformed[features.PIXELS].shape == (5, 32, 32, 3)
    np.testing.assert_array_equal(
        transformed[features.PIXELS], decode_and_resize_batch(tf.constant(images), 32, Resize())
    )


def test_the_image_is_the_preprocessed_pixels(transformed):
    expected = preprocess(transformed[features.PIXELS], "tf")

    np.testing.assert_allclose(transformed[features.IMAGE], expected, atol=1e-6)
    assert -1 <= expected.numpy().min() < -0.9


def test_labels_are_numbered_in_alphabetical_order_whatever_their_frequency(output, transformed):
    assert output.vocabulary_by_name(features.LABEL_VOCABULARY) == [
        label.encode() for label in ["ant", "bee", "zebra", "Äsche"]
    ]
    np.testing.assert_array_equal(transformed[features.LABEL_INDEX], [2, 0, 1, 2, 3])


def test_the_vocabulary_is_an_asset_that_travels_with_the_graph(output):
    assert (
        output.vocabulary_file_by_name(features.LABEL_VOCABULARY)
        == f"{output.transform_savedmodel_dir}/assets/{features.LABEL_VOCABULARY}"
    )


def test_an_unknown_label_has_the_index_minus_one(output, images):
    loaded = tf.saved_model.load(output.transform_savedmodel_dir)

    assert loaded.transform_fn(raw(images[:1], ["okapi"]))[features.LABEL_INDEX].numpy() == [-1]


def test_outputs_have_static_shapes_so_that_models_can_be_built_on_them(output):
    spec = output.transformed_feature_spec()

    assert spec[features.PIXELS] == tf.io.FixedLenFeature([32, 32, 3], tf.float32)
    assert spec[features.IMAGE] == tf.io.FixedLenFeature([32, 32, 3], tf.float32)
    assert spec[features.LABEL_INDEX] == tf.io.FixedLenFeature([], tf.int64)


def test_the_analysis_reads_labels_only_and_never_decodes_an_image(tmp_path):
    not_images = [b"these bytes would be an error"] * len(LABELS)
    config = custom_config(backbone="VGG16", resize={"aspect": "pad"})

    output = transform_output(tmp_path, not_images, config)

    # The configured preprocessing and resizing are in the graph all the same.
    loaded = tf.saved_model.load(output.transform_savedmodel_dir)
    transformed = loaded.transform_fn(raw([png(0)], ["ant"]))
    padded = decode_and_resize_batch(tf.constant([png(0)]), 32, Resize(aspect="pad"))
    np.testing.assert_array_equal(transformed[features.PIXELS], padded)
    np.testing.assert_allclose(transformed[features.IMAGE][0, 0, 0], [-103.939, -116.779, -123.68], rtol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.transform_fn(raw(not_images[:1], ["ant"]))


def test_a_label_with_a_line_break_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the label b'a\\nb' contains a line break"):
        write_sorted_lines([b"a\nb"], str(tmp_path / "labels"))


def test_no_label_at_all_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the train split holds no example"):
        write_sorted_lines([], str(tmp_path / "labels"))
