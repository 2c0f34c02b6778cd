"""Is it the right switch? What a SONiC switch says of itself, and what the plan knows of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from raddle.controller.plan.model import SwitchPlan
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.tables import Tables

_SERIAL = "0x23"
"""Serial number (ONIE's TLV type code, as STATE_DB EEPROM_INFO has it)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a switch says of itself. Texts are empty where it does not tell.

    Attributes:
        neighbours: names of the devices that it hears over LLDP, by port.
    """

    hostname: str = ""
    hwsku: str = ""
    platform: str = ""
    mac: str = ""
    serial: str = ""
    neighbours: Mapping[str, str] = field(default_factory=dict)

    @property
    def lasting(self) -> dict[str, str]:
        """What stays with the box, for the next time."""
        return {name: value for name, value in (("mac", self.mac), ("serial", self.serial)) if value}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a switch must be. `peers` are the names of devices that its ports are cabled to, by port."""

    name: str
    hwsku: str
    platform: str
    mac: str
    peers: Mapping[str, str] = field(default_factory=dict)


def planned(switch: SwitchPlan) -> Expected:
    """What a plan says that a switch is."""
    peers = {port.name: port.peer.partition(":")[0] for port in switch.ports if port.peer}
    return Expected(switch.name, switch.hwsku, switch.platform, switch.mac, peers)


def read_identity(client: GnmiClient) -> Identity:
    """Three Gets: DEVICE_METADATA, the EEPROM and LLDP's neighbours."""
    said = identity_of(client.read_tables("CONFIG_DB", ("DEVICE_METADATA",)))
    eeprom = client.read_tables("STATE_DB", ("EEPROM_INFO",))["EEPROM_INFO"]
    heard = client.read_tables("APPL_DB", ("LLDP_ENTRY_TABLE",))["LLDP_ENTRY_TABLE"]
    return replace(
        said,
        serial=str(eeprom.get(_SERIAL, {}).get("Value", "")),
        neighbours={
            port: name for port, fields in heard.items() if (name := str(fields.get("lldp_rem_sys_name", "")))
        },
    )


def identity_of(config: Tables) -> Identity:
    """What a CONFIG_DB says of its switch."""
    metadata = config.get("DEVICE_METADATA", {}).get("localhost", {})
    hostname, hwsku, platform, mac = (
        str(metadata.get(name, "")) for name in ("hostname", "hwsku", "platform", "mac")
    )
    return Identity(hostname, hwsku, platform, mac.lower())


def mismatches(
    expected: Expected, found: Identity, macs: Mapping[str, str], before: Mapping[str, str]
) -> Iterator[str]:
    """What says that a switch is another than the one that is meant, in words.

    Args:
        macs: the names of the fabric's switches by MAC address.
        before: what the box at this address said of itself when it was last programmed.
    """
    meant = {"hostname": expected.name, "hwsku": expected.hwsku, "platform": expected.platform}
    for name, value in meant.items():
        said = getattr(found, name)
        if said and said != value:
            yield f"its {name} is '{said}', not '{value}'"
    owner = macs.get(found.mac, expected.name)
    if owner != expected.name and found.mac != expected.mac:  # two leaves with bonds have one
        yield f"its MAC address {found.mac} is that of {owner}"
    for name, value in before.items():
        said = getattr(found, name, "")
        if said and said != value:
            yield f"its {name} is {said}; at the last apply it was {value}"
    yield from _strangers(expected.peers, found.neighbours)


def _strangers(peers: Mapping[str, str], heard: Mapping[str, str]) -> Iterator[str]:
    """Neighbours of whom not one is meant. A single wrong one is a wrong cable, which `verify` finds."""
    told = {port: name for port, name in heard.items() if port in peers}
    if told and not any(_is_same(name, peers[port]) for port, name in told.items()):
        port, name = next(iter(told.items()))
        yield f"it hears {name} at {port}, where {peers[port]} should be, and no neighbour that is planned"


def _is_same(said: str, planned: str) -> bool:
    """A host name may come with its domain, and in any case."""
    return said.lower() == planned.lower() or said.lower().partition(".")[0] == planned.lower()
