"""The page of `raddle serve` in a browser: it fills, follows the switches, and starts a bench."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is missing")
from selenium.webdriver.common.by import By

from raddle.nos.farm import SwitchFarm
from tests.e2e.test_pages import Browser, browser, pytestmark  # noqa: F401
from tests.e2e.test_serve import PORT, address, farm  # noqa: F401


def test_the_page_fills_shows_a_link_that_dies_and_starts_a_bench(
    browser: Browser,  # noqa: F811
    farm: tuple[SwitchFarm, Path],  # noqa: F811
    address: str,  # noqa: F811
) -> None:
    driver = browser.driver
    driver.get(address)
    verdict = lambda: driver.find_element(By.CSS_SELECTOR, ".verdict").text  # noqa: E731
    browser.wait(lambda: "all switches hold what is planned" in verdict())
    farm[0].plug("leaf0", PORT, False)
    browser.wait(lambda: f"no link: leaf0:{PORT} - spine0:Ethernet0" in verdict())
    browser.wait(lambda: "link-down" in browser.section("Events").text)
    farm[0].plug("leaf0", PORT, True)
    size = browser.section("Benches").find_element(By.CSS_SELECTOR, "input")
    driver.execute_script("arguments[0].value = '64K'", size)
    browser.click(browser.section("Benches").find_element(By.CSS_SELECTOR, "button.start"))
    browser.wait(lambda: bool(browser.section("Benches").find_elements(By.CSS_SELECTOR, "a")))
    link = browser.section("Benches").find_element(By.CSS_SELECTOR, "a").get_attribute("href")
    assert not driver.get_log("browser")
    driver.get(str(link))
    browser.wait(lambda: "all_reduce on leaf-spine-16" in driver.title or "leaf-spine-16" in driver.title)
