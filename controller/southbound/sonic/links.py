"""Which cabled ports of a switch have no link, as far as the switch tells.

SONiC switches and those of PINS tell over gNMI; P4Runtime itself has no word for it (P4Runtime Specification
1.4, "In Scope": ports are managed by gNMI and OpenConfig).
"""

from __future__ import annotations

from raddle.controller.plan.model import SwitchPlan
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.errors import UnreachableError


def ports_without_link(client: GnmiClient, switch: SwitchPlan) -> tuple[str, ...] | None:
    """Ports that the plan has up and a cable at, and that are not up; None where the switch does not tell."""
    try:
        ports = client.read_tables("APPL_DB", ("PORT_TABLE",))["PORT_TABLE"]
    except UnreachableError:
        return None
    if not ports:
        return None
    return tuple(
        port.name
        for port in switch.ports
        if port.is_enabled and port.peer and ports.get(port.name, {}).get("oper_status") != "up"
    )
