"""A fabric's bill of materials at prices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from raddle.lab.cost.prices import Prices
from raddle.report.cost import Bill, Item
from raddle.report.model import BenchResult
from raddle.topology.model import Fabric
from raddle.topology.views.bisection import bisection_bps
from raddle.topology.views.capacity import cable_kinds
from raddle.units import format_length, format_rate


def bill_of(fabric: Fabric, prices: Prices, all_reduce: BenchResult | None = None) -> Bill:
    """What the fabric is built of and what that costs; dead and drained links are built, too.

    Args:
        all_reduce: what an all-reduce over it reached, for what its bandwidth costs.
    """
    spec = prices.spec
    return Bill(
        fabric=fabric.name,
        prices=spec.name,
        prices_file=prices.file,
        currency=spec.currency,
        endpoints=len(fabric.endpoints),
        bisection_bps=bisection_bps(fabric),
        items=(*_switches(fabric, prices), *_nics(fabric, prices), *_cables(fabric, prices)),
        has_nics=bool(spec.nics),
        all_reduce_gbs=all_reduce.rows[0].busbw_gbs if all_reduce else None,
        ranks=all_reduce.ranks if all_reduce else 0,
    )


def _switches(fabric: Fabric, prices: Prices) -> Iterator[Item]:
    spec = prices.spec
    for (role, model), count in Counter((each.role, each.model.name) for each in fabric.switches).items():
        entry = spec.switches.get(model)
        name = f"{model} as {role}"
        if entry is None:
            yield Item("switches", name, count, None, 0.0, 0.0, "")
        else:
            source = _source(entry.source or spec.source, entry.date or spec.date)
            yield Item("switches", name, count, entry.price, entry.power, entry.rack_units, source)


def _nics(fabric: Fabric, prices: Prices) -> Iterator[Item]:
    spec = prices.spec
    servers = (each for each in fabric.endpoints if each.host < fabric.servers)
    ports = Counter(fabric.hosts[endpoint.host].nic_model.speed_bps for endpoint in servers)
    for speed_bps, count in sorted(ports.items()) if spec.nics else ():
        entry, name = spec.nics.get(speed_bps), f"NIC port {format_rate(speed_bps)}"
        if entry is None:
            yield Item("nics", name, count, None, 0.0, 0.0, "")
        else:
            source = _source(entry.source or spec.source, entry.date or spec.date)
            yield Item("nics", name, count, entry.price, entry.power, entry.rack_units, source)


def _cables(fabric: Fabric, prices: Prices) -> Iterator[Item]:
    spec = prices.spec
    for kind in cable_kinds(fabric):
        what = f"{kind.speed} {kind.medium}".rstrip()
        name = f"{what} {format_length(kind.length_m)}, {kind.tier}"
        entry = prices.cable(kind)
        if entry is None:
            yield Item("cables", name, kind.count, None, 0.0, 0.0, "")
            continue
        source = _source(entry.source or spec.source, entry.date or spec.date)
        cable = (entry.price or 0.0) + (entry.per_metre or 0.0) * kind.length_m
        yield Item("cables", name, kind.count, cable, entry.power, 0.0, source)
        if entry.optic:
            yield Item("optics", f"{what}, {kind.tier}", 2 * kind.count, entry.optic, 0.0, 0.0, source)


def _source(source: str, date: str) -> str:
    return f"{source}, {date}"
