"""The report in a real browser: it shows, plays, fits a telephone, and complains of nothing."""

import shutil

import numpy as np
import pytest

from offkey import Clip, Pipeline
from offkey.detectors import Gaussian
from offkey.report import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required", "--mute-audio",
)  # fmt: skip
RATE = 16_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium to look at the report with"),
]


def sound(number, tone_hz=None):
    samples = 0.05 * np.random.default_rng([13, number]).normal(size=3 * RATE)
    if tone_hz:
        samples += 0.02 * np.sin(2 * np.pi * tone_hz * np.arange(3 * RATE) / RATE)
    return Clip(samples, RATE, source=f"<b>line {number} 🎵 with a name that is long enough to need wrapping.wav")


def until(page, expression):
    """Wait for something to become true; the page's own policy forbids the driver's way to wait."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never came true: {expression}")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    pipeline = Pipeline(Gaussian()).fit([sound(i) for i in range(20)])
    path = tmp_path_factory.mktemp("seen") / "report.html"
    write_report(pipeline, [sound(100 + i, 3000 if i % 2 else None) for i in range(6)], path)
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=list(OPTIONS))
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, address):
    """Open the report in a window; what the console says and what is asked of the network must stay nothing."""
    said = []

    def opened(**options):
        page = browser.new_page(**options)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("data:", "file:")) or said.append(request.url))
        page.goto(address)
        return page

    yield opened
    assert said == []


def test_pictures_show_and_sound_plays_with_a_moving_mark(visit):
    page = visit()
    pictures = page.evaluate("[...document.images].map(each => each.complete && each.naturalWidth > 0)")
    assert len(pictures) == 7
    assert all(pictures)
    duration = page.evaluate(
        "document.querySelector('audio').play().then(() => document.querySelector('audio').duration)"
    )
    assert duration == pytest.approx(3, abs=0.1)
    until(page, "document.querySelector('audio').currentTime > 0.2")
    until(page, "parseFloat(document.querySelector('.playhead').style.left) > 1")
    page.locator(".canvas").nth(1).click(position={"x": 100, "y": 40})
    until(page, "document.querySelectorAll('audio')[1].currentTime > 0")
    until(page, "document.querySelector('audio').paused")


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window_in_both_colour_schemes(width, scheme, visit):
    page = visit(viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper.strip("rgb()").split(","))) < 200) == (scheme == "dark")
    shown = page.locator(".card h3").first.inner_text()
    assert "<b>line 1" in shown


def test_the_keyboard_reaches_the_recordings_and_their_sound(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the recordings"
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "AUDIO":
            break
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Recording 1"
    page.keyboard.press("Space")
    until(page, "document.querySelector('audio').currentTime > 0")


def test_it_prints_to_pdf_with_its_pictures(visit, tmp_path):
    visit().pdf(path=tmp_path / "report.pdf")
    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert content.count(b"/Subtype /Image") >= 6
