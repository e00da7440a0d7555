"""The documents: numbers are rendered, and the README's Python runs."""

import ast
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fastast_hf import FastASTFeatureExtractor
from model_cards.render import main as render
from tests.conftest import tiny_ast

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_numbers_are_rendered_from_results(capsys):
    assert render(["--check", "--root", str(ROOT)]) == 0, capsys.readouterr().out


def test_a_missing_results_file_is_told(tmp_path, capsys):
    (tmp_path / "README.md").write_text("<!-- results:nothing -->\n<!-- /results -->\n")
    assert render(["--check", "--root", str(tmp_path)]) == 1
    assert "must name a results file, got no nothing.json" in capsys.readouterr().err


def test_a_stale_number_is_told_and_mended(tmp_path, capsys):
    for page in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md"):
        (tmp_path / page).write_text((ROOT / page).read_text(encoding="utf-8").replace("%", "!"))
    shutil.copytree(ROOT / "model_cards" / "results", tmp_path / "model_cards" / "results")
    assert render(["--check", "--root", str(tmp_path)]) == 1
    assert "stale: README.md" in capsys.readouterr().out
    picture = tmp_path / "model_cards" / "results" / "ast-base-batch1.png"
    picture.unlink()
    assert render(["--root", str(tmp_path)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert render(["--check", "--root", str(tmp_path)]) == 0


def test_the_readme_s_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny_ast(num_mel_bins=48, max_length=64).save_pretrained("published")
    FastASTFeatureExtractor(num_mel_bins=48, max_length=64).save_pretrained("published")
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    published, mine = "MIT/ast-finetuned-audioset-10-10-0.4593", "you/my-fastast"
    assert published in code
    assert mine in code
    # what the reader has on the Hub lies in folders here
    code = (
        code.replace(published, "published")
        .replace(mine, "my-fastast")
        .replace('revision="<commit>"', "revision=None")
    )
    waveform = np.random.default_rng(0).uniform(-1, 1, 8000).astype(np.float32)
    Path("recordings").mkdir()
    for name in ("dog.wav", "recordings/street.wav"):
        soundfile.write(name, np.random.default_rng(1).uniform(-1, 1, (44_100, 2)), 44_100)
    names: dict[str, object] = {"waveforms": [waveform, waveform[:2000]]}
    exec(compile(code, "README.md", "exec"), names)
    of_dog, of_street = capsys.readouterr().out.splitlines()
    assert len(ast.literal_eval(of_dog)) == 5
    assert of_street.startswith("recordings/street.wav (LabelScore(")
    assert names["inputs"]["num_frames"].tolist() == [48, 11]
    assert names["logits"].shape == (2, 5)
    assert len(names["classify"]({"raw": waveform, "sampling_rate": 16_000})) == 5


PAGES = [
    path
    for place in ("", "examples/", "examples/space/", "model_cards/", "model_cards/*/", "fastast_hf/hub/")
    for path in ROOT.glob(f"{place}*.md")
]
REMOTE_CODE, PIN = "trust_remote_code=True", 'revision="<commit>"'


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_remote_code_is_pinned_wherever_a_reader_meets_it(page):
    text = page.read_text(encoding="utf-8")
    assert text.count(REMOTE_CODE) == text.count(PIN)
    for found in re.finditer(REMOTE_CODE, text):
        assert PIN in text[found.start() - 120 : found.end() + 120], text[found.start() - 120 : found.end()]
