"""The report of a large run: build time, size, and how a browser takes it.

    python tests/benchmarks/bench_report.py [SAMPLES]

The run is made up: four benchmarks, replies of about 1.3 kB whose thinking is random words, which
compress badly. The browser's part is left out without Chromium and Selenium.
"""

from __future__ import annotations

import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from report_runs import make_media, make_run, right, wrong

from onethinker_eval.reporting.html import build_report

SHARES = {
    "onethinker_mmstar": 0.3,
    "onethinker_refcoco_val": 0.3,
    "onethinker_charades": 0.3,
    "onethinker_got10k": 0.1,
}


def _reply(dice: random.Random, words: list[str]) -> Any:
    def reply(task: str, number: int, record: Mapping[str, Any]) -> str | None:
        chance = dice.random()
        if chance < 0.02:
            return None
        if chance < 0.05:
            return "I cannot tell."
        text = (right if chance < 0.6 else wrong)(task, number, record)
        return text.replace("<think>", "<think>" + " ".join(dice.choices(words, k=200)) + " ")

    return reply


def main(samples: int) -> None:
    """Print the figures."""
    dice = random.Random(3)
    words = ["".join(dice.choices("etaoinshrdlu", k=dice.randint(2, 9))) for _ in range(4000)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        media = make_media(folder / "media")
        sizes = {task: int(samples * share) for task, share in SHARES.items()}
        run = make_run(folder / "run", media, _reply(dice, words), tasks=sizes)
        stored = sum(path.stat().st_size for path in (run / "replies").iterdir())
        started, used = time.perf_counter(), time.process_time()
        report = build_report([run])
        wall, used = time.perf_counter() - started, time.process_time() - used
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"samples             {report.samples:>10,}")
        print(f"journals            {stored / 1e6:>10.1f} MB")
        print(f"report              {report.bytes / 1e6:>10.1f} MB")
        print(f"build, wall         {wall:>10.1f} s")
        print(f"build, processor    {used:>10.1f} s")
        print(f"peak memory         {memory:>10.0f} MB")
        _browse(report.path)


def _browse(path: Path) -> None:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    try:
        from selenium import webdriver
    except ImportError:
        return
    if not (chromium and driver):
        return
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        browser.set_page_load_timeout(300)
        browser.get(path.as_uri())
        paint = "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
        loaded = "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
        print(f"first paint         {browser.execute_script(paint):>10.0f} ms")
        print(f"whole file read     {browser.execute_script(loaded):>10.0f} ms")
        browser.execute_script("location.hash = '#/samples'")
        started = time.perf_counter()
        while not browser.execute_script("return document.querySelectorAll('.row').length"):
            time.sleep(0.01)
        print(f"list of all samples {1000 * (time.perf_counter() - started):>10.0f} ms")
        browser.set_script_timeout(120)
        rate, worst = browser.execute_async_script(_SCROLL)
        print(f"scrolling           {rate:>10.0f} frames/s, longest {worst:.0f} ms")
    finally:
        browser.quit()


_SCROLL = """
const done = arguments[0], list = document.getElementById('list');
const start = performance.now();
let count = 0, last = start, worst = 0;
const step = () => {
  const now = performance.now();
  worst = Math.max(worst, now - last);
  last = now;
  list.scrollTop = (count / 120) * list.scrollHeight;
  count += 1;
  if (count < 120) requestAnimationFrame(step);
  else done([120000 / (now - start), worst]);
};
requestAnimationFrame(step);
"""


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
