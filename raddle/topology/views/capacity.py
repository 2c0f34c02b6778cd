"""What a fabric's tiers carry: bandwidth, oversubscription, cables, and what deserves a look."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.errors import Diagnostic, Place
from raddle.topology.model import Fabric, Link, Medium, PortRef
from raddle.topology.views.uplinks import ports_without_uplinks
from raddle.units import counted, format_rate, format_time

TIER_NAMES = ("host-leaf", "leaf-spine", "spine-superspine", "outside-leaf")
"""Names of the tiers of links, from the hosts up; last those to the outside."""

OUTSIDE = 3
"""Number of the tier of links to the outside."""

_LEAF, _SPINE = 1, 2

_FEW = 1 / 8
"""Largest share of NICs of another speed that may be a mistake rather than a second kind of host."""


@dataclass(frozen=True, slots=True)
class Tier:
    """The links between two tiers. `up_bps` is one direction's sum over the links that are up."""

    name: str
    links: int
    links_up: int
    up_bps: int


@dataclass(frozen=True, slots=True)
class CableKind:
    """Cables of one tier, speed of a link, length and medium (empty where the file gives none), each of so
    many links."""

    tier: str
    speed_bps: int
    length_m: float
    medium: str
    count: int
    links: int = 1

    @property
    def cable_bps(self) -> int:
        """What a whole cable carries each way."""
        return self.speed_bps * self.links

    @property
    def speed(self) -> str:
        """`400G`, or `2 x 400G`."""
        text = format_rate(self.speed_bps)
        return f"{self.links} x {text}" if self.links > 1 else text


def tiers(fabric: Fabric) -> tuple[Tier, ...]:
    """The links of each tier, summed: hosts, leaves, in three tiers spines, the outside if it is there."""
    arrays = fabric.arrays
    tier_of = np.array(link_tiers(fabric), np.int64)
    result = []
    for tier, name in enumerate(TIER_NAMES):
        if (tier == 2 and not fabric.superspines) or (
            tier == OUTSIDE and fabric.servers == len(fabric.hosts)
        ):
            continue
        chosen = tier_of == tier
        up = chosen & arrays.carries
        result.append(Tier(name, int(chosen.sum()), int(up.sum()), int(arrays.speed_bps[up].sum())))
    return tuple(result)


def link_tiers(fabric: Fabric) -> list[int]:
    """Of each link, its tier's place in `TIER_NAMES`."""
    arrays, servers = fabric.arrays, fabric.servers
    is_outside = (arrays.a >= servers) & (arrays.a < len(fabric.hosts))
    found: list[int] = np.where(is_outside, OUTSIDE, arrays.tier).tolist()
    return found


def down_and_up_bps(fabric: Fabric) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bandwidth of each device's up links to the tier below and to the tier above, in bits per second.

    Devices are numbered as in `Fabric.arrays`. Links to the outside are not below a leaf.
    """
    arrays = fabric.arrays
    down = np.zeros(len(arrays.device_tier), np.int64)
    up = np.zeros_like(down)
    alive = arrays.carries
    is_inside = alive & ~((arrays.a >= fabric.servers) & (arrays.a < len(fabric.hosts)))
    np.add.at(down, arrays.b[is_inside], arrays.speed_bps[is_inside])
    np.add.at(up, arrays.a[alive], arrays.speed_bps[alive])
    return down, up


def _ratios(fabric: Fabric, tier: int) -> dict[str, float]:
    down, up = down_and_up_bps(fabric)
    first = len(fabric.hosts)
    chosen = np.flatnonzero((fabric.arrays.device_tier == tier) & (down > 0) & (up > 0))
    return {fabric.switches[device - first].name: float(down[device] / up[device]) for device in chosen}


def leaf_oversubscription(fabric: Fabric) -> dict[str, float]:
    """Host bandwidth over uplink bandwidth of each leaf that has both, links that are up."""
    return _ratios(fabric, _LEAF)


def tier_oversubscription(fabric: Fabric) -> dict[str, float]:
    """Bandwidth below over bandwidth above of the worst leaf, and of the worst spine under superspines."""
    tiers = {"leaves": _ratios(fabric, _LEAF), "spines": _ratios(fabric, _SPINE)}
    return {tier: max(ratios.values()) for tier, ratios in tiers.items() if ratios}


def oversubscription(fabric: Fabric) -> float:
    """The worst leaf's, times the worst spine's where there are superspines and that is more than 1.

    1.0 or less is non-blocking, 0.0 is a single tier. Spare uplinks of spines give leaves none.
    """
    tiers = tier_oversubscription(fabric)
    return tiers.get("leaves", 0.0) * max(1.0, tiers.get("spines", 1.0))


def capacity_text(fabric: Fabric) -> str:
    """How far leaves are oversubscribed, in words; where parts have no way to one another, of each part."""
    ratio = oversubscription(fabric)
    said = "non-blocking" if ratio <= 1 else f"oversubscribed {ratio:.3g}:1"
    is_apart = any(each.code == "cut-off" for each in fabric.warnings)
    return f"{said} where there is a way" if is_apart else said


def cable_kinds(fabric: Fabric) -> tuple[CableKind, ...]:
    """A bill of cables, sorted from the hosts up.

    Of cables that a plane shares with its copies it has the equal part, rounded up.
    """
    tiers_of = link_tiers(fabric)
    alike = Counter(
        (
            (tiers_of[link.index], link.speed_bps, link.length_m, str(link.medium or ""), link.per_cable),
            link.a.device,
        )
        for link in fabric.links
    )
    counts: Counter[tuple[int, int, float, str, int]] = Counter()
    for (kind, _), links in alike.items():
        counts[kind] += -(-links * _planes_beside(fabric, kind[0]) // kind[-1])
    return tuple(
        CableKind(
            TIER_NAMES[tier], speed_bps, length_m, medium, -(-count // _planes_beside(fabric, tier)), links
        )
        for (tier, speed_bps, length_m, medium, links), count in sorted(counts.items())
    )


def cables_of(fabric: Fabric) -> list[int]:
    """The first link of each link's cable. It has links of one device, alike and one after another; ports of
    hosts go round the planes, also those that are copies."""
    tiers_of = link_tiers(fabric)
    seen: Counter[tuple[str, int, int, float, Medium | None]] = Counter()
    first: dict[tuple[tuple[str, int, int, float, Medium | None], int], int] = {}
    cables = []
    for link in fabric.links:
        alike = link.a.device, link.per_cable, link.speed_bps, link.length_m, link.medium
        planes = _planes_beside(fabric, tiers_of[link.index])
        number = seen[alike] * planes + (fabric.copies.kept if fabric.copies and planes > 1 else 0)
        seen[alike] += 1
        cables.append(first.setdefault((alike, number // link.per_cable), link.index))
    return cables


def _planes_beside(fabric: Fabric, tier: int) -> int:
    """Planes whose links of the tier may share cables with those of `fabric`, itself one; only hosts are in
    several."""
    return fabric.copies.planes if fabric.copies and tier == 0 else 1


_ENDS = 2
"""Cables that a cage takes."""

_CABLE_KEYS: dict[int, Place] = {
    0: ("hosts", "nics", "links_per_cable"),
    1: ("fabric", "uplinks", "links_per_cable"),
    2: ("fabric", "spine_uplinks", "links_per_cable"),
}


def review(fabric: Fabric) -> tuple[Diagnostic, ...]:
    """What is allowed and yet may not be meant, as warnings."""
    return tuple(_warnings(fabric))


_PLACES: dict[str, Place] = {
    "link-down": ("overrides", "links"),
    "link-drained": ("overrides", "drain"),
    "rto-too-short": ("hosts", "nics", "rto"),
    "pfc-off": ("roce", "pfc"),
    "best-effort-lossless": ("roce", "lossless"),
    "cnp-paused": ("roce", "cnp", "priority"),
}
"""Where in the fabric file the cause of each warning is, or what is nearest to it there."""


def _warn(code: str, message: str, hint: str = "", place: Place = ()) -> Diagnostic:
    return Diagnostic(code, message, hint=hint, severity="warning", place=place or _PLACES.get(code, ()))


def _place(fabric: Fabric, device: str, key: Place) -> Place:
    """The key of a form, or the device where the file lists its devices."""
    return ("devices", device) if fabric.is_listed else key


def _warnings(fabric: Fabric) -> Iterator[Diagnostic]:
    yield from fabric.warnings
    for ratios, role, below, above, key in (
        (leaf_oversubscription(fabric), "leaf", "host", "uplink", "uplinks"),
        (_ratios(fabric, _SPINE), "spine", "leaf", "superspine", "spine_uplinks"),
    ):
        worst = max(ratios, key=lambda name: ratios[name], default="")
        if worst and ratios[worst] > 1:
            message = f"{role} '{worst}' has {ratios[worst]:.3g} times more {below} than {above} bandwidth"
            yield _warn("oversubscribed", message, place=_place(fabric, worst, ("fabric", key)))
    shut = set(ports_without_uplinks(fabric))  # which have a warning of their own
    down = [link for link in fabric.links if not link.is_up and link.index not in shut]
    if down:
        more = f" and {len(down) - 1} more are down" if len(down) > 1 else " is down"
        yield _warn("link-down", f"link {down[0].a} - {down[0].b}{more}")
    drained = [link for link in fabric.links if link.is_drained]
    if drained:
        more = f" and {len(drained) - 1} more are drained" if len(drained) > 1 else " is drained"
        yield _warn("link-drained", f"link {drained[0].a} - {drained[0].b}{more}")
    yield from _nic_warnings(fabric)
    cabled = {end.device for link in fabric.links for end in (link.a, link.b)}
    for switch in fabric.switches:
        if switch.name not in cabled:
            place = _place(fabric, switch.name, ("overrides", "remove"))
            yield _warn("idle-switch", f"switch '{switch.name}' has no links", place=place)
    yield from cable_warnings(fabric)
    yield from _group_warnings(fabric)
    yield from _roce_warnings(fabric)
    yield from _timeout_warnings(fabric)


def cable_warnings(fabric: Fabric) -> Iterator[Diagnostic]:
    """Cables that cannot be plugged in as they are, or that are partly empty: the first of each tier.

    A cable that leads to several switches splits, and its ends are plugged in where there is room: a cage
    takes two (assumption: twin-port optics). Where links of more are in one, a shuffle box or cable joins
    them.
    """
    if all(link.per_cable == 1 for link in fabric.links):
        return
    cables: dict[int, list[Link]] = defaultdict(list)
    cage_of = _cages(fabric)
    inside: dict[tuple[str, int], set[int]] = defaultdict(set)
    for link, cable in zip(fabric.links, cables_of(fabric), strict=True):
        cables[cable].append(link)
        inside[cage_of[link.b]].add(cable)
    tiers = link_tiers(fabric)
    planes = fabric.copies.planes if fabric.copies else 1
    told: set[tuple[str, int]] = set()
    for links in cables.values():
        first, tier = links[0], tiers[links[0].index]
        if first.per_cable == 1 or tier == OUTSIDE:
            continue
        beside = planes if tier == 0 else 1
        place = ("links", first.index) if fabric.is_listed else _CABLE_KEYS[tier]
        switches = len({link.b.device for link in links})
        shared = next((link.b for link in links if len(inside[cage_of[link.b]]) > _ENDS), None)
        if (switches > 1 or beside > 1) and shared and ("shuffle", tier) not in told:
            told.add(("shuffle", tier))
            to = f"{switches} switches" if beside == 1 else f"{min(beside, first.per_cable)} planes"
            others = len(inside[cage_of[shared]])
            message = (
                f"a cable of '{first.a.device}' carries links to {to}, "
                f"where {others} cables are in the cage of '{shared}'"
            )
            hint = "it is a shuffle box or cable; else let each cable have links to one switch alone"
            yield Diagnostic("shuffle-cable", message, hint=hint, severity="warning", place=place)
        if beside == 1 and len(links) < first.per_cable and ("empty", tier) not in told:
            told.add(("empty", tier))
            message = (
                f"a cable of '{first.a.device}' carries {counted(len(links), 'link', 'links')} "
                f"of {first.per_cable}"
            )
            hint = "take a number of links per cable that divides those of a device"
            yield Diagnostic("cable-not-full", message, hint=hint, severity="warning", place=place)


def _cages(fabric: Fabric) -> dict[PortRef, tuple[str, int]]:
    """By port of a switch: the cage that it is broken out of."""
    return {
        PortRef(switch.name, port.name): (switch.name, port.index)
        for switch in fabric.switches
        for port in switch.ports
    }


def _nic_warnings(fabric: Fabric) -> Iterator[Diagnostic]:
    """Links slower than their NICs; else a few NICs of another speed among many.

    Beside hosts with accelerators others, which are no ranks, may have what speed they like.
    """
    ranked = [host.accelerators is not None for host in fabric.hosts[: fabric.servers]]
    if not any(ranked):
        ranked = [True] * fabric.servers
    pairs = [
        (fabric.links[each.link], fabric.hosts[each.host].nic_model.speed_bps)
        for each in fabric.endpoints
        if each.host < fabric.servers and ranked[each.host]
    ]
    slow = [(link, own_bps) for link, own_bps in pairs if link.speed_bps < own_bps]
    usual_bps = Counter(link.speed_bps for link, _ in pairs).most_common(1)[0][0]
    odd = [(link, usual_bps) for link, _ in pairs if link.speed_bps != usual_bps]
    found, other = (slow, "its NIC") if slow else (odd, "most NICs")
    if slow or 0 < len(odd) <= len(pairs) * _FEW:
        link, bps = found[0]
        more = f"; {len(found)} links are so" if len(found) > 1 else ""
        speeds = f"{format_rate(link.speed_bps)}, {other} at {format_rate(bps)}"
        hint = "a collective is as fast as its slowest NIC"
        place = _place(fabric, link.a.device, ("hosts", "nics"))
        yield _warn("nic-speed", f"link {link.a} - {link.b} runs at {speeds}{more}", hint, place)


def _group_warnings(fabric: Fabric) -> Iterator[Diagnostic]:
    """Next-hop groups of all uplinks that the switch's tables cannot hold; one warning per model."""
    arrays, first = fabric.arrays, len(fabric.hosts)
    uplinks = np.bincount(arrays.a[arrays.is_up], minlength=len(arrays.device_tier))[first:]
    told = set()
    for switch, width in zip(fabric.switches, uplinks.tolist(), strict=True):
        tables = switch.model.tables
        if width > tables.most_of_group and switch.model.name not in told:
            told.add(switch.model.name)
            message = (
                f"'{switch.name}' has {width} uplinks; a next-hop group of '{switch.model.name}' has "
                f"{tables.most_of_group}{'' if tables.group_size else ', as its model does not say'}: "
                "each group has a part of them, another for other leaves"
            )
            hint = "take fewer uplinks, or say 'tables: {group_size: ...}' of the model if it holds more"
            place = _place(fabric, switch.name, ("fabric", "uplinks"))
            yield _warn("group-too-large", message, hint, place)


def _timeout_warnings(fabric: Fabric) -> Iterator[Diagnostic]:
    """A retransmission timeout within the longest way there and back repeats what is not lost. A receiver
    that acknowledges every so many packets answers only when they have come."""
    mtu_bits = fabric.roce.mtu_bytes * 8
    tiers = fabric.arrays.tier.tolist()
    longest_ps: dict[int, int] = {}
    for link in fabric.links:
        wire_ps = -(-mtu_bits * 10**12 // link.speed_bps)
        way_ps = wire_ps + link.delay_ps + fabric.phy.fec_latency_ps
        longest_ps[tiers[link.index]] = max(longest_ps.get(tiers[link.index], 0), way_ps)
    latency_ps = max(switch.model.pipeline_latency_ps for switch in fabric.switches)
    round_trip_ps = 4 * sum(longest_ps.values()) + 2 * (2 * len(longest_ps) - 1) * latency_ps
    slowest_bps = min(fabric.links[each.link].speed_bps for each in fabric.endpoints)
    awaited = max(host.nic_model.ack_interval for host in fabric.hosts) - 1
    round_trip_ps += awaited * -(-mtu_bits * 10**12 // slowest_bps)
    rto_ps = min(host.nic_model.rto_ps for host in fabric.hosts)
    if rto_ps <= round_trip_ps:
        message = (
            f"'rto' of {format_time(rto_ps)} is within the longest round trip of about "
            f"{format_time(round_trip_ps)}: NICs repeat what is not lost"
        )
        yield _warn("rto-too-short", message, "set 'nics: {rto: ...}' well above it; the default is 67ms")


def _roce_warnings(fabric: Fabric) -> Iterator[Diagnostic]:
    speeds = {link.speed_bps for link in fabric.links}
    for row, (speed, _) in enumerate(fabric.roce.ecn_speeds):
        if speed not in speeds:
            place: Place = ("roce", "ecn", "speeds", row, "speed")
            yield _warn(
                "ecn-unused", f"no link runs at {format_rate(speed)}, whose ports are to mark so", place=place
            )
    if fabric.roce.lossless and not fabric.roce.pfc:
        yield _warn("pfc-off", "lossless classes without PFC may drop packets", "set 'pfc: true'")
    for item in fabric.roce.lossless:
        if item.priority == 0:
            message = "priority 0 is lossless, and everything that no class names has it: all of that pauses"
            yield _warn(
                "best-effort-lossless", message, "give the lossless class another priority, such as 3"
            )
        if item.priority == fabric.roce.cnp.priority:
            hint = "give CNPs a priority of their own, such as 6"
            yield _warn("cnp-paused", f"CNPs share lossless priority {item.priority}: PFC delays them", hint)
