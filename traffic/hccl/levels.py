"""Which ranks are one level's members: servers' accelerators, servers of a super node, super nodes.

A server is a host whose accelerators a scale-up network connects, or a rank outside of any; a super node is a
domain of several hosts. Ranks with the same place in their servers meet between them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.shape import Shape
from raddle.workload import NOWHERE

Ints = NDArray[np.int64]


def servers_of(shape: Shape) -> list[list[Ints]]:
    """The ranks of each server, super node by super node; one list of all servers where there is none."""
    lone = shape.domain == NOWHERE
    domain = np.where(lone, shape.ranks + np.arange(shape.ranks), shape.domain)
    host = domain if shape.host is None else np.where(lone, domain, shape.host)
    by_domain: dict[int, dict[int, list[int]]] = {}
    for rank, (node, server) in enumerate(zip(domain.tolist(), host.tolist(), strict=True)):
        by_domain.setdefault(node, {}).setdefault(server, []).append(rank)
    nodes = [[np.array(ranks) for ranks in servers.values()] for servers in by_domain.values()]
    has_super_nodes = any(len(servers) > 1 for servers in nodes)
    return nodes if has_super_nodes else [[server for servers in nodes for server in servers]]


def grid_of(shape: Shape) -> Ints | None:
    """int64[super nodes, servers, places] of ranks; None where they are not as many everywhere."""
    nodes = servers_of(shape)
    if len({len(servers) for servers in nodes}) > 1:
        return None
    if len({len(server) for servers in nodes for server in servers}) > 1:
        return None
    return np.array(nodes, np.int64)
