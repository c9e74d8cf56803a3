"""Names of files as text that can be written anywhere: a name on a disk is bytes, and need not be text."""

import os


def printable(text: str, one_line: bool = False) -> str:
    """Returns a text such as a file's name in characters that UTF-8 has: other bytes become \\xff.

    Args:
      text: as os.fsdecode returns it.
      one_line: whether line ends, and all else that a terminal might obey, are escaped too.
    """
    text = os.fsencode(text).decode("utf-8", "backslashreplace")
    if not one_line:
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text
    )
