"""Address pools that a file does not give: the usual ones, or larger ones where those are too small."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_network

from raddle.topology.forms.bonds import bonded_leaves
from raddle.topology.forms.wiring import Wiring
from raddle.topology.yaml.schema_policy import AddressingSpec

LARGE = {"hosts": "10.0.0.0/9", "loopbacks": "10.252.0.0/14", "underlay": "172.16.0.0/12"}
"""By pool, what takes the place of the default. It holds the default, so that what has an address keeps it;
no two of these and of the defaults meet."""


def with_fitting_pools(spec: AddressingSpec, wiring: Wiring) -> AddressingSpec:
    """The pools with larger ones for those that are not given and too small."""
    if spec.families == "ipv6":
        return spec
    larger = {
        name: LARGE[name]
        for name, need in _needs(wiring).items()
        if name not in spec.model_fields_set and need > ip_network(getattr(spec, name)).num_addresses
    }
    return spec.model_copy(update=larger) if larger else spec


def with_large_pools(spec: AddressingSpec) -> AddressingSpec:
    """The pools with larger ones for those that are not given."""
    own = {name: pool for name, pool in LARGE.items() if name not in spec.model_fields_set}
    return spec.model_copy(update=own)


def _needs(wiring: Wiring) -> dict[str, int]:
    """Addresses that each pool must have: a block of each leaf, as large as the fullest leaf needs."""
    at: Counter[str] = Counter()
    between = 0
    for cable in wiring.cables:
        a, b = (end.device for end in cable.ends)
        if a in wiring.switches and b in wiring.switches:
            between += 1
        else:
            at[b if a in wiring.hosts else a] += 1
    leaves = sum(switch.role == "leaf" for switch in wiring.switches.values()) - len(bonded_leaves(wiring))
    block = 1 << max(1, (2 * max(at.values(), default=1) - 1).bit_length())
    return {"hosts": leaves * block, "loopbacks": len(wiring.switches), "underlay": 2 * between}
