"""What changes between two plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from raddle.controller.plan.model import NextHop, Plan, SwitchPlan
from raddle.topology.naming import natural


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One thing that differs. `before` is empty where `path` is new, `after` where it goes."""

    switch: str
    path: str
    before: str
    after: str


def diff_plans(old: Plan, new: Plan) -> tuple[Change, ...]:
    """Changes from one plan to another, sorted by switch and path (`routes/10.0.1.0/27`)."""
    before = {switch.name: _flatten(switch) for switch in old.switches}
    after = {switch.name: _flatten(switch) for switch in new.switches}
    return tuple(
        change
        for name in sorted(before.keys() | after.keys(), key=natural)
        for change in diff_values(name, before.get(name, {}), after.get(name, {}))
    )


def diff_values(switch: str, before: dict[str, str], after: dict[str, str]) -> Iterator[Change]:
    """Changes of one switch between two maps from path to printed value."""
    for path in sorted(before.keys() | after.keys(), key=natural):
        old, new = before.get(path, ""), after.get(path, "")
        if old != new:
            yield Change(switch, path, old, new)


def _flatten(switch: SwitchPlan) -> dict[str, str]:
    """Printed values by path: one per interface and route, one per attribute of the rest."""
    flat = {f"routes/{route.prefix}": ", ".join(map(_hop, route.next_hops)) for route in switch.routes}
    flat |= {f"policies/{policy.src}-{policy.dst}": _hop(policy.next_hop) for policy in switch.policies}
    for each in switch.interfaces:
        path = f"interfaces/{each.name}"
        flat[path] = ", ".join(filter(None, (flat.get(path), each.prefix or "unnumbered")))
    hashing = ("hash_algorithm", "hash_fields", "hash_offset", "hash_seed")
    for name in ("role", "hwsku", "platform", "mac", *hashing, "asn", "nos", "cpu_packets"):
        flat[name] = _text(getattr(switch, name))
    for port in switch.ports:
        flat |= {f"ports/{port.name}/{key}": _text(value) for key, value in asdict(port).items()}
    if switch.adaptive:
        settings = asdict(switch.adaptive.settings)
        flat["adaptive/ports"] = _text(switch.adaptive.ports)
        flat |= {f"adaptive/{key}": _text(value) for key, value in settings.items()}
    flat |= {f"qos/{key}": _text(value) for key, value in asdict(switch.qos).items()}
    buffers = asdict(switch.buffers)
    for profile in buffers.pop("profiles"):
        base = f"buffers/profiles/{profile['name']}"
        flat |= {f"{base}/{key}": _text(value) for key, value in profile.items() if key != "name"}
    flat |= {f"buffers/{key}": _text(value) for key, value in buffers.items()}
    return flat


def _hop(hop: NextHop) -> str:
    weight = f" x{hop.weight}" if hop.weight > 1 else ""
    reserve = f" distance {hop.distance}" if hop.distance > 1 else ""
    return f"{hop.address} {hop.port}{weight}{reserve}"


def _text(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={each}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)
