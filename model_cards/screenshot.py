"""Take a picture of the web demo, with the small model of a checkout and a real clip, in a real browser.

    python -m model_cards.screenshot [--clip ../shared/data/esc10/audio/dog_bark/1-100032-A.ogg] [--merge-ratio 0.4]

It needs playwright and a Chromium. The clip's name is not in the picture, nor is any path of the machine; its spectrogram is,
so it must be one that may be shown, such as those of ESC-10 (CC BY).
"""

import argparse
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT.parent / "shared" / "data" / "esc10" / "audio" / "dog_bark" / "1-100032-A.ogg"
WIDTH, MOST_BYTES = 1200, 300_000
SECONDS = 120
"""That starting, and answering, may take: far more than they need."""

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


def main() -> None:
    """Serve the page, let it answer, and write down what is to be seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clip", type=Path, default=CLIP, help="sound file that may be shown (%(default)s)")
    parser.add_argument("--merge-ratio", type=float, default=0.4, help="where the slider stands (%(default)s)")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "examples" / "space" / "screenshot.png", help="the picture"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = ROOT / "examples" / "space" / "app.py"
        with served(program, Path(folder), {}) as address, browser(Path(folder)) as context:
            picture = photograph(context.new_page(), address, arguments.clip, arguments.merge_ratio)
    arguments.output.write_bytes(small_png(picture))
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes")


@contextmanager
def served(program: Path, folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Start the page as a user does, and stop it.

    Args:
        program: Its app.py.
        folder: For its log and the sounds that it is given.
        environment: Added to the variables of this process, but for FASTAST_MODEL, which is taken from here alone.

    Yields:
        The page's address.

    Raises:
        RuntimeError: It does not start, or had an error that it has no words for. The message holds its log.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {name: value for name, value in os.environ.items() if name != "FASTAST_MODEL"}
    variables |= {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "HF_HOME": str(folder / "hf_home"),
        **environment,
    }
    log, address = folder / "log.txt", f"http://127.0.0.1:{port}"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, program.name], cwd=program.parent, env=variables, stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(address, process, log)
        yield address
    finally:
        process.terminate()
        process.wait(SECONDS)
    if "Traceback" in log.read_text():
        raise RuntimeError(f"The page must have words for all errors, got these:\n{log.read_text()}")


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(address, trust_env=False).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"The page must be there within {SECONDS} s, got none:\n{log.read_text()}")


@contextmanager
def browser(folder: Path, *, width: int = WIDTH, height: int = 900) -> Iterator[Any]:
    """Open a Chromium that nobody sees.

    Args:
        folder: For its profile, which is new.
        width: Of a page, in pixels.
        height: See there.

    Yields:
        A playwright context.

    Raises:
        RuntimeError: There is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        raise RuntimeError("A Chromium must be installed, got none. On Debian: apt-get install chromium.")
    with sync_playwright() as api:
        context = api.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=CHROMIUM,
            args=CHROMIUM_FLAGS,
            headless=True,
            viewport={"width": width, "height": height},
        )
        context.set_default_timeout(SECONDS * 1000)
        try:
            yield context
        finally:
            context.close()


def photograph(page: Any, address: str, clip: Path, merge_ratio: float) -> bytes:
    """Give the page a sound, and take a picture of all of it when the answer is there.

    Args:
        page: Of playwright.
        address: Where the demo is.
        clip: Sound file.
        merge_ratio: Where the slider shall stand.

    Returns:
        A PNG.
    """
    page.goto(address)
    slider = page.get_by_role("spinbutton").first
    slider.fill(f"{merge_ratio:g}")
    slider.press("Tab")
    page.set_input_files("input[type=file]", clip)
    page.get_by_text("as fast as AST").wait_for()
    page.locator(".merge-map img").evaluate("image => image.decode()")
    page.evaluate("document.activeElement.blur()")
    return bytes(page.screenshot(full_page=True, animations="disabled"))


def small_png(picture: bytes) -> bytes:
    """Keep as many colours as a picture of a page needs.

    Args:
        picture: A PNG.

    Returns:
        A smaller one.

    Raises:
        ValueError: It is still too large for a document.
    """
    file = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(
            file, "PNG", optimize=True
        )
    if file.tell() > MOST_BYTES:
        raise ValueError(f"The picture must be at most {MOST_BYTES} bytes, got {file.tell()}. Show less.")
    return file.getvalue()


if __name__ == "__main__":
    main()
