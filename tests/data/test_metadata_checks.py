"""What a metadata file of text may do to a parser, refused before one gets it."""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile

import pytest

from fastast_hf.data.metadata_checks import check_metadata
from fastast_hf.data.metadata_limits import MAX_COLUMNS, MAX_DEPTH, MAX_ROW, TooMuchError

CSV = b"file_name,label,fold\na.wav,dog,1\n"
ROW = {"file_name": "a.wav", "label": "dog", "fold": 1}


@pytest.fixture
def check(tmp_path):
    def check_bytes(content, reader="csv"):
        path = tmp_path / "metadata"
        path.write_bytes(content)
        check_metadata(path, reader)

    return check_bytes


def lines(*rows):
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows).encode()


def nested(depth, opening="[", closing="]"):
    return f'{{"file_name": "a.wav", "label": {opening * depth}1{closing * depth}}}'


# Files as they should be


@pytest.mark.parametrize(
    "content",
    [
        b"",
        CSV,
        b"\xef\xbb\xbf" + CSV,
        CSV.replace(b"\n", b"\r\n"),
        CSV.replace(b"\n", b"\r"),
        CSV + b'"b ""c"", d.wav","line\nline",2\n\n',
        CSV + b"x" * (MAX_ROW - 7) + b",dog,1\n",
        b"a," * (MAX_COLUMNS - 1) + b"a\n",
    ],
)
def test_csv_is_taken(check, content):
    check(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        lines(ROW, "", ROW | {"label": ["dog", "cat"], "fold": None}),
        b"\xef\xbb\xbf" + lines(ROW),
        lines(ROW)[:-1],
        lines(nested(MAX_DEPTH - 1)),
        lines(ROW | {"label": "x" * (MAX_ROW - 100)}),
        lines({f"c{index}": 1 for index in range(MAX_COLUMNS)}),
    ],
)
def test_json_lines_are_taken(check, content):
    check(content, "json")


# Files that are something else


def tarred(content, name="a.csv"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", content)
    return buffer.getvalue()


PACKED = {
    "gzip": gzip.compress(CSV, mtime=0),
    "bz2": bz2.compress(CSV),
    "xz": lzma.compress(CSV),
    "zip": zipped(CSV),
    "zstd": b"\x28\xb5\x2f\xfd" + CSV,
    "lz4": b"\x04\x22\x4d\x18" + CSV,
    "7z": b"\x37\x7a\xbc\xaf\x27\x1c" + CSV,
    "rar": b"Rar!\x1a\x07\x00" + CSV,
}


@pytest.mark.parametrize("reader", ["csv", "json"])
@pytest.mark.parametrize("packing", PACKED)
def test_what_is_packed_is_not_unpacked(check, packing, reader):
    with pytest.raises(ValueError, match=rf"it is packed with {packing}, and must be plain text"):
        check(PACKED[packing], reader)


def text_and_archive(start, end):
    """Write a text that is an archive too, of the oldest kind, whose numbers end with spaces."""
    header = bytearray(start.ljust(100, b"x") + b" " * 412)
    header[124:136] = b"%011o " % 512
    header[148:156] = b" " * 8
    header[148:156] = b"%06o  " % sum(header)
    return bytes(header) + end.ljust(512)


@pytest.mark.parametrize(
    ("reader", "start", "end"), [("csv", b"file_name,label,fold\n", CSV), ("json", b'{"file_name": "', b'"}\n')]
)
def test_a_text_that_is_an_archive_too(check, reader, start, end):
    with pytest.raises(ValueError, match="it is packed with tar, and must be plain text"):
        check(text_and_archive(start, end), reader)


@pytest.mark.parametrize("reader", ["csv", "json"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tarred(CSV), "line 1 has a NUL byte"),
        (CSV.decode().encode("utf-16"), "from line 1 on it is no UTF-8: .*0xff"),
        ("\u00e9".encode("latin-1"), "from line 1 on it is no UTF-8: .*0xe9"),
    ],
)
def test_what_is_no_text(check, content, reason, reader):
    with pytest.raises(ValueError, match=reason):
        check(content, reader)


# Too much


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (b"b.wav,a\0,1\n", "line 3 has a NUL byte, which no text has"),
        (b"b.wav" + b",1" * 10**6, f"the row in line 3 has more than {MAX_ROW} characters"),
        (b"b.wav" + b",1" * MAX_COLUMNS, f"line 3 has {MAX_COLUMNS + 1} columns, more than {MAX_COLUMNS}"),
        (b"b.wav,x," + b"x" * MAX_ROW + b",1\n", "the row in line 3 has more than"),
        (b'b.wav,"' + b"x\n" * MAX_ROW, r"the row in line \d+ has more than"),
        (b"b.wav" + b',"\n"' * 300_000, r"the row in line \d+ has more than"),
    ],
)
def test_csv_that_is_too_much(check, more, reason):
    with pytest.raises(ValueError, match=reason):
        check(CSV + more)


@pytest.mark.parametrize("limit", [1_000, 10 * MAX_ROW])
def test_the_limit_of_other_readers_of_csv_is_not_lowered_and_stays(check, monkeypatch, limit):
    meanwhile = []
    monkeypatch.setattr(
        "fastast_hf.data.metadata_checks.check_width", lambda *_: meanwhile.append(csv.field_size_limit())
    )
    before = csv.field_size_limit(limit)
    try:
        check(CSV + b"x" * 200_000 + b",dog,1\n")
        assert csv.field_size_limit() == limit
        with pytest.raises(ValueError, match="line 3 has a NUL byte"):
            check(CSV + b"\0")
        assert csv.field_size_limit() == limit
    finally:
        csv.field_size_limit(before)
    assert set(meanwhile) == {max(limit, MAX_ROW)}


@pytest.mark.parametrize("reader", ["csv", "json"])
def test_a_line_without_an_end_is_not_read_to_it(tmp_path, reader):
    """By a file of a terabyte, of which the disk has nothing."""
    path = tmp_path / "metadata"
    path.write_bytes(CSV if reader == "csv" else lines(ROW))
    os.truncate(path, 2**40)
    with pytest.raises(ValueError, match="has a NUL byte"):
        check_metadata(path, reader)


@pytest.mark.parametrize("depth", [MAX_DEPTH, 100, 1_000, 5_000, 20_000, 500_000])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
def test_json_that_is_nested_too_deep(check, depth, brackets):
    row = nested(depth, *brackets) if depth < 100_000 else nested(0).replace("1", brackets[0] * (depth // 4))
    with pytest.raises(ValueError, match=f"line 2 is nested more than {MAX_DEPTH} deep"):
        check(lines(ROW, row, ROW), "json")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (nested(20)[:-1] + ', "label": "dog"}', "line 2 is nested more than"),  # a dictionary would show the last
        ("[", "JSON parse error in line 2, column 2: Expecting value"),  # over many lines it may become deep too
        ("[{}]", "line 2: it is no JSON object"),
        ('"dog"', "line 2: it is no JSON object"),
        ("{}{}", "JSON parse error in line 2, column 3: Extra data"),
        ('{"fold": ' + 5_000 * "9" + "}", "line 2: Exceeds the limit"),
        ('{"label": "' + MAX_ROW * "x" + '"}', f"the row in line 2 has more than {MAX_ROW} characters"),
        ('{"label": "\0"}', "line 2 has a NUL byte"),
        (
            {"label": {f"c{index}": 1 for index in range(MAX_COLUMNS)}},
            f"the file up to line 2 has {MAX_COLUMNS + 3} columns, more than {MAX_COLUMNS}",
        ),
    ],
)
def test_json_lines_that_are_wrong(check, row, reason):
    with pytest.raises(ValueError, match=reason):
        check(lines(ROW, row, ROW), "json")


def test_columns_that_come_row_by_row_are_counted_together(check):
    rows = [{f"c{index}": 1} for index in range(MAX_COLUMNS + 1)]
    with pytest.raises(ValueError, match=f"the file up to line {MAX_COLUMNS + 1} has {MAX_COLUMNS + 1} columns"):
        check(lines(*rows), "json")


NAMES = [f"c{index}" for index in range(10)]
FULL = dict.fromkeys(NAMES, 1)


@pytest.mark.parametrize(
    ("reader", "content", "line", "num_empty"),
    [
        ("csv", lines(",".join(NAMES), *12 * ["a"]), 13, 108),
        ("csv", lines(*12 * ["a"], "", ",".join(NAMES)), 14, 108),
        ("json", lines(FULL, *11 * [{}]), 12, 110),
        ("json", lines(*11 * [{}], FULL), 12, 110),
        ("json", lines({"a": FULL}, *10 * [{}]), 11, 110),  # a field and those inside of it
        ("json", lines({"a": FULL}, *11 * [{"a": None}]), 12, 110),
        ("json", lines({"a": [FULL]}, {"a": 11 * [{}]}), 2, 110),
        ("json", lines({"a": [[FULL]]}, {"a": [11 * [None]]}), 2, 110),
    ],
)
def test_cells_that_the_file_does_not_write(check, monkeypatch, reader, content, line, num_empty):
    monkeypatch.setattr("fastast_hf.data.metadata_checks.MAX_EMPTY", num_empty)
    check(content, reader)
    monkeypatch.setattr("fastast_hf.data.metadata_checks.MAX_EMPTY", num_empty - 1)
    message = f"the file up to line {line} leaves {num_empty} fields of its table empty, more than {num_empty - 1}"
    with pytest.raises(TooMuchError, match=message):
        check(content, reader)


@pytest.mark.parametrize("reader", ["csv", "json"])
def test_cells_that_are_written_have_no_end(check, monkeypatch, reader):
    monkeypatch.setattr("fastast_hf.data.metadata_checks.MAX_EMPTY", 0)
    table = [",".join(NAMES), "", *100 * [",".join("1" * 10)]] if reader == "csv" else 100 * [FULL]
    check(lines(*table), reader)
    objects = [{"label": 3 * [FULL], "fold": {"b": FULL}, "list": [1, 2]}]
    check(lines(*100 * objects), "json")
