"""What a metadata file may do to a parser, refused before one gets it."""

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fastast_hf.data import metadata_checks
from fastast_hf.data.metadata_checks import MAX_COLUMNS, MAX_DEPTH, MAX_ROW, MAX_VALUES, check_metadata

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
        CSV + b"x" * 131_000 + b",dog,1\n",
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


def parquet(**columns):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_parquet_is_taken(check):
    columns = {
        "file_name": pa.array(["a.wav", None]),
        "label": pa.array([["dog"], []]),
        "object": pa.array([{"a.b": "c", "d": [1]}] * 2),
        "a.b": pa.array(["dog", "cat"]).dictionary_encode(),
        "bytes": pa.array([b"1", b"2"], pa.binary(1)),
        "price": pa.array([1, 2]).cast(pa.decimal128(38)),
        "none": pa.array([None, None], pa.large_string()),
    }
    check(parquet(**columns), "parquet")
    check(parquet(number=pa.array([1.5])), "parquet")
    check(parquet(file_name=pa.array([], pa.string())), "parquet")


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
    "gzip": gzip.compress(CSV),
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


def text_and_archive():
    """Write a text that is an archive too, of the oldest kind, whose numbers end with spaces."""
    header = bytearray(b"file_name,label,fold\n".ljust(100, b"x") + b" " * 412)
    header[124:136] = b"%011o " % len(CSV)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o  " % sum(header)
    return bytes(header) + CSV.ljust(512)


def test_a_text_that_is_an_archive_too(check):
    with pytest.raises(ValueError, match="it is packed with tar, and must be plain text"):
        check(text_and_archive())


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


@pytest.mark.parametrize("content", [b"", b"PAR", CSV, gzip.compress(parquet(a=[1])), b"\0" + parquet(a=[1])])
def test_what_does_not_begin_as_parquet(check, content):
    with pytest.raises(ValueError, match="it does not begin as Parquet does, with PAR1"):
        check(content, "parquet")


# Too much


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (b"b.wav,a\0,1\n", "line 3 has a NUL byte, which no text has"),
        (b"b.wav" + b",1" * 10**6, f"the row in line 3 has more than {MAX_ROW} characters"),
        (b"b.wav" + b",1" * MAX_COLUMNS, f"line 3 has {MAX_COLUMNS + 1} columns, more than {MAX_COLUMNS}"),
        (b"b.wav,x," + b"x" * 140_000 + b",1\n", r"line 3: field larger than field limit \(131072\)"),
        (b'b.wav,"' + b"x\n" * 70_000, r"line \d+: field larger than field limit"),
        (b"b.wav" + b',"\n"' * 300_000, r"the row in line \d+ has more than"),
    ],
)
def test_csv_that_is_too_much(check, more, reason):
    with pytest.raises(ValueError, match=reason):
        check(CSV + more)


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


def same(value, times):
    """Make a column of one value, which Parquet writes down once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(times, np.int8)), [value])


def test_parquet_with_more_rows_than_there_are_sounds(check):
    content = parquet(label=pa.array(np.zeros(MAX_VALUES + 1, np.bool_)))
    with pytest.raises(ValueError, match=f"it has {MAX_VALUES + 1} values in a column, more than {MAX_VALUES}"):
        check(content, "parquet")


@pytest.mark.parametrize("is_list", [False, True])
def test_parquet_that_is_small_and_becomes_large(check, is_list):
    texts = same("x" * 10**6, 1_100)
    content = parquet(label=pa.ListArray.from_arrays([0, 1_100], texts) if is_list else texts)
    assert len(content) < 2_000_000
    with pytest.raises(ValueError, match="it has more than 1073741824 bytes when unpacked"):
        check(content, "parquet")


def test_parquet_with_a_long_value(check):
    with pytest.raises(ValueError, match=f"it has a value of {MAX_ROW + 1} bytes, more than {MAX_ROW}"):
        check(parquet(label=pa.array([{"a": ["x" * (MAX_ROW + 1)]}])), "parquet")


def test_parquet_with_much_to_unpack(check, monkeypatch):
    monkeypatch.setattr(metadata_checks, "MAX_TEXT", 10_000)
    with pytest.raises(ValueError, match=r"it has \d+ bytes when unpacked, more than 10000"):
        check(parquet(label=pa.array(np.random.default_rng(0).normal(size=2_000))), "parquet")


def test_parquet_with_many_columns(check):
    with pytest.raises(ValueError, match=f"it has {MAX_COLUMNS + 1} columns, more than {MAX_COLUMNS}"):
        check(parquet(**{f"c{index}": [1] for index in range(MAX_COLUMNS + 1)}), "parquet")


@pytest.mark.parametrize("about", ["[", "5", '{"info": {"features": {"label": 5}}}', 5_000 * "[" + 5_000 * "]"])
def test_parquet_that_says_nonsense_of_its_columns(check, about):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"label": ["dog"]}).replace_schema_metadata({"huggingface": about}), buffer)
    with pytest.raises(ValueError, match=r"Expecting value|`datasets` cannot tell its columns: (Type|Recursion)Error"):
        check(buffer.getvalue(), "parquet")
