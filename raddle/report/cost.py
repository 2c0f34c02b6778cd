"""What fabrics cost, as values, as text and as JSON; several are compared with the first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from raddle.units import format_rate

SCHEMA_VERSION = 1

Part = Literal["switches", "nics", "cables", "optics"]
PARTS: tuple[Part, ...] = ("switches", "nics", "cables", "optics")


@dataclass(frozen=True, slots=True)
class Item:
    """A line of a bill. `price`, `power_w` and `rack_units` are of one; `price` None: it is not known."""

    part: Part
    name: str
    count: int
    price: float | None
    power_w: float
    rack_units: float
    source: str

    @property
    def total(self) -> float:
        """Of all of them; 0 without a price."""
        return self.count * (self.price or 0.0)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a fabric is built of.

    Attributes:
        prices, prices_file, currency: whose prices.
        has_nics: NICs are part of it.
        all_reduce_gbs, ranks: bus bandwidth of an all-reduce among so many ranks; None: not measured.
    """

    fabric: str
    prices: str
    prices_file: str
    currency: str
    endpoints: int
    bisection_bps: int
    items: tuple[Item, ...]
    has_nics: bool
    all_reduce_gbs: float | None = None
    ranks: int = 0

    @property
    def total(self) -> float:
        """Of everything that has a price."""
        return sum(item.total for item in self.items)

    @property
    def power_w(self) -> float:
        return sum(item.count * item.power_w for item in self.items)

    @property
    def rack_units(self) -> float:
        return sum(item.count * item.rack_units for item in self.items)

    @property
    def unpriced(self) -> tuple[Item, ...]:
        """What has no price, and is in no sum."""
        return tuple(item for item in self.items if item.price is None)

    def part(self, part: Part) -> tuple[int, float]:
        """How many things of a part have a price, and what they cost."""
        items = [item for item in self.items if item.part == part and item.price is not None]
        return sum(item.count for item in items), sum(item.total for item in items)


@dataclass(frozen=True, slots=True)
class PartSaving:
    """What a part costs less than in the first bill: by being fewer (at the first's average price), and by
    costing less each. The two sum up to `saved`."""

    part: Part
    saved: float
    by_number: float
    by_price: float


def comparable(base: Bill, other: Bill) -> tuple[tuple[Part, ...], str]:
    """The parts that two bills can be compared in, and why not in others."""
    if base.unpriced or other.unpriced:
        return (), "no saving is worked out: items have no price"
    if base.has_nics != other.has_nics:
        parts: tuple[Part, ...] = ("switches", "cables", "optics")
        return parts, "NICs are left out of the comparison: only one of the two has prices of them"
    return PARTS, ""


def savings(base: Bill, other: Bill) -> tuple[PartSaving, ...]:
    """Where the difference between two bills comes from, part by part, in the parts that both have."""
    found = []
    for part in comparable(base, other)[0]:
        (count, cost), (other_count, other_cost) = base.part(part), other.part(part)
        if not count and not other_count:
            continue
        each = cost / count if count else 0.0
        by_number = (count - other_count) * each
        found.append(PartSaving(part, cost - other_cost, by_number, cost - other_cost - by_number))
    return tuple(found)


def cost_json(bills: Sequence[Bill]) -> str:
    """The bills and what each saves against the first, as JSON that ends in a newline."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "bills": [_bill_document(bill) for bill in bills],
        "savings": [
            {
                "fabric": bill.fabric,
                "prices": bill.prices,
                "share": saved_share(bills[0], bill),
                "parts": [asdict(part) for part in savings(bills[0], bill)],
                "left_out": comparable(bills[0], bill)[1],
            }
            for bill in bills[1:]
        ],
    }
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _bill_document(bill: Bill) -> dict[str, Any]:
    return {
        **asdict(bill),
        "total": bill.total,
        "power_w": bill.power_w,
        "rack_units": bill.rack_units,
        "unpriced": [item.name for item in bill.unpriced],
    }


def cost_csv(bills: Sequence[Bill]) -> Iterator[list[object]]:
    """Rows of a table of all items, the first with the names of columns."""
    yield ["fabric", "prices", "part", "item", "count", "price", "total", "power_w", "rack_units", "source"]
    for bill in bills:
        for item in bill.items:
            yield [
                bill.fabric, bill.prices, item.part, item.name, item.count, item.price,
                None if item.price is None else item.total, item.count * item.power_w,
                item.count * item.rack_units, item.source,
            ]  # fmt: skip


def cost_text(bills: Sequence[Bill]) -> str:
    """Each bill, then what the others save against the first."""
    lines = [line for bill in bills for line in (*_bill_lines(bill), "")]
    for bill in bills[1:]:
        lines += [*_saving_lines(bills[0], bill), ""]
    return "\n".join(lines[:-1]) + "\n"


def _bill_lines(bill: Bill) -> Iterator[str]:
    yield f"{bill.fabric} at the prices of {bill.prices}, {bill.currency}"
    width = max(len(item.name) for item in bill.items)
    yield f"{'item':<{width}}  {'count':>7}  {'each':>10}  {'sum':>14}"
    for item in bill.items:
        each = "no price" if item.price is None else money(item.price)
        total = "" if item.price is None else money(item.total)
        yield f"{item.name:<{width}}  {item.count:>7}  {each:>10}  {total:>14}"
    without = bill.unpriced
    missing = f", without the {len(without)} items that have no price" if without else ""
    yield f"total {money(bill.total)}; {bill.power_w / 1000:.4g} kW, {bill.rack_units:g} rack units{missing}"
    yield ("at least " if without else "") + "; ".join(_ratios(bill))
    if not bill.has_nics:
        yield "NICs are left out: the prices have none"


def _ratios(bill: Bill) -> Iterator[str]:
    """The total over what it buys."""
    yield f"{money(bill.total / max(1, bill.endpoints))} an endpoint of {bill.endpoints}"
    if bill.bisection_bps:
        rate = format_rate(bill.bisection_bps)
        yield f"{money(bill.total / (bill.bisection_bps / 8e9))} a GB/s of bisection ({rate})"
    else:
        yield "no bisection: its halves have no way to each other"
    if bill.all_reduce_gbs:
        each = f"{bill.ranks} ranks of {bill.all_reduce_gbs:.2f} GB/s"
        yield f"{money(bill.total / (bill.all_reduce_gbs * bill.ranks))} a GB/s of all-reduce ({each})"


def _saving_lines(base: Bill, other: Bill) -> Iterator[str]:
    parts, why = comparable(base, other)
    who, of = f"{other.fabric} ({other.prices})", f"{base.fabric} ({base.prices})"
    if why:
        yield f"{who} beside {of}: {why}"
    if not parts:
        return
    saved = sum(part.saved for part in savings(base, other))
    share = saved_share(base, other)
    word = "saves" if saved >= 0 else "costs more:"
    told = "" if share is None else f", {abs(share):.1%}"
    yield f"{who} {word} {money(abs(saved))}{told} of {of}"
    yield f"{'part':<10}  {'saved':>14}  {'by number':>14}  {'by price':>14}"
    for part in savings(base, other):
        amounts = [f"{money(each):>14}" for each in (part.saved, part.by_number, part.by_price)]
        yield "  ".join([f"{part.part:<10}", *amounts])
    if base.endpoints != other.endpoints:
        yield f"they are of different size: {base.endpoints} and {other.endpoints} endpoints"


def money(amount: float) -> str:
    """With thousands told apart; cents only below 100."""
    return f"{amount:,.2f}" if 0 < abs(amount) < 100 else f"{amount:,.0f}"


def saved_share(base: Bill, other: Bill) -> float | None:
    """What is saved, of what the parts that are compared cost in the first bill; None: nothing to compare."""
    parts = comparable(base, other)[0]
    whole = sum(base.part(part)[1] for part in parts)
    return sum(part.saved for part in savings(base, other)) / whole if whole else None
