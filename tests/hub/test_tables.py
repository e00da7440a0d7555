import json
import runpy
from pathlib import Path

import pytest

from fastast_hf.hub.tables import conditions_line, data_line, models_table, render_results, results_block
from tests.hub.results_example import FRONT_END, example, speed_example
from tests.hub.test_file_to_label_tables import EXAMPLE as FILE_TO_LABEL

DOOR = Path(__file__).parents[2] / "model_cards" / "render.py"
PAGE = "# Title\n\n<!-- results:esc10 -->\nstale numbers\n<!-- /results -->\n\nEnd.\n"


@pytest.fixture
def results_dir(tmp_path):
    folder = tmp_path / "model_cards" / "results"
    folder.mkdir(parents=True)
    (folder / "esc10.json").write_text(json.dumps(example()))
    return folder


def test_models_table_shows_numbers_and_dashes():
    assert models_table(example()).splitlines() == [
        "| Model | Parameters | Accuracy | mAP | Clips/s | Speed-up | GMACs/clip | Training |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        "| Teacher | 983,000 | 98.75% | 0.999 | - | - | - | 31 s |",
        "| AST | 5,500,000 | - | - | 10.00 | 1.00x | 4.50 | - |",
        "| FastAST | 5,500,000 | 96.25% | 0.991 | 36.00 | 3.60x | 1.12 | 415 s |",
    ]


def test_columns_without_numbers_are_left_out():
    table = models_table(example(models={"fastast": {}}))
    assert table.splitlines()[0] == "| Model | Clips/s | Speed-up | GMACs/clip |"
    assert "Teacher" not in table


def test_lines_name_the_data_and_the_conditions():
    assert data_line(example()) == "Metrics: ESC-10 (fold 1), 80 clips, after training on 320 others."
    assert data_line(example(data__unreadable={"a.wav": "why"})).endswith(" Left out because they cannot be read: 1.")
    conditions = conditions_line(example())
    for part in ("batch 16", "512 frames", "float32", "A Processor", "2 threads", "torch 2.13.0", "2025-01-31"):
        assert part in conditions


def test_gpu_is_named_beside_the_processor():
    assert "A GPU and A Processor" in conditions_line(example(environment__hardware__gpu="A GPU"))


def test_conditions_of_a_speed_measurement_are_those_of_all_rows():
    assert "in turns, batch 1; 1,024 frames; float32; A Processor" in conditions_line(speed_example())
    results = speed_example(batch_sizes=(1, 8))
    results["benchmark"]["rows"][1] |= {"num_frames": 98, "dtype": "bfloat16"}
    assert "batch 1 and 8; 1,024 and 98 frames; float32 and bfloat16; A Proc" in conditions_line(results)


def test_block_of_a_speed_measurement_holds_table_conditions_and_command():
    block = results_block(speed_example())
    table, conditions, command = block.split("\n\n")
    assert table.startswith("| ast-base |")
    assert conditions.startswith("Speed: ")
    assert command == "```bash\nfastast benchmark ast-base --batch-size 1\n```"


def test_block_of_a_speed_measurement_goes_on_from_file_to_label_and_to_the_front_end():
    block = results_block(speed_example() | {"file_to_label": FILE_TO_LABEL, "front_end": FRONT_END})
    parts = ("| AST |", "| + merging |", "| FastASTFeatureExtractor |", "Speed: ")
    places = [block.index(part) for part in parts]
    assert places == sorted(places)


def test_block_is_replaced_and_nothing_else(results_dir):
    rendered = render_results(PAGE, results_dir)
    start, end = "# Title\n\n<!-- results:esc10 -->\n", "\n<!-- /results -->\n\nEnd.\n"
    assert rendered == start + results_block(example()) + end
    assert "distill.py --data_dir esc10" in rendered
    assert render_results(rendered, results_dir) == rendered


def test_several_blocks_are_rendered(results_dir):
    (results_dir / "other.json").write_text(json.dumps(example(data__name="Other")))
    rendered = render_results(PAGE + PAGE.replace("esc10", "other"), results_dir)
    assert "Metrics: ESC-10" in rendered
    assert "Metrics: Other" in rendered
    assert "stale numbers" not in rendered


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (PAGE.replace("esc10", "esc50"), FileNotFoundError, r"`results:esc50` must name a results file, .*: esc10\."),
        (PAGE.replace("esc10", "../esc10"), ValueError, r"`results:NAME` must name a file .*, got '\.\./esc10'\."),
        ("<!-- results:esc10 -->", ValueError, r"`<!-- results:esc10 -->` must be closed, got no marker for it\."),
        ("<!-- results:esc10 -->\n" + PAGE, ValueError, r"`<!-- results:esc10 -->` must be closed, got no marker"),
        ("text <!-- /results -->", ValueError, r"`<!-- /results -->` must close a block, got none open\."),
    ],
)
def test_markers_that_cannot_be_rendered_are_refused(results_dir, text, error, message):
    with pytest.raises(error, match=message):
        render_results(text, results_dir)


def test_a_command_cannot_end_its_block(results_dir):
    (results_dir / "esc10.json").write_text(json.dumps(example(command="x '<!-- /results -->'")))
    with pytest.raises(ValueError, match=r"`esc10\.json` must hold no HTML comment, got one in its command\."):
        render_results(PAGE, results_dir)


def test_a_name_with_an_address_is_rendered(results_dir):
    results = example()
    results["data"]["name"] = "owls@example.org"
    (results_dir / "esc10.json").write_text(json.dumps(results))
    rendered = render_results(PAGE, results_dir)
    assert "Metrics: owls@<!-- -->example.org" in rendered
    assert render_results(rendered, results_dir) == rendered


def test_door_checks_renders_and_then_finds_nothing_stale(results_dir, tmp_path, capsys):
    (tmp_path / "README.md").write_text(PAGE)
    for page in ("ARCHITECTURE.md", "CHANGELOG.md"):
        (tmp_path / page).write_text("No numbers.\n")
    (tmp_path / "model_cards" / "results").mkdir(parents=True, exist_ok=True)
    (tmp_path / "model_cards" / "results" / "README.md").write_text("No numbers either.\n")
    main = runpy.run_path(str(DOOR))["main"]

    def door(*arguments):
        return main(["--root", str(tmp_path), *arguments]), capsys.readouterr().out.strip()

    assert door("--check") == (1, "stale: README.md")
    assert (tmp_path / "README.md").read_text() == PAGE
    assert door() == (0, "rendered: README.md")
    assert door("--check") == (0, "stale: none")
    assert "| FastAST |" in (tmp_path / "README.md").read_text()
