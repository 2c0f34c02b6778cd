"""A fabric file to start from with networks beside the accelerators' own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from textwrap import indent

from raddle.topology.load import loads
from raddle.topology.starter import StarterRequest, starter

_SAYS = {
    "storage": "NVMe over RDMA: lossless as the back-end; storage servers are hosts of their own",
    "frontend": "TCP: nothing is lossless",
}
_POLICY = {"storage": "", "frontend": "roce: {lossless: [], pfc: false}\nrouting: {policy: ecmp}\n"}


def with_networks(request: StarterRequest, rates_bps: Mapping[str, int]) -> str:
    """The back-end that `starter` writes, and networks in which each server has a NIC of such a rate.

    Raises:
        InputError: as `starter`, of any of them.
    """
    backend = starter(request)
    servers = len(loads(backend).hosts)
    head, _, body = backend.partition("fabric:\n")
    parts = [head, "networks:\n", "  backend:\n", indent("fabric:\n" + body, "    ")]
    for name, rate_bps in rates_bps.items():
        own = replace(
            request,
            kind="leaf-spine",
            accelerators=servers,
            per_server=1,
            nic_bps=rate_bps,
            breakout=None,
            leaves=None,
            spines=None,
            nic_ports=1,
            planes=1,
            tors=1,
            bond=False,
        )
        parts += [f"  {name}:   # {_SAYS[name]}\n", indent(_network(starter(own), servers), "    ")]
        parts.append(indent(_POLICY[name], "    "))
    return "".join(parts)


def _network(text: str, servers: int) -> str:
    """Form and hosts of a starter file, for NICs of hosts that another network has, too."""
    fabric = text[text.index("fabric:\n") : text.index("hosts:\n")]
    per_leaf = next(line for line in text.splitlines() if line.startswith("  per_leaf:"))
    nics = next(line for line in text.splitlines() if line.startswith("  nics:"))
    return f"{fabric}hosts:\n{per_leaf}\n  count: {servers}\n{nics.replace('per_accelerator', 'count')}\n"
