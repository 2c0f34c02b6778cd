"""Expansion: an intent or an explicit list becomes devices and cables, still as written.

Nothing here is sorted or checked beyond what expansion itself needs; every item knows its place in the
file, for messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raddle.topology.model import PortRef, Role, SwitchModel
from raddle.topology.schema import (
    DEFAULT_MODEL,
    FABRIC_CABLE_M,
    HOST_CABLE_M,
    DeviceSpec,
    FabricFile,
    HostsSpec,
    LeafSpineSpec,
    LinkSpec,
    NicSpec,
)
from raddle.topology.source import Place


@dataclass(frozen=True, slots=True)
class SwitchDraft:
    name: str
    role: Role
    model: SwitchModel
    place: Place


@dataclass(frozen=True, slots=True)
class HostDraft:
    name: str
    nics: NicSpec
    place: Place


@dataclass(frozen=True, slots=True)
class Cable:
    """A link as written: ends in any order, `speed_bps` None where the ports decide."""

    ends: tuple[PortRef, PortRef]
    speed_bps: int | None
    length_m: float
    is_up: bool
    place: Place
    speed_place: Place
    state_place: Place


@dataclass(frozen=True, slots=True)
class Wiring:
    """Devices by name, and the cables between them."""

    switches: dict[str, SwitchDraft]
    hosts: dict[str, HostDraft]
    cables: tuple[Cable, ...]

    @property
    def devices(self) -> list[str]:
        return [*self.switches, *self.hosts]

    def has(self, device: str) -> bool:
        return device in self.switches or device in self.hosts


def expand(spec: FabricFile, models: Mapping[str, SwitchModel]) -> Wiring:
    """Devices and cables of a file that `raddle.topology.checks.check_shape` passed."""
    if spec.fabric is not None:
        assert spec.hosts is not None
        return _expand_intent(spec.fabric, spec.hosts, models)
    assert spec.devices is not None
    return _expand_explicit(spec.devices, spec.links or (), models)


def port_name(model: SwitchModel, index: int) -> str:
    """SONiC's name of a front-panel port: it counts lanes."""
    return f"Ethernet{index * model.lanes_per_port}"


def _expand_intent(fabric: LeafSpineSpec, hosts: HostsSpec, models: Mapping[str, SwitchModel]) -> Wiring:
    """Hosts take a leaf's ports from 0 up, then come the uplinks, spine by spine."""
    leaf_model, spine_model = models[fabric.leaves.model], models[fabric.spines.model]
    leaves = [
        SwitchDraft(f"leaf{i}", "leaf", leaf_model, ("fabric", "leaves")) for i in range(fabric.leaves.count)
    ]
    spines = [
        SwitchDraft(f"spine{i}", "spine", spine_model, ("fabric", "spines"))
        for i in range(fabric.spines.count)
    ]
    host_count = fabric.leaves.count * hosts.per_leaf
    drafts = [HostDraft(f"host{i}", hosts.nics, ("hosts",)) for i in range(host_count)]
    cables = (*_host_cables(hosts, leaf_model, host_count), *_uplinks(fabric, hosts, leaf_model, spine_model))
    return Wiring({s.name: s for s in (*leaves, *spines)}, {host.name: host for host in drafts}, cables)


def _host_cables(hosts: HostsSpec, leaf_model: SwitchModel, host_count: int) -> list[Cable]:
    nics, place = hosts.nics, ("hosts", "nics")
    cables = []
    for host in range(host_count):
        leaf, slot = divmod(host, hosts.per_leaf)
        for nic in range(nics.count):
            port = port_name(leaf_model, slot * nics.count + nic)
            ends = (PortRef(f"host{host}", f"eth{nic}"), PortRef(f"leaf{leaf}", port))
            cables.append(Cable(ends, nics.speed, nics.cable, True, place, (*place, "speed"), place))
    return cables


def _uplinks(
    fabric: LeafSpineSpec, hosts: HostsSpec, leaf_model: SwitchModel, spine_model: SwitchModel
) -> list[Cable]:
    uplinks, place = fabric.uplinks, ("fabric", "uplinks")
    first = hosts.per_leaf * hosts.nics.count
    cables = []
    for leaf in range(fabric.leaves.count):
        for spine in range(fabric.spines.count):
            for k in range(uplinks.per_pair):
                lower = port_name(leaf_model, first + spine * uplinks.per_pair + k)
                upper = port_name(spine_model, leaf * uplinks.per_pair + k)
                ends = (PortRef(f"leaf{leaf}", lower), PortRef(f"spine{spine}", upper))
                speed_place = (*place, "speed")
                cables.append(Cable(ends, uplinks.speed, uplinks.cable, True, place, speed_place, place))
    return cables


def _expand_explicit(
    devices: Mapping[str, DeviceSpec], links: tuple[LinkSpec, ...], models: Mapping[str, SwitchModel]
) -> Wiring:
    switches = {
        name: SwitchDraft(name, device.role, models[device.model or DEFAULT_MODEL], ("devices", name))
        for name, device in devices.items()
        if device.role != "host"
    }
    hosts = {
        name: HostDraft(name, device.nics or NicSpec(), ("devices", name))
        for name, device in devices.items()
        if device.role == "host"
    }
    cables = []
    for index, link in enumerate(links):
        ends = (parse_port_ref(link.ends[0]), parse_port_ref(link.ends[1]))
        reaches_host = any(end.device in hosts for end in ends)
        length = link.cable or (HOST_CABLE_M if reaches_host else FABRIC_CABLE_M)
        place: Place = ("links", index)
        cables.append(
            Cable(ends, link.speed, length, link.state == "up", place, (*place, "speed"), (*place, "state"))
        )
    return Wiring(switches, hosts, tuple(cables))


def parse_port_ref(text: str) -> PortRef:
    """`leaf1:Ethernet0` -> its parts; the port is empty in `leaf1`."""
    device, _, port = text.partition(":")
    return PortRef(device, port)
