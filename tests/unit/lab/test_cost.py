"""Bills: counts that published closed forms give, sums worked out by hand, prices that are refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.errors import InputError
from raddle.lab.cost.bill import bill_of
from raddle.lab.cost.prices import read_prices, template
from raddle.report.cost import cost_text, saved_share, savings
from raddle.topology import loads
from tests.fabrics import leaf_spine, three_tiers

HEAD = "raddle: 1\nname: some\ncurrency: EUR\nsource: an offer\ndate: 2026-11-02\n"
SOME = (
    HEAD
    + """switches:
  white-box-12.8t: {price: 1000, power: 0.5 kW, rack_units: 1}
nics:
  400G: {price: 100, power: 20 W}
cables:
  - {speed: 400G, up_to: 3m, price: 10}
  - {speed: 400G, price: 1, per_metre: 0.5, optic: 50, power: 14 W}
"""
)
"""Numbers made up for sums that can be done in the head."""


def prices(tmp_path: Path, text: str, name: str = "prices.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_bill_is_counts_times_prices(tmp_path: Path) -> None:
    bill = bill_of(loads(leaf_spine(leaves=4, spines=2, per_leaf=8)), read_prices(prices(tmp_path, SOME)))
    # 6 switches, 32 NIC ports, 32 copper cables; 8 links of 30 m with two transceivers each
    assert [bill.part(part) for part in ("switches", "nics", "cables", "optics")] == [
        (6, 6_000),
        (32, 3_200),
        (40, 32 * 10 + 8 * 16),
        (16, 800),
    ]
    assert bill.total == 6_000 + 3_200 + 448 + 800
    assert bill.power_w == 6 * 500 + 32 * 20 + 8 * 14
    assert bill.rack_units == 6


def test_dead_links_are_paid_for_all_the_same(tmp_path: Path) -> None:
    text = leaf_spine(more="overrides: {links: [{ends: [leaf0, spine0], state: down}]}\n")
    book = read_prices(prices(tmp_path, SOME))
    assert bill_of(loads(text), book).total == bill_of(loads(leaf_spine()), book).total


@pytest.mark.parametrize("radix", [8, 16, 32])
def test_a_full_two_tier_fabric_has_the_published_counts(tmp_path: Path, radix: int) -> None:
    """k**2 / 2 endpoints on 3k / 2 switches of k ports, as the closed form for folded Clos fabrics says."""
    text = leaf_spine(leaves=radix, spines=radix // 2, per_leaf=radix // 2)
    bill = bill_of(loads(text), read_prices(prices(tmp_path, SOME)))
    assert (bill.endpoints, bill.part("switches")[0]) == (radix**2 // 2, 3 * radix // 2)


def test_a_saving_is_told_apart_into_fewer_and_cheaper(tmp_path: Path) -> None:
    dear = read_prices(prices(tmp_path, SOME.replace("price: 1000", "price: 4000"), "dear.yaml"))
    cheap = read_prices(prices(tmp_path, SOME))
    base, other = bill_of(loads(three_tiers()), dear), bill_of(loads(leaf_spine(leaves=4)), cheap)
    # 12 switches at 4000 become 6 at 1000: 6 fewer at 4000, and 6 that cost 3000 less
    (switches, *_) = savings(base, other)
    assert (switches.by_number, switches.by_price) == (24_000, 18_000)
    parts = savings(base, other)
    assert sum(part.saved for part in parts) == pytest.approx(base.total - other.total)
    assert all(part.saved == pytest.approx(part.by_number + part.by_price) for part in parts)


def test_what_has_no_price_is_named_and_in_no_sum(tmp_path: Path) -> None:
    text = SOME.replace(
        "  white-box-12.8t: {price: 1000, power: 0.5 kW, rack_units: 1}\n", "  other: {price: 1}\n"
    )
    bill = bill_of(loads(leaf_spine()), read_prices(prices(tmp_path, text)))
    assert [item.name for item in bill.unpriced] == ["white-box-12.8t as leaf", "white-box-12.8t as spine"]
    told = cost_text([bill])
    assert "without the 2 items that have no price" in told
    assert "at least" in told


def test_bills_are_compared_in_what_both_have(tmp_path: Path) -> None:
    fabric = loads(leaf_spine())
    whole = read_prices(prices(tmp_path, SOME))
    nics = "nics:\n  400G: {price: 100, power: 20 W}\n"
    without = read_prices(prices(tmp_path, SOME.replace(nics, ""), "without.yaml"))
    base, other = bill_of(fabric, whole), bill_of(fabric, without)
    assert [part.saved for part in savings(base, other)] == [0, 0, 0]
    assert saved_share(base, other) == 0
    assert "NICs are left out of the comparison" in cost_text([base, other])
    switches = "  white-box-12.8t: {price: 1000, power: 0.5 kW, rack_units: 1}\n"
    missing = read_prices(prices(tmp_path, SOME.replace(switches, "  other: {price: 1}\n"), "missing.yaml"))
    assert savings(base, bill_of(fabric, missing)) == ()
    assert "no saving is worked out" in cost_text([base, bill_of(fabric, missing)])


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("", "not-prices", "1:1"),
        (SOME.replace("source: an offer\n", ""), "price-without-source", "6:3"),
        (SOME.replace("date: 2026-11-02\n", ""), "price-without-source", "6:3"),
        (SOME.replace("price: 1000", "price: cheap"), "bad-number", "7:28"),
        (SOME.replace("0.5 kW", "500"), "bad-number", "7:41"),
        (SOME.replace("up_to: 3m", "up_to: 3"), "bad-length", "11:26"),
        (SOME.replace("up_to: 3m, price: 10", "up_to: 3m"), "missing-key", "11:5"),
        (SOME.replace("rack_units", "units"), "unknown-key", "7:49"),
    ],
)  # fmt: skip
def test_prices_are_refused_at_their_place(tmp_path: Path, text: str, code: str, at: str) -> None:
    path = prices(tmp_path, text)
    with pytest.raises(InputError) as error:
        read_prices(path)
    first = error.value.diagnostics[0]
    assert (first.code, str(first.span)) == (code, f"{path}:{at}")


@pytest.mark.parametrize("hosts", ["per_leaf: 2", "per_leaf: 2, nics: {ports: 2, links_per_cable: 2}"])
def test_a_template_has_every_price_that_is_needed(tmp_path: Path, hosts: str) -> None:
    fabric = loads(leaf_spine().replace("per_leaf: 2", hosts))
    empty = prices(tmp_path, template(fabric))
    with pytest.raises(InputError) as error:
        read_prices(empty)  # nothing of it counts before it is filled in
    assert len(error.value.diagnostics) > 5
    filled = template(fabric).replace("power: ", "power: 1 ").replace(": ,", ": 2,").replace(": }", ": 2}")
    filled = filled.replace("source: ", "source: me").replace("date: ", "date: today")
    assert "power: 1 W" in filled
    assert not bill_of(fabric, read_prices(prices(tmp_path, filled))).unpriced


def test_the_command_prints_json_and_csv_and_refuses_two_currencies(tmp_path: Path) -> None:
    euros = prices(tmp_path, SOME)
    dollars = prices(tmp_path, SOME.replace("EUR", "USD"), "dollars.yaml")
    result = CliRunner().invoke(app, ["cost", "leaf-spine-16", "--prices", str(euros), "--json"])
    (bill,) = json.loads(result.stdout)["bills"]
    assert bill["total"] == 8 * 1000 + 16 * 100 + 16 * 10 + 16 * (1 + 15) + 32 * 50
    result = CliRunner().invoke(app, ["cost", "leaf-spine-16", "--prices", str(euros), "--format", "csv"])
    rows = csv.DictReader(result.stdout.splitlines())
    assert sum(float(row["total"]) for row in rows) == bill["total"]
    two = ["cost", "leaf-spine-16", "leaf-spine-16", "--prices", str(euros), "--prices", str(dollars)]
    result = CliRunner().invoke(app, two)
    assert isinstance(result.exception, InputError)
    assert "different currencies" in str(result.exception)
    result = CliRunner().invoke(app, ["cost", "leaf-spine-16"])
    assert "--template" in str(result.exception.diagnostics[0].hint)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["leaf-spine-16", "--template", "--json"], "--template has no use for --json"),
        (["leaf-spine-16", "--template", "--prices", "p.yaml"], "--template has no use for --prices"),
        (["leaf-spine-16", "white-box-512", "--template"], "--template has no use for a second fabric"),
        (["leaf-spine-16", "--prices", "p.yaml", "--json", "--format", "csv"], "are two forms"),
    ],
)
def test_options_without_an_effect_are_refused(words: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["cost", *words])
    assert message in str(result.exception)
