"""Another simulator's network and flows -> a fabric file and a flow file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from raddle.controller.plan.lossless_check import check_lossless
from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.peers.files import PeerFlows, PeerTopology
from raddle.peers.names import PeerNames
from raddle.peers.ns3_config import Ns3Config, PeerDcqcn, Thresholds
from raddle.topology import loads
from raddle.topology.model import PROPAGATION_PS_PER_M, Fabric
from raddle.units import format_size, format_time

_MTUS = (256, 512, 1024, 2048, 4096)
_MOST_BUFFER_BYTES = 4 << 30
_AROUND_PAYLOAD = 14 + 20 + 8 + 12 + 4 + 4
"""Bytes of a RoCEv2 frame: Ethernet, IPv4, UDP, BTH, ICRC, FCS."""
_RATES = (("T", 10**12), ("G", 10**9), ("M", 10**6), ("K", 10**3), ("bps", 1))


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
        *_routing(topology, names),
    ]
    return "\n".join(lines) + "\n"


def fitting_fabric(
    output: Path, source: str, topology: PeerTopology, names: PeerNames, config: Ns3Config
) -> tuple[str, list[str]]:
    """The fabric file, and what is to be told of its buffers.

    Where the other simulator's files give no buffer, it is twice as large until it holds the headroom that
    SONiC's rules give its cables.

    Raises:
        InputError: as `check_fabric`.
    """
    given = config.buffer_bytes
    while True:
        text = fabric_yaml(output.stem, source, topology, names, config)
        lacking = check_lossless(check_fabric(text, output, topology))
        if not lacking or config.path or config.buffer_bytes >= _MOST_BUFFER_BYTES:
            break
        config = replace(config, buffer_bytes=2 * config.buffer_bytes)
    size = format_size(config.buffer_bytes)
    if lacking:
        return text, [f"'raddle validate' refuses buffers of {size}: {lacking[0].message}"]
    told = f"switches have a buffer of {size}, which their cables' headroom asks for: no file gives one"
    return text, [told] if config.buffer_bytes > given else []


def check_fabric(text: str, output: Path, topology: PeerTopology) -> Fabric:
    """The fabric of a file that is not yet written.

    Raises:
        InputError: its problems, of a link at the line of the topology file that it is from.
    """
    try:
        return loads(text, str(output))
    except InputError as error:
        lines = text.split("\n")
        first = lines.index("links:") + 2
        origin = dict(enumerate((link.line for link in topology.network), first))
        raise InputError(
            [replace(each, span=_span(each, origin, topology), related=None) for each in error.diagnostics]
        ) from None


def _span(problem: Diagnostic, origin: Mapping[int, int], topology: PeerTopology) -> SourceSpan | None:
    line = origin.get(problem.span.line if problem.span else 0) or topology.switch_line
    return SourceSpan(topology.path, line, 1) if line else None


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
            raise topology.not_in_tiers(
                f"NVSwitch {switch} has a link to node {node}, no accelerator", line=link.line
            )
        bps[node] += link.speed_bps
        members[switch].add(node // per_server)
        delays.add(link.delay_ps)
    accelerators = topology.nodes - len(topology.switches) - len(switches)
    servers = {len(each) for each in members.values()}
    if len(set(bps.values())) != 1 or len(bps) != accelerators or len(servers) != 1 or len(delays) != 1:
        raise topology.not_in_tiers("NVSwitches do not join all servers' accelerators alike")
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
    mtu = _mtu(config)
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


def _routing(topology: PeerTopology, names: PeerNames) -> Iterator[str]:
    """Offsets for tiers where a spine of two tiers chooses too, among its links to one leaf: with one offset
    that follows from what the leaf chose. Three tiers have them by default."""
    between = Counter(
        frozenset((link.a, link.b))
        for link in topology.network
        if link.a in names.switch and link.b in names.switch
    )
    if max(between.values(), default=0) > 1 and "superspine" not in names.role.values():
        yield "routing: {hash: {offset: per-tier}}"


def payload_note(config: Ns3Config) -> str:
    """What to tell of a payload that is no path MTU; empty where it is one."""
    mtu = _mtu(config)
    if mtu == config.payload_bytes:
        return ""
    number = "fewer" if mtu > config.payload_bytes else "more"
    return (
        f"packets carry {mtu} bytes, a path MTU, where PACKET_PAYLOAD_SIZE is {config.payload_bytes}: "
        f"flows have {number} packets than there"
    )


def _mtu(config: Ns3Config) -> int:
    return next((mtu for mtu in _MTUS if mtu >= config.payload_bytes), _MTUS[-1])


def _dcqcn(topology: PeerTopology, dcqcn: PeerDcqcn) -> Iterator[str]:
    yield (
        f"  dcqcn: {{g: {_decimal(dcqcn.g)}, alpha_timer: {dcqcn.alpha_timer_ps // 10**6}us, "
        f"decrease_timer: {dcqcn.decrease_timer_ps // 10**6}us, byte_counter: 0, "
        f"rate_timer: {dcqcn.rate_timer_ps // 10**6}us, fast_recovery_steps: {dcqcn.fast_recovery_steps}, "
        f"rate_ai: {exact_rate(dcqcn.rate_ai_bps)}, rate_hai: {exact_rate(dcqcn.rate_hai_bps)}, "
        f"min_rate: {exact_rate(dcqcn.min_rate_bps)}, clamp_target_rate: {str(dcqcn.clamps_target).lower()}}}"
    )
    speeds = Counter(link.speed_bps for link in topology.network)
    ecn = dcqcn.ecn or {}
    named = [speed for speed, _ in speeds.most_common() if speed in ecn]
    if named:
        usual, rows = ecn[named[0]], [speed for speed in sorted(named) if ecn[speed] != ecn[named[0]]]
        own = ", ".join(f"{{speed: {exact_rate(speed)}, {_thresholds(ecn[speed])}}}" for speed in rows)
        yield f"  ecn: {{{_thresholds(usual)}{f', speeds: [{own}]' if own else ''}}}"


def _thresholds(ecn: Thresholds) -> str:
    low, high, chance = ecn
    return f"kmin: {format_size(low)}, kmax: {format_size(high)}, pmax: {_decimal(chance * 100)}%"


def _decimal(value: float) -> str:
    """Twelve digits, without an exponent, which a fabric file has none of."""
    return f"{Decimal(f'{value:.12g}'):f}"


def faults_csv(topology: PeerTopology, names: PeerNames, config: Ns3Config) -> str:
    """The fault file of links that lose packets; empty where none does.

    A share p of packets is a bit error ratio b of a full frame of n bits: 1 - (1 - b)^n = p. ns-3 loses
    shorter packets as often, bit errors less often.
    """
    bits = 8 * (_mtu(config) + _AROUND_PAYLOAD)
    lines = ["what,where,from,until,value"]
    for link, ports in zip(topology.network, _switch_ports(topology), strict=True):
        if loss := link.loss or config.loss:
            ratio = -math.expm1(math.log1p(-loss) / bits)
            lines.append(f"errors,{_port_name(names, link.a, ports[0])},0s,,{ratio:.6g}")
    return "\n".join(lines) + "\n" if len(lines) > 1 else ""


def exact_rate(bps: int) -> str:
    """`400G`, without rounding."""
    unit, factor = next(each for each in _RATES if bps % each[1] == 0)
    return f"{bps // factor}{unit}"


def check_joined(topology: PeerTopology, flows: PeerFlows) -> None:
    """See that links join both ends of every flow.

    Raises:
        InputError: they do not, of the first such flow.
    """
    import networkx as nx  # It would double the start time of commands that do not use it.

    graph = nx.Graph([(link.a, link.b) for link in topology.network])
    part = {node: i for i, nodes in enumerate(nx.connected_components(graph)) for node in nodes}
    for flow, (src, dst) in enumerate(zip(flows.src.tolist(), flows.dst.tolist(), strict=True)):
        if part[src] != part[dst]:
            message = f"no path from node {src} to node {dst}"
            raise flows.problem(flow, message, "no links of the topology file join their leaves")


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
                raise flows.problem(i, f"node {node} is a switch, or is not there")
        if server and src // server == dst // server:
            raise flows.problem(
                i,
                "it stays inside a server, and raddle's file has those over NICs",
                "leave flows inside servers out",
            )
        deps = flows.dep_ids[flows.dep_offsets[i] : flows.dep_offsets[i + 1]].tolist()
        for dep in deps:
            if src not in (flows.src[dep], flows.dst[dep]):
                raise flows.problem(
                    i,
                    f"node {src} waits for flow {dep + 1}, which has no end there",
                    "a sender of raddle waits only for what it sent or received itself",
                )
        after = " ".join(str(dep + 1) for dep in deps)
        lines.append(f"{i + 1},{names.endpoint[src]},{names.endpoint[dst]},{size},{start // 1000},{after}")
    return "\n".join(lines) + "\n"
