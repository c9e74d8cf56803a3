"""The Trainer's own probabilities of some test images, to hold the exported model against."""

import io

import numpy as np
import tensorflow as tf

from modules import features
from modules.activations import inference, outputs_in_batches
from modules.examples import matching_files, read_records
from modules.model import FromPixels
from modules.transform_graph import TransformGraph

REFERENCE_IMAGES = 64


def reference_outputs(model: FromPixels, graph: TransformGraph, file_patterns: list[str]) -> bytes:
    """Returns an npz file with the model's probabilities of the first images of a split, in file order.

    They come by the training path, from decoded pixels through the Keras model, not from the export.
    The file holds content_hash [images], probabilities float32 [images, classes] and labels [classes];
    no rows when the split is empty.
    """
    hashes, probabilities = np.empty(0, str), np.empty((0, len(graph.labels)), np.float32)
    files = matching_files(file_patterns)
    for serialized in read_records(files).take(REFERENCE_IMAGES).batch(REFERENCE_IMAGES) if files else []:
        raw = graph.parse(serialized)
        hashes = np.array([digest.decode() for digest in raw[features.CONTENT_HASH].numpy().ravel()])
        pixels, _ = graph.pixels_and_labels(raw)
        logits = np.concatenate(list(outputs_in_batches(inference(model), pixels.numpy())))
        probabilities = tf.nn.softmax(logits).numpy()
    buffer = io.BytesIO()
    np.savez(buffer, content_hash=hashes, probabilities=probabilities, labels=np.array(graph.labels))
    return buffer.getvalue()
