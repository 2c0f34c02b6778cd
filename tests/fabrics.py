"""Fabrics that many tests share, each named after what is special about it.

Each is the text of a fabric file, at whose end a test adds its own lines; `pod_running` alone is loaded.
Tests of the planner that need no file build theirs from model objects: tests/unit/controller/fabrics.py.
"""

from __future__ import annotations

import raddle
from raddle.topology.model import Fabric


def leaf_spine(
    leaves: int = 2, spines: int = 2, per_leaf: int = 2, more: str = "", *, name: str = "pod"
) -> str:
    """Two tiers; switches, cables and NICs are the schema's defaults. `more` are lines at the end."""
    return (
        f"raddle: 1\nname: {name}\n"
        f"fabric: {{leaves: {{count: {leaves}}}, spines: {{count: {spines}}}}}\n"
        f"hosts: {{per_leaf: {per_leaf}}}\n{more}"
    )


SMALL_POD = leaf_spine()
"""The smallest fabric in which leaves have a choice of spines: two of each, and four hosts."""

THREE_LEAVES = leaf_spine(leaves=3)
"""Where two leaves have no spine in common any more, a way down to the third and up again is left."""

DUAL_TOR = (
    "raddle: 1\nname: pod\nfabric: {tors: 2, leaves: {count: 4}, spines: {count: 2}}\n"
    "hosts: {per_leaf: 2, nics: {ports: 2}}\n"
)
"""Each NIC has a port to either leaf of a pair: host0 and host1 are on leaf0 and leaf1."""

BONDED = DUAL_TOR.replace("ports: 2", "ports: 2, bond: true")
"""The same, and each NIC is one bond: host0 to host3 have one address each."""

TWO_PLANES = (
    "raddle: 1\nname: pod\nfabric: {planes: 2, leaves: {count: 2}, spines: {count: 2}}\n"
    "hosts: {per_leaf: 2, nics: {count: 2}}\n"
)
"""Two fabrics with no link between them, in each of which every host has a NIC."""


def three_tiers(pods: int = 2, superspines: int = 4, more: str = "") -> str:
    """A fat tree whose pods are two leaves and two spines; `more` are lines at the end."""
    return (
        f"raddle: 1\nname: tree\nfabric: {{kind: fat-tree, pods: {pods}, leaves: {{per_pod: 2}}, "
        f"spines: {{per_pod: 2}}, superspines: {{count: {superspines}}}}}\nhosts: {{per_leaf: 2}}\n{more}"
    )


def servers_of_four(count: int) -> str:
    """Servers of four accelerators, each of which has a NIC of 100G; a leaf and a spine for each server."""
    return (
        f"raddle: 1\nname: pod\nfabric: {{leaves: {{count: {count}}}, spines: {{count: {count}}}}}\n"
        "hosts: {per_leaf: 1, accelerators: {count: 4, scale_up: {bandwidth: 1T}}, "
        "nics: {per_accelerator: 1, speed: 100G}}\n"
    )


def pod_running(
    leaf: str, spine: str, leaves: int = 2, spines: int = 2, per_leaf: int = 2, more: str = ""
) -> Fabric:
    """Two tiers of switches of 8 ports; `leaf` and `spine` are what they run: sonic, p4 or pins.

    `more` are lines at the end of the file.
    """
    return raddle.loads(
        f"""
raddle: 1
name: pod
models:
  a-leaf: {{ports: 8, port_speed: 400G, buffer: 64MB, nos: {leaf}}}
  a-spine: {{ports: 8, port_speed: 400G, buffer: 64MB, nos: {spine}}}
fabric:
  leaves: {{count: {leaves}, model: a-leaf}}
  spines: {{count: {spines}, model: a-spine}}
hosts: {{per_leaf: {per_leaf}}}
{more}
"""
    )
