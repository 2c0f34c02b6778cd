"""MAC addresses of all that a switch can have at a port."""

from __future__ import annotations

from raddle.controller.plan.model import Plan


def neighbour_macs(plan: Plan) -> dict[str, str]:
    """MAC address by the name of a switch or an endpoint.

    A switch that resolves no ARP must be told its neighbours. Endpoint i has 02:01:00:00 and i in two bytes;
    whoever brings the endpoints up gives them these addresses.
    """
    macs = {switch.name: switch.mac for switch in plan.switches}
    for index, endpoint in enumerate(plan.endpoints):
        macs[endpoint[0]] = f"02:01:00:00:{index >> 8 & 255:02x}:{index & 255:02x}"
    return macs
