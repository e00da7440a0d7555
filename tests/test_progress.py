"""Bars: late, gone when the work is done, and of one kind at a time."""

import io

from transformers.utils import logging

from fastast_hf import progress
from fastast_hf.progress import late_bar, late_bars, without_other_bars


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self):
        return True


def shown(make, seconds, monkeypatch, kind=Terminal):
    """What a bar of three steps leaves."""
    monkeypatch.setattr(progress, "SECONDS_WITHOUT_BAR", seconds)
    stream = kind()
    assert list(make([1, 2, 3], desc="Reading", file=stream, mininterval=0)) == [1, 2, 3]
    return stream.getvalue()


def test_a_bar_shows_itself_where_it_takes_long_and_leaves_nothing(monkeypatch):
    assert shown(late_bar, 1000, monkeypatch) == ""
    told = shown(late_bar, 0, monkeypatch)
    assert "Reading" in told
    assert told.rsplit("\r", 2)[-2].strip() == ""


def test_a_pipe_or_file_gets_no_bar(monkeypatch):
    assert shown(late_bar, 0, monkeypatch, io.StringIO) == ""
    with late_bars():
        assert shown(logging.tqdm, 0, monkeypatch, io.StringIO) == ""


def test_a_bar_that_transformers_keeps_back_stays_away(monkeypatch):
    def disabled(*arguments, **options):
        return logging.tqdm(*arguments, disable=True, **options)

    with late_bars():
        assert shown(disabled, 0, monkeypatch) == ""


def test_bars_of_transformers_are_late_while_a_block_runs(monkeypatch):
    for seconds, is_shown in ((1000, False), (0, True)):
        monkeypatch.setattr(progress, "SECONDS_WITHOUT_BAR", seconds)
        with late_bars():
            assert ("Reading" in shown(logging.tqdm, seconds, monkeypatch)) == is_shown
    assert logging.set_tqdm_hook(None) is None


def test_bars_of_others_are_kept_back_while_a_block_runs(monkeypatch):
    with without_other_bars():
        assert shown(logging.tqdm, 0, monkeypatch) == ""
        with without_other_bars():
            pass
        assert not logging.is_progress_bar_enabled()
    assert logging.is_progress_bar_enabled()
