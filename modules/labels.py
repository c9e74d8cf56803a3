"""Names of classes: one form for each, wherever it comes from. Imports no TensorFlow."""

import unicodedata

# Control characters, and separators of lines and paragraphs: whatever some program ends a line at.
_NOT_IN_A_LINE = ("Cc", "Zl", "Zp")


def normalise_label(name: str) -> str:
    """Returns a class name in Unicode's composed form (NFC), without surrounding spaces.

    The same name typed on macOS (decomposed) and on Linux is then the same class.

    Raises:
      ValueError: for an empty name, or one with control characters or separators of lines: the vocabulary
        is a file with a class a line.
    """
    label = unicodedata.normalize("NFC", name).strip()
    if not label:
        raise ValueError(f"class name {name!r} is empty. Give the class a name.")
    if any(unicodedata.category(character) in _NOT_IN_A_LINE for character in label):
        raise ValueError(f"class name {name!r} has a control character or a line break. Rename the class.")
    return label
