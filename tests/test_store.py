"""Arrays in memory or on disk."""

import os

import numpy as np
import psutil
import pytest

from modules.store import ArrayStore


def test_an_array_in_memory_is_no_file(tmp_path):
    array = ArrayStore(str(tmp_path / "store"), "memory").allocate("pixels", (2, 3), np.uint8)
    assert not isinstance(array, np.memmap)
    assert (array.shape, array.dtype, os.listdir(tmp_path)) == ((2, 3), np.uint8, [])


def test_an_array_on_disk_keeps_what_is_written(tmp_path):
    array = ArrayStore(str(tmp_path / "store"), "disk").allocate("pixels", (2, 3), np.float32)
    array[:] = [[1, 2, 3], [4, 5, 6]]
    array.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "store" / "pixels.npy"), [[1, 2, 3], [4, 5, 6]])


def test_an_array_on_disk_has_its_room_before_anything_is_written(tmp_path):
    ArrayStore(str(tmp_path / "store"), "disk").allocate("pixels", (1 << 20,), np.uint8)
    assert (tmp_path / "store" / "pixels.npy").stat().st_blocks * 512 >= 1 << 20


def test_auto_keeps_small_arrays_in_memory(tmp_path):
    assert not isinstance(ArrayStore(str(tmp_path), "auto").allocate("a", (10,), np.uint8), np.memmap)


def test_auto_goes_to_disk_with_more_than_a_quarter_of_the_free_memory(tmp_path):
    too_much = psutil.virtual_memory().available // 4 + 2**30
    if too_much > psutil.disk_usage(str(tmp_path)).free // 2:
        pytest.skip("this disk is too small")
    array = ArrayStore(str(tmp_path / "store"), "auto").allocate("a", (too_much,), np.uint8)
    assert isinstance(array, np.memmap)  # the file is sparse: nothing was written to it


def test_auto_says_no_when_neither_memory_nor_disk_has_room(tmp_path):
    assert ArrayStore(str(tmp_path / "store"), "auto").allocate("a", (2**60,), np.uint8) is None


def test_an_array_without_rows_is_possible_on_disk(tmp_path):
    assert ArrayStore(str(tmp_path / "store"), "disk").allocate("a", (0, 4), np.uint8).shape == (0, 4)


def test_a_new_array_of_the_same_name_leaves_the_old_one_readable(tmp_path):
    store = ArrayStore(str(tmp_path / "store"), "disk")
    old = store.allocate("a", (4,), np.uint8)
    old[:] = 7
    store.allocate("a", (4,), np.uint8)[:] = 9
    np.testing.assert_array_equal(old, [7, 7, 7, 7])


def test_a_store_begins_empty_and_is_deleted_whole(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "half_written.npy").write_bytes(b"x")
    store = ArrayStore(str(tmp_path / "store"), "disk")
    assert os.listdir(tmp_path) == []
    store.allocate("a", (4,), np.uint8)
    store.delete()
    assert os.listdir(tmp_path) == []
