"""A step's hash changes with the code it runs, be it a folder or a single file."""

import pytest

from pipeline import source_hash


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "features.py").write_text("A = 1\n")
    monkeypatch.setattr(source_hash, "ROOT", tmp_path)
    source_hash.source_hash.cache_clear()
    yield tmp_path
    source_hash.source_hash.cache_clear()


@pytest.mark.parametrize("named", ["modules", "modules/features.py"])
def test_an_edited_file_changes_the_hash(root, named):
    before = source_hash.source_hash(named)
    (root / "modules" / "features.py").write_text("A = 2\n")
    source_hash.source_hash.cache_clear()
    assert source_hash.source_hash(named) != before


def test_a_file_that_is_not_there_is_an_error(root):
    with pytest.raises(FileNotFoundError, match=r"no folder .*modules/gone\.py"):
        source_hash.source_hash("modules/gone.py")
