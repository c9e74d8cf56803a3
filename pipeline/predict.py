"""Top classes of image files, by a pushed model. Only `predict` itself imports TensorFlow."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from components.image_example_gen.bucket_tree import BucketTree
from components.image_example_gen.file_tree import Entry
from components.image_example_gen.formats import has_image_suffix
from components.image_example_gen.image_walk import sidecars_text, walk_images
from components.image_example_gen.local_tree import LocalTree, find_local_file
from components.image_example_gen.locations import Location, join, read_ahead
from components.serving_versions import DamagedModel
from modules.printable import printable
from modules.storage import StorageError, is_remote
from pipeline.served_model import Served, load_signature

IMAGES_A_BATCH = 32


class ImageFile(NamedTuple):
    """A file that is to be answered."""

    path: str
    """Or address."""
    is_image: bool = True
    """Whether somebody says so: the user who named it, or its suffix. Else its content decides."""
    problem: str = ""
    """Why it cannot be read."""
    byte_size: int = 0


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a model says about one image, or why it cannot be read."""

    file: ImageFile
    top: tuple[tuple[str, float], ...] = ()
    """Classes with their probabilities, falling."""
    error: str | None = None

    @property
    def is_passed_over(self) -> bool:
        """True for a file that nobody called an image, and that is none."""
        return self.error is not None and not self.file.is_image

    def as_dict(self) -> dict:
        """Returns the answer for JSON."""
        image = printable(self.file.path)
        if self.error is not None:
            return {"image": image, "error": self.error}
        return {"image": image, "top": [{"label": label, "probability": p} for label, p in self.top]}

    def __str__(self) -> str:
        said = self.error or ", ".join(f"{label} {probability:.1%}" for label, probability in self.top)
        return f"{printable(self.file.path, one_line=True)}: {said}"


def find_images(paths: Iterable[str]) -> tuple[list[ImageFile], list[str]]:
    """Returns the files named and those below each folder named, and what is passed over there, in words.

    Of a folder the files are answered that ingest would take, see `image_walk.walk_images`; a folder may be
    an address.

    Raises:
      ValueError: when a folder holds no image, or a path is empty.
      OSError: when a folder cannot be read.
    """
    files, notes = [], []
    for path in paths:
        if not path.strip():
            raise ValueError("an IMAGE is an empty path. Name a file or a folder.")
        tree = BucketTree(path) if is_remote(path) else LocalTree(path)
        if tree.kind != "folder":
            # A pipe or a device is never opened: to read it might never end.
            problem = "" if is_remote(path) else find_local_file(path).problem
            files.append(ImageFile(path, problem=problem))
            continue
        try:
            tree.content("")  # a walk reports what it cannot read as one folder among others
        except OSError as error:
            raise OSError(f"{printable(path)} cannot be read: {error.strerror}") from None
        walk = walk_images(tree)
        passed_over = list(walk.findings)
        if walk.sidecars:
            passed_over.append(sidecars_text(walk.sidecars))
        if walk.ignored:
            passed_over.append(
                f"{walk.ignored:,} hidden files and leftovers of operating systems are ignored"
            )
        if not walk.files:
            said = "".join(f"; {note}" for note in passed_over)
            raise ValueError(f"there is no image below {printable(path)}{said}. Name another folder.")
        files += [_below(path, entry) for entry in walk.files]
        notes += [printable(f"{path}: {note}", one_line=True) for note in passed_over]
    return files, notes


def passed_over_text(answers: list[Answer]) -> str:
    """Returns a sentence about files that turned out not to be images: how many, and the first.

    Args:
      answers: at least one.
    """
    count = "1 file is" if len(answers) == 1 else f"{len(answers):,} files are"
    first = answers[0]
    return f"{count} passed over, such as {printable(first.file.path, one_line=True)} ({first.error})"


def predict(served: Served, files: Iterable[ImageFile], top: int) -> Iterator[Answer]:
    """Yields the answer for each file, in order.

    Files are read as ingest reads them: what TensorFlow's graph cannot decode becomes a PNG first.

    Args:
      served: the model; its signature serve_images takes encoded images.
      files: of images.
      top: number of classes an answer.

    Raises:
      ValueError: when the model is damaged, or has no signature serve_images.
      StorageError: when a store does not answer.
    """
    serve_images = load_signature(served)
    import tensorflow as tf

    remaining = iter(files)
    while batch := list(itertools.islice(remaining, IMAGES_A_BATCH)):
        readings = read_ahead((Location(file.path), file.byte_size) for file in batch if not file.problem)
        contents = [file.problem or _content(next(readings), served.max_megapixels) for file in batch]
        readable = [content for content in contents if isinstance(content, bytes)]
        answers = iter(())
        if readable:
            try:
                outputs = serve_images(image_bytes=tf.constant(readable))
            except tf.errors.OpError as error:
                raise DamagedModel(served.place, f"it does not answer ({error.message})") from error
            answers = zip(outputs["labels"].numpy(), outputs["probabilities"].numpy(), strict=True)
        for file, content in zip(batch, contents, strict=True):
            if isinstance(content, bytes):
                labels, probabilities = next(answers)
                pairs = itertools.islice(zip(labels, probabilities, strict=True), top)
                yield Answer(file, tuple((label.decode(), float(p)) for label, p in pairs))
            else:
                yield Answer(file, error=content)


def _below(folder: str, entry: Entry) -> ImageFile:
    # A folder that cannot be read has a name with a slash at its end: what lies in it may be images.
    is_image = has_image_suffix(entry.name) or entry.path.endswith("/")
    return ImageFile(join(folder, entry.path), is_image, entry.problem, entry.byte_size)


def _content(read: Callable[[], bytes], max_megapixels: float) -> bytes | str:
    """Returns an image that the graph decodes, or why there is none."""
    from components.image_example_gen.headers import Rejected
    from components.image_example_gen.inspection import inspect, to_png

    try:
        content = read()
        return content if inspect(content, max_megapixels).conversion is None else to_png(content)
    except StorageError:
        raise
    except OSError as error:
        return error.strerror or str(error)
    except (Rejected, ValueError) as error:  # ValueError: a name with a null character
        return str(error)
