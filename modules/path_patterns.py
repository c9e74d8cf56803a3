"""Paths that TensorFlow, Beam and TFX do not take for what they say, but for a pattern of names."""

# Beam's glob and TensorFlow's GetMatchingPaths (fnmatch): under `runs [2024]` they find nothing, under `a*`
# perhaps too much, and a backslash vanishes. All other characters are harmless, spaces, # and % included.
PATTERN_CHARACTERS = "*?[\\"


def pattern_characters(path: str) -> str:
    """Returns which characters of a path make it a pattern, such as "[*"; empty for none."""
    return "".join(sign for sign in PATTERN_CHARACTERS if sign in str(path))
