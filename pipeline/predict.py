"""Top classes of image files, by a pushed model. Only `predict` itself imports TensorFlow."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from components import serving_versions
from modules.storage import check_access, location
from pipeline.config import Data
from pipeline.config_file import load_config
from pipeline.console import quiet_stderr

IMAGES_A_BATCH = 32
# What is taken from a folder; a file that is named itself may have any name.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")


class Served(NamedTuple):
    """The model that answers."""

    folder: Path
    """Of the SavedModel."""
    max_megapixels: float
    """Larger images are not decoded."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a model says about one image, or why it cannot be read."""

    image: str
    top: tuple[tuple[str, float], ...] = ()
    """Classes with their probabilities, falling."""
    error: str | None = None

    def as_dict(self) -> dict:
        """Returns the answer for JSON."""
        if self.error is not None:
            return {"image": self.image, "error": self.error}
        return {"image": self.image, "top": [{"label": label, "probability": p} for label, p in self.top]}

    def __str__(self) -> str:
        said = self.error or ", ".join(f"{label} {probability:.1%}" for label, probability in self.top)
        return f"{self.image}: {said}"


def find_model(model: str | None, config: str | None, working_folder: Path = Path()) -> Served:
    """Finds the model that is to answer.

    Args:
      model: folder or address of a SavedModel, or of numbered versions, of which the newest answers.
        What lies at an address is copied to a temporary folder.
      config: config file; the newest model in its push destination answers.
      working_folder: without both, the model pushed last to one of its runs/*/serving answers.

    Raises:
      ValueError: when both are given, or the config is wrong.
      FileNotFoundError: when there is no model.
      StorageError: when an address cannot be read.
    """
    if model and config:
        raise ValueError("give either --model or --config, not both")
    max_megapixels = Data(source="").max_megapixels  # the default
    if config:
        loaded = load_config(config)
        return Served(_newest(loaded.push.destination, config), loaded.data.max_megapixels)
    if model:
        folder = location(model)
        if serving_versions.has_model(folder):
            return Served(serving_versions.local_version(folder), max_megapixels)
        return Served(_newest(model), max_megapixels)
    pushed = [
        version
        for destination in working_folder.glob("runs/*/serving")
        for version in serving_versions.versions(destination).values()
    ]
    if not pushed:
        raise FileNotFoundError(
            "no pushed model below runs/. Say which one answers, with --config or --model."
        )
    return Served(max(pushed, key=lambda folder: folder.stat().st_mtime_ns), max_megapixels)


def find_images(paths: Iterable[str]) -> list[Path]:
    """Returns the files named, and for each folder named the images below it, sorted.

    Raises:
      ValueError: when a folder holds no image.
    """
    files = []
    for path in map(Path, paths):
        if not path.is_dir():
            files.append(path)
            continue
        found = sorted(
            file for file in path.rglob("[!.]*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()
        )
        if not found:
            raise ValueError(f"no image below {path}. Looked for {', '.join(IMAGE_SUFFIXES)}.")
        files += found
    return files


def predict(served: Served, files: Iterable[Path], top: int) -> Iterator[Answer]:
    """Yields the answer for each file, in order.

    Files are read as ingest reads them: what TensorFlow's graph cannot decode becomes a PNG first.

    Args:
      served: the model; its signature serve_images takes encoded images.
      files: of images.
      top: number of classes an answer.

    Raises:
      ValueError: when the model has no signature serve_images.
    """
    with quiet_stderr():
        import tensorflow as tf

    loaded = tf.saved_model.load(str(served.folder))
    if "serve_images" not in loaded.signatures:
        raise ValueError(
            f"the model in {served.folder} has the signatures {sorted(loaded.signatures)}, not serve_images: "
            "Headstart did not export it. Use a model that `headstart run` pushed."
        )
    serve_images = loaded.signatures["serve_images"]
    remaining = iter(files)
    while batch := list(itertools.islice(remaining, IMAGES_A_BATCH)):
        contents = [_read(file, served.max_megapixels) for file in batch]
        readable = [content for content in contents if isinstance(content, bytes)]
        answers = iter(())
        if readable:
            outputs = serve_images(image_bytes=tf.constant(readable))
            answers = zip(outputs["labels"].numpy(), outputs["probabilities"].numpy(), strict=True)
        for file, content in zip(batch, contents, strict=True):
            if isinstance(content, bytes):
                labels, probabilities = next(answers)
                pairs = itertools.islice(zip(labels, probabilities, strict=True), top)
                yield Answer(str(file), tuple((label.decode(), float(p)) for label, p in pairs))
            else:
                yield Answer(str(file), error=str(content))


def _read(file: Path, max_megapixels: float) -> bytes | Exception:
    """Returns an image that the graph decodes, or why there is none."""
    from components.image_example_gen.headers import Rejected
    from components.image_example_gen.inspection import inspect, to_png

    try:
        content = file.read_bytes()
        return content if inspect(content, max_megapixels).conversion is None else to_png(content)
    except (OSError, Rejected) as error:
        return error


def _newest(destination: str, config: str | None = None) -> Path:
    versions = serving_versions.versions(destination)
    if versions:
        return serving_versions.local_version(versions[max(versions)])
    check_access(destination)
    todo = (
        f"`headstart run {config}` pushes one" if config else "It must be a SavedModel or a push destination"
    )
    raise FileNotFoundError(f"no model in {destination}. {todo}.")
