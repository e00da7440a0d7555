"""What options of argparse take, and what they say of all else."""

import argparse

import pytest

from fastast_hf.cli.arguments import read_merge_ratio, read_seconds, read_seconds_or_0, whole_number_from


def test_what_can_be_is_read():
    assert [read_merge_ratio(text) for text in ("0", "0.35", "5e-1")] == [0, 0.35, 0.5]
    assert read_seconds("0.025") == 0.025
    assert [read_seconds_or_0(text) for text in ("0", "2")] == [0, 2]
    numbers = [whole_number_from(1)("1"), whole_number_from(40)("16000")]
    assert numbers == [1, 16_000]
    assert {type(number) for number in numbers} == {int}


@pytest.mark.parametrize("text", ["-0.1", "0.7", "nan", "inf", "-inf"])
def test_a_share_that_no_layer_merges_is_refused(text):
    message = rf"^must be between 0 and 0\.5, got {text}\. A layer can merge at most half of its tokens\.$"
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        read_merge_ratio(text)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e999"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=rf"^must be above 0, got {text}\. Give seconds of sound\.$"):
        read_seconds(text)
    with pytest.raises(
        argparse.ArgumentTypeError, match=rf"^must be at least 0, got {text}\. Give seconds of sound\.$"
    ):
        read_seconds_or_0(text)


def test_a_duration_of_nothing_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match=r"^must be above 0, got 0\. Give seconds"):
        read_seconds("0")


def test_a_number_below_the_least_is_refused():
    for text in ("0", "-1"):
        with pytest.raises(
            argparse.ArgumentTypeError, match=rf"^must be at least 1, got {text}\. Leave it out for the"
        ):
            whole_number_from(1)(text)


def test_what_is_no_number_is_told_as_text_that_a_terminal_may_have():
    for read in (read_merge_ratio, read_seconds, read_seconds_or_0):
        with pytest.raises(
            argparse.ArgumentTypeError, match=r"^must be a number, got a\\x1b\. Write it with digits\.$"
        ):
            read("a\x1b")
    for text in ("1.5", "two", ""):
        with pytest.raises(argparse.ArgumentTypeError, match=rf"^must be a whole number, got {text}\. Write it with"):
            whole_number_from(1)(text)
