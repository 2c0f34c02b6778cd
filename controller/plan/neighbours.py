"""MAC addresses of all that a switch can have at a port."""

from __future__ import annotations

from ipaddress import ip_address

from raddle.controller.plan.model import Plan


def neighbour_macs(plan: Plan) -> dict[str, str]:
    """MAC address by the name of a switch or an endpoint.

    A switch that resolves no ARP must be told its neighbours. An endpoint has 02:01 and the last four bytes
    of its address, so that it keeps its MAC address as long as that; whoever brings the endpoints up gives
    them these addresses.
    """
    macs = {switch.name: switch.mac for switch in plan.switches}
    for name, address in plan.endpoints:
        macs[name] = ":".join(f"{octet:02x}" for octet in (2, 1, *ip_address(address).packed[-4:]))
    return macs
