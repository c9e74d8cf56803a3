"""The mistakes that the model was surest of, as pictures."""

import base64
import io
import os

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from modules.features import CONTENT_HASH, IMAGE_BYTES

MOST_SHOWN = 24
THUMBNAIL_SIDE = 256  # pixels; twice what the page shows, for dense screens
TINY_SIDE = 64  # pixels; enlarged with visible pixels rather than blurred


def surest_mistakes(predictions, most: int = MOST_SHOWN) -> list[dict]:
    """Wrong answers, most probable first, every content once.

    Args:
      predictions: mapping of the arrays in predictions.npz: candidate [n, classes], classes, label,
        source_path and content_hash.

    Returns:
      {"path", "content_hash", "label", "predicted", "probability", "label_probability"} a mistake;
      label_probability is None for a class that the model does not know.
    """
    classes, candidate, labels = predictions["classes"], predictions["candidate"], predictions["label"]
    chosen = candidate.argmax(axis=1)
    wrong = np.flatnonzero(classes[chosen] != labels)
    column = {str(name): index for index, name in enumerate(classes)}
    found, seen = [], set()
    for row in wrong[np.argsort(-candidate[wrong, chosen[wrong]], kind="stable")]:
        content_hash = str(predictions["content_hash"][row])
        if content_hash in seen:
            continue
        seen.add(content_hash)
        label = str(labels[row])
        found.append(
            {
                "path": str(predictions["source_path"][row]),
                "content_hash": content_hash,
                "label": label,
                "predicted": str(classes[chosen[row]]),
                "probability": float(candidate[row, chosen[row]]),
                "label_probability": float(candidate[row, column[label]]) if label in column else None,
            }
        )
        if len(found) == most:
            break
    return found


def read_images(split_folder: str, content_hashes) -> dict[str, bytes]:
    """Encoded images of a split by content hash; reads no further than the last one that is asked for."""
    wanted, found = set(content_hashes), {}
    files = [os.path.join(split_folder, name) for name in sorted(tf.io.gfile.listdir(split_folder))]
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        if wanted == found.keys():
            break
        features = tf.train.Example.FromString(record).features.feature
        content_hash = features[CONTENT_HASH].bytes_list.value[0].decode()
        if content_hash in wanted:
            found[content_hash] = features[IMAGE_BYTES].bytes_list.value[0]
    return found


def picture_of(image_bytes: bytes) -> dict:
    """{"image": a small upright copy as a data: address, "tiny": whether the page has to enlarge it}."""
    with Image.open(io.BytesIO(image_bytes)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    tiny = max(upright.size) <= TINY_SIDE
    upright.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    encoded = io.BytesIO()
    upright.save(encoded, format="WEBP", lossless=tiny, quality=85)
    address = "data:image/webp;base64," + base64.b64encode(encoded.getvalue()).decode()
    return {"image": address, "tiny": tiny}
