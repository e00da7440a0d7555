"""The web demo as a real process, its page in a real browser."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastast_hf.data import load_audio
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
