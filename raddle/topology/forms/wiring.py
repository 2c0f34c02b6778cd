"""Drafts of devices and cables, as written or expanded, before they are checked.

Nothing here is sorted; every item knows its place in the file, for messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from raddle.topology.model import Medium, Outside, PortRef, Role, SwitchModel
from raddle.topology.ports import PortShape, Profile, front_panel, native_speeds
from raddle.topology.yaml.schema_devices import (
    DEFAULT_MODEL,
    FABRIC_CABLE_M,
    HOST_CABLE_M,
    AcceleratorSpec,
    Breakout,
    DeviceSpec,
    LinkSpec,
    NicSpec,
)
from raddle.topology.yaml.source import Place

TIER_NAMES = ("host", "leaf", "spine", "superspine")


@dataclass(frozen=True, slots=True)
class SwitchDraft:
    name: str
    role: Role
    model: SwitchModel
    place: Place
    profile: Profile = ()
    pod: int = 0
    plane: int = 0
    slot: tuple[int, ...] = ()

    @property
    def tier(self) -> int:
        """1 for a leaf, 2 for a spine, 3 for a superspine."""
        return TIER_NAMES.index(self.role)

    @property
    def panel(self) -> tuple[PortShape, ...]:
        return front_panel(self.model, self.profile)

    @property
    def native_bps(self) -> dict[str, int]:
        """Speed of each port in bits per second, by name."""
        return native_speeds(self.model, self.profile)


@dataclass(frozen=True)
class HostDraft:
    name: str
    nics: NicSpec
    place: Place
    accelerators: AcceleratorSpec | None = None
    slot: tuple[int, ...] = ()
    domain: tuple[str | int, int] | None = None
    """What shares a scale-up domain with it has the same."""
    first_nic: int = 0
    """NICs that the host has in networks of the file before this one."""
    outside: Outside | None = None
    """What it is, where it stands for a router that is no part of the fabric."""

    @property
    def nic_count(self) -> int:
        return nic_count(self.nics, self.accelerators)

    @cached_property
    def ports(self) -> tuple[str, ...]:
        """Port names: `eth0`, or `eth0p0`, `eth0p1` where a NIC has several."""
        return _nic_ports(self.first_nic, self.nic_count, self.nics.ports)


def nic_count(nics: NicSpec, accelerators: AcceleratorSpec | None) -> int:
    """NICs of a host."""
    if nics.per_accelerator is not None:
        return nics.per_accelerator * (accelerators.count if accelerators else 1)
    if nics.accelerators_per_nic is not None:
        return max(1, accelerators.count // nics.accelerators_per_nic) if accelerators else 1
    return nics.count or 1


def domain_size(accelerators: AcceleratorSpec | None) -> int:
    """Hosts of a scale-up domain."""
    return accelerators.scale_up.hosts if accelerators and accelerators.scale_up else 1


def _nic_ports(first: int, nics: int, ports: int) -> tuple[str, ...]:
    numbers = range(first, first + nics)
    if ports == 1:
        return tuple(f"eth{nic}" for nic in numbers)
    return tuple(f"eth{nic}p{port}" for nic in numbers for port in range(ports))


class Cable(NamedTuple):
    """A link as written: ends in any order, `speed_bps` None where the ports decide.

    `state_place` is where the file says that it is down or drained.
    """

    ends: tuple[PortRef, PortRef]
    speed_bps: int | None
    length_m: float
    is_up: bool
    place: Place
    speed_place: Place
    state_place: Place
    medium: Medium | None = None
    is_drained: bool = False
    per_cable: int = 1


@dataclass(frozen=True)
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

    @cached_property
    def tiers(self) -> dict[str, int]:
        """Tier of each device: 0 for a host, 1 for a leaf, 2 for a spine, 3 for a superspine."""
        return dict.fromkeys(self.hosts, 0) | {name: draft.tier for name, draft in self.switches.items()}


def profile_of(breakout: Breakout) -> Profile:
    return tuple((each.ports, each.mode) for each in breakout)


def expand_explicit(
    devices: Mapping[str, DeviceSpec],
    links: tuple[LinkSpec, ...],
    models: Mapping[str, SwitchModel],
    first_nics: Mapping[str, int],
) -> Wiring:
    """Devices and cables of an explicit file; `first_nics` are those of hosts with NICs in other networks."""
    switches, hosts = {}, {}
    alike: dict[AcceleratorSpec | None, tuple[str, int]] = {}
    for name, device in devices.items():
        place: Place = ("devices", name)
        if device.role == "host":
            inside = device.accelerators
            first, number = alike.get(inside, (name, 0))
            alike[inside] = first, number + 1
            domain = (first, number // domain_size(inside))
            nics, before = device.nics or NicSpec(), first_nics.get(name, 0)
            hosts[name] = HostDraft(name, nics, place, inside, domain=domain, first_nic=before)
            continue
        switches[name] = SwitchDraft(
            name=name,
            role=device.role,
            model=models[device.model or DEFAULT_MODEL],
            place=place,
            profile=profile_of(device.breakout or ()),
            pod=device.pod,
            plane=device.plane,
        )
    cables = tuple(listed_cable(link, ("links", i), hosts) for i, link in enumerate(links))
    return Wiring(switches, hosts, cables)


def listed_cable(link: LinkSpec, place: Place, hosts: Mapping[str, HostDraft]) -> Cable:
    """A cable that the file lists."""
    ends = (parse_port_ref(link.ends[0]), parse_port_ref(link.ends[1]))
    reaches_host = ends[0].device in hosts or ends[1].device in hosts
    return Cable(
        ends=ends,
        speed_bps=link.speed,
        length_m=link.cable or (HOST_CABLE_M if reaches_host else FABRIC_CABLE_M),
        is_up=link.state == "up",
        place=place,
        speed_place=(*place, "speed"),
        state_place=(*place, "state"),
        medium=link.medium,
        per_cable=link.links_per_cable,
    )


def parse_port_ref(text: str) -> PortRef:
    """`leaf1:Ethernet0` -> its parts; the port is empty in `leaf1`."""
    device, _, port = text.partition(":")
    return PortRef(device, port)
