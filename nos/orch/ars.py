"""arsorch: adaptive routing, of switches whose model has it.

Source: the draft HLD of local ARS in SONiC (PR 1958) and SAI's doc/ARS; docs/models/adaptive-routing.md has
the assumptions. Groups change with the configuration at once; SONiC's stay until their routes change.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from raddle.nos.db.databases import ConfigDb, ConfigEntry
from raddle.nos.orch.routes import AdaptiveChoice, NextHop
from raddle.state import ArsLoad, ArsObject, ArsState, PortState

_PS_PER_US = 10**6
_BASE_BPS = 10 * 10**9
"""Speed of a port whose scaling factor is 1 (SAI doc/ARS, 6.3)."""

MAX_FLOWS = 65536
"""Assumption: no switch tells more flows of a group apart."""

_MAX_FACTOR = 10**6  # a port of 10 Pb/s


def derive_ars(config: ConfigDb, ports: Sequence[PortState]) -> ArsState | None:
    """What the switch measures and how its adaptive groups choose; None without a profile or an object."""
    profile, objects = _profile(config), config.get("ARS_OBJECT", {})
    if profile is None or not objects:
        return None
    interfaces = config.get("ARS_INTERFACE", {})
    scaling = [_number(interfaces.get(port.name, {}), "scaling_factor", 0) for port in ports]
    return ArsState(
        sampling_interval_ps=max(_number(profile, "sampling_interval", 16), 1) * _PS_PER_US,
        past=_load(profile, "past", 16),
        future=_load(profile, "future", 16),
        current=_load(profile, "current", 0),
        objects=tuple(_object(name, objects[name]) for name in sorted(objects)),
        nominal_bps=tuple(
            min(factor, _MAX_FACTOR) * _BASE_BPS or port.speed_bps
            for factor, port in zip(scaling, ports, strict=True)
        ),
    )


class ArsSelector:
    """Which next-hop groups are adaptive, by the profile's `ars_nhg_path_selector_mode`.

    `global`: all, with the profile's object. `interface`: those all of whose interfaces are in ARS_INTERFACE
    with one object. `nexthop`: of these, those all of whose next hops are in ARS_NEXTHOP with one object.
    A group has two members at least. An entry without an object has the profile's.
    """

    def __init__(self, config: ConfigDb) -> None:
        found = _profile(config)
        profile = found or {}
        self._mode = "none" if found is None else str(profile.get("ars_nhg_path_selector_mode", "interface"))
        self._default = str(profile.get("default_ars_object", ""))
        self._ipv4 = str(profile.get("ipv4_enable", "true")) == "true"
        self._ipv6 = str(profile.get("ipv6_enable", "true")) == "true"
        self._places = {name: place for place, name in enumerate(sorted(config.get("ARS_OBJECT", {})))}
        self._interfaces = {
            name: str(entry.get("ars_obj_name", self._default))
            for name, entry in config.get("ARS_INTERFACE", {}).items()
        }
        self._next_hops: dict[int, str] = {}
        self._alternatives: set[int] = set()
        for key, entry in config.get("ARS_NEXTHOP", {}).items() if self._mode == "nexthop" else ():
            vrf, _, text = key.partition("|")
            if vrf != "default":
                continue
            address = int(ip_address(text))
            self._next_hops[address] = str(entry.get("ars_obj_name", self._default))
            if entry.get("role") == "alternative_path":
                self._alternatives.add(address)

    def choice_of(self, hops: tuple[NextHop, ...], is_ipv6: bool) -> AdaptiveChoice:
        """How the group of these next hops chooses."""
        live = [(hop, hop.port) for hop in hops if hop.port is not None]
        if len(live) < 2 or not (self._ipv6 if is_ipv6 else self._ipv4):
            return AdaptiveChoice()
        names = {self._object_of(hop) for hop, _ in live}
        place = self._places.get(names.pop()) if len(names) == 1 else None
        if place is None:
            return AdaptiveChoice()
        return AdaptiveChoice(place, tuple(port for hop, port in live if hop.address in self._alternatives))

    def _object_of(self, hop: NextHop) -> str:
        """The object that a next hop asks for; empty for none."""
        if self._mode == "global":
            return self._default
        name = "" if self._mode == "none" else self._interfaces.get(hop.interface, "")
        return self._next_hops.get(hop.address, "") if name and self._mode == "nexthop" else name


def _profile(config: ConfigDb) -> ConfigEntry | None:
    return next(iter(config.get("ARS_PROFILE", {}).values()), None)


def _object(name: str, entry: ConfigEntry) -> ArsObject:
    return ArsObject(
        name=name,
        is_per_packet=entry.get("assign_mode") == "per_packet_quality",
        idle_ps=_number(entry, "flowlet_idle_time", 256) * _PS_PER_US,
        max_flows=min(_number(entry, "max_flows", 0) or 512, MAX_FLOWS),
        primary_path_threshold=_number(entry, "primary_path_threshold", 16),
        alternative_path_cost=_number(entry, "alternative_path_cost", 0),
    )


def _load(profile: ConfigEntry, when: str, weight: int) -> ArsLoad:
    return ArsLoad(
        _number(profile, f"{when}_load_min_value", 0),
        _number(profile, f"{when}_load_max_value", 0),
        _number(profile, f"{when}_load_weight", weight),
    )


def _number(entry: ConfigEntry, field: str, default: int) -> int:
    return int(str(entry.get(field, default)))
