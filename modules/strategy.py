"""Where and how precisely a training computes: devices and number formats."""

import contextlib

import keras
import tensorflow as tf


def build_strategy(distribution: str) -> tf.distribute.Strategy:
    """Returns the distribution strategy of a name: none, mirrored or tpu.

    mirrored takes all GPUs of the machine, or all of its logical CPU devices when it has no GPU.

    Raises:
      ValueError: for tpu on a machine that has none.
    """
    if distribution == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if distribution == "tpu":
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver("local")
        tf.config.experimental_connect_to_cluster(resolver)
        try:
            tf.tpu.experimental.initialize_tpu_system(resolver)
        except tf.errors.NotFoundError as error:
            raise ValueError(
                "training.distribution: tpu, but TensorFlow finds no TPU on this machine. "
                "Use none, or mirrored for all GPUs."
            ) from error
        return tf.distribute.TPUStrategy(resolver)
    return tf.distribute.get_strategy()


def check_batch_size(batch_size: int, replicas: int) -> None:
    """Raises ValueError when a batch cannot be shared equally by the devices."""
    if batch_size % replicas:
        raise ValueError(
            f"training.batch_size: {batch_size} images cannot be shared equally by {replicas} devices. "
            f"Use a multiple of {replicas}, such as {max(1, round(batch_size / replicas)) * replicas}."
        )


@contextlib.contextmanager
def precision(mixed_precision: str):
    """Lets Keras layers built inside compute in none, float16 or bfloat16 precision; weights stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if mixed_precision == "none" else f"mixed_{mixed_precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def uses_xla() -> bool:
    """Returns whether graphs are compiled with XLA: where there is an accelerator.

    On CPUs XLA was 10 to 25 times slower than plain graphs for depthwise convolutions.
    """
    return bool(tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU"))
