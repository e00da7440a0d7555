"""The web demo: what is behind its page, beside the models called directly, and the page itself in a real browser."""

import html
import importlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fastast_hf import FastASTFeatureExtractor, FastASTForAudioClassification
from fastast_hf.data import load_audio
from fastast_hf.speed.variants import as_stock_ast, count_clip_macs
from tests.conftest import ESC10, TINY, randomize, tiny_config

SPACE = Path(__file__).parents[2] / "examples" / "space"
TIMEOUT = 120  # seconds that anything may take: far more than it needs
EVIL = "<img src=x onerror=alert(1)>"
LABELS = [f"{EVIL} | **loud**", "rain_drops", "dog", "<b>bell</b>", "`sea`"]
EXTRACTOR = FastASTFeatureExtractor(**{name: TINY[name] for name in ("num_mel_bins", "max_length")})

ONCE = {"repeats": 1, "min_seconds": 0.0}

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def modules():
    """Import the demo's modules as they import each other, from their folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SPACE)
        yield importlib.import_module
    for name in ("app", "comparison", "page"):
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


def model(**merging):
    labels = dict(enumerate(LABELS))
    config = tiny_config(id2label=labels, label2id={label: index for index, label in labels.items()}, **merging)
    return randomize(FastASTForAudioClassification._from_config(config, attn_implementation="sdpa"))


def waveform(seconds=1.5):
    return np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * 16_000)).astype(np.float32)


def write(path, samples, rate=16_000, **options):
    soundfile.write(path, samples, rate, **options)
    return path


@torch.inference_mode()
def scores_of(classifier, features):
    """Score every label with one plain call."""
    (probabilities,) = classifier(features).logits.softmax(-1).tolist()
    return {classifier.config.id2label[index]: score for index, score in enumerate(probabilities)}


def features_of(sound):
    return EXTRACTOR(sound, sampling_rate=16_000, return_tensors="pt", padding="longest")["input_values"]


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
    patches = found.ast.trace.tokens[0]
    assert found.ast.trace.tokens == (patches,) * 4
    assert found.fastast.trace.tokens == (patches, *twins["fastast"].config.merge_schedule(96).tokens_left)
    assert shared.config.merge_ratio == 0.1
    assert (found.seconds, found.seconds_heard) == (1.5, 0.96)


@pytest.mark.parametrize("seconds", [0.025, 0.4])
@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_short_sounds_are_compared_at_any_ratio(comparison, page, seconds, ratio):
    found = comparison.compare(model(), EXTRACTOR, waveform(seconds), ratio, **ONCE)
    assert found.seconds_heard == seconds
    same = found.ast.trace.tokens == found.fastast.trace.tokens
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


def test_many_labels_are_counted(page):
    text = page.known_sounds([f"sound {index}" for index in range(527)], 10.24)
    assert "527 kinds of sound apart: sound 0, " in text
    assert "sound 11 and 515 more. It hears the first 10.2 seconds." in text


def test_the_answer_is_what_the_page_shows(app, tmp_path):
    path = write(tmp_path / "noise.wav", waveform())
    shown = app.answer(model(), EXTRACTOR, str(path), 0.3)
    assert len(shown) == 9
    assert shown[3].startswith("## AST\n")
    assert shown[5].startswith("## FastAST\n")
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


@pytest.fixture(scope="module")
def outside():
    """Stand in for the world outside: whoever calls there comes here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.fixture(scope="module")
def server(tmp_path_factory, outside):
    """Start the program as a user does; give its address."""
    pytest.importorskip("gradio", reason="gradio is not installed")
    httpx = pytest.importorskip("httpx")
    folder = tmp_path_factory.mktemp("space")
    model().save_pretrained(folder / "model")
    EXTRACTOR.save_pretrained(folder / "model")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = f"http://127.0.0.1:{outside.getsockname()[1]}"
    environment = os.environ | {
        "FASTAST_MODEL": str(folder / "model"),
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "HF_HOME": str(folder / "hf_home"),
        "OMP_NUM_THREADS": "1",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
    }
    log = folder / "log.txt"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, SPACE / "app.py"], cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(httpx, address, process, log)
        yield address
        assert "Traceback" not in log.read_text()
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def _wait_for(httpx, address, process, log):
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(address, trust_env=False).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"The page must be there after {TIMEOUT} s. {log.read_text()}")


@pytest.fixture
def browser_page(server, tmp_path):
    """Open the page in Chromium; give it with a list of the addresses and dialogs that it asks for."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as api:
        context = api.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=CHROMIUM,
            args=CHROMIUM_FLAGS,
            headless=True,
            viewport={"width": 1280, "height": 900},
        )
        opened, asked = context.new_page(), []
        opened.set_default_timeout(TIMEOUT * 1000)
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("dialog", lambda dialog: (asked.append("dialog"), dialog.dismiss()))  # of a script in a name
        opened.goto(server)
        yield opened, asked
        context.close()


def clip(folder):
    """Give a sound whose name is markup: a clip of ESC-10, or noise where it is not there."""
    if not ESC10.is_dir():
        return write(folder / f"{EVIL}.wav", waveform())
    return Path(shutil.copy(min((ESC10 / "rooster").glob("*.ogg")), folder / f"{EVIL}.ogg"))


def row_of_tokens(opened):
    return opened.locator("#tokens tr").last.inner_text().split()


def expected_row(ratio, num_frames=96):
    config = model(merge_ratio=ratio).config
    schedule = config.merge_schedule(num_frames)
    counts = (schedule.tokens_left[0] + schedule.tokens_merged[0], *schedule.tokens_left)
    return ["FastAST", *(str(count - 2) for count in counts)]


def test_a_sound_is_heard_in_a_browser(browser_page, server, outside, tmp_path):
    opened, asked = browser_page
    sound = clip(tmp_path)
    opened.set_input_files("input[type=file]", sound)
    opened.get_by_text("as fast as AST").wait_for()
    assert row_of_tokens(opened) == expected_row(0.25)

    slider = opened.get_by_role("spinbutton").first
    slider.fill("0.5")
    slider.press("Tab")
    opened.locator("#tokens").get_by_role("cell", name=expected_row(0.5)[-1], exact=True).first.wait_for()
    assert row_of_tokens(opened) == expected_row(0.5)
    text = opened.inner_text("body")
    assert len(re.findall(r"\d+\.\d ms", text)) == 2
    answered = scores_of(model(merge_ratio=0.5), features_of(load_audio(sound)))
    for label in LABELS:
        assert label in text
    assert opened.locator("img[src='x']").count() == 0
    assert f"{max(answered.values()):.0%}" in text.split("FastAST\n")[-1]

    picture = opened.locator(".merge-map img")
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 1000
    screenshot = tmp_path / "space.png"
    opened.screenshot(path=screenshot, full_page=True)
    assert screenshot.read_bytes().startswith(b"\x89PNG")
    opened.set_viewport_size({"width": 390, "height": 844})
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390

    assert "dialog" not in asked
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {server.split("/")[2]}
    with pytest.raises(BlockingIOError):  # nobody has called outside
        outside.accept()


def test_a_file_that_is_no_sound_is_told_in_a_browser(browser_page, tmp_path):
    opened, asked = browser_page
    (tmp_path / f"{EVIL}.wav").write_text("no sound")
    opened.set_input_files("input[type=file]", clip(tmp_path))
    opened.get_by_text("as fast as AST").wait_for()
    opened.get_by_label("Clear").first.click()
    opened.set_input_files("input[type=file]", tmp_path / f"{EVIL}.wav")
    opened.get_by_text("must be a complete sound file that libsndfile decodes").wait_for()
    text = opened.inner_text("body")
    assert "got this one" in text
    assert "/uploads/" not in text
    assert "Traceback" not in text
    assert not opened.get_by_text("as fast as AST").is_visible()
    assert "dialog" not in asked


def test_an_address_is_not_fetched_and_a_large_file_not_kept(server):
    import httpx

    with httpx.Client(base_url=f"{server}/gradio_api", trust_env=False, timeout=TIMEOUT) as client:
        large = client.post("/upload", files={"files": ("large.wav", bytes(21 * 10**6))})
        assert large.status_code == 413
        events = client.get(f"{server}/config").json()["dependencies"]
        event = next(event["id"] for event in events if len(event["inputs"]) == 2)
        sound = {"path": "http://127.0.0.1/sound.wav", "meta": {"_type": "gradio.FileData"}}
        asked = {"data": [sound, 0.25], "fn_index": event, "session_hash": "here"}
        client.post("/queue/join", json=asked).raise_for_status()
        answer = client.get("/queue/data", params={"session_hash": "here"}).text
    assert "The sound must be an uploaded file, got an address. Upload it." in answer
