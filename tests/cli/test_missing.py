"""What files got no label, in words."""

from fastast_hf.cli.missing import print_truncated, print_unreadable


def test_nothing_missing_is_nothing_said(capsys):
    print_truncated(0, 3)
    assert not print_unreadable([], 3)
    assert capsys.readouterr() == ("", "")


def test_files_that_were_cut(capsys):
    print_truncated(1, 3)
    print_truncated(2, 3, advice="listen longer")
    words = "longer than the model hears at a time: {} of 3 files. For labels of what follows there, {}."
    first, second = capsys.readouterr().err.splitlines()
    assert first == "Note: " + words.format(1, "give --window, in seconds")
    assert second == "Note: " + words.format(2, "listen longer")


def test_files_that_cannot_be_read_are_listed_and_do_nothing_to_the_terminal(capsys):
    assert print_unreadable(iter([("a\x1b[2J.wav", "no sound"), ("b.wav", "gone\n[red]")]), 3)
    assert capsys.readouterr().err.splitlines() == [
        "Error: could not be read: 2 of 3 files",
        r"  a\x1b[2J.wav: no sound",
        r"  b.wav: gone\n[red]",
    ]


def test_files_that_are_left_out_of_work_to_come_are_a_note_and_no_error(capsys):
    assert print_unreadable([("b.wav", "gone")], 3, goes_on=True)
    assert capsys.readouterr().err.splitlines() == ["Left out: could not be read: 1 of 3 files", "  b.wav: gone"]
    assert not print_unreadable([], 3, goes_on=True)
    assert capsys.readouterr().err == ""
