"""Parquet that is small and becomes large, measured before a reader unpacks it."""

import gzip
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fastast_hf.data.metadata_limits import MAX_COLUMNS, MAX_ROW, MAX_ROWS, TooMuchError
from fastast_hf.data.metadata_parquet import check_parquet

DELTA = ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]


@pytest.fixture
def check(tmp_path):
    def check_bytes(content):
        path = tmp_path / "metadata.parquet"
        path.write_bytes(content)
        check_parquet(path)

    return check_bytes


@pytest.fixture
def limit(monkeypatch):
    """Make what a file may hold in bytes small, since no test should fill a memory."""
    return lambda num_bytes: monkeypatch.setattr("fastast_hf.data.metadata_parquet.MAX_BYTES", num_bytes)


def parquet(encoding=None, column="label", **columns):
    """Write a table, all columns with dictionaries, or one in another encoding."""
    buffer = io.BytesIO()
    options = {} if encoding is None else {"column_encoding": {column: encoding}, "use_dictionary": ["file_name"]}
    pq.write_table(pa.table(columns), buffer, **options)
    return buffer.getvalue()


def same(value, times):
    """Make a column of one value, which Parquet writes down once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(times, np.int8)), [value])


def as_json(texts):
    return pa.ExtensionArray.from_storage(pa.json_(), texts.cast(pa.string()))


# Files as they should be


def test_parquet_is_taken(check):
    columns = {
        "file_name": pa.array(["a.wav", None]),
        "label": pa.array([["dog"], []]),
        "object": pa.array([{"a.b": "c", "d": [1]}] * 2),
        "a.b": pa.array(["dog", "cat"]).dictionary_encode(),
        "bytes": pa.array([b"1", b"2"], pa.binary(1)),
        "price": pa.array([1, 2]).cast(pa.decimal128(38)),
        "none": pa.array([None, None], pa.large_string()),
        "json": as_json(pa.array(["{}", None])),
    }
    check(parquet(**columns))
    check(parquet(number=pa.array([1.5])))
    check(parquet(file_name=pa.array([], pa.string())))


@pytest.mark.parametrize("encoding", ["PLAIN", *DELTA])
def test_texts_in_every_encoding_are_taken(check, encoding):
    names = pa.array([f"{index}.wav" for index in range(1_000)])
    for kind in (pa.string(), pa.large_binary(), pa.string_view()):
        check(parquet(encoding, file_name=names, label=names.cast(kind)))
    check(parquet(encoding, file_name=names, label=as_json(names)))
    lists = pa.ListArray.from_arrays(range(0, 1_001, 10), names)
    check(parquet(encoding, "label.list.element", file_name=names[:100], label=lists))


def test_a_dictionary_that_its_writer_gave_up_is_taken(check):
    buffer = io.BytesIO()
    texts = pa.table({"label": [f"{index:09}" for index in range(5_000)]})
    pq.write_table(texts, buffer, dictionary_pagesize_limit=1_000, row_group_size=1_000, write_batch_size=10)
    assert set(pq.read_metadata(buffer).row_group(4).column(0).encodings) == {"PLAIN", "RLE", "RLE_DICTIONARY"}
    check(buffer.getvalue())


def test_numbers_beside_the_clips_are_taken(check):
    embeddings = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(20_000 * 512, np.float32)), 512)
    check(parquet(file_name=same("a.wav", 20_000), embedding=embeddings))


# Files that are something else


@pytest.mark.parametrize(
    "content", [b"", b"PAR", b"file_name,label\n", gzip.compress(parquet(a=[1]), mtime=0), b"\0" + parquet(a=[1])]
)
def test_what_does_not_begin_as_parquet(check, content):
    with pytest.raises(ValueError, match="it does not begin as Parquet does, with PAR1"):
        check(content)


@pytest.mark.parametrize("about", ["[", "5", '{"info": {"features": {"label": 5}}}', 5_000 * "[" + 5_000 * "]"])
def test_parquet_that_says_nonsense_of_its_columns(check, about):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"label": ["dog"]}).replace_schema_metadata({"huggingface": about}), buffer)
    with pytest.raises(ValueError, match=r"Expecting value|`datasets` cannot tell its columns: (Type|Recursion)Error"):
        check(buffer.getvalue())


# Too much


def test_parquet_with_more_rows_than_there_are_sounds(check):
    content = parquet(label=pa.array(np.zeros(MAX_ROWS + 1, np.bool_)))
    with pytest.raises(TooMuchError, match=f"it has {MAX_ROWS + 1} rows, more than {MAX_ROWS}"):
        check(content)


def test_parquet_with_many_columns(check):
    with pytest.raises(TooMuchError, match=f"it has {MAX_COLUMNS + 1} columns, more than {MAX_COLUMNS}"):
        check(parquet(**{f"c{index}": [1] for index in range(MAX_COLUMNS + 1)}))


@pytest.mark.parametrize(
    ("value", "kind", "width"),
    [
        (b"x" * 200, pa.binary(200), 200),
        (1, pa.int64(), 8),
        (1, pa.float64(), 8),
        (1, pa.int8(), 4),
        (True, pa.bool_(), 4),
        (1, pa.float16(), 4),
        (1, pa.decimal128(1), 32),
        (None, pa.string(), 4),
    ],
)
def test_columns_of_one_value_are_counted_together(check, limit, value, kind, width):
    content = parquet(**{name: pa.array(1_000 * [value], kind) for name in "abc"})
    limit(3_000 * width)
    check(content)
    limit(3_000 * width - 1)
    message = f"it has {3_000 * width} bytes when unpacked, more than {3_000 * width - 1}"
    with pytest.raises(TooMuchError, match=message):
        check(content)


def test_lists_in_a_row_are_counted_by_their_values(check, limit):
    limit(7_999)
    with pytest.raises(TooMuchError, match=r"it has 8000 bytes when unpacked, more than 7999"):
        check(parquet(label=pa.array([1_000 * [1]])))


def test_texts_are_counted_with_the_numbers(check, limit):
    texts, numbers = same("x" * 100, 1_000), pa.array(1_000 * [1])
    limit(112_000)
    check(parquet(label=texts, fold=numbers))
    limit(111_999)
    with pytest.raises(TooMuchError, match=r"it has more than 111999 bytes when unpacked"):
        check(parquet(label=texts, fold=numbers))


@pytest.mark.parametrize("is_list", [False, True])
def test_parquet_that_is_small_and_becomes_large(check, is_list):
    texts = same("x" * 10**6, 1_100)
    content = parquet(label=pa.ListArray.from_arrays([0, 1_100], texts) if is_list else texts)
    assert len(content) < 2_000_000
    with pytest.raises(TooMuchError, match="it has more than 1073741824 bytes when unpacked"):
        check(content)


def test_parquet_with_much_to_unpack(check, limit):
    limit(10_000)
    with pytest.raises(TooMuchError, match=r"it has \d+ bytes when unpacked, more than 10000"):
        check(parquet(label=pa.array([f"{index:09}" for index in range(2_000)])))


LONG = "x" * (MAX_ROW + 1)
SHARED = pa.array([LONG, LONG])


@pytest.mark.parametrize(
    "texts",
    [
        SHARED,
        SHARED.cast(pa.large_binary()),
        SHARED.cast(pa.string_view()),
        as_json(SHARED),
        pa.array([{"a": [LONG]}]),
        pa.array([[LONG]], pa.large_list(pa.string())),
        pa.array([["a", LONG]], pa.list_(pa.string(), 2)),
    ],
)
def test_parquet_with_a_long_value(check, texts):
    with pytest.raises(TooMuchError, match=f"it has a value of {MAX_ROW + 1} bytes, more than {MAX_ROW}"):
        check(parquet(label=texts))


@pytest.mark.parametrize("encoding", DELTA)
@pytest.mark.parametrize("kind", [pa.string(), pa.binary_view(), pa.json_()])
def test_a_long_value_that_is_in_no_dictionary(check, encoding, kind):
    texts = as_json(SHARED) if kind == pa.json_() else SHARED.cast(kind)
    with pytest.raises(TooMuchError, match=f"it has a value of {MAX_ROW + 1} bytes, more than {MAX_ROW}"):
        check(parquet(encoding, label=texts))


@pytest.mark.parametrize(
    ("encoding", "texts"),
    [
        (None, same("x" * 100_000, 300)),
        (None, as_json(same("x" * 100_000, 300))),
        ("DELTA_BYTE_ARRAY", same("x" * 100_000, 300).cast(pa.string())),
    ],
)
def test_texts_are_measured_in_less_memory_than_they_fill(check, monkeypatch, encoding, texts):
    content = parquet(encoding, label=texts)
    assert len(content) < 200_000
    monkeypatch.setattr("fastast_hf.data.metadata_parquet._MAX_UNPACKED", 2**20)
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    try:
        check(content)
    finally:
        pa.set_memory_pool(before)
    assert 0 < pool.max_memory() < 10_000_000


def test_lists_whose_texts_hide_their_size(check, limit):
    texts = same("x" * 1_000, 1_000).cast(pa.string())
    content = parquet("DELTA_BYTE_ARRAY", "label.list.element", label=pa.ListArray.from_arrays([0, 1_000], texts))
    check(content)
    limit(100_000)
    with pytest.raises(
        ValueError, match=r"lists of texts in `label.list.element` whose size its encodings hide: \(.*DELTA"
    ):
        check(content)
