import pytest

from fastast_hf.hub.markdown import code_block, escape_markdown, markdown_table, without_machine_paths


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/srv/sounds/esc10", "esc10"),
        ("/srv/sounds/esc10/", "esc10"),
        ("--data_dir=/srv/sounds/esc10 --seed 0", "--data_dir=esc10 --seed 0"),
        ("'/srv/a', \"/srv/b\"", "'a', \"b\""),
        ("{'dir':/srv/a}", "{'dir':a}"),
        ("file:///srv/sounds/esc10", "esc10"),
        (r"C:\sounds\esc10 D:/sounds/b", "esc10 b"),
        ("/srv", "srv"),
    ],
)
def test_machine_paths_are_shortened(text, expected):
    assert without_machine_paths(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "https://hf.co/MIT/ast",
        "MIT/ast",
        "and/or",
        "./runs/a",
        "../shared/data",
        "~/a",
        "a / b",
        "runs/a/b",
        r"a\b",
        "</b>",
    ],
)
def test_other_slashes_stay(text):
    assert without_machine_paths(text) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain words, 1.5", "plain words, 1.5"),
        ("dog_bark*", r"dog\_bark\*"),
        ("[click](javascript:x)", r"\[click\](javascript:x)"),
        ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
        ("a & b", "a &amp; b"),
        ("`code` ~~gone~~ $x$", r"\`code\` \~\~gone\~\~ \$x\$"),
        ("two\n\n# lines", "two # lines"),
        ("a|b\\|c", r"a\|b\\\|c"),
        (0.25, "0.25"),
        (None, "None"),
        ("\x1b[2J\x00\u202edog", r"\\x1b\[2J\\x00\\u202edog"),
        ("https://evil.example/a", "https:<!-- -->//evil.example/a"),
        ("see HTTP://x.y or www.evil.example", "see HTTP:<!-- -->//x.y or www<!-- -->.evil.example"),
        ("mailto:a@b.c", "mailto:<!-- -->a@<!-- -->b.c"),
        ("@everyone", "@<!-- -->everyone"),
        ("awww. https", "awww<!-- -->. https"),
    ],
)
def test_markup_is_shown_and_not_obeyed(value, expected):
    assert escape_markdown(value) == expected


def test_nothing_ends_a_code_block_early():
    block = code_block("echo '```'\n````", "bash").splitlines()
    assert block[0] == "`````bash"
    assert block[-1] == "`````"
    assert len(block) == 4


def test_a_cell_cannot_break_its_table():
    table = markdown_table(["name", "value"], [["a|b\nc", 1]])
    assert table.splitlines() == ["| name | value |", "|---|---:|", r"| a\|b c | 1 |"]


def test_a_terminal_s_commands_are_shown_in_a_block():
    assert code_block("one\n\ttwo \x1b]0;owned\x07\u202e") == "```\none\n        two \\x1b]0;owned\\x07\\u202e\n```"
