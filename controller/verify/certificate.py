"""The proof of deadlock freedom as a file that `scripts/check-certificate` verifies on its own.

It holds what the proof speaks of (cables, endpoints, forwarding tables) and the proof: a number for
every port of a switch that another buffer waits for or that waits itself, which grows along every
dependency. Such numbers exist exactly where no ring of waiting buffers does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address

from raddle.controller.verify.columns import Routes
from raddle.controller.verify.network import in_use, is_of_family
from raddle.topology.model import Fabric
from raddle.units import ip_text

_NO_PORT = "none"
"""In place of a port that a running switch has and the fabric file has not."""

_OUTSIDE = {"dual": ("IPv6 routes, which have the next hops of IPv4",)}


def certificate(
    fabric: Fabric,
    addresses: Iterable[int],
    entries: Mapping[str, Routes],
    rank: dict[str, int],
    policies: int = 0,
    outside: Iterable[str] = (),
) -> str:
    """One JSON object with sorted keys, ending in a newline.

    Keys: `cables` lists [port, port] that are up, `endpoints` maps a name to address and leaf port,
    `tables` maps switch to prefix to ports, as if those in reserve were in use, `ranks` maps a sending port
    to its number, `policies` counts pins by more than the destination (with any there is no proof), `outside`
    lists what else the proof leaves out.
    """
    kind, bits = (IPv6Address, 128) if fabric.addressing.families == "ipv6" else (IPv4Address, 32)
    tables = {}
    for switch in fabric.switches:
        names = [*(port.name for port in switch.ports), _NO_PORT]
        tables[switch.name] = {
            f"{ip_text(kind(prefix))}/{length}": [names[port] for port in dict.fromkeys(in_use(ports))]
            for prefix, length, ports in entries[switch.name]
            if is_of_family((prefix, length, ports), bits)
        }
    document = {
        "schema_version": 2,
        "fabric": fabric.name,
        "cables": [[str(link.a), str(link.b)] for link in fabric.links if link.is_up],
        "endpoints": {
            endpoint.name: {
                "address": ip_text(kind(address)),
                "port": str(fabric.links[endpoint.link].b),
            }
            for endpoint, address in zip(fabric.endpoints, addresses, strict=True)
        },
        "tables": tables,
        "ranks": rank,
        "policies": policies,
        "outside": [*_OUTSIDE.get(fabric.addressing.families, ()), *outside],
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"
