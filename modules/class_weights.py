"""How much the loss of an image counts, by its class."""

from typing import Optional, Union

import numpy as np


def class_weights_of(
    wish: Union[str, dict[str, float]], labels: np.ndarray, names: tuple[str, ...]
) -> Optional[np.ndarray]:
    """Returns float32 [classes], or None when all classes count the same.

    Args:
      wish: none; balanced, which is images / (classes * images of the class), so that the mean over the
        images is 1; or weights by class name, where a class that is not named has the weight 1.
      labels: int64 [images], the train split's.
      names: of the classes, in the order of the labels.

    Raises:
      ValueError: when a weight is for a class that does not exist.
    """
    if wish == "none":
        return None
    if wish == "balanced":
        counts = np.bincount(labels, minlength=len(names))
        return (len(labels) / (len(names) * np.maximum(counts, 1))).astype(np.float32)
    unknown = sorted(set(wish) - set(names))
    if unknown:
        raise ValueError(
            f"training.class_weights: no class is named {', '.join(unknown)}. "
            f"The classes are {', '.join(names)}."
        )
    return np.array([wish.get(name, 1.0) for name in names], np.float32)
