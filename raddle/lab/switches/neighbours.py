"""The cables that switches hear of over LLDP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from raddle.topology.model import Fabric, PortRef
from raddle.topology.views.cable_truth import SeenCable

Heard = Mapping[str, Mapping[str, Mapping[str, str]]]
"""LLDP_ENTRY_TABLE by switch: fields by port."""


def heard_cables(fabric: Fabric, heard: Heard) -> tuple[SeenCable, ...]:
    """One cable per port that has a neighbour."""
    return tuple(_cables(fabric, heard))


def _cables(fabric: Fabric, heard: Heard) -> Iterator[SeenCable]:
    aliases = {(switch.name, port.alias): port.name for switch in fabric.switches for port in switch.ports}
    names = {PortRef(switch.name, port.name) for switch in fabric.switches for port in switch.ports}
    names |= {PortRef(host.name, nic) for host in fabric.hosts for nic in host.nics}
    for switch, ports in heard.items():
        for port, fields in ports.items():
            device, told = fields.get("lldp_rem_sys_name", ""), fields.get("lldp_rem_port_id", "")
            if not device:
                continue
            # SONiC names itself by alias and puts the port's name, or what an operator wrote, beside it.
            described = PortRef(device, fields.get("lldp_rem_port_desc", ""))
            far = described if described in names else PortRef(device, aliases.get((device, told), told))
            yield SeenCable(PortRef(switch, port), far, None)
