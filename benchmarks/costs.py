"""What raddle counts and works out for published fabrics, beside the published figures.

Each row of fabric_capacity_and_cost.csv whose design raddle can generate is generated, of switches with
its radix at 400G, with every port used: endpoints and switches from the fabric's bill. The file has no prices
of parts, and raddle has none: with a file of prices (models `radix-N`) an endpoint's cost is compared, too.

Usage: scripts/validate-cost FILE [PRICES]
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

from raddle import loads
from raddle.lab.cost.bill import bill_of
from raddle.lab.cost.prices import Prices, read_prices
from raddle.topology.model import Fabric

TWO_TIER = """\
fabric:
  kind: leaf-spine
  planes: {planes}
  leaves: {{count: {radix}, model: radix-{radix}}}
  spines: {{count: {half}, model: radix-{radix}}}
  uplinks: {{per_pair: 1, speed: 400G, cable: 30m}}
"""
THREE_TIER = """\
fabric:
  kind: fat-tree
  pods: {radix}
  leaves: {{per_pod: {half}, model: radix-{radix}}}
  spines: {{per_pod: {half}, model: radix-{radix}}}
  superspines: {{count: {cores}, model: radix-{radix}}}
  uplinks: {{per_pair: 1, speed: 400G, cable: 30m}}
  spine_uplinks: {{per_pair: 1, speed: 400G, cable: 300m, medium: dr}}
"""
REST = """\
raddle: 1
name: design
models:
  radix-{radix}: {{ports: {radix}, port_speed: 400G, lanes_per_port: 4, buffer: 256MiB, source: no figure depends on it}}
hosts: {{per_leaf: {half}, nics: {{count: {planes}, speed: 400G, cable: 3m}}}}
addressing: {{hosts: 10.0.0.0/9, loopbacks: 10.128.0.0/14, underlay: 10.192.0.0/10}}
"""  # noqa: E501
DESIGNS = {"two-tier": (TWO_TIER, 1), "eight-plane two-tier": (TWO_TIER, 8), "three-tier": (THREE_TIER, 1)}
"""What raddle can generate of the file's designs: a fabric, and how many planes it has."""


@dataclass(frozen=True, slots=True)
class Row:
    """A design: published figures and raddle's; None is not known."""

    design: str
    radix: int
    published: tuple[int, int]
    counted: tuple[int, int] | None
    published_each: float | None
    each: float | None

    @property
    def deviation(self) -> float | None:
        """The larger one of endpoints and switches, as a share of the published one."""
        if self.counted is None:
            return None
        pairs = zip(self.published, self.counted, strict=True)
        return max((ours / theirs - 1 for theirs, ours in pairs), key=abs)


def fabric_of(design: str, radix: int) -> Fabric | None:
    """The largest non-blocking fabric of a design; None: raddle has no form for it."""
    if design not in DESIGNS:
        return None
    form, planes = DESIGNS[design]
    half = radix // 2
    return loads((REST + form).format(radix=radix, half=half, cores=half * half, planes=planes))


def compare(file: Path, prices: Prices | None = None) -> list[Row]:
    """All rows of the file."""
    with file.open(newline="", encoding="utf-8") as rows:
        return [_row(row, prices) for row in csv.DictReader(rows)]


def _row(row: dict[str, str], prices: Prices | None) -> Row:
    design, radix = row["design"], int(row["switch_radix"])
    published = int(row["endpoints"]), int(row["switches"])
    published_each = float(row["usd_per_endpoint"]) if row["usd_per_endpoint"] else None
    fabric = fabric_of(design, radix)
    if fabric is None:
        return Row(design, radix, published, None, published_each, None)
    each = None
    if prices is not None:
        bill = bill_of(fabric, prices)
        each = None if bill.unpriced else bill.total / bill.endpoints
    return Row(design, radix, published, (len(fabric.endpoints), len(fabric.switches)), published_each, each)


def main() -> None:
    if not 2 <= len(sys.argv) <= 3 or not Path(sys.argv[1]).is_file():
        sys.exit(__doc__)
    prices = read_prices(Path(sys.argv[2])) if len(sys.argv) == 3 else None
    print(
        f"{'design':<22} {'radix':>5} {'endpoints':>17} {'switches':>13} {'deviation':>9} {'an endpoint':>15}"
    )
    for row in compare(Path(sys.argv[1]), prices):
        ours = row.counted or ("-", "-")
        counts = [f"{mine}/{theirs}" for mine, theirs in zip(ours, row.published, strict=True)]
        off = "-" if row.deviation is None else f"{row.deviation:+.1%}"
        costs = "/".join("-" if each is None else f"{each:,.0f}" for each in (row.each, row.published_each))
        print(f"{row.design:<22} {row.radix:>5} {counts[0]:>17} {counts[1]:>13} {off:>9} {costs:>15}")
    print("raddle's / published; '-': no form of that design, or no price")


if __name__ == "__main__":
    main()
