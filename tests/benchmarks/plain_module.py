"""The tutorial recipe as user code of an ordinary TFX pipeline: float images, the backbone run each epoch.

It follows TFX's former cifar10 example and Keras' transfer learning guide: Transform decodes, resizes and
normalises; the transformed images are written to disk; the Trainer reads them again each epoch and runs
the whole network. BatchNormalization is frozen and the loss takes logits, so that the accuracy compared
is that of the recipe, not of its known faults. XLA is off: on a CPU it would make this way slower still.
"""

import os

import keras
import tensorflow as tf
import tensorflow_transform as tft

IMAGE_SIZE = int(os.environ.get("BENCHMARK_IMAGE_SIZE", "161"))
HEAD_EPOCHS = int(os.environ.get("BENCHMARK_HEAD_EPOCHS", "10"))
FINE_TUNING_EPOCHS = int(os.environ.get("BENCHMARK_FINE_TUNING_EPOCHS", "5"))
TOP_LAYERS = 54
BATCH_SIZE = 32
WEIGHTS = "data/weights/mobilenet_v2_1.0_notop.weights.h5"


def preprocessing_fn(inputs):
    def to_image(encoded):
        image = tf.io.decode_image(encoded[0], channels=3, expand_animations=False)
        image = tf.image.resize(image, [IMAGE_SIZE, IMAGE_SIZE], antialias=True)
        return keras.applications.mobilenet_v2.preprocess_input(image)

    images = tf.map_fn(to_image, inputs["image"], fn_output_signature=tf.float32)
    images = tf.ensure_shape(images, [None, IMAGE_SIZE, IMAGE_SIZE, 3])
    return {"image": images, "label": inputs["label"]}


def _dataset(file_patterns, data_accessor, schema, shuffle):
    from tfx_bsl.public import tfxio

    return data_accessor.tf_dataset_factory(
        file_patterns,
        tfxio.TensorFlowDatasetOptions(
            batch_size=BATCH_SIZE, label_key="label", shuffle=shuffle, num_epochs=None if shuffle else 1
        ),
        schema,
    ).prefetch(tf.data.AUTOTUNE)


def run_fn(fn_args):
    keras.utils.set_random_seed(42)
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    schema = transform_output.transformed_metadata.schema
    train = _dataset(fn_args.train_files, fn_args.data_accessor, schema, shuffle=True)
    evaluation = _dataset(fn_args.eval_files, fn_args.data_accessor, schema, shuffle=False)

    backbone = keras.applications.MobileNetV2(
        weights=WEIGHTS, include_top=False, input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3)
    )
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="image")
    features = keras.layers.GlobalAveragePooling2D()(backbone(image))
    logits = keras.layers.Dense(10)(keras.layers.Dropout(0.2)(features))
    model = keras.Model({"image": image}, logits)

    def fit(learning_rate, epochs):
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,
        )
        steps = fn_args.train_steps
        model.fit(train, steps_per_epoch=steps, epochs=epochs, validation_data=evaluation, verbose=2)

    backbone.trainable = False
    fit(1e-3, HEAD_EPOCHS)
    backbone.trainable = True
    for layer in backbone.layers[:-TOP_LAYERS]:
        layer.trainable = False
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    fit(1e-5, FINE_TUNING_EPOCHS)

    transform = tf.saved_model.load(transform_output.transform_savedmodel_dir)

    class Served(tf.Module):
        def __init__(self):
            super().__init__()
            self.transform = transform
            self.model = model

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def serve(self, examples):
            spec = {"image": tf.io.FixedLenFeature([1], tf.string)}
            raw = tf.io.parse_example(examples, spec)
            raw["label"] = tf.zeros([tf.shape(examples)[0], 1], tf.int64)
            return {
                "probabilities": tf.nn.softmax(
                    self.model({"image": self.transform.transform_fn(raw)["image"]})
                )
            }

    served = Served()
    tf.saved_model.save(served, fn_args.serving_model_dir, signatures={"serving_default": served.serve})
