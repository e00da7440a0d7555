"""Which results belong to one file, and how many files are done."""

import numpy as np
import pytest
import soundfile

from fastast_hf.classification import Classification
from fastast_hf.classification.counting import begins_file, counted


def write(path, seconds):
    soundfile.write(path, np.zeros(round(seconds * 16_000)), 16_000)
    return str(path)


def test_files_are_counted_and_the_parts_of_long_ones(tmp_path):
    long, short = write(tmp_path / "long.wav", 2), write(tmp_path / "short.wav", 0.2)
    results = [
        *(Classification(long, start, start + 0.5, ()) for start in (0, 0.5, 1, 1.5)),
        Classification(short, 0, 0.2, ()),
        Classification(short, 0, 0.2, ()),  # given twice
        Classification("gone.wav", 0, 0, (), error="gone"),
    ]
    done = []
    assert list(counted(results, done.append, in_windows=True)) == results
    assert done == pytest.approx([0.25, 0.5, 0.75, 1, 2, 3, 4])
    done.clear()
    assert list(counted(results[3:], done.append, in_windows=False)) == results[3:]
    assert done == [1, 2, 3, 4]


def test_a_name_that_soundfile_does_not_open_counts_as_a_whole():
    done = []
    list(counted([Classification("\udcff.wav", 0, 1, ())], done.append, in_windows=True))
    assert done == [1]


def test_what_is_told_comes_behind_the_result():
    order = []
    results = (Classification(name, 0, 1, ()) for name in "ab")
    for result in counted(results, order.append, in_windows=False):
        order.append(result.path)
    assert order == ["a", 1, "b", 2]


def test_a_file_begins_where_its_times_do_not_go_on():
    first, second = Classification("a", 0, 1, ()), Classification("a", 1, 2, ())
    assert begins_file(first, None)
    assert not begins_file(second, first)
    assert begins_file(first, second)
    assert begins_file(Classification("b", 3, 4, ()), second)
