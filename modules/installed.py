"""Versions of installed packages, without importing them."""

from importlib import metadata

# A package that takes the place of another, as in an image for TPUs: it holds the same module.
STAND_INS = {"tensorflow": "tensorflow-tpu"}


def installed_version(package: str) -> str | None:
    """Returns the version of a package or of what stands in for it; None where neither is installed."""
    for name in (package, STAND_INS.get(package)):
        try:
            return metadata.version(name) if name else None
        except metadata.PackageNotFoundError:
            continue
    return None
