"""The web demo as a Space starts it, in a real process from a folder of its own, its page in a real browser.

`python -m model_cards.screenshot` takes a picture of it, with the small model of a checkout and a clip of ESC-10.
"""

import io
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from fastast_hf.data import load_audio
from model_cards import screenshot
from tests.conftest import ESC10
from tests.examples.space import (
    EVIL,
    EXTRACTOR,
    LABELS,
    SPACE,
    TIMEOUT,
    features_of,
    model,
    scores_of,
    waveform,
    write,
)


@pytest.fixture(scope="module")
def outside():
    """Stand in for the world outside: whoever calls there comes here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.fixture(scope="module")
def server(tmp_path_factory, outside):
    """Start the program as a Space does; give its address."""
    pytest.importorskip("gradio", reason="gradio is not installed")
    folder = tmp_path_factory.mktemp("space")
    model().save_pretrained(folder / "model")
    EXTRACTOR.save_pretrained(folder / "model")
    assemble = [sys.executable, SPACE / "assemble.py", folder / "space", "--model", folder / "model"]
    subprocess.run(assemble, check=True, timeout=TIMEOUT)
    proxy = f"http://127.0.0.1:{outside.getsockname()[1]}"
    environment = {
        "OMP_NUM_THREADS": "1",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
    }
    with screenshot.served(folder / "space" / "app.py", folder, environment) as address:
        yield address


@pytest.fixture
def browser_page(server, tmp_path):
    """Open the page in Chromium; give it with a list of the addresses and dialogs that it asks for."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if screenshot.CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with screenshot.browser(tmp_path) as context:
        opened, asked = context.new_page(), []
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("dialog", lambda dialog: (asked.append("dialog"), dialog.dismiss()))  # of a script in a name
        opened.goto(server)
        yield opened, asked


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
    opened.set_viewport_size({"width": 390, "height": 844})
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390

    assert "dialog" not in asked
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {server.split("/")[2]}
    with pytest.raises(BlockingIOError):  # nobody has called outside
        outside.accept()


def test_a_picture_of_the_page_shows_its_answer(browser_page, server, tmp_path):
    opened, _ = browser_page
    picture = screenshot.small_png(screenshot.photograph(opened, server, clip(tmp_path), 0.5))
    assert row_of_tokens(opened) == expected_row(0.5)
    with Image.open(io.BytesIO(picture)) as image:
        assert image.width == screenshot.WIDTH
        assert image.height > screenshot.WIDTH
    noise = Image.effect_noise((1200, 1200), 100)
    file = io.BytesIO()
    noise.save(file, "PNG")
    with pytest.raises(ValueError, match=r"The picture must be at most 300000 bytes, got \d+\. Show less"):
        screenshot.small_png(file.getvalue())


def test_a_page_that_does_not_start_is_told(tmp_path):
    (tmp_path / "app.py").write_text("print('no model')")
    with (
        pytest.raises(RuntimeError, match="The page must be there within 120 s, got none:\nno model"),
        screenshot.served(tmp_path / "app.py", tmp_path, {}),
    ):
        pytest.fail("it does not start")


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
