import pytest

from fastast_hf.hub.speed_tables import (
    front_end_table,
    narrow_speed_columns,
    paying_rows_table,
    speed_columns,
    speed_table,
    three_digits,
)
from tests.hub.results_example import FRONT_END, speed_example

TITLES = ["Clips/s", "Latency ms", "Latency IQR ms", "Speed-up", "GMACs per clip", "MAC ratio", "Share reached"]


def test_every_number_of_a_row_is_shown_and_a_dash_where_there_is_none():
    assert speed_table(speed_example()).splitlines() == [
        f"| ast-base | {' | '.join(TITLES)} | Peak MiB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        "| AST | 0.80 | 1,250 | 25.2 | 1.00x | 130.51 | 1.00x | 1.00 | 21.2 |",
        "| ratio 0.25, onnxruntime | 3.00 | 333 | 4.00 | 3.75x | 32.63 | 4.00x | 0.94 | - |",
    ]


def test_columns_without_numbers_are_left_out():
    columns = speed_columns(speed_example(peak_memory_mib=None)["benchmark"]["rows"])
    assert list(columns) == TITLES
    assert speed_columns(speed_example(agreement=0.975)["benchmark"]["rows"])["Same answer"] == ["97.5%"] * 2


def test_the_spread_of_a_speed_up_stands_right_behind_it_where_it_was_measured():
    results = speed_example()
    results["benchmark"]["rows"][1] |= {"speed_up_low": 3.5, "speed_up_high": 3.8125}
    columns = speed_columns(results["benchmark"]["rows"])
    assert list(columns) == [*TITLES[:4], "Speed-up IQR", *TITLES[4:], "Peak MiB"]
    assert columns["Speed-up IQR"] == ["-", "3.50x to 3.81x"]


def test_on_a_terminal_spreads_stand_below_their_medians():
    rows = speed_example(speed_up_low=3.5, speed_up_high=3.8125)["benchmark"]["rows"]
    columns = narrow_speed_columns(rows)
    assert list(columns) == ["Clips/s", "Latency ms (IQR)", "Speed-up (IQR)", *TITLES[4:], "Peak MiB"]
    assert columns["Latency ms (IQR)"] == ["1,250\n(25.2)", "333\n(4.00)"]
    assert columns["Speed-up (IQR)"] == ["1.00x\n(3.50-3.81)", "3.75x\n(3.50-3.81)"]
    older = narrow_speed_columns(speed_example()["benchmark"]["rows"])
    assert older["Speed-up"] == ["1.00x", "3.75x"]


def test_one_turn_has_no_spread():
    rows = [row | {"speed_up_low": 1.0, "speed_up_high": 1.0} for row in speed_example(repeats=1)["benchmark"]["rows"]]
    assert not {"Latency IQR ms", "Speed-up IQR"} & speed_columns(rows).keys()
    rows[0]["repeats"] = 2
    assert speed_columns(rows)["Latency IQR ms"] == ["25.2", "-"]


def test_several_batch_sizes_get_a_column():
    lines = speed_table(speed_example(batch_sizes=(1, 8))).splitlines()
    assert lines[0].startswith("| ast-base | Batch | Clips/s |")
    assert [line.split(" | ")[1] for line in lines[2:]] == ["1", "1", "8", "8"]


def row(name, speed_up, *, ratio=0.25, dtype="float32", runtime="eager", batch_size=1):
    example = speed_example()["benchmark"]["rows"][1]
    fields = {"merging": {"merge_ratio": ratio}, "dtype": dtype, "runtime": runtime, "batch_size": batch_size}
    return example | fields | {"name": name, "speed_up": speed_up}


def test_what_only_costs_time_is_named_and_not_shown():
    rows = [
        row("AST", 1.0, ratio=0.0),
        row("unmerged, bfloat16", 0.2, ratio=0.0, dtype="bfloat16"),
        row("merged", 3.0),
        row("merged, compiled", 3.5, runtime="compiled"),
        row("merged, bfloat16", 2.0, dtype="bfloat16"),
        row("AST", 1.0, ratio=0.0, batch_size=8),
        row("merged, bfloat16", 4.0, dtype="bfloat16", batch_size=8),
    ]
    table, left_out = paying_rows_table({"model": "m", "benchmark": {"rows": rows}}).split("\n\n")
    assert [line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:]] == [
        *("AST", "merged", "merged, compiled", "AST", "merged, bfloat16")
    ]
    assert left_out.endswith("is faster on this machine: unmerged, bfloat16: 0.20x; merged, bfloat16: 2.00x.")


def test_another_model_is_not_the_same_row():
    rows = [
        row("against theirs", 1.0),
        row("merged", 0.5),
        row("merged, compiled", 0.75, runtime="compiled"),
        row("against theirs", 1.0, batch_size=8),
        row("merged, compiled", 0.75, runtime="compiled", batch_size=8),
    ]
    results = {"model": "m", "against": "theirs", "benchmark": {"rows": rows}}
    assert paying_rows_table(results) == speed_table(results)  # 1.0 is what another model reaches
    del results["against"]
    assert "merged, compiled: 0.75x and 0.75x." in paying_rows_table(results)


def test_a_row_in_float32_and_eager_pays_though_the_same_work_is_faster():
    rows = [row("AST", 1.0, ratio=0.0), row("unmerged", 0.98, ratio=0.0)]
    assert "| unmerged |" in paying_rows_table({"model": "m", "benchmark": {"rows": rows}})


def test_the_front_end_is_a_table_and_a_line():
    table, line = front_end_table(speed_example() | {"front_end": FRONT_END}).split("\n\n")
    assert table.splitlines() == [
        "| Front end | Per clip | Speed-up | Speed-up IQR |",
        "|---|---:|---:|---:|",
        "| ASTFeatureExtractor | 40.2 ms | 1.00x | - |",
        "| FastASTFeatureExtractor | 5.0 ms | 8.00x | 7.75x to 8.25x |",
    ]
    assert line == (
        "Front end: 16 clips of 10.24 s of noise in one call, on the CPU; transformers' by numpy; 10 turns, medians over "
        "the turns. Both gave the same features to within 2.1e-05, log-mel before normalisation."
    )


def test_where_everything_pays_all_is_shown():
    assert paying_rows_table(speed_example()) == speed_table(speed_example())


def test_a_name_from_outside_is_escaped():
    assert r"| a\|b |" in speed_table(speed_example(name="a|b"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.004, "0.00"),
        (0.5, "0.50"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (99.94, "99.9"),
        (99.96, "100"),
        (12345, "12,345"),
    ],
)
def test_three_digits_are_shown_at_every_size(value, text):
    assert three_digits(value) == text
