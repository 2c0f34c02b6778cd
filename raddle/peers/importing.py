"""Another simulator's network and flows -> a fabric file and a flow file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from raddle.errors import InputError
from raddle.peers.files import PeerFlows, PeerTopology
from raddle.peers.ns3_config import Ns3Config, PeerDcqcn
from raddle.topology.model import PROPAGATION_PS_PER_M
from raddle.units import format_size, format_time

_TIERS = ("leaf", "spine", "superspine")
_MTUS = (256, 512, 1024, 2048, 4096)
_RATES = (("T", 10**12), ("G", 10**9), ("M", 10**6), ("K", 10**3), ("bps", 1))


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
            ends[link.a].append(link.b)
            ends[link.b].append(link.a)
        inside = {*switches, *topology.nvswitches}
        hosts = [node for node in range(topology.nodes) if node not in inside]
        counts = {len(ends[host]) for host in hosts}
        for host in hosts:
            if not ends[host] or not switches.issuperset(ends[host]):
                raise InputError.of(
                    "not-in-tiers",
                    f"node {host} has {len(ends[host])} links; it needs one or more, to switches",
                )
        if len(counts) > 1:
            raise InputError.of(
                "not-in-tiers", f"nodes have {' or '.join(map(str, sorted(counts)))} links each"
            )
        tier = _tiers(switches, ends, set(hosts))
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


def _tiers(switches: set[int], ends: dict[int, list[int]], hosts: set[int]) -> dict[int, int]:
    """0 for a leaf, 1 for a spine, 2 for a superspine."""
    tier = {node: 0 for node in switches if hosts.intersection(ends[node])}
    if not tier:
        raise InputError.of("not-in-tiers", "no switch has a host")
    for level in (1, 2):
        below = [node for node, at in tier.items() if at == level - 1]
        tier |= {far: level for node in below for far in ends[node] if far in switches and far not in tier}
    for node in sorted(switches):
        if node not in tier:
            raise InputError.of("not-in-tiers", f"switch {node} is more than three tiers above the hosts")
        for far in ends[node]:
            if far in switches and abs(tier[far] - tier[node]) != 1:
                names = f"{_TIERS[tier[node]]} {node} and {_TIERS[tier.get(far, 0)]} {far}"
                raise InputError.of(
                    "not-in-tiers", f"a link joins {names}, which are not of neighbouring tiers"
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


def fabric_yaml(name: str, source: str, topology: PeerTopology, names: PeerNames, config: Ns3Config) -> str:
    """The fabric file: every node and cable, and the settings that have a counterpart."""
    lines = [
        f"# Imported from {source}. The numbers in the names are its nodes'.",
        "raddle: 1",
        f"name: {name}",
        *_models(topology, config),
        "devices:",
        *_devices(topology, names),
        "links:",
        *_links(topology, names),
        *_policy(topology, config),
    ]
    return "\n".join(lines) + "\n"


def _latency_ps(topology: PeerTopology) -> dict[int, int]:
    latency = topology.latency_ps or (0,) * len(topology.switches)
    return dict(zip(topology.switches, latency, strict=True))


def _models(topology: PeerTopology, config: Ns3Config) -> Iterator[str]:
    """A switch model for each latency, as large and as fast as the largest and fastest switch."""
    switches = set(topology.switches)
    ports = Counter(end for link in topology.network for end in (link.a, link.b) if end in switches)
    speed = exact_rate(max((link.speed_bps for link in topology.network), default=400 * 10**9))
    yield "models:"
    for latency in sorted(set(_latency_ps(topology).values())):
        yield (
            f"  {_model(latency)}: {{ports: {max(ports.values(), default=1)}, port_speed: {speed}, "
            f"lanes_per_port: 1, buffer: {format_size(config.buffer_bytes)}, "
            f"latency: {latency // 1000}ns, source: the other simulator's files}}"
        )


def _model(latency_ps: int) -> str:
    return f"imported-{latency_ps // 1000}ns"


def _devices(topology: PeerTopology, names: PeerNames) -> Iterator[str]:
    speed: dict[int, int] = {}
    for link in topology.network:
        for node in (link.a, link.b):
            speed[node] = link.speed_bps
    latency = _latency_ps(topology)
    for node in topology.switches:
        role = names.role[node]
        pod = "" if role == "superspine" else f", pod: {names.pod[node]}"
        plane = f", plane: {names.plane[node]}" if names.plane[node] else ""
        yield f"  {names.switch[node]}: {{role: {role}, model: {_model(latency[node])}{pod}{plane}}}"
    inside = _scale_up(topology)
    hosts: dict[str, list[int]] = {}
    for node, name in names.endpoint.items():
        hosts.setdefault(name.partition(":")[0], []).append(node)
    for host, nodes in hosts.items():
        count = f"count: {len(nodes)}, " if len(nodes) > 1 else ""
        count += f"ports: {names.ports}, " if names.ports > 1 else ""
        gpus = ""
        if len(nodes) > 1 or topology.gpu or inside:
            model = f"model: {topology.gpu.lower()}, " if topology.gpu else ""
            gpus = f", accelerators: {{kind: gpu, {model}count: {len(nodes)}{inside}}}"
        yield f"  {host}: {{role: host, nics: {{{count}speed: {exact_rate(speed[nodes[0]])}}}{gpus}}}"


def _scale_up(topology: PeerTopology) -> str:
    """The network between the accelerators that NVSwitches join, which must all be alike.

    Its latency is that of the link to the NVSwitch, which SimAI's files give.
    """
    if not topology.nvswitches:
        return ""
    switches, per_server = set(topology.nvswitches), max(topology.gpus_per_server, 1)
    bps, members = Counter[int](), {node: set[int]() for node in topology.nvswitches}
    delays: set[int] = set()
    for link in topology.links:
        node, switch = (link.b, link.a) if link.a in switches else (link.a, link.b)
        if switch not in switches:
            continue
        if node in switches or node in topology.switches:
            raise InputError.of(
                "not-in-tiers", f"NVSwitch {switch} has a link to node {node}, no accelerator"
            )
        bps[node] += link.speed_bps
        members[switch].add(node // per_server)
        delays.add(link.delay_ps)
    accelerators = topology.nodes - len(topology.switches) - len(switches)
    servers = {len(each) for each in members.values()}
    if len(set(bps.values())) != 1 or len(bps) != accelerators or len(servers) != 1 or len(delays) != 1:
        raise InputError.of("not-in-tiers", "NVSwitches do not join all servers' accelerators alike")
    hosts = f", hosts: {servers.pop()}" if max(servers) > 1 else ""
    rate, latency = exact_rate(next(iter(bps.values()))), format_time(delays.pop())
    return f", scale_up: {{kind: nvlink, bandwidth: {rate}, latency: {latency}{hosts}}}"


def _switch_ports(topology: PeerTopology) -> list[tuple[int, int]]:
    """The port numbers at both ends of every link: a node's links in the order of the file."""
    used: Counter[int] = Counter()
    numbers = []
    for link in topology.network:
        numbers.append((used[link.a], used[link.b]))
        used.update((link.a, link.b))
    return numbers


def _links(topology: PeerTopology, names: PeerNames) -> Iterator[str]:
    for link, ports in zip(topology.network, _switch_ports(topology), strict=True):
        ends = ", ".join(f'"{_port_name(names, *end)}"' for end in zip((link.a, link.b), ports, strict=True))
        length = f"{link.delay_ps / PROPAGATION_PS_PER_M:.12g}m"
        yield f"  - {{ends: [{ends}], speed: {exact_rate(link.speed_bps)}, cable: {length}}}"


def _port_name(names: PeerNames, node: int, port: int) -> str:
    """`leaf128:Ethernet3`, `host0:eth0`."""
    if node in names.switch:
        return f"{names.switch[node]}:Ethernet{port}"
    name = names.endpoint[node]
    if names.ports > 1:
        return f"{name.removesuffix('0')}{port}"
    return name if ":" in name else f"{name}:eth0"


def _policy(topology: PeerTopology, config: Ns3Config) -> Iterator[str]:
    mtu = next((mtu for mtu in _MTUS if mtu >= config.payload_bytes), _MTUS[-1])
    note = (
        ""
        if mtu == config.payload_bytes
        else f"  # its packets carry {config.payload_bytes}; a path MTU is one of {_MTUS}"
    )
    yield "roce:"
    yield f"  mtu: {mtu}{note}"
    yield f"  congestion_control: {'dcqcn' if config.dcqcn else 'none'}"
    if config.dcqcn:
        yield from _dcqcn(topology, config.dcqcn)


def _dcqcn(topology: PeerTopology, dcqcn: PeerDcqcn) -> Iterator[str]:
    yield (
        f"  dcqcn: {{g: {dcqcn.g:.12g}, alpha_timer: {dcqcn.alpha_timer_ps // 10**6}us, "
        f"decrease_timer: {dcqcn.decrease_timer_ps // 10**6}us, byte_counter: 0, "
        f"rate_timer: {dcqcn.rate_timer_ps // 10**6}us, fast_recovery_steps: {dcqcn.fast_recovery_steps}, "
        f"rate_ai: {exact_rate(dcqcn.rate_ai_bps)}, rate_hai: {exact_rate(dcqcn.rate_hai_bps)}, "
        f"min_rate: {exact_rate(dcqcn.min_rate_bps)}, clamp_target_rate: {str(dcqcn.clamps_target).lower()}}}"
    )
    speeds = Counter(link.speed_bps for link in topology.network)
    usual = next((speed for speed, _ in speeds.most_common() if dcqcn.ecn and speed in dcqcn.ecn), None)
    if usual is not None and dcqcn.ecn:
        low, high, chance = dcqcn.ecn[usual]
        yield f"  ecn: {{kmin: {format_size(low)}, kmax: {format_size(high)}, pmax: {chance * 100:.12g}%}}"


def exact_rate(bps: int) -> str:
    """`400G`, without rounding."""
    unit, factor = next(each for each in _RATES if bps % each[1] == 0)
    return f"{bps // factor}{unit}"


def flows_csv(flows: PeerFlows, names: PeerNames, server: int = 0) -> str:
    """The flow file. Starts are in whole nanoseconds, as far as the file has them.

    Args:
        server: nodes to a server, inside of which flows take NVSwitches; 0: none do.
    """
    if names.ports > 1:
        raise InputError.of(
            "bad-peer-file",
            "flows of nodes with several links: a flow of raddle's file has one port",
            "leave --flows out; 'raddle bench' sends over all ports",
        )
    lines = ["id,src,dst,bytes,start_ns,after"]
    columns = (flows.src, flows.dst, flows.size_bytes, flows.start_ps)
    for i, (src, dst, size, start) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        for node in (src, dst):
            if node not in names.endpoint:
                raise InputError.of(
                    "bad-peer-file", f"flow {i + 1}: node {node} is a switch, or is not there"
                )
        if server and src // server == dst // server:
            raise InputError.of(
                "bad-peer-file",
                f"flow {i + 1} stays inside a server, and raddle's file has those over NICs",
                "leave flows inside servers out",
            )
        deps = flows.dep_ids[flows.dep_offsets[i] : flows.dep_offsets[i + 1]].tolist()
        for dep in deps:
            if src not in (flows.src[dep], flows.dst[dep]):
                raise InputError.of(
                    "bad-peer-file",
                    f"flow {i + 1} of node {src} waits for flow {dep + 1}, which has no end there",
                    "a sender of raddle waits only for what it sent or received itself",
                )
        after = " ".join(str(dep + 1) for dep in deps)
        lines.append(f"{i + 1},{names.endpoint[src]},{names.endpoint[dst]},{size},{start // 1000},{after}")
    return "\n".join(lines) + "\n"
