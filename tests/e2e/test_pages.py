# ruff: noqa: E501 (nccl-tests prints longer lines)
"""Pages in a browser: nothing fails, every figure is drawn, clicks show what they promise."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="selenium is missing")
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

CHROMEDRIVER, CHROMIUM = shutil.which("chromedriver"), shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    not (CHROMEDRIVER and CHROMIUM), reason="chromedriver is missing (Debian: chromium-driver)"
)

FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)
SCENARIO = """raddle: 1
name: too-much
fabric: leaf-spine-16
seeds: 1-2
jobs:
  train: {collective: all_reduce, size: 256K}
expect:
  - train.busbw >= 999 GB/s
"""
WORKLOAD = """raddle: 1
name: two
groups:
  a: {ranks: [0-7]}
  b: {ranks: [8-15]}
jobs:
  left:
    nodes:
      c: {compute: 20us, group: a}
      r: {collective: all_reduce, size: 256KiB, group: a, after: c}
  right:
    nodes:
      r: {collective: all_reduce, size: 256KiB, group: b}
"""
INCAST = "src,dst,bytes\n" + "".join(f"host{host},host15,2000000\n" for host in range(12))


class Browser:
    """A window onto one page at a time."""

    def __init__(self, driver: webdriver.Chrome, folder: Path) -> None:
        self.driver, self.folder = driver, folder
        driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
        )

    def open(self, page: Path, width: int = 1280) -> dict[str, Any]:
        """Open a page and wait until its figures are drawn; what it was made of."""
        self.driver.set_window_size(width, 900)
        self.driver.get(page.as_uri())
        held = json.loads(self.driver.execute_script("return document.getElementById('page').textContent"))
        self.wait(lambda: len(self.all("section")) == len(held["figures"]))
        self.wait(lambda: all(self.is_drawn(section) for section in self.all("section")))
        assert not self.driver.get_log("browser")
        return held

    def visit(self, address: str) -> None:
        """Open a live page; what the one before says of its server that has gone is not of this one."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get(address)

    def is_drawn(self, section: WebElement) -> bool:
        kind = section.get_attribute("data-kind")
        what = {"table": "tbody tr", "blocks": ".block", "tree": ".tree b", "fabric": "svg.fabric g.box"}
        return bool(section.find_elements(By.CSS_SELECTOR, what.get(str(kind), ".chart svg path")))

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def section(self, title: str) -> WebElement:
        (found,) = [each for each in self.all("section") if each.get_attribute("data-title") == title]
        return found

    def wait(self, what: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, self.driver.find_element(By.TAG_NAME, "body").text[:400]
            time.sleep(0.05)

    def click(self, element: WebElement) -> None:
        """As a mouse or a key would; SVG has no click() of its own."""
        self.driver.execute_script(
            "arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", element
        )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("browser")
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS.split(), f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.binary_location = str(CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(CHROMEDRIVER)))
    try:
        yield Browser(driver, folder)
    finally:
        driver.quit()


def raddle(folder: Path, *words: str, code: int = 0) -> None:
    command = [sys.executable, "-m", "raddle", *words]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == code, result.stderr


def test_a_benchmark_can_be_looked_at_down_to_a_link(browser: Browser, tmp_path: Path) -> None:
    raddle(
        tmp_path, "bench", "leaf-spine-16", "--placement", "strided", "--routing", "ecmp", "-b", "1M", "-e",
        "4M", "--series", "20us", "-o", "out", "--html", "bench.html",
    )  # fmt: skip
    result = json.loads((tmp_path / "out/bench.json").read_text())
    held = browser.open(tmp_path / "bench.html")
    (curve, bound) = held["figures"][0]["data"]["curves"]
    assert curve["points"] == [[row["size_bytes"], row["busbw_gbs"]] for row in result["rows"]]
    assert bound["points"][0][1] == result["line_rate_gbs"]

    fabric = browser.section("Fabric leaf-spine-16")
    assert len(fabric.find_elements(By.CSS_SELECTOR, "svg.fabric g.box")) == 8 + 16
    worst = max(result["collisions"], key=lambda each: len(each["flows"]))
    sender, receiver = (end.split(":")[0] for end in worst["link"].split(" -> "))
    (line,) = [
        group
        for group in fabric.find_elements(By.CSS_SELECTOR, "svg.fabric > g:not(.box)")
        if {sender, receiver} == set(browser.driver.execute_script(
            "return arguments[0].querySelector('title').textContent.split(':')[0].split(' - ')", group
        ))
    ]  # fmt: skip
    browser.click(line)
    (row,) = [each for each in fabric.find_elements(By.CSS_SELECTOR, "tr.pick") if worst["link"] in each.text]
    browser.click(row)
    assert worst["flows"][0] in fabric.text
    browser.wait(
        lambda: len(fabric.find_elements(By.CSS_SELECTOR, ".chart svg")) == 4
    )  # rate, queue, group, headroom
    assert not browser.driver.get_log("browser")

    browser.click(fabric.find_element(By.CSS_SELECTOR, ".head button"))
    file = browser.folder / "fabric-leaf-spine-16.csv"
    browser.wait(file.exists)
    rows = {row["link"]: row for row in csv.DictReader(file.read_text().splitlines())}
    assert len(rows) == 2 * 32
    used = {link["name"]: link["utilisation"] for link in result["links"]}
    assert {name: float(rows[name]["utilisation"]) for name in used} == used


def test_colours_follow_what_is_chosen_and_the_theme(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "flows.csv").write_text(INCAST)
    raddle(
        tmp_path, "simulate", "leaf-spine-16", "--flows", "flows.csv", "--cc", "none", "-o", "out",
        "--fidelity", "packet", "--html", "run.html",
    )  # fmt: skip
    browser.open(tmp_path / "run.html", width=390)
    width = browser.driver.execute_script("return document.documentElement.scrollWidth")
    assert width <= 390, "a phone would have to scroll sideways"
    fabric = browser.section("Fabric leaf-spine-16")

    def colours() -> set[str | None]:
        return {
            path.get_attribute("stroke")
            for path in fabric.find_elements(By.CSS_SELECTOR, "path.link:not([stroke=transparent])")
        }

    before = colours()
    assert len(before) > 2
    Select(fabric.find_element(By.TAG_NAME, "select")).select_by_visible_text("longest queue")
    assert colours() != before
    light = colours()
    browser.click(browser.all("button.theme")[0])
    assert colours() != light
    assert not browser.driver.get_log("browser")


def test_paper_holds_the_whole_page_and_the_screen_comes_back(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "flows.csv").write_text(INCAST)
    raddle(
        tmp_path, "simulate", "leaf-spine-16", "--flows", "flows.csv", "-o", "out", "--series", "20us",
        "--html", "run.html",
    )  # fmt: skip
    browser.open(tmp_path / "run.html")
    browser.click(browser.all("button.theme")[0])
    theme = browser.driver.execute_script("return document.documentElement.dataset.theme")
    seen = "return [...document.querySelectorAll('.chart svg, svg.fabric, table')].map(e => e.getBoundingClientRect().right)"
    on_screen = browser.driver.execute_script(seen)
    assert max(on_screen) > 800
    browser.driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert max(browser.driver.execute_script(seen)) <= 701 + min(
        each["x"] for each in (main.location for main in browser.all("main"))
    )
    assert browser.driver.execute_script("return document.documentElement.dataset.theme") == "light"
    named = "return [...document.querySelectorAll('.chart')].map(e => e.textContent).join(' ')"
    assert not re.search(r"\b1/[0-9]", browser.driver.execute_script(named))  # no legend of several pages
    keys = "return [...document.querySelectorAll('section .controls')].map(e => e.textContent).join(' ')"
    assert "scrolls" not in browser.driver.execute_script(keys)
    browser.driver.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.driver.execute_script(seen) == on_screen
    assert browser.driver.execute_script("return document.documentElement.dataset.theme") == theme
    assert not browser.driver.get_log("browser")


def test_a_lone_size_is_a_mark_with_its_bound_above_it(browser: Browser, tmp_path: Path) -> None:
    raddle(tmp_path, "bench", "leaf-spine-16", "-b", "4M", "-e", "4M", "--html", "one.html")
    browser.open(tmp_path / "one.html")
    labels = "return [...document.querySelectorAll('.chart svg text')].map(e => e.textContent)"
    assert [each for each in browser.driver.execute_script(labels) if each.endswith("iB")] == ["4 MiB"]
    marks = """const top = document.querySelector('.chart').getBoundingClientRect().top + 40;
    return [...document.querySelectorAll('.chart svg path')].map(e => [e.getBoundingClientRect(), e.getAttribute('fill')])
      .filter(([box]) => box.top > top && Math.round(box.width) === 7).map(([, fill]) => fill)"""
    assert len(set(browser.driver.execute_script(marks))) == 2  # the benchmark's and the bound's
    assert not browser.driver.get_log("browser")


def test_a_failed_expectation_stands_in_the_first_screen(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "fast.yaml").write_text(SCENARIO)
    raddle(tmp_path, "run", "fast.yaml", "--html", "run.html", code=1)
    browser.open(tmp_path / "run.html")
    (finding,) = browser.all(".verdict.failed li")
    assert finding.text.startswith("fast.yaml:8:5: train.busbw >= 999 GB/s: ")
    assert finding.rect["y"] + finding.rect["height"] < 700


def test_jobs_and_proofs_are_drawn(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "work.yaml").write_text(WORKLOAD)
    raddle(tmp_path, "workload", "work.yaml", "leaf-spine-16", "--html", "work.html")
    browser.open(tmp_path / "work.html")
    assert [block.text.split("\n")[0] for block in browser.all(".block")] == ["left", "right"]

    raddle(tmp_path, "verify", "failed-links", "--html", "proof.html")
    browser.open(tmp_path / "proof.html")
    assert "uniform all-to-all asks 125%" in browser.all(".verdict.ok")[0].text
    assert "3 down" in browser.section("Fabric failed-links").text

    raddle(tmp_path, "plan", "leaf-spine-16", "--routing", "pinned", "--html", "plan.html")
    browser.open(tmp_path / "plan.html")


def test_a_page_of_512_endpoints_is_small_and_quick(browser: Browser, tmp_path: Path) -> None:
    raddle(tmp_path, "bench", "white-box-512", "-b", "1M", "-e", "1M", "--html", "bench.html")
    page = tmp_path / "bench.html"
    assert page.stat().st_size < 5_000_000
    browser.open(page)
    took = browser.driver.execute_script(
        "const [page] = performance.getEntriesByType('navigation'); return page.loadEventEnd - page.startTime"
    )
    assert took < 10_000, "2 s are asked of an idle machine"
    bunch = browser.all("svg.fabric g.box")[-1]
    boxes = len(browser.all("svg.fabric g.box"))
    browser.click(bunch)
    assert len(browser.all("svg.fabric g.box")) > boxes, "a bunch of devices opens"


SWEEP = """raddle: 1
name: routings
fabric: leaf-spine-16
collective: all_reduce
size: 256K
placement: strided
routing: [ecmp, pinned]
fidelity: fluid
failures: [none, switches]
"""
LOG = """# all_reduce_perf
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
     1048576        262144     float     sum      -1    95.10   11.03   20.67      0    95.10   11.03   20.67      0
     4194304       1048576     float     sum      -1   212.00   19.78   37.10      0   212.00   19.78   37.10      0
"""


def test_logs_and_campaigns_are_drawn(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "nccl.log").write_text(LOG)
    raddle(tmp_path, "expect", "leaf-spine-16", "--log", "nccl.log", "--html", "log.html")
    measured, form, bound = browser.open(tmp_path / "log.html")["figures"][0]["data"]["curves"]
    assert [point[1] for point in measured["points"]] == [
        pytest.approx(20.67, 0.01),
        pytest.approx(37.1, 0.01),
    ]
    assert all(most[1] >= value[1] for value, most in zip(form["points"], bound["points"], strict=True))
    (tmp_path / "routings.yaml").write_text(SWEEP)
    raddle(tmp_path, "sweep", "routings.yaml", "--jobs", "1", "--html", "sweep.html")
    titles = [figure["title"] for figure in browser.open(tmp_path / "sweep.html")["figures"]]
    assert titles[0] == "Bus bandwidth by routing"
    assert "What failures cost" in titles


def test_expectations_and_costs_are_drawn(browser: Browser, tmp_path: Path) -> None:
    raddle(tmp_path, "expect", "leaf-spine-16", "--routing", "ecmp", "--html", "expect.html")
    held = browser.open(tmp_path / "expect.html")
    assert held["figures"][2]["title"] == "Hash collisions"
    text = "raddle: 1\nname: p\ncurrency: EUR\nsource: s\ndate: d\nswitches: {white-box-12.8t: {price: 5}}\n"
    (tmp_path / "prices.yaml").write_text(text)
    raddle(tmp_path, "cost", "leaf-spine-16", "--prices", "prices.yaml", "--html", "cost.html")
    browser.open(tmp_path / "cost.html")
    assert "no price for 400G 3m, host-leaf" in browser.all(".verdict")[0].text
