"""modules.installed: versions without an import, TensorFlow's build for TPUs included."""

from importlib import metadata

import pytest

from modules.installed import installed_version


@pytest.fixture
def packages(monkeypatch):
    """What is installed, by name; a test fills it."""
    versions = {}

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    return versions


def test_an_installed_package_tells_its_version(packages):
    packages.update({"keras": "3.12.4", "tensorflow": "2.16.2", "tensorflow-tpu": "2.15.0"})
    assert installed_version("keras") == "3.12.4"
    assert installed_version("tensorflow") == "2.16.2"


def test_tensorflow_for_tpus_counts_as_tensorflow(packages):
    packages["tensorflow-tpu"] = "2.16.2"
    assert installed_version("tensorflow") == "2.16.2"


def test_what_is_not_installed_has_no_version(packages):
    assert installed_version("tensorflow") is None
    assert installed_version("keras") is None
