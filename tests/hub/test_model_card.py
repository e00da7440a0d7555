import re

import pytest
import yaml
from huggingface_hub import ModelCard

from fastast_hf.hub.model_card import MAX_LABELS_SHOWN, write_model_card
from tests.hub.results_example import comparison_example, example

HOSTILE = "x\n---\nevil: true\n---\n<script>alert(1)</script> | `[a](http://b)` {{ 7 * 7 }} /home/someone/secret: #*_"


def write_and_load(directory, results, **arguments):
    path = write_model_card(directory, results, **arguments)
    assert path == directory / "README.md"
    return ModelCard.load(path)


def test_metadata_is_what_the_hub_reads(tmp_path):
    results = example(data__id="someone/esc10")
    data = write_and_load(tmp_path, results, repo_id="someone/fastast-tiny", license="apache-2.0").data
    assert data.license == "apache-2.0"
    assert data.library_name == "transformers"
    assert data.pipeline_tag == "audio-classification"
    assert {"fastast", "audio-spectrogram-transformer", "token-merging", "knowledge-distillation"} <= set(data.tags)
    assert data.base_model == "facebook/deit-tiny-patch16-224"
    assert data.datasets == ["someone/esc10"]
    assert data.metrics == ["accuracy", "map"]
    assert data.model_name == "fastast-tiny"
    found = {result.metric_type: result for result in data.eval_results}
    assert {name: result.metric_value for name, result in found.items()} == {"accuracy": 0.9625, "map": 0.9912}
    assert found["map"].dataset_type == "someone/esc10"
    assert found["map"].dataset_name == "ESC-10"
    assert found["map"].dataset_split == "fold 1"


def test_folders_are_no_names_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "start").mkdir(parents=True)
    for base_model in ("runs/start", "/srv/models/start", "start", "a b/c"):
        data = write_and_load(tmp_path, example(models__fastast__base_model=base_model)).data
        assert data.base_model is None
        assert data.datasets is None
    assert data.eval_results[0].dataset_type == "esc-10"


def test_body_holds_use_table_training_and_licences(tmp_path):
    results = example(models__fastast__merge_schedule=[64, 48], data__license="cc-by-3.0")
    text = write_and_load(tmp_path, results, repo_id="someone/fastast-tiny", license="apache-2.0").text
    assert "# fastast-tiny\n" in text
    assert "trained with cross-model knowledge distillation." in text
    assert "Labels (2): dog, rain." in text
    assert "| FastAST | 5,500,000 | 96.25% | 0.991 | 36.00 | 3.60x | 1.12 | 415 s |" in text
    assert "FastAST does 25% of AST's multiply-accumulates and runs 3.60x as fast: 90% of the 4.00x" in text
    assert r"| distillation\_weight | 0.9 |" in text
    assert "tokens merged away at each layer at 512 frames: 64, 48." in text
    assert "```bash\ndistill.py --data_dir esc10 --eval_fold 1\n```" in text
    assert "- This model: apache-2.0\n- Start (facebook/deit-tiny-patch16-224): apache-2.0\n" in text
    assert "- Teacher (efficientat\\_mn04\\_as): mit\n- Data (ESC-10): cc-by-3.0" in text
    assert "One clip of the evaluation is 1.25 points of accuracy." in text
    assert "A Processor" in text
    assert "{{" not in text


def test_remote_code_always_stands_beside_its_revision(tmp_path):
    text = write_and_load(tmp_path, example(), repo_id="someone/fastast-tiny").text
    lines = [line for line in text.splitlines() if "trust_remote_code" in line]
    assert lines
    assert all('revision="<commit>"' in line and '"someone/fastast-tiny"' in line for line in lines)


def test_use_is_five_lines_of_python(tmp_path):
    text = write_and_load(tmp_path, example()).text
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line]) == 5
    compile(code, "card", "exec")


@pytest.mark.parametrize("changes", [{"models__teacher": None}, {"training__distillation_weight": 0.0}])
def test_training_on_labels_is_not_called_distillation(tmp_path, changes):
    card = write_and_load(tmp_path, example(**changes))
    assert "knowledge-distillation" not in card.data.tags
    assert "trained with labels alone." in card.text


def test_what_was_not_measured_is_said(tmp_path):
    results = example(models={"fastast": {}}, benchmark__rows={})
    card = write_and_load(tmp_path, results)
    assert card.data.eval_results is None
    assert card.data.license is None
    assert "FastAST's speed was not measured" in card.text
    assert "- This model: not recorded; look it up" in card.text
    assert "Teacher" not in card.text
    assert "`config.json` carries it" in card.text


def test_many_labels_are_cut_and_counted(tmp_path):
    labels = [f"label {index}" for index in range(MAX_LABELS_SHOWN + 477)]
    text = write_and_load(tmp_path, example(data__labels=labels)).text
    assert "Labels (527): label 0, label 1," in text
    assert f"label {MAX_LABELS_SHOWN - 1} and 477 more, see `config.json`." in text


def test_what_users_wrote_is_shown_and_not_obeyed(tmp_path):
    results = example(
        data__name=HOSTILE,
        data__labels=[HOSTILE, "rain"],
        data__license=HOSTILE,
        data__id=HOSTILE,
        models__teacher__base_model=HOSTILE,
        models__fastast__base_model=HOSTILE,
        training__data_dir=HOSTILE,
        environment__hardware__cpu=HOSTILE,
        benchmark__dtype=HOSTILE,
    )
    card = write_and_load(tmp_path, results)
    metadata = yaml.safe_load((tmp_path / "README.md").read_text().split("\n---\n")[0])
    assert "evil" not in metadata
    assert metadata["model-index"][0]["results"][0]["dataset"]["name"].startswith("x\n---\nevil: true")
    assert "<script>" not in card.text
    assert not re.search(r"(?<!\\)\]\(http(?!s://arxiv\.org)", card.text)
    assert "49" not in card.text
    assert not [line for line in card.text.splitlines() if line.startswith(("evil", "---"))]


def test_no_path_of_the_machine_is_published(tmp_path):
    place = "/home/someone/models/start"
    results = example(
        command=f"distill.py --data_dir {place}",
        training__model_name_or_path=place,
        models__fastast__base_model=place,
        data__name=place,
        data__id=place,
    )
    write_model_card(tmp_path, results)
    page = (tmp_path / "README.md").read_text()
    assert "/home" not in page
    assert str(tmp_path) not in page
    assert "distill.py --data_dir start" in page


@pytest.mark.parametrize("repo_id", ["fastast", "a/b/c", 'a/b"c', "a/b\nc", "/srv/a"])
def test_repo_id_must_be_a_name_on_the_hub(tmp_path, repo_id):
    with pytest.raises(ValueError, match=r"`repo_id` must be a name on the Hub, got .*\. Write it as user/name\."):
        write_model_card(tmp_path, example(), repo_id=repo_id)


@pytest.mark.parametrize("license", ["", "Apache 2", "/srv/LICENSE", "mit\n---"])
def test_license_must_be_spelled_as_on_the_hub(tmp_path, license):
    with pytest.raises(ValueError, match=r"`license` must be a licence as the Hub spells it, got .* Write it like"):
        write_model_card(tmp_path, example(), license=license)


def test_incomplete_results_write_no_card(tmp_path):
    with pytest.raises(ValueError, match=r"`command` must be given, got nothing\."):
        write_model_card(tmp_path, example(command=None))
    assert not (tmp_path / "README.md").exists()


def test_a_comparison_over_folds_stands_in_the_card_and_is_the_spread(tmp_path):
    text = write_and_load(tmp_path, example(), comparison=comparison_example()).text
    assert "## Over all folds\n\n| ESC-10 | Learnt from |" in text
    assert "The table over all folds shows the spread." in text
    assert "one run on one split shows no spread" not in text
    assert "\n\n## Training\n" in text
    assert "one run on one split shows no spread" in write_and_load(tmp_path, example()).text
