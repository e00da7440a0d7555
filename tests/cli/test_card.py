"""`fastast card` as a user calls it."""

import json

from huggingface_hub import ModelCard

from tests.conftest import full_file, requires_full
from tests.hub.results_example import comparison_example, example, speed_example


def test_a_card_is_rendered_again_from_the_results_beside_the_model(fastast, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(example()))
    (tmp_path / "README.md").write_text("an older card")
    result = fastast("card", tmp_path, "--repo-id", "me/fast", "--license", "apache-2.0")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip().replace("\n", "") == str(tmp_path / "README.md")
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.license == "apache-2.0"
    assert '"me/fast", revision="<commit>"' in card.text


def test_results_and_a_comparison_may_lie_elsewhere(fastast, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "run.json").write_text(json.dumps(example()))
    (tmp_path / "folds.json").write_text(json.dumps(comparison_example()))
    result = fastast("card", folder, "--results", tmp_path / "run.json", "--comparison", tmp_path / "folds.json")
    assert result.exit_code == 0, result.output
    assert "## Over all folds" in (folder / "README.md").read_text()


def test_a_comparison_that_the_card_before_showed_is_told_to_be_gone(fastast, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(example()))
    (tmp_path / "folds.json").write_text(json.dumps(comparison_example()))
    again = fastast("card", tmp_path, "--comparison", tmp_path / "folds.json")
    assert (again.exit_code, again.stderr) == (0, "")
    done = fastast("card", tmp_path)
    assert done.exit_code == 0
    assert done.stderr == (
        'Note: the card that was there had a section "Over all folds". Give its results with --comparison to have it again.\n'
    )
    assert fastast("card", tmp_path).stderr == ""


def test_a_folder_without_results_is_told(fastast, tmp_path):
    result = fastast("card", tmp_path)
    assert result.exit_code == 1
    assert "`results` must be a file that a run left, got no" in result.stderr.replace("\n", " ")


def test_the_licence_of_the_card_before_stays(fastast, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(example()))
    assert fastast("card", tmp_path, "--license", "mit").exit_code == 0
    assert fastast("card", tmp_path).exit_code == 0
    assert ModelCard.load(tmp_path / "README.md").data.license == "mit"


def test_results_of_another_kind_are_told(fastast, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(example()))
    (tmp_path / "speed.json").write_text(json.dumps(speed_example()))
    for options, message in (
        (("--comparison", tmp_path / "speed.json"), '`comparison` must be results of kind "comparison", got "speed"'),
        (("--results", tmp_path / "speed.json"), '`results` must be results of kind "run", got "speed"'),
    ):
        result = fastast("card", tmp_path, *options)
        assert result.exit_code == 1
        assert message in result.stderr.replace("\n", " ")


def test_results_that_no_card_can_show_are_told_in_words(fastast, tmp_path):
    (tmp_path / "odd.json").write_text(json.dumps(example(models__fastast__metrics=True)))
    result = fastast("card", tmp_path, "--results", tmp_path / "odd.json")
    assert result.exit_code == 1
    assert "`models.fastast.metrics` must be of type dict, got True." in result.stderr.replace("\n", " ")
    assert not (tmp_path / "README.md").exists()


def test_json_tells_what_was_written_from_what(fastast, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(example()))
    told = json.loads(fastast("card", tmp_path, "--repo-id", "me/fast", "--license", "mit", "--json").stdout)
    path, results = str(tmp_path / "README.md"), str(tmp_path / "results.json")
    assert told == {"path": path, "results": results, "repo_id": "me/fast", "license": "mit"}
    told = json.loads(fastast("card", tmp_path, "--json").stdout)
    assert (told["repo_id"], told["license"]) == (None, "mit"), "the licence that the card before it stated"


@requires_full
def test_a_full_disk_names_the_card(fastast, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(example()))
    full_file(tmp_path / "README.md")
    result = fastast("card", tmp_path, "--license", "mit")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: No space left on device: {tmp_path / 'README.md'}\n"
