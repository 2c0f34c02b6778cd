"""What a fabric's tiers carry: bandwidth, oversubscription, cables, and what deserves a second look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from raddle.errors import Diagnostic
from raddle.topology.model import Fabric, Link


@dataclass(frozen=True, slots=True)
class Tier:
    """The links between two tiers. `up_bps` is one direction's sum over the links that are up."""

    name: str
    links: int
    links_up: int
    up_bps: int


@dataclass(frozen=True, slots=True)
class CableKind:
    """Cables of one tier, speed and length."""

    tier: str
    speed_bps: int
    length_m: float
    count: int


HOST_TIER = "host-leaf"
FABRIC_TIER = "leaf-spine"


def tiers(fabric: Fabric) -> tuple[Tier, ...]:
    """Host links and fabric links, summed."""
    members: dict[str, list[Link]] = {HOST_TIER: [], FABRIC_TIER: []}
    for link in fabric.links:
        members[tier_of(fabric, link)].append(link)
    return tuple(
        Tier(name, len(links), sum(x.is_up for x in links), sum(x.speed_bps for x in links if x.is_up))
        for name, links in members.items()
    )


def tier_of(fabric: Fabric, link: Link) -> str:
    return FABRIC_TIER if link.a.device in fabric.switch_by_name else HOST_TIER


def leaf_oversubscription(fabric: Fabric) -> dict[str, float]:
    """Host bandwidth over uplink bandwidth of each leaf that has both, links that are up."""
    down: Counter[str] = Counter()
    up: Counter[str] = Counter()
    for link in fabric.links:
        if link.is_up and tier_of(fabric, link) == HOST_TIER:
            down[link.b.device] += link.speed_bps
        elif link.is_up:
            up[link.a.device] += link.speed_bps
    return {name: bps / up[name] for name, bps in down.items() if up[name]}


def oversubscription(fabric: Fabric) -> float:
    """The worst leaf's; 1.0 or less is non-blocking, 0.0 is one leaf without uplinks."""
    return max(leaf_oversubscription(fabric).values(), default=0.0)


def cable_kinds(fabric: Fabric) -> tuple[CableKind, ...]:
    """A bill of cables, sorted."""
    counts = Counter((tier_of(fabric, link), link.speed_bps, link.length_m) for link in fabric.links)
    return tuple(CableKind(*kind, count) for kind, count in sorted(counts.items()))


def review(fabric: Fabric) -> tuple[Diagnostic, ...]:
    """What is allowed and yet may not be meant, as warnings."""
    return tuple(_warnings(fabric))


def _warnings(fabric: Fabric) -> Iterator[Diagnostic]:
    def warn(code: str, message: str, hint: str = "") -> Diagnostic:
        return Diagnostic(code, message, hint=hint, severity="warning")

    ratio = oversubscription(fabric)
    if ratio > 1:
        ratios = leaf_oversubscription(fabric)
        worst = max(ratios, key=lambda name: ratios[name])
        yield warn("oversubscribed", f"leaf '{worst}' has {ratio:.3g} times more host than uplink bandwidth")
    down = [link for link in fabric.links if not link.is_up]
    if down:
        more = f" and {len(down) - 1} more" if len(down) > 1 else ""
        yield warn("link-down", f"link {down[0].a} - {down[0].b}{more} is down")
    cabled = {end.device for link in fabric.links for end in (link.a, link.b)}
    for switch in fabric.switches:
        if switch.name not in cabled:
            yield warn("idle-switch", f"switch '{switch.name}' has no links")
    if fabric.roce.lossless and not fabric.roce.pfc:
        yield warn("pfc-off", "lossless classes without PFC may drop packets", "set 'pfc: true'")
    for item in fabric.roce.lossless:
        if item.priority == fabric.roce.cnp.priority:
            hint = "give CNPs a priority of their own, such as 6"
            yield warn("cnp-paused", f"CNPs share lossless priority {item.priority}: PFC delays them", hint)
