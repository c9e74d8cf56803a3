"""The exported model: preprocessing, classifier and class names behind signatures that take bytes."""

import json
import os

import keras
import tensorflow as tf

from modules import features
from modules.transform_graph import TransformGraph

FACTS_FILE = os.path.join("assets.extra", "headstart.json")


class ServingModel(tf.Module):
    """What `tf.saved_model.save` writes: graphs and weights, and nothing that needs Keras to load."""

    def __init__(self, classifier: keras.Model, graph: TransformGraph):
        """
        Args:
          classifier: float32 images [batch, size, size, 3] to logits; only its weights are kept.
          graph: Transform's, with the class names in the order of the logits.
        """
        super().__init__()
        self.graph = graph
        self.weights = [variable.value for variable in classifier.weights]
        self.labels = tf.constant(graph.labels)
        image_shape = [None, *classifier.input_shape[1:]]

        # Traced once and called by both signatures, so that the file holds the backbone's graph once.
        @tf.function(input_signature=[tf.TensorSpec(image_shape, tf.float32)])
        def probabilities_of(images):
            return tf.nn.softmax(classifier(images, training=False))

        self.probabilities_of = probabilities_of

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serving_default(self, examples):
        """Returns probabilities of serialized tf.Examples; features other than the bytes may be absent.

        Returns:
          probabilities float32 and all_classes string, both [batch, classes] in the vocabulary's order.
        """
        spec = {features.IMAGE_BYTES: tf.io.FixedLenFeature([], tf.string)}
        image_bytes = tf.io.parse_example(examples, spec)[features.IMAGE_BYTES]
        probabilities = self.probabilities_of(self.graph.image(image_bytes))
        all_classes = tf.repeat(self.labels[tf.newaxis], tf.shape(probabilities)[0], axis=0)
        return {"probabilities": probabilities, "all_classes": all_classes}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serve_images(self, image_bytes):
        """Returns labels and probabilities of encoded images, both [batch, classes], most probable first."""
        probabilities = self.probabilities_of(self.graph.image(image_bytes))
        probabilities, order = tf.math.top_k(probabilities, k=len(self.graph.labels))
        return {"labels": tf.gather(self.labels, order), "probabilities": probabilities}


def export(classifier: keras.Model, graph: TransformGraph, directory: str, facts: dict) -> None:
    """Writes a SavedModel with the signatures serving_default and serve_images.

    Args:
      classifier: a float32 model from preprocessed images to logits.
      facts: written beside the model as assets.extra/headstart.json, for people and tools.
    """
    module = ServingModel(classifier, graph)
    signatures = {"serving_default": module.serving_default, "serve_images": module.serve_images}
    tf.saved_model.save(module, directory, signatures=signatures)
    path = os.path.join(directory, FACTS_FILE)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(facts, indent=2))
