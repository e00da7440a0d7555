"""Values that no model takes: refused before one is opened, as the value of their option, with exit code 2."""

import pytest


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("classify", "x.wav", "--window", 0), "'--window': must be above 0, got 0. Give seconds of sound."),
        (("classify", "x.wav", "--window", "nan"), "'--window': must be above 0, got nan. Give seconds of sound."),
        (
            ("classify", "x.wav", "--window", 2, "--hop", -1),
            "'--hop': must be above 0, got -1. Give seconds of sound.",
        ),
        (("classify", "x.wav", "--merge-ratio", 0.6), "'--merge-ratio': "),
        (
            ("convert", "m", "new", "--merge-ratio", 0.9),
            "--merge-ratio: must be between 0 and 0.5, got 0.9 at layer 0. A layer",
        ),
        (
            ("convert", "m", "new", "--merge-ratio", "0.1,-1"),
            "--merge-ratio: must be between 0 and 0.5, got -1.0 at layer 1",
        ),
        (
            ("convert", "m", "new", "--merge-ratio", "much"),
            "--merge-ratio: must be floats separated by commas, got much.",
        ),
        (
            ("convert", "m", "new", "--tokens-merged-per-layer", "4,-1"),
            "--tokens-merged-per-layer: must not be negative, got -1 at layer 1. 0 merges",
        ),
        (
            ("convert", "m", "new", "--merge-ratio", 0.1, "--tokens-merged-per-layer", 4),
            "--merge-ratio and --tokens-merged-per-layer must not both be given. Leave one out.",
        ),
        (
            ("convert", "m", "new", "--push-to-hub", "a b"),
            "--push-to-hub: must be a name on the Hub, got 'a b'. Write it as user/name.",
        ),
        (
            ("convert", "m", "new", "--private"),
            "--push-to-hub: `private` must be given beside `push_to_hub`, got it alone.",
        ),
        (("export", "m", "x.onnx", "--tokens-merged-per-layer", -1), "'--tokens-merged-per-layer': "),
        (
            ("export", "m", "x.onnx", "--merge-ratio", 0.1, "--tokens-merged-per-layer", 4),
            "--merge-ratio and --tokens-merged-per-layer must not both be given. Leave one out.",
        ),
        (("export", "m", "x.txt"), "OUTPUT: must end in .onnx, got x.txt. Call it so."),
        (("benchmark", "m", "--tokens-merged-per-layer", -1), "'--tokens-merged-per-layer': "),
        (
            ("tune", "m", "--data-dir", "."),
            "--speedup or --max-drop must be given, and not both, got None and None. Say how",
        ),
        (
            ("tune", "m", "--data-dir", ".", "--speedup", 2, "--max-drop", 1),
            "--speedup or --max-drop must be given, and not",
        ),
        (
            ("tune", "m", "--data-dir", ".", "--max-drop", "nan"),
            "'--max-drop': ",
        ),
    ],
)
def test_a_value_that_no_model_takes_is_refused_at_once(fastast, command, message):
    result = fastast(*command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Invalid value: {message}" in words(result.stderr) or f"Invalid value for {message}" in words(
        result.stderr
    )


def words(text):
    """Text without the frame that typer draws."""
    return " ".join(text.replace("│", " ").split())
