"""Names, roles, pods and planes for the nodes of another simulator's network."""

from __future__ import annotations

from dataclasses import dataclass

from raddle.peers.files import PeerTopology

_TIERS = ("leaf", "spine", "superspine")
_HOST = "a node that is not in the list of switches sends and receives"


@dataclass(frozen=True)
class PeerNames:
    """The names of a topology's nodes: `endpoint[n]` of one that sends, its first port's, `switch[n]` of one
    that forwards, with its role, pod and plane. `ports` are those of each sender's NIC. Node numbers stay in
    the names."""

    endpoint: dict[int, str]
    switch: dict[int, str]
    role: dict[int, str]
    pod: dict[int, int]
    plane: dict[int, int]
    ports: int

    @classmethod
    def of(cls, topology: PeerTopology) -> PeerNames:
        """Name the nodes of a topology by their tier.

        Raises:
            InputError: `not-in-tiers`, the network is not one of leaves, spines and superspines.
        """
        switches = set(topology.switches)
        ends: dict[int, list[int]] = {node: [] for node in range(topology.nodes)}
        for link in topology.network:
            if link.a not in switches and link.b not in switches:
                message = f"node {link.a} is linked to node {link.b}, which is no switch"
                raise topology.not_in_tiers(message, _HOST, link.line)
            ends[link.a].append(link.b)
            ends[link.b].append(link.a)
        inside = {*switches, *topology.nvswitches}
        hosts = [node for node in range(topology.nodes) if node not in inside]
        counts = {len(ends[host]) for host in hosts}
        for host in hosts:
            if not ends[host]:
                raise topology.not_in_tiers(
                    f"node {host} has 0 links; it needs one or more, to switches",
                    _HOST,
                    topology.line_of(host),
                )
        if len(counts) > 1:
            rare = min(counts, key=[len(ends[host]) for host in hosts].count)
            odd = next(host for host in hosts if len(ends[host]) == rare)
            raise topology.not_in_tiers(
                f"nodes have {' or '.join(map(str, sorted(counts)))} links each, node {odd} {rare}",
                "all nodes have as many",
                topology.line_of(odd),
            )
        tier = _tiers(topology, ends, set(hosts))
        per_server = topology.gpus_per_server
        ports = counts.pop() if counts else 1
        first = "p0" if ports > 1 else ""
        names = {node: f"host{node}{':eth0p0' if ports > 1 else ''}" for node in hosts}
        if per_server > 1:
            names = {node: f"host{node // per_server}:eth{node % per_server}{first}" for node in hosts}
        role = {node: _TIERS[level] for node, level in tier.items()}
        switch = {node: f"{role[node]}{node}" for node in topology.switches}
        plane = _planes(tier, ends) if ports > 1 else dict.fromkeys(tier, 0)
        return cls(names, switch, role, _pods(tier, ends), plane, ports)


def _tiers(topology: PeerTopology, ends: dict[int, list[int]], hosts: set[int]) -> dict[int, int]:
    """0 for a leaf, 1 for a spine, 2 for a superspine."""
    switches = set(topology.switches)
    tier = {node: 0 for node in switches if hosts.intersection(ends[node])}
    if not tier:
        raise topology.not_in_tiers("no switch has a host")
    for level in (1, 2):
        below = [node for node, at in tier.items() if at == level - 1]
        tier |= {far: level for node in below for far in ends[node] if far in switches and far not in tier}
    for node in sorted(switches - set(tier)):
        raise topology.not_in_tiers(
            f"switch {node} is more than three tiers above the hosts", line=topology.line_of(node)
        )
    for link in topology.network:
        if link.a in switches and link.b in switches and abs(tier[link.a] - tier[link.b]) != 1:
            names = f"{_TIERS[tier[link.a]]} {link.a} and {_TIERS[tier[link.b]]} {link.b}"
            raise topology.not_in_tiers(
                f"a link joins {names}, which are not of neighbouring tiers",
                "raddle plans leaves, spines and superspines; leaves have hosts",
                link.line,
            )
    return tier


def _planes(tier: dict[int, int], ends: dict[int, list[int]]) -> dict[int, int]:
    """Switches that links join are of one plane."""
    plane: dict[int, int] = {}
    for first in sorted(tier):
        number, queue = max(plane.values(), default=-1) + 1, [first]
        while first not in plane or queue:
            node = queue.pop()
            if node not in plane:
                plane[node] = number
                queue += [far for far in ends[node] if far in tier]
    return plane


def _pods(tier: dict[int, int], ends: dict[int, list[int]]) -> dict[int, int]:
    """Leaves and spines that links between them join are a pod; in two tiers there is one."""
    pod: dict[int, int] = {}
    if 2 not in tier.values():
        return dict.fromkeys(tier, 0)
    for first in sorted(node for node, level in tier.items() if level == 0):
        if first in pod:
            continue
        number, queue = max(pod.values(), default=-1) + 1, [first]
        while queue:
            node = queue.pop()
            if node not in pod:
                pod[node] = number
                queue += [far for far in ends[node] if tier.get(far, 2) < 2]
    return pod
