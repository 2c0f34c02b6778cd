"""A peer's topology in the engine's order, and its shortest paths."""

from __future__ import annotations

from collections import defaultdict, deque

import numpy as np

from raddle.errors import InputError
from raddle.peers.files import PeerFlows, PeerLink, PeerTopology
from raddle.peers.models import PeerModel
from raddle.peers.paths import ns3_hash


class PeerNetwork:
    """A topology in the engine's order: hosts, then switches, ports grouped by node."""

    def __init__(self, topology: PeerTopology, model: PeerModel) -> None:
        is_switch = np.zeros(topology.nodes, np.bool_)
        is_switch[list(topology.switches)] = True
        self.hosts = np.flatnonzero(~is_switch)
        self.switches = np.flatnonzero(is_switch)
        self.rank = np.zeros(topology.nodes, np.int64)
        self.rank[self.hosts] = np.arange(len(self.hosts))
        self.rank[self.switches] = len(self.hosts) + np.arange(len(self.switches))
        self.cables: list[list[tuple[int, int, PeerLink]]] = [[] for _ in range(topology.nodes)]
        for i, link in enumerate(topology.links):
            self.cables[link.a].append((i, link.b, link))
            self.cables[link.b].append((i, link.a, link))
        for host in self.hosts:
            ends = self.cables[host]
            if len(ends) != 1 or not is_switch[ends[0][1]]:
                raise InputError.of(
                    "bad-peer-file", f"node {host} has {len(ends)} links; a host has one, to a switch"
                )
        self.model = model
        order = [*self.hosts, *self.switches]
        counts = [len(self.cables[node]) for node in order]
        first = np.concatenate([[0], np.cumsum(counts)])
        self.first_port = {int(node): int(first[i]) for i, node in enumerate(order)}
        # For every switch, the switches at its cables' far ends and the ports that they come in at there.
        self.switch_cables: dict[int, list[tuple[int, int]]] = {int(node): [] for node in self.switches}
        for far in self.switch_cables:
            for port, (_, node, _) in enumerate(self.cables[far]):
                if is_switch[node]:
                    self.switch_cables[node].append((far, port))
        self._index(order)

    def _index(self, order: list[int]) -> None:
        port_of: dict[tuple[int, int], int] = {}
        for node in order:
            for k, (cable, _, _) in enumerate(self.cables[node]):
                port_of[cable, node] = self.first_port[int(node)] + k
        rows = [
            (self.rank[node], port_of[cable, far], link.speed_bps, link.delay_ps)
            for node in order
            for cable, far, link in self.cables[node]
        ]
        table = np.array(rows, np.int64).reshape(-1, 4)
        self.port_node = table[:, 0].astype(np.uint32)
        self.port_peer = table[:, 1].astype(np.uint32)
        self.port_bps = np.ascontiguousarray(table[:, 2])
        self.port_delay_ps = np.ascontiguousarray(table[:, 3])

    def next_hops(self, target: int) -> dict[int, tuple[int, ...]]:
        """At every other switch, its ports on shortest paths to switch `target`, in the model's order."""
        distance = {target: 0}
        hops: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        queue = deque([target])
        while queue:
            node = queue.popleft()
            for far, port in self.switch_cables[node]:
                if far not in distance:
                    distance[far] = distance[node] + 1
                    queue.append(far)
                if distance[far] == distance[node] + 1:
                    hops[far].append((node, port))
        order = self.model.descending_next_hops
        return {at: tuple(k for _, k in sorted(ways, reverse=order)) for at, ways in hops.items()}

    def first_choice(self, host: int) -> int:
        """The switch that `host` is cabled to."""
        return self.cables[host][0][1]

    def ns3_path(self, flows: PeerFlows, flow: int) -> list[tuple[int, int]]:
        """The switches on the way of a flow's data and the port of each, as ns3-hpcc's hash chooses them."""
        src, dst = int(flows.src[flow]), int(flows.dst[flow])
        ports = int(flows.src_port[flow]), int(flows.dst_port[flow])
        last, node = self.first_choice(dst), self.first_choice(src)
        hops, path = self.next_hops(last), []
        while node != last:
            choices = hops[node]
            port = choices[ns3_hash(node, src, dst, *ports) % len(choices)]
            path.append((node, port))
            node = self.cables[node][port][1]
        down = next(port for port, (_, far, _) in enumerate(self.cables[last]) if far == dst)
        return [*path, (last, down)]
