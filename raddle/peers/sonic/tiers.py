"""Leaves, spines and superspines, pods and planes of adopted switches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raddle.errors import InputError
from raddle.peers.sonic.cables import Cabling
from raddle.peers.sonic.findings import Finding
from raddle.peers.sonic.reading import HeldSwitch
from raddle.topology.model import Role
from raddle.topology.naming import natural
from raddle.units import few

ROLES: tuple[Role, ...] = ("leaf", "spine", "superspine")
_RANKS = {"torrouter": 0, "leafrouter": 1, "spinerouter": 2, "upperspinerouter": 3}
"""DEVICE_METADATA types, from below; also those that begin with BackEnd."""


@dataclass(frozen=True)
class Seats:
    """Tier (0 for a leaf) and plane of each switch by name, pod of leaves and spines."""

    tier: Mapping[str, int]
    pod: Mapping[str, int]
    plane: Mapping[str, int]


def seat(switches: Sequence[HeldSwitch], cabling: Cabling) -> Seats:
    """Where the switches are; cables that do not join neighbouring tiers go to the findings.

    Raises:
        InputError: `not-in-tiers`, no switch has a host, and types do not tell; or one is cabled to none.
    """
    ends: dict[str, set[str]] = {switch.name: set() for switch in switches}
    for a, b in cabling.links:
        ends[a.device].add(b.device)
        ends[b.device].add(a.device)
    with_hosts = {port.device for nics in cabling.hosts.values() for _, port in nics}
    tier = _by_type(switches, ends, with_hosts) or _by_hosts(switches, ends, with_hosts)
    _drop_high_hosts(tier, cabling)
    _drop_odd(tier, cabling)
    plane = _parts(sorted(tier, key=natural), ends)
    below = {name: {far for far in ends[name] if tier[far] < 2} for name in tier if tier[name] < 2}
    pod = _parts(sorted(below, key=natural), below) if 2 in tier.values() else dict.fromkeys(tier, 0)
    return Seats(tier, pod, plane)


def _by_type(
    switches: Sequence[HeldSwitch], ends: Mapping[str, set[str]], with_hosts: set[str]
) -> dict[str, int]:
    """By DEVICE_METADATA type, where these fit all cables; else nothing."""
    ranks = {
        switch.name: _RANKS.get(str(switch.metadata.get("type", "")).lower().removeprefix("backend"), -1)
        for switch in switches
    }
    lowest = min(ranks.values())
    tier = {name: rank - lowest for name, rank in ranks.items()}
    fits = lowest >= 0 and all(abs(tier[a] - tier[b]) == 1 for a, far in ends.items() for b in far)
    has_leaves = any(tier[name] == 0 for name in with_hosts) or not with_hosts
    return tier if fits and max(tier.values()) < 3 and has_leaves else {}


def _by_hosts(
    switches: Sequence[HeldSwitch], ends: Mapping[str, set[str]], with_hosts: set[str]
) -> dict[str, int]:
    """What has hosts is a leaf; spines are next to leaves, superspines next to spines."""
    if not with_hosts:
        raise InputError.of(
            "not-in-tiers",
            "no switch has a host, and their types (DEVICE_METADATA) do not say which are leaves",
            "name the hosts: --cables CABLES.csv with a_device,a_port,b_device,b_port",
        )
    tier = dict.fromkeys(sorted(with_hosts), 0)
    for level in (1, 2):
        below = [name for name, at in tier.items() if at == level - 1]
        tier |= {far: level for name in below for far in sorted(ends[name]) if far not in tier}
    lost = [switch.name for switch in switches if switch.name not in tier]
    if lost:
        raise InputError.of(
            "not-in-tiers",
            f"{few(lost, 5)}: no cable leads from there to a leaf, or through more than three tiers",
            "leave their files out, or name their cables: --cables CABLES.csv",
        )
    return tier


def _drop_high_hosts(tier: Mapping[str, int], cabling: Cabling) -> None:
    for host, nics in list(cabling.hosts.items()):
        for _, port in [nic for nic in nics if tier[nic[1].device]]:
            text = f"{host} is at {port}, of a {ROLES[tier[port.device]]}: outside the fabric"
            cabling.findings.append(Finding("not adopted", port.device, str(port), text))
        nics[:] = [nic for nic in nics if not tier[nic[1].device]]
        if not nics:
            del cabling.hosts[host]


def _drop_odd(tier: Mapping[str, int], cabling: Cabling) -> None:
    odd = [(a, b) for a, b in cabling.links if abs(tier[a.device] - tier[b.device]) != 1]
    if odd:
        cabling.links = [link for link in cabling.links if link not in odd]
        for a, b in odd:
            names = f"{ROLES[tier[a.device]]} {a} and {ROLES[tier[b.device]]} {b}"
            text = f"a cable joins {names}, which are not of neighbouring tiers: outside the fabric"
            cabling.findings.append(Finding("not adopted", a.device, str(a), text))


def _parts(names: Sequence[str], ends: Mapping[str, set[str]]) -> dict[str, int]:
    """Numbers of the connected parts."""
    part: dict[str, int] = {}
    for first in names:
        if first in part:
            continue
        number, queue = max(part.values(), default=-1) + 1, [first]
        while queue:
            name = queue.pop()
            if name not in part:
                part[name] = number
                queue += ends[name]
    return part
