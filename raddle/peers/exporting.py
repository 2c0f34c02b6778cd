"""A fabric and its flows -> the nodes and flows of another simulator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np

from raddle.errors import InputError
from raddle.peers.files import FIRST_NS3_PORT, PeerFlows, PeerLink, PeerTopology, peer_flows
from raddle.peers.htsim import FatTree, FatTreeTier
from raddle.peers.ns3_config import Ns3Config, PeerDcqcn
from raddle.topology.model import Fabric, Switch
from raddle.topology.yaml.placing import refused
from raddle.workload import Workload

_DST_PORT = 100


@dataclass(frozen=True)
class PeerNodes:
    """A fabric's endpoints, then its switches, in the order of another simulator's nodes."""

    endpoints: tuple[int, ...]
    switches: tuple[Switch, ...]

    @classmethod
    def of(cls, fabric: Fabric) -> PeerNodes:
        """Endpoints and switches in the fabric's order."""
        return cls(tuple(range(len(fabric.endpoints))), (*fabric.leaves, *fabric.spines, *fabric.superspines))

    @classmethod
    def by_tree(cls, fabric: Fabric) -> PeerNodes:
        """Endpoints leaf by leaf and switches pod by pod; a superspine counts by the place in its pod of the
        spines below it, since csg-htsim deals them out in turn."""
        leaves = sorted(fabric.leaves, key=lambda switch: (switch.pod, switch.index))
        spines = sorted(fabric.spines, key=lambda switch: (switch.pod, switch.index))
        place: dict[str, int] = {}
        seen: Counter[int] = Counter()
        for spine in spines:
            place[spine.name] = seen[spine.pod]
            seen[spine.pod] += 1
        below = {link.b.device: place.get(link.a.device, 0) for link in fabric.links}
        turn: Counter[int] = Counter()
        cores = []
        for core in fabric.superspines:
            at = below.get(core.name, 0)
            cores.append((turn[at], at, core))
            turn[at] += 1
        rank = {switch.index: i for i, switch in enumerate(leaves)}
        endpoints = sorted(fabric.endpoints, key=lambda endpoint: (rank[endpoint.leaf], endpoint.index))
        superspines = [core for _, _, core in sorted(cores, key=lambda each: each[:2])]
        return cls(tuple(each.index for each in endpoints), (*leaves, *spines, *superspines))

    def names(self, fabric: Fabric) -> list[str]:
        """The fabric's names of the nodes."""
        return [
            *(fabric.endpoints[i].name for i in self.endpoints),
            *(switch.name for switch in self.switches),
        ]


def peer_topology(fabric: Fabric, nodes: PeerNodes) -> PeerTopology:
    """The nodes and the links that are up."""
    hosts = len(nodes.endpoints)
    rank = {switch.name: hosts + i for i, switch in enumerate(nodes.switches)}
    place = {fabric.endpoints[index].link: i for i, index in enumerate(nodes.endpoints)}
    links = []
    for link in fabric.links:
        if not link.is_up:
            continue
        a = place.get(link.index, rank.get(link.a.device, -1))
        links.append(PeerLink(a, rank[link.b.device], link.speed_bps, link.delay_ps))
    per_host = {len(host.nics) for host in fabric.hosts}
    return PeerTopology(
        nodes=hosts + len(nodes.switches),
        switches=tuple(range(hosts, hosts + len(nodes.switches))),
        links=tuple(links),
        gpus_per_server=per_host.pop() if len(per_host) == 1 else 0,
        latency_ps=tuple(switch.model.pipeline_latency_ps for switch in nodes.switches),
    )


def with_nvswitches(fabric: Fabric, nodes: PeerNodes, topology: PeerTopology) -> PeerTopology:
    """The network with an NVSwitch for each scale-up domain, as SimAI has them.

    Raises:
        InputError: `not-exportable`.
    """
    columns = fabric.accelerators
    if columns.count != len(fabric.endpoints) or len(columns.endpoints) != columns.count:
        message = "accelerators that share a NIC or have several ports: there each has one of its own"
        raise refused(fabric, "not-exportable", message, "", ("hosts", "*", "accelerators"))
    insides = {host.accelerators for host in fabric.hosts if host.domain >= 0 and host.accelerators}
    if any(inside.topology != "crossbar" for inside in insides):
        message = "scale-up domains without a switch: there are only NVSwitches"
        raise refused(fabric, "not-exportable", message, "", ("hosts", "*", "accelerators", "scale_up"))
    place = {endpoint: node for node, endpoint in enumerate(nodes.endpoints)}
    links = []
    for host, domain, port in zip(
        columns.host.tolist(), columns.domain.tolist(), columns.endpoints.tolist(), strict=True
    ):
        inside = fabric.hosts[host].accelerators
        if domain >= 0 and inside:
            switch = topology.nodes + domain
            links.append(PeerLink(place[port], switch, inside.scale_up_bps, inside.scale_up_latency_ps))
    count = len({link.b for link in links})
    models = {host.accelerators.model for host in fabric.hosts if host.accelerators}
    return replace(
        topology,
        nodes=topology.nodes + count,
        links=(*topology.links, *links),
        nvswitches=tuple(range(topology.nodes, topology.nodes + count)),
        gpu=models.pop().upper() if len(models) == 1 else "",
    )


def exported_flows(nodes: PeerNodes, workload: Workload) -> PeerFlows:
    """The flows between nodes, each on its own queue pair.

    Raises:
        InputError: `not-exportable`, flows share a queue pair, or begin a delay after others.
    """
    schedule = workload.schedule
    if len(np.unique(schedule.qp)) < schedule.flows:
        raise InputError.of(
            "not-exportable", "flows that share a queue pair: there each flow has its own", "leave 'qp' out"
        )
    if (workload.delays_ps[np.diff(schedule.dep_offsets) > 0] > 0).any():
        raise InputError.of(
            "not-exportable",
            "flows that begin a delay after others, which no file says",
            "leave 'delay_ns' out",
        )
    place = np.zeros(len(nodes.endpoints), np.int64)
    place[list(nodes.endpoints)] = np.arange(len(nodes.endpoints))
    deps = [
        schedule.dep_ids[schedule.dep_offsets[i] : schedule.dep_offsets[i + 1]].tolist()
        for i in range(schedule.flows)
    ]
    ends = np.column_stack([place[schedule.src], place[schedule.dst], schedule.size_bytes])
    ports = np.tile(np.array([FIRST_NS3_PORT, _DST_PORT]), (schedule.flows, 1))
    return peer_flows(ends, workload.starts_ps, deps, ports)


def ns3_settings(fabric: Fabric) -> Ns3Config:
    """The fabric's RoCE policy as settings of ns3-hpcc, with the smallest of its switches' buffers."""
    roce = fabric.roce
    speeds = {link.speed_bps for link in fabric.links}
    dcqcn = PeerDcqcn(
        alpha_timer_ps=roce.dcqcn.alpha_timer_ps,
        decrease_timer_ps=roce.dcqcn.decrease_timer_ps or roce.dcqcn.alpha_timer_ps,
        rate_timer_ps=roce.dcqcn.rate_timer_ps,
        g=roce.dcqcn.g,
        fast_recovery_steps=roce.dcqcn.fast_recovery_steps,
        rate_ai_bps=roce.dcqcn.rate_ai_bps,
        rate_hai_bps=roce.dcqcn.rate_hai_bps,
        min_rate_bps=roce.dcqcn.min_rate_bps,
        clamps_target=roce.dcqcn.clamp_target_rate,
        ecn={speed: astuple(dict(roce.ecn_speeds).get(speed, roce.ecn)) for speed in sorted(speeds)},
    )
    return Ns3Config(
        payload_bytes=roce.mtu_bytes,
        buffer_bytes=min(switch.model.buffer_bytes for switch in fabric.switches),
        dcqcn=dcqcn if roce.congestion_control == "dcqcn" else None,
    )


def fat_tree(fabric: Fabric, nodes: PeerNodes, topology: PeerTopology) -> FatTree:
    """The numbers that describe a regular fabric.

    Raises:
        InputError: `not-exportable`, the fabric is not a regular tree of two or three tiers.
    """
    roles = [switch.role for switch in nodes.switches]
    counts = [
        count for count in (roles.count("leaf"), roles.count("spine"), roles.count("superspine")) if count
    ]
    pods = len({switch.pod for switch in fabric.leaves}) if len(counts) == 3 else 1
    if len(counts) < 2 or len(nodes.endpoints) % counts[0]:
        raise _irregular("it takes two or three tiers, and as many endpoints below every leaf")
    sizes = [len(nodes.endpoints), *counts]
    first = [sum(sizes[:level]) for level in range(len(sizes))]
    tiers = []
    for level in range(1, len(sizes)):
        below = [link for link in topology.links if first[level] <= link.b < first[level] + sizes[level]]
        down = Counter(link.b for link in below)
        up = Counter(link.a for link in topology.links)
        beside = Counter((link.a, link.b) for link in below)
        tiers.append(
            FatTreeTier(
                speed_bps=below[0].speed_bps,
                delay_ps=below[0].delay_ps,
                radix_down=down[first[level]],
                radix_up=up[first[level]] if level < len(sizes) - 1 else 0,
                bundle=max(beside.values()),
                latency_ps=nodes.switches[first[level] - sizes[0]].model.pipeline_latency_ps,
            )
        )
    tree = FatTree(len(nodes.endpoints), len(nodes.endpoints) // pods, tuple(tiers))
    if mistake := tree.mistake():
        raise _irregular(mistake)
    _check_same(fabric, nodes, topology, tree)
    return tree


def _check_same(fabric: Fabric, nodes: PeerNodes, topology: PeerTopology, tree: FatTree) -> None:
    """Refuse a fabric whose links are not exactly those of the tree."""
    for tier in tree.tiers:
        if tier.speed_bps % 10**9 or tier.delay_ps % 1000 or tier.latency_ps % 1000:
            raise _irregular("speeds must be whole Gb/s, delays and latencies whole nanoseconds")
    have, need = Counter(topology.links), Counter(tree.topology().links)
    names = nodes.names(fabric)
    for odd, what in (
        (have - need, "is not one of a regular tree"),
        (need - have, "is missing for a regular tree"),
    ):
        if odd:
            link = min(odd, key=lambda each: (each.a, each.b))
            ends = [names[end] if end < len(names) else "a switch" for end in (link.a, link.b)]
            raise _irregular(f"a link of {link.speed_bps / 1e9:g}G from {ends[0]} to {ends[1]} {what}")


def _irregular(why: str) -> InputError:
    return InputError.of("not-exportable", f"csg-htsim reads regular fat trees only: {why}")


def nodes_csv(names: Sequence[str]) -> str:
    """Which node is what in the fabric."""
    return "node,name\n" + "".join(f"{i},{name}\n" for i, name in enumerate(names))
