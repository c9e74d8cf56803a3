"""A step's hash changes with the code that it runs, and with no other."""

import pytest

from pipeline import source_hash

FILES = {
    "modules/__init__.py": "",
    "modules/features.py": "A = 1\n",
    "modules/images.py": "from modules import features\n",
    "modules/alone.py": "",
    "components/__init__.py": "",
    "components/errors.py": "",
    "components/pusher/__init__.py": "",
    "components/pusher/executor.py": "import os\n\ndef run():\n    from modules.images import decode\n",
    "components/pusher/page.css": "a {}\n",
    "components/pusher/executor.pyc": "compiled",
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(source_hash, "ROOT", tmp_path)
    source_hash.source_hash.cache_clear()
    yield tmp_path
    source_hash.source_hash.cache_clear()


def changes_with(root, edited: str, folder: str = "components/pusher") -> bool:
    """Returns whether the hash of a folder changes with a file."""
    before = source_hash.source_hash(folder)
    with open(root / edited, "a") as file:
        file.write("# edited\n")
    source_hash.source_hash.cache_clear()
    return source_hash.source_hash(folder) != before


@pytest.mark.parametrize("edited", ["components/pusher/executor.py", "components/pusher/page.css"])
def test_an_edited_file_of_the_folder_changes_the_hash(root, edited):
    assert changes_with(root, edited)


@pytest.mark.parametrize("edited", ["modules/images.py", "modules/features.py", "modules/__init__.py"])
def test_so_does_one_that_is_imported_inside_a_function_or_by_an_import(root, edited):
    assert changes_with(root, edited)


@pytest.mark.parametrize(
    "edited", ["modules/alone.py", "components/errors.py", "components/pusher/executor.pyc"]
)
def test_a_file_that_nothing_imports_does_not(root, edited):
    assert not changes_with(root, edited)


def test_the_code_hash_covers_all_packages(root, monkeypatch):
    monkeypatch.setattr(source_hash, "PACKAGES", ("modules", "components"))
    before = source_hash.code_hash()
    (root / "components" / "errors.py").write_text("# edited\n")
    source_hash.source_hash.cache_clear()
    assert source_hash.code_hash() != before


def test_a_misspelt_folder_is_an_error(root):
    with pytest.raises(FileNotFoundError, match="no_such_folder"):
        source_hash.source_hash("no_such_folder")
