"""The page of `raddle cost`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from raddle.report.cost import PARTS, Bill, comparable, money, savings
from raddle.report.page.model import Axis, Figure, Page, bars, table


def cost_page(bills: Sequence[Bill]) -> Page:
    """Of bills, the others beside the first."""
    without = [f"{bill.fabric}: no price for {item.name}" for bill in bills for item in bill.unpriced]
    return Page(
        title="Cost of " + ", ".join(dict.fromkeys(bill.fabric for bill in bills)),
        subtitle="raddle cost: prices of " + ", ".join(dict.fromkeys(bill.prices for bill in bills)),
        verdict=f"{len(without)} items have no price and are in no sum" if without else "",
        findings=tuple(without),
        facts=tuple((_name(bill), f"{money(bill.total)} {bill.currency}") for bill in bills),
        notes=tuple(f"{_name(bill)}: NICs are left out" for bill in bills if not bill.has_nics),
        figures=tuple(_figures(bills)),
    )


def _name(bill: Bill) -> str:
    return f"{bill.fabric}, {bill.prices}"


def _figures(bills: Sequence[Bill]) -> Iterator[Figure]:
    currency = bills[0].currency
    yield bars(
        "Cost of an endpoint",
        "The total over the number of NIC ports.",
        Axis("cost", currency),
        [(_name(bill), bill.total / max(1, bill.endpoints)) for bill in bills],
    )
    for bill in bills:
        yield bars(
            f"Parts of {_name(bill)}",
            f"{bill.power_w / 1000:.4g} kW, {bill.rack_units:g} rack units.",
            Axis("cost", bill.currency),
            [(part, bill.part(part)[1]) for part in PARTS if bill.part(part)[0]],
        )
    for bill in bills[1:]:
        yield table(
            f"What {_name(bill)} saves",
            f"Against {_name(bills[0])}: by being fewer, at its average price, and by costing less each. "
            + comparable(bills[0], bill)[1],
            [Axis("part"), Axis("saved", currency), Axis("by number", currency), Axis("by price", currency)],
            [[each.part, each.saved, each.by_number, each.by_price] for each in savings(bills[0], bill)],
        )
    yield table(
        "Items",
        "Each with the source of its price.",
        [
            Axis("fabric"), Axis("prices"), Axis("part"), Axis("item"), Axis("count"), Axis("each", currency),
            Axis("sum", currency), Axis("power", "W"), Axis("rack units"), Axis("source"),
        ],
        [
            [
                bill.fabric, bill.prices, item.part, item.name, item.count, item.price,
                None if item.price is None else item.total, item.count * item.power_w,
                item.count * item.rack_units, item.source,
            ]
            for bill in bills
            for item in bill.items
        ],
    )  # fmt: skip
