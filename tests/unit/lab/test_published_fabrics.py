"""Counts of published fabrics that raddle generates, where the table of them is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.costs import compare, fabric_of
from raddle.lab.cost.prices import read_prices

PUBLISHED = Path(__file__).parents[4] / "shared/reference/published/fabric_capacity_and_cost.csv"
HEAD = "design,switch_radix,endpoints,switches,usd_per_endpoint\n"


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the table of published fabrics is not part of raddle")
def test_published_endpoints_and_switches_are_counted(tmp_path: Path) -> None:
    """Its small rows; scripts/validate-cost prints all."""
    head, *rows = PUBLISHED.read_text().splitlines()
    small = [row for row in rows if int(row.split(",")[2]) <= 2048]
    assert small
    file = tmp_path / "small.csv"
    file.write_text("\n".join([head, *small]))
    assert [row.deviation for row in compare(file)] == [0] * len(small)


def test_what_is_off_and_what_has_no_form_is_told(tmp_path: Path) -> None:
    """Radix 8: 32 endpoints on 12 switches of 1000 each, cables for nothing."""
    file, prices = tmp_path / "some.csv", tmp_path / "prices.yaml"
    file.write_text(HEAD + "two-tier,8,32,10,375\nring,8,32,10,\n")
    prices.write_text(
        "raddle: 1\nname: p\ncurrency: USD\nsource: made up\ndate: 2026-11\n"
        "switches: {radix-8: {price: 1000}}\ncables: [{speed: 400G, price: 0}]\n"
    )
    off, formless = compare(file, read_prices(prices))
    assert off.counted == (32, 12)
    assert off.deviation == pytest.approx(0.2)
    assert off.each == off.published_each == 375
    assert (formless.counted, formless.deviation) == (None, None)


@pytest.mark.parametrize(
    ("design", "endpoints", "switches"), [("three-tier", 128, 80), ("eight-plane two-tier", 256, 96)]
)
def test_designs_have_their_closed_forms(design: str, endpoints: int, switches: int) -> None:
    """Radix 8: k**3 / 4 on 5k**2 / 4; 8 planes of k**2 / 2 on 3k / 2."""
    fabric = fabric_of(design, 8)
    assert fabric is not None
    assert (len(fabric.endpoints), len(fabric.switches)) == (endpoints, switches)
