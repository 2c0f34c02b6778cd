"""The page of `raddle serve` in a browser: it fills, follows the switches, and starts a bench."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is missing")
from selenium.webdriver.common.by import By

from raddle.controller.api.client import ControllerClient
from raddle.nos.farm import SwitchFarm
from tests.e2e.test_pages import Browser, browser, pytestmark  # noqa: F401
from tests.e2e.test_serve import PORT, address, farm, free_port, get, served  # noqa: F401


def test_the_page_fills_shows_a_link_that_dies_and_starts_a_bench(
    browser: Browser,  # noqa: F811
    farm: tuple[SwitchFarm, Path],  # noqa: F811
    address: str,  # noqa: F811
) -> None:
    driver = browser.driver
    browser.visit(address)
    verdict = lambda: driver.find_element(By.CSS_SELECTOR, ".verdict").text  # noqa: E731
    browser.wait(lambda: "all switches hold what is planned" in verdict())
    assert not browser.section("Rounds").is_displayed()  # nobody updates: no empty axis
    farm[0].plug("leaf0", PORT, False)
    browser.wait(lambda: f"no link: leaf0:{PORT} - spine0:Ethernet0" in verdict())
    browser.wait(lambda: "link-down" in browser.section("Events").text)
    farm[0].plug("leaf0", PORT, True)
    for size in browser.section("Benches").find_elements(By.CSS_SELECTOR, ".controls input"):
        driver.execute_script("arguments[0].value = '64K'", size)
    browser.click(browser.section("Benches").find_element(By.CSS_SELECTOR, "button.start"))
    browser.wait(lambda: bool(browser.section("Benches").find_elements(By.CSS_SELECTOR, "a")))
    (row,) = browser.section("Rows of the latest bench").find_elements(By.CSS_SELECTOR, "tbody tr")
    assert row.text.startswith("64 KiB")
    link = browser.section("Benches").find_element(By.CSS_SELECTOR, "a").get_attribute("href")
    assert not driver.get_log("browser")
    driver.get(str(link))
    browser.wait(lambda: "all_reduce on leaf-spine-16" in driver.title or "leaf-spine-16" in driver.title)


_TAKES_WHAT_IT_IS_TOLD = "window.EventSource = function () { window.told = this; }"
_TELLS_OF_A_DEAD_SWITCH = """
const heat = page.figures.find((each) => each.kind === "heat").data;
const of = (name) => ({ text: "", differences: 0, down: [], values: [], received: [], is_simulated: false,
  ...(name === "leaf0" ? { state: "unreachable", problem: "gone" } : { state: "in sync", problem: "" }) });
const switches = Object.fromEntries(Object.keys(heat.rows).map((name) => [name, of(name)]));
const all = { time_s: 1, controller: {}, events: [], jobs: [], dead_links: [], collectives: [], switches };
window.told.onmessage({ data: JSON.stringify(all) });
"""
# one script, as the page may draw the fabric again between two questions of the driver
_SAYS_WHETHER_IT_SCROLLS = """
const drawing = document.querySelector("svg.fabric"), frame = drawing.closest("div.canvas");
const says = drawing.closest("section").innerText.includes("scrolls to the right");
return says === (drawing.getBoundingClientRect().width > frame.getBoundingClientRect().width);
"""


def test_a_switch_that_is_gone_is_one_thing_and_a_phone_sees_the_whole_fabric(
    browser: Browser,  # noqa: F811
    address: str,  # noqa: F811
) -> None:
    driver = browser.driver
    add, remove = "Page.addScriptToEvaluateOnNewDocument", "Page.removeScriptToEvaluateOnNewDocument"
    script = driver.execute_cdp_cmd(add, {"source": _TAKES_WHAT_IT_IS_TOLD})
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.visit(address)
        driver.execute_script(_TELLS_OF_A_DEAD_SWITCH)
        assert driver.find_element(By.CSS_SELECTOR, ".verdict").text.startswith("1 thing is not well")
        browser.wait(lambda: driver.execute_script(_SAYS_WHETHER_IT_SCROLLS))
        assert driver.execute_script("return document.documentElement.scrollWidth") <= size["width"]
        assert not driver.get_log("browser")
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd(remove, script)


def test_with_a_controller_a_drain_is_a_round_on_the_page(
    browser: Browser,  # noqa: F811
    farm: tuple[SwitchFarm, Path],  # noqa: F811
    address: str,  # noqa: F811
) -> None:
    differs = lambda: bool(re.search(r"^raddle_switch_differences.* [1-9]", get(f"{address}metrics"), re.M))  # noqa: E731
    command = [sys.executable, "-m", "raddle", "controller", "run", "leaf-spine-16"]
    command += ["--listen", "127.0.0.1:0", "--metrics", f"127.0.0.1:{free_port()}"]
    with subprocess.Popen(command, cwd=farm[1], stderr=subprocess.PIPE, text=True) as controller:
        assert controller.stderr
        try:
            server = next(word for word in iter(controller.stderr.readline, "") if "127.0.0.1:" in word)
            server = re.search(r"127\.0\.0\.1:\d+", server)[0]  # type: ignore[index]
            with served(farm[1], "--controller", "--server", server) as page:
                browser.visit(page)
                verdict = lambda: browser.driver.find_element(By.CSS_SELECTOR, ".verdict").text  # noqa: E731
                browser.wait(lambda: "all switches hold what is planned" in verdict())
                with ControllerClient(server) as client:
                    client.drain("spine0", why="new optics")
                browser.wait(lambda: "spine0 is drained" in verdict())
                browser.wait(lambda: bool(browser.section("Rounds").find_elements(By.CSS_SELECTOR, "path")))
                browser.wait(lambda: "update" in browser.section("Updates").text)
                browser.wait(differs)  # the page that knows no controller
                with ControllerClient(server) as client:
                    client.undrain("spine0")
                browser.wait(lambda: not differs())
            assert not browser.driver.get_log("browser")
        finally:
            controller.terminate()
