"""A clean process that loads a SavedModel and answers images with it, like a model server.

    python -m components.infra_check.probe MODEL_DIR IMAGES_DIR ANSWERS_FILE

Answers the files of IMAGES_DIR, sorted by name, through the signature serve_images: one by one,
then all as one batch. It knows nothing of this project but the model: an import or an operation that
only the training process has makes it fail here, not in production.
"""

import json
import resource
import sys
import time
from pathlib import Path

SIGNATURE = "serve_images"


def main(model_dir: str, images_dir: str, answers_file: str) -> None:
    """Writes the answers as JSON.

    `single` and `batch` hold a dict from class name to probability for each image; then
    `load_seconds`, `first_ms` (which includes what TensorFlow prepares once), `latencies_ms` of each
    image after that, `batch_ms`, and `memory_mb`, the peak resident memory.

    Raises:
      ValueError: when the model lacks the signature.
    """
    import tensorflow as tf  # here, so that the memory of this module can be measured without it

    started = time.perf_counter()
    model = tf.saved_model.load(model_dir)
    if SIGNATURE not in model.signatures:
        raise ValueError(f"no signature {SIGNATURE}; the model has {sorted(model.signatures)}")
    serve_images = model.signatures[SIGNATURE]
    load_seconds = time.perf_counter() - started

    def answer(images: list[bytes]) -> tuple[list[dict[str, float]], float]:
        asked = time.perf_counter()
        outputs = serve_images(image_bytes=tf.constant(images))
        labels, probabilities = outputs["labels"].numpy(), outputs["probabilities"].numpy()
        milliseconds = (time.perf_counter() - asked) * 1000
        rows = zip(labels, probabilities.tolist(), strict=True)
        return [
            dict(zip((name.decode() for name in names), row, strict=True)) for names, row in rows
        ], milliseconds

    images = [file.read_bytes() for file in sorted(Path(images_dir).iterdir())]
    _, first_ms = answer(images[:1])
    answered = [answer([image]) for image in images]
    batch, batch_ms = answer(images)
    answers = {
        "single": [rows[0] for rows, _ in answered],
        "batch": batch,
        "load_seconds": load_seconds,
        "first_ms": first_ms,
        "latencies_ms": [milliseconds for _, milliseconds in answered],
        "batch_ms": batch_ms,
        "memory_mb": peak_memory_mb(),
    }
    Path(answers_file).write_text(json.dumps(answers), encoding="utf-8")


def peak_memory_mb() -> float:
    """Returns the largest resident memory that this process ever had, in megabytes (10^6 bytes)."""
    try:
        # Not getrusage: what it reports starts at the size of the process that started this one.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    except FileNotFoundError:  # not Linux; macOS counts in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
