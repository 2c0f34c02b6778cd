"""What a change of plan means for those who do it: what is plugged, readdressed, added and removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.topology.naming import natural


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of what differs between two plans.

    A cable moves that joins the same two devices, and the same NIC port of a host, through other ports of
    switches; that joins a NIC port to another leaf; or that stays in a port of a switch and leads from there
    to another switch, be it one that is added. `links_readdressed` are links between switches that stay in
    their ports; `endpoints_readdressed` hosts' ports; `routes` and `pins` are entries of switches that stay.
    """

    switches_added: tuple[str, ...]
    switches_removed: tuple[str, ...]
    endpoints_added: int
    endpoints_removed: int
    endpoints_readdressed: int
    cables_added: int
    cables_removed: int
    cables_moved: int
    links_readdressed: int
    switches_renumbered: tuple[str, ...]
    routes: int
    pins: int
    ports_with_other_speed: int
    switches_with_other_buffers: int
    switches_with_other_qos: int


def summarize_change(old: Plan, new: Plan) -> Summary:
    """What differs between two plans, in numbers."""
    before, after = ({switch.name: switch for switch in plan.switches} for plan in (old, new))
    both = [(before[name], after[name]) for name in before if name in after]
    was, now = dict(old.endpoints), dict(new.endpoints)
    cables, cables_now = _cables(old), _cables(new)
    gone, came = cables.keys() - cables_now.keys(), cables_now.keys() - cables.keys()
    moved = len(moved_cables(old, new))
    routes = [(_routes(a), _routes(b)) for a, b in both]
    changed = [key for a, b in routes for key in a.keys() | b.keys() if a.get(key) != b.get(key)]
    return Summary(
        switches_added=tuple(name for name in after if name not in before),
        switches_removed=tuple(name for name in before if name not in after),
        endpoints_added=len(now.keys() - was.keys()),
        endpoints_removed=len(was.keys() - now.keys()),
        endpoints_readdressed=sum(was[name] != now[name] for name in was.keys() & now.keys()),
        cables_added=len(came) - moved,
        cables_removed=len(gone) - moved,
        cables_moved=moved,
        links_readdressed=sum(cables[key] != cables_now[key] for key in cables.keys() & cables_now.keys()),
        switches_renumbered=tuple(a.name for a, b in both if identity_of(a) != identity_of(b)),
        routes=sum(origin == "fabric" for origin, _ in changed),
        pins=sum(origin == "pin" for origin, _ in changed)
        + sum(len(set(a.policies) ^ set(b.policies)) for a, b in both),
        ports_with_other_speed=sum(_with_other_speed(a, b) for a, b in both),
        switches_with_other_buffers=sum(a.buffers != b.buffers for a, b in both),
        switches_with_other_qos=sum(a.qos != b.qos for a, b in both),
    )


def moved_cables(old: Plan, new: Plan) -> tuple[Cable, ...]:
    """The cables that move to other ports (see `Summary`), where they are to be."""
    was, now = _cables(old), _cables(new)
    left: dict[tuple[str, ...], list[Cable]] = {}
    for cable in sorted(was.keys() - now.keys(), key=_place, reverse=True):
        left.setdefault(_joins(cable), []).append(cable)
    moved, others = [], []
    for cable in sorted(now.keys() - was.keys(), key=_place):
        if alike := left.get(_joins(cable)):
            alike.pop()
            moved.append(cable)
        else:
            others.append(cable)
    switches = {switch.name for plan in (old, new) for switch in plan.switches}
    gone = (cable for cables in left.values() for cable in cables if switches.issuperset(_devices(cable)))
    loose = {end: cable for cable in gone for end in cable}
    for cable in others:
        held = next((loose[end] for end in cable if end in loose), None)
        if held and switches.issuperset(_devices(cable)):
            for end in held:
                del loose[end]
            moved.append(cable)
    return tuple(sorted(moved, key=_place))


def summary_lines(summary: Summary) -> list[str]:
    """The summary as ten lines."""
    each = asdict(summary)
    return [
        f"switches: {_names('added', summary.switches_added)}, {_names('removed', summary.switches_removed)}",
        "endpoints: {endpoints_added} added, {endpoints_removed} removed".format(**each),
        f"endpoints with another address: {summary.endpoints_readdressed}",
        "cables: {cables_added} added, {cables_removed} removed".format(**each),
        f"cables to move to other ports: {summary.cables_moved}",
        f"links between switches with other addresses: {summary.links_readdressed}",
        f"switches with another loopback, MAC or AS number: {_names('', summary.switches_renumbered)}",
        "routes that change on switches that stay: {routes} shared, {pins} pinned".format(**each),
        f"cabled ports with another speed: {summary.ports_with_other_speed}",
        "switches with other buffers: {switches_with_other_buffers}, with other QoS: "
        "{switches_with_other_qos}".format(**each),
    ]


def _names(what: str, names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    return f"{len(names)} {what}".strip() + (f" ({shown})" if names else "")


Cable = tuple[str, str]
"""The ends of a cable, sorted: `leaf0:Ethernet8`."""


def _cables(plan: Plan) -> Mapping[Cable, tuple[str, ...]]:
    """The addresses of every cable, of both ends that are switches."""
    found: dict[Cable, tuple[str, ...]] = {}
    for switch in plan.switches:
        own: dict[str, list[str]] = {}
        for each in switch.interfaces:
            own.setdefault(each.name, []).append(each.prefix)
        for port in switch.ports:
            if port.peer:
                ends = sorted((f"{switch.name}:{port.name}", port.peer))
                key = (ends[0], ends[1])
                found[key] = tuple(sorted((*found.get(key, ()), *own.get(port.name, ()))))
    return found


def _joins(cable: Cable) -> tuple[str, ...]:
    """What a cable joins, whichever ports of switches it is in: NIC ports are named in full."""
    nics = [end for end in cable if ":eth" in end]
    return tuple(nics) if nics else _devices(cable)


def _devices(cable: Cable) -> tuple[str, ...]:
    return tuple(end.partition(":")[0] for end in cable)


def _place(cable: Cable) -> tuple[object, ...]:
    return tuple(map(natural, cable))


def identity_of(switch: SwitchPlan) -> tuple[object, ...]:
    """MAC, AS number and loopbacks: what others know a switch by."""
    loopbacks = tuple(each.prefix for each in switch.interfaces if each.name.startswith("Loopback"))
    return switch.mac, switch.asn, loopbacks


def _with_other_speed(old: SwitchPlan, new: SwitchPlan) -> int:
    """Ports with a cable before and after; breakouts may come between, so that places differ."""
    was, now = ({port.name: port.speed_bps for port in each.ports if port.peer} for each in (old, new))
    return sum(was[port] != now[port] for port in was.keys() & now.keys())


def _routes(switch: SwitchPlan) -> dict[tuple[str, str], tuple[object, ...]]:
    return {(route.origin, route.prefix): route.next_hops for route in switch.routes}
