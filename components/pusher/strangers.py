"""What lies in a push destination and did not come there by a push. Imports no TensorFlow."""

from components import serving_versions
from modules.storage import explained, files_below, is_remote, location


def strangers(destination: str) -> list[str]:
    """Returns a sentence for each thing in a push destination that no push left there, by name.

    A model server takes every folder named as a number for a version, and the highest of them for the newest.

    Raises:
      StorageError: when the destination is an address that cannot be read.
    """
    return [f"{name!r} {what}" for name, what in sorted(_found(destination), key=lambda pair: _key(pair[0]))]


def _found(destination: str):
    root = location(destination)
    if is_remote(root):
        files = files_below(root)
        for name in {file.partition("/")[0] for file in files} - {""}:
            if name.startswith("."):
                continue
            if name in files:
                yield name, "is a file"
            elif not serving_versions.is_number(name):
                yield name, "is not a version"
            elif f"{name}/{serving_versions.MANIFEST}" not in files:
                yield name, "has no manifest: a push that has not ended, or somebody else's"
        return
    if not root.is_dir():
        return
    for entry in root.iterdir():
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            yield entry.name, "is a file" if entry.exists() else "is a link to nothing"
        elif not serving_versions.is_number(entry.name):
            yield entry.name, "is not a version"
        else:
            with explained(entry):
                if not (entry / "saved_model.pb").is_file():
                    yield entry.name, "holds no model, and a model server that takes it for a version fails"
                elif not (entry / serving_versions.MANIFEST).is_file():
                    yield entry.name, "was not pushed by Headstart"


def _key(name: str) -> tuple:
    return (0, int(name), "") if serving_versions.is_number(name) else (1, 0, name)
