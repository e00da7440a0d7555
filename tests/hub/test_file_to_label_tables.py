import copy

import pytest

from fastast_hf.hub.file_to_label_tables import (
    check_file_to_label,
    file_to_label_notes,
    file_to_label_table,
    narrow_file_to_label_columns,
)

ROW = {
    "ms_per_clip": 1600.0,
    "clips_per_second": 0.625,
    "speed_up": 1.0,
    "speed_up_range": [1.0, 1.0],
    "step": 1.0,
    "share": 0.0,
    "agreement": 1.0,
}
MERGED = {
    "ms_per_clip": 200.0,
    "clips_per_second": 5.0,
    "speed_up": 8.0,
    "speed_up_range": [7.5, 8.25],
    "step": 4.0,
    "share": 2 / 3,
    "agreement": 0.9325,
}
EXAMPLE = {
    "num_clips": 400,
    "median_clip_seconds": 5.0,
    "max_length": 1024,
    "merge_ratio": 0.25,
    "tokens_merged_per_layer": None,
    "stock_features": "numpy",
    "batch_size": 16,
    "num_workers": 2,
    "turns": 5,
    "pipeline_batch_size": 1,
    "rows": {"AST, pipeline": ROW, "+ merging": MERGED},
    "parts": {
        "AST, pipeline": {"decode": 4.0, "features": 60.0, "model": 1535.0},
        "+ merging": {"decode": 4.25, "features": 8.0, "model": 192.5},
    },
}
ROW_NAMES = {"merging": "+ merging"}


def example(**changes):
    """Copy the example and set fields by their path, written with double underscores."""
    part = copy.deepcopy(EXAMPLE)
    for path, value in changes.items():
        *parents, last = (ROW_NAMES.get(key, key) for key in path.split("__"))
        target = part
        for key in parents:
            target = target[key]
        target[last] = value
    return part


def table_of(part, **fields):
    """Write the tables of a model with trained weights."""
    return file_to_label_table({"model": "my-ast", "file_to_label": part, **fields})


def test_steps_parts_and_conditions_are_shown():
    check_file_to_label(EXAMPLE)
    steps, conditions, parts, what = table_of(EXAMPLE).split("\n\n")
    assert steps.splitlines() == [
        "| my-ast | Per clip | Speed-up | In single turns | This step | Share of the speed-up | Same label |",
        "|---|---:|---:|---:|---:|---:|---:|",
        "| AST, pipeline | 1,600.0 ms | 1.00x | - | - | - | 100.0% |",
        "| + merging | 200.0 ms | 8.00x | 7.50x to 8.25x | 4.00x | 67% | 93.2% |",
    ]
    assert conditions == (
        "File to label: 400 files, median 5.0 s; AST pads to 1,024 frames, its features by numpy; merge ratio 0.25; "
        "batch 16, 1 in the pipeline; 2 threads that decode; rows in 5 turns, medians over the turns."
    )
    assert parts.splitlines() == [
        "| Parts | Decode | Features | Model | Sum | The row |",
        "|---|---:|---:|---:|---:|---:|",
        "| AST, pipeline | 4.0 ms | 60.0 ms | 1,535.0 ms | 1,599.0 ms | 1,600.0 ms |",
        "| + merging | 4.2 ms | 8.0 ms | 192.5 ms | 204.8 ms | 200.0 ms |",
    ]
    assert "its row has no decoding in it" in what


def test_sounds_that_were_left_out_are_counted():
    told = table_of(EXAMPLE, unreadable={"a.wav": "no sound", "b.wav": "gone"})
    assert "medians over the turns. Left out because they cannot be read: 2.\n" in told
    assert "Left out" not in table_of(EXAMPLE, unreadable={})


def test_on_a_terminal_spreads_stand_below_their_medians_and_titles_take_two_lines():
    results = {"model": "my-ast", "file_to_label": EXAMPLE}
    assert narrow_file_to_label_columns(results) == {
        "Per clip": ["1,600.0 ms", "200.0 ms"],
        "Speed-up\n(range)": ["1.00x", "8.00x\n(7.50-8.25)"],
        "This\nstep": ["-", "4.00x"],
        "Share of\nspeed-up": ["-", "67%"],
        "Same\nlabel": ["100.0%", "93.2%"],
    }
    assert table_of(EXAMPLE).endswith(f"\n\n{file_to_label_notes(results)}")
    assert "Same\nlabel" not in narrow_file_to_label_columns(results | {"random_weights": True})


def test_names_are_escaped_and_a_share_may_be_missing():
    part = example(rows__merging__share=None)
    check_file_to_label(part)
    table = table_of(part, model="my_ast|<b>")
    assert "| my\\_ast\\|&lt;b&gt; |" in table
    assert "| 4.00x | - | 93.2% |" in table


def test_what_may_be_null_may_be_missing():
    part = example()
    del part["rows"]["+ merging"]["share"], part["tokens_merged_per_layer"]
    check_file_to_label(part)
    assert "| 4.00x | - | 93.2% |" in table_of(part)
    assert "; merge ratio 0.25; " in table_of(part)


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [
        ({"random_weights": True}, False),
        ({"random_weights": False, "model": "ast-base"}, True),  # a folder that is called so
        ({"model": "ast-base"}, False),  # of the first results, which did not tell
        ({"model": "ast-tiny"}, False),
        ({}, True),
    ],
)
def test_labels_of_random_weights_are_not_told(fields, is_told):
    table = table_of(EXAMPLE, **fields)
    assert ("Same label" in table) == is_told
    assert ("93.2%" in table) == is_told


def test_labels_that_were_not_compared_are_not_told():
    part = example(rows__merging__agreement=None, rows__merging__seconds=[1.0, 2.0])
    check_file_to_label(part)
    assert "| 4.00x | 67% | - |" in table_of(part)
    del part["rows"]["AST, pipeline"]["agreement"]
    assert "Same label" not in table_of(part)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tokens_merged_per_layer": 40}, "; r 40; "),
        ({"merge_ratio": [0.1, 0.25]}, "; merge ratio 0.1, 0.25; "),
    ],
)
def test_merging_is_told(changes, told):
    assert told in table_of(example(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_clips": 0}, r"`file_to_label\.num_clips` must be an integer of at least 1, got 0\."),
        ({"turns": True}, r"`file_to_label\.turns` must be an integer of at least 1, got True\."),
        ({"batch_size": 1.5}, r"`file_to_label\.batch_size` must be an integer of at least 1, got 1\.5\."),
        ({"median_clip_seconds": None}, r"`file_to_label\.median_clip_seconds` must be a positive finite number, got"),
        ({"merge_ratio": "high"}, r"`file_to_label\.merge_ratio` must be a number or a list of numbers, got 'high'\."),
        (
            {"tokens_merged_per_layer": [1, None]},
            r"`file_to_label\.tokens_merged_per_layer` must be null, a number or a list of numbers, got \[1, None\]\.",
        ),
        ({"stock_features": "c"}, r"`file_to_label\.stock_features` must be \"numpy\" or \"torchaudio\", got 'c'\."),
        ({"rows": {"AST": ROW}}, r"`file_to_label\.rows` must be a dictionary of two or more rows, got"),
        ({"rows__merging": 8.0}, r"`file_to_label\.rows\.\+ merging` must be a dictionary, got 8\.0\."),
        (
            {"rows__merging__speed_up": float("nan")},
            r"`file_to_label\.rows\.\+ merging\.speed_up` must be a positive finite number, got nan\.",
        ),
        (
            {"rows__merging__speed_up_range": [7.5]},
            r"`.*\.\+ merging\.speed_up_range` must be a list, the lowest and the highest .*, got \[7\.5\]\.",
        ),
        (
            {"rows__merging__share": "67%"},
            r"`.*\.\+ merging\.share` must be a finite number, or null without a speed-up, got '67%'\.",
        ),
        (
            {"rows__merging__agreement": 93.2},
            r"`.*\.\+ merging\.agreement` must be a share of the clips, 0 to 1, if it is given, got 93\.2\.",
        ),
        (
            {"rows__merging__seconds": [1.0, 0]},
            r"`.*\.\+ merging\.seconds` must be a list of positive numbers, one a turn, .*, got \[1\.0, 0\]\.",
        ),
        ({"parts": None}, r"`file_to_label\.parts` must be a dictionary, got None\."),
        (
            {"parts__onnx": {}},
            r"`file_to_label\.parts` must be named as rows are, AST, pipeline, \+ merging, got 'onnx'\.",
        ),
        (
            {"parts__merging__model": -1.0},
            r"`file_to_label\.parts\.\+ merging\.model` must be a positive finite number, got -1\.0\.",
        ),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        check_file_to_label(example(**changes))


def test_a_part_must_be_a_dictionary_and_the_message_says_what_to_do():
    message = r"`file_to_label` must be a dictionary, got \[\]\. Run `fastast benchmark MODEL --data-dir DIR` again\."
    with pytest.raises(ValueError, match=message):
        check_file_to_label([])
