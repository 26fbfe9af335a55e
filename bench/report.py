"""How long a report of 2,000 attempts takes to be written, and then to open in a real chromium.

    python bench/report.py [--attempts 2000] [--repeats 5]

The replies are the recorded ones of tests/replies in turn, the verdicts are made up. Needs Playwright
(the extra `dev`) and chromium. Each opening is in a browser context of its own: until the page has
loaded, until its list is laid out and drawn, and until an attempt that is clicked shows its code.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

from eval.records import (
    Environment,
    Failed,
    Incorrect,
    KernelTime,
    Passed,
    Quantity,
    Ratio,
    Speedup,
    Timing,
    Tracks,
    Violation,
)
from harness.extract import extract
from harness.records import Attempt, Candidate, Reply
from harness.report import render

REPLIES = sorted((Path(__file__).parent.parent / "tests" / "replies").glob("*.md"))
SCOPE = Violation(rule="scope", track="stage", severity="error", message="fewer launches", line=12)
SHOWN = """() => new Promise((done) => requestAnimationFrame(
    () => requestAnimationFrame(() => done(performance.now()))))"""


def timing(eager: float) -> Timing:
    def quantity(ms: float) -> Quantity:
        return Quantity(median=ms, low=ms * 0.99, high=ms * 1.01, samples=40)

    samples = {
        role: tuple(ms + n / 1000 for n in range(40)) for role, ms in (("candidate", 3.0), ("eager", 9.0))
    }
    ratio = Ratio(median=eager, low=eager, high=eager)
    return Timing(
        candidate_ms=quantity(9 / eager), eager_ms=quantity(9.0), floor_ms=2.8, fraction_of_floor=0.3 * eager,
        speedup=Speedup(eager=ratio), kernels=(KernelTime(name="scan", ms=1.0, share=0.9, own=True),),
        samples_ms=samples, bytes=8.6e9, copy_gb_per_s=3025.0,
    )  # fmt: skip


def attempt(number: int) -> Attempt:
    path = REPLIES[number % len(REPLIES)]
    text = path.read_text(encoding="utf-8")
    found = extract(text, is_code=False)
    gpu = "NVIDIA H100 80GB HBM3"
    where = {"environment": Environment(evaluator="1", python="3.12", gpu=gpu), "device": "cuda"}
    verdict = (
        Passed(
            timing=timing(1 + number % 200 / 100),
            tracks=Tracks(open=True, stage=False),
            violations=(SCOPE,),
            **where,
        ),
        Incorrect(reason="values", detail="12 of 40 differ", tracks=Tracks(open=False, stage=False), **where),
        Failed(phase="compile", detail="x" * 300, tracks=Tracks(open=False, stage=False), **where),
    )[number % 3]
    return Attempt(
        id=f"{number:012x}", run="r", problem="scan", stage="tuning", gpu="4090", verdict=verdict,
        evaluator="1",
        reply=Reply(model=f"model {number % 8}", sample=number, text=text, source=path.name),
        candidate=found if isinstance(found, Candidate) else None, created=f"2026-06-01T12:{number:06d}",
        device="cuda", gpu_name=gpu,
    )  # fmt: skip


def opened(browser: Browser, url: str) -> tuple[float, float, float]:
    """Return milliseconds until the page has loaded, until it is drawn, and from a click to the code."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(url)
    drawn = page.evaluate(SHOWN)
    loaded = page.evaluate("() => performance.getEntriesByType('navigation')[0].loadEventEnd")
    row = page.locator("details.attempt").first
    row.scroll_into_view_if_needed()
    start = time.perf_counter()
    row.locator("summary").first.click()
    row.locator("pre.code").first.wait_for()
    clicked = (time.perf_counter() - start) * 1000
    context.close()
    return loaded, drawn, clicked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--attempts", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    attempts = [attempt(number) for number in range(options.attempts)]
    start = time.perf_counter()
    html = render(attempts, generated="now", store="bench.db")
    seconds, size = time.perf_counter() - start, len(html.encode()) / 1e6
    print(f"{len(attempts)} attempts, {size:.1f} MB, made in {seconds:.1f} s")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        path = Path(folder) / "report.html"
        path.write_text(html, encoding="utf-8")
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = driver.chromium.launch(executable_path=chromium, args=flags)
        print(f"chromium {browser.version}, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        runs = [opened(browser, path.as_uri()) for _ in range(options.repeats)]
        browser.close()
    for name, values in zip(
        ("loaded", "drawn", "from a click to the code"), zip(*runs, strict=True), strict=True
    ):
        print(f"{name}: {median(values):.0f} ms ({min(values):.0f} to {max(values):.0f})")


if __name__ == "__main__":
    main()
