"""The report in a browser: what people click. Skipped where Chromium or Selenium is missing.

With ONETHINKER_AXE naming an `axe.min.js`, the accessibility rules of axe-core are tried too.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from report_runs import SCRIPT, make_media, make_run, right, wrong

from onethinker_eval.reporting.html import Report, build_report, serve

selenium = pytest.importorskip("selenium")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium, chromedriver")

REFCOCO, CHARADES, TRACK = "onethinker_refcoco_val", "onethinker_charades", "onethinker_got10k"


def first(task: str, number: int, record: Mapping[str, Any]) -> str | None:
    if number == 3:
        return None
    if number == 4:
        return SCRIPT
    if number == 5:
        return right(task, number, record).replace('"', "'").replace("looked at", "gazed upon")
    return (right if number % 2 else wrong)(task, number, record)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    media = make_media(folder / "media")
    one = make_run(folder / "one", media, first)
    return one, make_run(folder / "two", media, right, prompts="q" * 12)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = str(CHROMIUM)
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.add_argument("--window-size=1300,900")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_script_timeout(20)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def single(runs: tuple[Path, Path]) -> Report:
    return build_report([runs[0]])


@pytest.fixture(scope="module")
def double(runs: tuple[Path, Path]) -> Report:
    return build_report(list(runs), runs[0] / "both.html")


def until(condition: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + 15
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"never happened: {what}")


class Page:
    def __init__(self, browser: Any, url: str) -> None:
        self.browser, self.url = browser, url
        self.go("#/")

    def go(self, view: str) -> None:
        self.browser.get("about:blank")
        self.browser.get_log("browser")
        self.browser.get(self.url + view)

    def js(self, code: str, *values: Any) -> Any:
        return self.browser.execute_script(code, *values)

    def text(self, selector: str) -> str:
        return str(
            self.js("return document.querySelector(arguments[0])?.textContent ?? ''", selector)
        )

    def count(self) -> str:
        return self.text("#count")

    def keys(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()

    def choose(self, name: str, value: str) -> None:
        self.js(
            "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
            "s.dispatchEvent(new Event('change')); s.dispatchEvent(new Event('input'));",
            f"filter-{name}",
            value,
        )

    def complaints(self) -> list[str]:
        lines = self.browser.get_log("browser")
        return [line["message"] for line in lines if line["level"] == "SEVERE"]

    def canvas_has(self, red: int, green: int, blue: int) -> bool:
        """Return whether the drawing holds this very colour."""
        code = """
            const canvas = document.querySelector('#detail canvas');
            if (!canvas || !canvas.width) return false;
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            for (let i = 0; i < data.length; i += 4)
              if (data[i] === arguments[0] && data[i+1] === arguments[1] && data[i+2] === arguments[2]) return true;
            return false;"""  # noqa: E501
        return bool(self.js(code, red, green, blue))


TRUTH, FIRST, SECOND = (31, 200, 120), (77, 141, 255), (255, 140, 30)


@pytest.fixture
def page(browser: Any, single: Report) -> Page:
    return Page(browser, single.path.as_uri())


@pytest.fixture
def pair(browser: Any, double: Report) -> Page:
    return Page(browser, double.path.as_uri())


def test_the_overview_lists_every_benchmark_without_complaints(page: Page) -> None:
    rows = page.js("return [...document.querySelectorAll('tbody tr')].map(r => r.textContent)")
    assert len([row for row in rows if "mIoU" in row or "R@0.5" in row or "accuracy" in row]) == 4
    assert page.complaints() == []


def test_nothing_is_fetched_from_anywhere(page: Page) -> None:
    page.go("#/samples?at=1-0")
    until(lambda: page.text("#question"), "a sample")
    names = page.js("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in names if not name.startswith(("blob:", "data:"))] == []


def test_filters_narrow_the_list_and_stand_in_the_address(page: Page) -> None:
    page.go("#/samples")
    until(lambda: page.count() == "60 samples", "all samples")
    page.choose("task", REFCOCO)
    until(lambda: page.count() == "12 of 60 samples", "one benchmark")
    page.choose("outcome", "failed")
    until(lambda: page.count() == "1 of 60 samples", "one failure")
    assert "outcome=failed" in page.js("return location.hash")
    page.choose("outcome", "unparsable")
    until(lambda: page.text(".row .name") == "refcoco_val 4", "the unreadable sample")
    page.choose("outcome", "")
    page.choose("repair", "json_syntax")
    until(lambda: page.text(".row .name") == "refcoco_val 5", "the mended sample")
    page.choose("repair", "")
    page.choose("min", "0.9")
    until(lambda: page.count() == "4 of 60 samples", "only the right ones")


def test_search_looks_into_thinking_when_asked(page: Page) -> None:
    page.go("#/samples?q=gazed")
    until(lambda: page.count() == "0 of 60 samples", "nothing in questions and answers")
    page.js("document.getElementById('filter-deep').click()")
    until(lambda: page.count() == "5 of 60 samples", "one a benchmark")
    page.go("#/samples?q=QUESTION%2011")
    until(lambda: page.count() == "5 of 60 samples", "by question, whatever the case")


def test_a_sample_shows_question_thinking_answer_truth_and_boxes(page: Page) -> None:
    page.go(f"#/samples?task={REFCOCO}")
    until(lambda: page.text(".row"), "rows")
    page.js("document.querySelectorAll('.row')[1].click()")
    until(lambda: page.text("#question") == "Question 1 of spatial grounding?", "the question")
    assert page.text("#truth") == '{"boxes": [100, 200, 500, 700]}'
    assert page.text("#detail .thinking pre") == "I looked at 1."
    assert page.js("return document.querySelector('#detail .thinking').open") is False
    until(lambda: page.canvas_has(*TRUTH) and page.canvas_has(*FIRST), "both boxes")
    corner = page.js(
        "const c = document.querySelector('#detail canvas'); const x = Math.round(c.width * .1);"
        "return [...c.getContext('2d').getImageData(x, Math.round(c.height * .45), 1, 1).data]"
    )
    assert corner[3] == 255  # the left edge of the box, at a tenth of the width
    page.keys("o")
    until(lambda: not page.canvas_has(*TRUTH), "nothing drawn")
    assert page.complaints() == []


def test_masks_are_drawn_from_run_lengths(page: Page) -> None:
    page.go("#/samples?task=onethinker_refcoco_seg&at=4-1")
    until(lambda: page.canvas_has(*TRUTH), "the mask's edge")
    alpha = page.js(
        "const c = document.querySelector('#detail canvas'); const at = (x, y) => "
        "c.getContext('2d').getImageData(c.width * x, c.height * y, 1, 1).data[3];"
        "return [at(.4, .6), at(.9, .1)]"
    )
    assert alpha[0] > 0
    assert alpha[1] == 0


def test_a_clip_plays_its_span_and_stops(page: Page) -> None:
    page.go(f"#/samples?task={CHARADES}&at=1-1")
    until(
        lambda: page.js("return document.querySelector('#detail video')?.readyState >= 2"), "film"
    )
    bars = page.js("return document.querySelectorAll('.timeline rect').length")
    assert bars == 4  # two lanes, a span in each
    page.js("document.querySelectorAll('.timeline')[0].focus()")
    page.keys("\ue014")  # arrow to the right
    until(
        lambda: page.js("return document.querySelector('#detail video').currentTime") == 1.0, "1 s"
    )
    page.js(
        "[...document.querySelectorAll('#detail button')]"
        ".find(b => b.textContent === 'Play the truth').click()"
    )
    until(
        lambda: page.js("return document.querySelector('#detail video').currentTime") > 1.5, "play"
    )
    until(lambda: page.js("return document.querySelector('#detail video').paused"), "the end")
    assert 2.9 < page.js("return document.querySelector('#detail video').currentTime") < 3.6


def test_a_track_moves_with_the_film(page: Page) -> None:
    page.go(f"#/samples?task={TRACK}&at=3-1")
    until(
        lambda: page.js("return document.querySelector('#detail video')?.readyState >= 2"), "film"
    )

    def left_edge() -> float:
        code = """
            const c = document.querySelector('#detail canvas');
            const y = Math.round(c.height * .3);
            const row = c.getContext('2d').getImageData(0, y, c.width, 1).data;
            for (let x = 0; x < c.width; x += 1) if (row[4 * x + 3] > 0) return x / c.width;
            return -1;"""
        return float(page.js(code))

    until(lambda: abs(left_edge() - 0.1) < 0.02, "key 1 at 0 s")
    page.js("document.querySelector('#detail video').currentTime = 2")
    until(lambda: abs(left_edge() - 0.3) < 0.02, "key 3 at 2 s")
    page.js("document.querySelector('#detail video').currentTime = 1.5")
    until(lambda: abs(left_edge() - 0.25) < 0.02, "half-way between two keys")


def test_a_script_in_a_reply_is_only_text(page: Page) -> None:
    for place in range(5):
        page.go(f"#/samples?at={place}-4")
        until(lambda: "<script>" in page.text("#detail"), "the reply as it was written")
        assert (
            page.js("return document.querySelector('#detail script, #detail img[src=x]')") is None
        )
    assert page.js("return window.pwned") is None
    assert page.complaints() == []


def test_the_policy_stops_even_markup_that_got_in(page: Page) -> None:
    from selenium.common.exceptions import JavascriptException

    for code in (
        "document.body.innerHTML = '<img src=x onerror=\"window.pwned = 1\">'",
        "document.body.setAttribute('onclick', 'window.pwned = 1')",
        "const s = document.createElement('script'); s.textContent = 'window.pwned = 1'",
    ):
        with pytest.raises(JavascriptException, match="Trusted"):
            page.js(code)
    assert page.js("return window.pwned") is None


def test_two_runs_side_by_side(pair: Page) -> None:
    rows = pair.js("return [...document.querySelectorAll('tbody tr')].map(r => r.textContent)")
    assert any("RefCOCO" in row and "+63.6" in row for row in rows)
    pair.go(f"#/task?id={REFCOCO}")
    assert "better" in until(lambda: pair.text('[aria-label="Difference"]'), "the comparison")
    pair.go(f"#/samples?task={REFCOCO}&change=flipped")
    until(lambda: pair.count() == "7 of 60 samples", "the samples only one run got right")
    pair.keys("j")
    until(lambda: len(pair.js("return [...document.querySelectorAll('.reply')]")) == 3, "a sample")
    until(lambda: pair.canvas_has(*FIRST) and pair.canvas_has(*SECOND), "both runs' boxes")
    pair.go("#/runs")
    assert "prompts: pppppppppppp / qqqqqqqqqqqq (all tasks)" in pair.text("main")


def test_keys_go_through_samples_and_search(page: Page) -> None:
    page.go("#/samples")
    until(lambda: page.text(".row"), "rows")
    page.keys("j")
    until(lambda: page.text("#question").startswith("Question 0"), "the first")
    page.keys("jj")
    until(lambda: page.text("#question").startswith("Question 2"), "the third")
    page.keys("k")
    until(lambda: page.text("#question").startswith("Question 1"), "the second")
    page.keys("f")
    assert page.js("return document.querySelector('#detail .thinking').open") is True
    page.keys("/")
    until(lambda: page.js("return document.activeElement.id") == "filter-q", "the search box")
    page.keys("j")
    until(lambda: page.count() == "0 of 60 samples", "letters are typed there")
    theme = page.js("return document.documentElement.dataset.theme")
    page.js("document.activeElement.blur()")
    page.keys("t")
    assert page.js("return document.documentElement.dataset.theme") != theme


def test_a_phone_shows_list_or_sample(page: Page) -> None:
    size = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        shown = "return getComputedStyle(document.querySelector(arguments[0])).display !== 'none'"
        for view in ("#/", f"#/task?id={TRACK}", "#/samples", "#/samples?at=2-1"):
            page.go(view)
            until(lambda: page.text("main"), "a page")
            assert page.js("return document.documentElement.scrollWidth") <= 390
        until(lambda: page.text("#question"), "the sample")
        assert page.js(shown, ".side") is False
        page.js("document.querySelector('.back').click()")
        until(lambda: page.js(shown, ".side"), "the list")
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_served_media_play_and_can_be_sought(browser: Any, runs: tuple[Path, Path]) -> None:
    report = build_report([runs[0]], runs[0] / "served.html", media="link")
    with serve(report) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = Page(browser, server.url)
        page.go(f"#/samples?task={CHARADES}&at=1-1")
        ready = "return document.querySelector('#detail video')?.readyState >= 2"
        until(lambda: page.js(ready), "film")
        page.js("document.querySelector('#detail video').currentTime = 3")
        until(
            lambda: page.js("return document.querySelector('#detail video').currentTime") == 3,
            "3 s",
        )
        assert page.complaints() == []
        server.shutdown()


def test_linked_media_show_from_a_file(browser: Any, runs: tuple[Path, Path]) -> None:
    report = build_report([runs[0]], runs[0] / "linked.html", media="copy")
    page = Page(browser, report.path.as_uri())
    page.go("#/samples?at=2-1")
    ready = "return document.querySelector('#detail img')?.naturalWidth"
    assert until(lambda: page.js(ready), "the picture") == 64
    assert page.complaints() == []


@pytest.mark.skipif("ONETHINKER_AXE" not in os.environ, reason="ONETHINKER_AXE names no axe.min.js")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(pair: Page, theme: str) -> None:
    source = Path(os.environ["ONETHINKER_AXE"]).read_text(encoding="utf-8")
    check = "const done = arguments[0]; axe.run().then(r => done(r.violations.map(v => v.id)))"
    for view in ("#/", f"#/task?id={CHARADES}", "#/samples?at=2-1&min=0.1", "#/runs"):
        pair.go(view)
        until(lambda: pair.text("main h1"), "a page")
        pair.js("document.documentElement.dataset.theme = arguments[0]", theme)
        time.sleep(0.5)
        pair.js(source)
        assert pair.browser.execute_async_script(check) == [], view
