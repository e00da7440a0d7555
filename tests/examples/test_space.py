"""What is behind the page of the web demo, beside the models called directly."""

import configparser
import html
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from PIL import Image

from fastast_hf.data import load_audio
from fastast_hf.speed.variants import as_stock_ast, count_clip_macs
from model_cards import screenshot
from tests.examples.space import (
    EVIL,
    EXTRACTOR,
    LABELS,
    SPACE,
    features_of,
    model,
    scores_of,
    waveform,
    write,
)

PROJECT = SPACE.parents[1]
ONCE = {"repeats": 1, "min_seconds": 0.0}


@pytest.fixture(scope="module")
def modules():
    """Import the demo's modules as they import each other, from their folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SPACE)
        yield importlib.import_module
    for name in ("app", "assemble", "comparison", "page"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def comparison(modules):
    return modules("comparison")


@pytest.fixture(scope="module")
def page(modules):
    return modules("page")


@pytest.fixture(scope="module")
def app(modules):
    pytest.importorskip("gradio", reason="gradio is not installed")
    return modules("app")


def test_both_sides_are_the_models_called_directly(comparison, page):
    shared, sound = model(merge_ratio=0.1), waveform()
    found = comparison.compare(shared, EXTRACTOR, sound, 0.3, **ONCE)
    features = features_of(sound)
    twins = {"ast": as_stock_ast(shared), "fastast": model(merge_ratio=0.3)}
    for name, twin in twins.items():
        side = getattr(found, name)
        assert page.scores(side) == pytest.approx(scores_of(twin, features), abs=1e-6)
        assert side.macs == count_clip_macs(twin, features.shape[1])
        assert side.milliseconds > 0
    assert found.speed_up > 0
    patches = found.ast.trace.patch_tokens[0]
    assert found.ast.trace.patch_tokens == (patches,) * 4
    left = [count - 2 for count in twins["fastast"].config.merge_schedule(96).tokens_left]  # without special tokens
    assert found.fastast.trace.patch_tokens == (patches, *left)
    assert page.figures("AST", found.ast).endswith(f"· {patches} patch tokens + 2 special tokens, in every layer")
    told = f"· {patches} patch tokens + 2 special tokens, {left[-1]} + 2 left at the end"
    assert page.figures("FastAST", found.fastast).endswith(told)
    assert page.token_table(found).startswith("### Patch tokens after each layer\n")
    assert page.token_table(found).endswith(f"| FastAST | {' | '.join(map(str, [patches, *left]))} |")
    assert shared.config.merge_ratio == 0.1
    assert (found.seconds, found.seconds_heard) == (1.5, 0.96)


@pytest.mark.parametrize("seconds", [0.025, 0.4])
@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_short_sounds_are_compared_at_any_ratio(comparison, page, seconds, ratio):
    found = comparison.compare(model(), EXTRACTOR, waveform(seconds), ratio, **ONCE)
    assert found.seconds_heard == seconds
    same = found.ast.trace.patch_tokens == found.fastast.trace.patch_tokens
    assert same == (ratio == 0)
    assert (page.scores(found.ast) == page.scores(found.fastast)) == (ratio == 0)


def test_a_sound_is_read_as_the_package_reads_it(comparison, tmp_path):
    path = write(tmp_path / "stereo.flac", np.stack([waveform(), -0.5 * waveform()], axis=1), 44_100)
    assert np.array_equal(comparison.read_sound(str(path), 16_000), load_audio(path))


def make_text(path):
    path.write_text("no sound")


def make_cut(path):
    data = write(path, waveform()).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def make_large(path):
    with path.open("wb") as file:
        file.truncate(20 * 10**6 + 1)


UNREADABLE = {
    "text": (make_text, r"The file must be a complete sound file that libsndfile decodes, got this one \(.*Check"),
    "empty": (Path.touch, "The file must be a sound file, got this one with 0 bytes. Copy it again"),
    "cut": (make_cut, "The file must be a complete sound file, got this one, which was cut short: .*Copy it again"),
    "short": (lambda path: write(path, waveform(0.01)), "The file must hold at least 25 ms.*Leave it out, or pad"),
    "large": (make_large, "The file must be at most 20 MB large, got a larger one. Cut a part out of it"),
    "gone": (lambda path: None, "The sound must still be there, got one that was deleted meanwhile. Upload or"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_is_told_without_its_path(comparison, kind, tmp_path):
    make, message = UNREADABLE[kind]
    make(tmp_path / "sound.wav")
    with pytest.raises(ValueError, match=message) as error:
        comparison.read_sound(str(tmp_path / "sound.wav"), 16_000)
    assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize("num_channels", [1, 1001], ids=["eleven minutes", "a thousand channels"])
def test_a_long_sound_is_refused_by_its_header(comparison, num_channels, tmp_path, monkeypatch):
    num_frames = 601 * 1000 if num_channels == 1 else 1000
    path = write(tmp_path / "long.wav", np.zeros((num_frames, num_channels)), 1000, subtype="PCM_U8")
    monkeypatch.setattr(comparison, "_MAX_SAMPLES", 10**6)
    monkeypatch.setattr(comparison, "load_audio", lambda *args, **options: pytest.fail("it was decoded"))
    with pytest.raises(
        ValueError, match=r"The sound must be at most 10 minutes long, .* got a longer one, .*cut it out"
    ):
        comparison.read_sound(str(path), 16_000)


def test_labels_are_shown_as_they_are(page, comparison):
    evil = comparison.compare(model(), EXTRACTOR, waveform(), 0.3, **ONCE)
    trace = evil.ast.trace._replace(labels=tuple(label._replace(label=LABELS[0]) for label in evil.ast.trace.labels))
    text = page.headline(evil._replace(ast=evil.ast._replace(trace=trace))) + page.known_sounds(LABELS, 0.96)
    assert "<" not in text
    assert f"**{html.escape(EVIL)} \\| \\*\\*loud\\*\\*" in text


def test_control_characters_and_addresses_in_labels_do_nothing(page, comparison):
    label = "\x1b[2Jdog\u202e https://evil.example @everyone"
    side = comparison.compare(model(), EXTRACTOR, waveform(), 0.3, **ONCE).ast
    evil = side._replace(trace=side.trace._replace(labels=(side.trace.labels[0]._replace(label=label),)))
    assert list(page.scores(evil)) == [r"\x1b[2Jdog\u202e https://evil.example @everyone"]
    shown = r"\\x1b\[2Jdog\\u202e https:<!-- -->//evil.example @<!-- -->everyone"
    assert f"kinds of sound apart: {shown}." in page.known_sounds([label], 1.0)


def test_the_headline_says_whether_the_answer_changed_and_what_was_heard(page, comparison):
    found = comparison.compare(model(), EXTRACTOR, waveform(0.5), 0.0, **ONCE)
    assert "Both give the same answer" in page.headline(found)
    assert "with 100% of its work" in page.headline(found)
    assert "Heard were" not in page.headline(found)
    first, second, *_ = found.ast.trace.labels
    trace = found.fastast.trace._replace(labels=(second, first))
    changed = found._replace(fastast=found.fastast._replace(trace=trace), seconds=9.0, seconds_heard=0.96)
    assert "merging changes the answer" in page.headline(changed)
    assert "Heard were the first 1.0 of 9.0 seconds." in page.headline(changed)


def test_the_page_says_how_the_map_is_read_and_what_is_counted(page):
    words = " ".join(page.READING_THE_MAP.split())
    assert (
        "**A token may lie in several places, of one colour**, and other tokens may have a colour much like it"
        in words
    )
    assert "have one number, anew after each layer; the titles say how many have none" in words
    assert "The bars count the patch tokens that are left" in words
    assert "The 2 **special tokens** stand for the whole of it and are never merged" in " ".join(page.DETAILS.split())


def test_many_labels_are_counted(page):
    text = page.known_sounds([f"sound {index}" for index in range(527)], 10.24)
    assert "527 kinds of sound apart: sound 0, " in text
    assert "sound 11 and 515 more. It hears the first 10.2 seconds." in text


def test_the_answer_is_what_the_page_shows(app, tmp_path):
    path = write(tmp_path / "noise.wav", waveform())
    shown = app.answer(model(), EXTRACTOR, str(path), 0.3)
    assert len(shown) == 9
    assert shown[3].startswith("### AST\n")
    assert shown[5].startswith("### FastAST\n")
    assert shown[6] == pytest.approx(scores_of(model(merge_ratio=0.3), features_of(load_audio(path))), abs=1e-6)
    assert "data:image/png;base64,iVBOR" in shown[8]


def test_a_wrong_answer_is_an_error_in_words_and_escaped(app, tmp_path):
    import gradio

    path = str(write(tmp_path / "noise.wav", waveform()))
    with pytest.raises(gradio.Error, match=r"`merge_ratio` must be between 0 and 0\.5, got 7"):
        app.answer(model(), EXTRACTOR, path, 7)
    with pytest.raises(gradio.Error, match="must be a number or a list of one a layer, got &#x27;&lt;img") as error:
        app.answer(model(), EXTRACTOR, path, EVIL)
    assert "<" not in error.value.message


def test_nothing_changes_without_a_sound(app):
    assert app.answer(model(), EXTRACTOR, None, 0.3)["__type__"] == "update"


def test_the_slider_starts_at_the_model_s_own_ratio(app):
    ratios = [app.first_ratio(model(merge_ratio=ratio)) for ratio in (0.0, 0.15, 0.29, [0.1, 0.2, 0.3])]
    assert ratios == [0.25, 0.15, 0.3, 0.25]


@pytest.mark.parametrize("num_layers", [1, 2, 3, 12])
def test_the_first_and_the_last_layer_are_drawn(app, num_layers):
    layers = app.layers_drawn(num_layers)
    assert layers == sorted(set(layers))
    assert (layers[0], layers[-1]) == (1, num_layers)


def test_without_a_model_the_program_says_what_to_name(app, monkeypatch, tmp_path):
    monkeypatch.setenv("FASTAST_MODEL", str(tmp_path))
    with pytest.raises(SystemExit, match="FASTAST_MODEL names the model of this page"):
        app.main()


@pytest.fixture
def folder(modules, tmp_path):
    """A folder as it is pushed, with a model that is none."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    modules("assemble").assemble(tmp_path / "space", model=tmp_path / "mine")
    return tmp_path / "space"


def test_a_space_holds_the_page_the_package_and_the_model(folder):
    package = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "fastast_hf").rglob("*") if path.is_file()}
    page = {
        "README.md",
        "app.py",
        "comparison.py",
        "page.py",
        "requirements.txt",
        "LICENSE",
        "NOTICE",
        "model/config.json",
    }
    copied = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert copied == {path for path in package if "__pycache__" not in path} | page
    imported = {
        name for path in SPACE.glob("*.py") for name in re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.M)
    }
    assert {"comparison", "page"} <= imported
    assert not {f"{name}.py" for name in imported if (SPACE / f"{name}.py").exists()} - page


def test_a_space_takes_its_package_and_its_model_from_beside_it(folder, app, monkeypatch):
    code = "import importlib.util; print(importlib.util.find_spec('fastast_hf').origin)"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == folder / "fastast_hf" / "__init__.py"
    monkeypatch.setattr(app, "MODEL", folder / "model")
    assert app.own_model() == str(folder / "model")


def test_a_space_installs_what_the_package_needs():
    """The package itself is on no index; a Space installs before it has any file but this one."""
    declared = configparser.ConfigParser()
    declared.read(PROJECT / "setup.cfg")
    needed = declared["options"]["install_requires"].split() + declared["options.extras_require"]["space"].split()
    lines = (SPACE / "requirements.txt").read_text().splitlines()
    assert sorted(line for line in lines if not line.startswith(("#", "--"))) == sorted(needed)
    header = yaml.safe_load((SPACE / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert Requirement(needed[-1]).specifier.contains(header["sdk_version"])
    assert Requirement(needed[-1]).name == header["sdk"]
    assert (SPACE / header["app_file"]).is_file()


def test_what_a_training_left_is_not_sent(modules, fastast_folder, tmp_path):
    model = shutil.copytree(fastast_folder, tmp_path / "mine")
    for name in (
        "_settings.json",
        "_teacher/model.safetensors",
        "checkpoint-20/optimizer.pt",
        "training_args.bin",
        "runs/a",
    ):
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_bytes(b"")
    modules("assemble").assemble(tmp_path / "space", model=model)
    sent = {path.name for path in (tmp_path / "space" / "model").iterdir()}
    assert sent == {path.name for path in fastast_folder.iterdir()}


def test_what_cannot_be_assembled_is_told(modules, folder, tmp_path):
    assemble = modules("assemble").assemble
    with pytest.raises(
        FileExistsError, match=r"`folder` must not be there yet, got .*space\. Name another one, or remove"
    ):
        assemble(folder, model=tmp_path / "mine")
    with pytest.raises(
        FileNotFoundError, match=r"`model` must be the folder of a model, got .*none\. A model on the Hub"
    ):
        assemble(tmp_path / "other", model=tmp_path / "none")
    assert not (tmp_path / "other").exists()


def test_the_picture_of_the_page_is_small_and_has_no_more_in_it():
    """Written by `python -m model_cards.screenshot`: no date, no path, no program is told in it."""
    path = SPACE / "screenshot.png"
    assert path.stat().st_size <= screenshot.MOST_BYTES
    with Image.open(path) as image:
        assert image.width == screenshot.WIDTH
        assert image.text == {}
