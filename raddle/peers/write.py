"""Writes networks and flows as other simulators read them; the readers' modules name the sources."""

from __future__ import annotations

from collections.abc import Iterator

from raddle.errors import InputError
from raddle.peers.files import NS3_PG, PeerFlows, PeerTopology
from raddle.peers.htsim import MOST_HTSIM_BYTES, FatTree
from raddle.peers.ns3_config import Ns3Config, PeerDcqcn

_NS3_START_S = 2
_MOST_NS3_BYTES = 2**32 - 1


def _refuse(message: str, hint: str = "") -> InputError:
    return InputError.of("not-exportable", message, hint)


def ns3_topology(topology: PeerTopology) -> str:
    """The topology file of ns3-hpcc."""
    head = f"{topology.nodes} {len(topology.switches)} {len(topology.links)}"
    return "\n".join([head, *_ns3_body(topology)]) + "\n"


def simai_topology(topology: PeerTopology) -> str:
    """The topology file of SimAI's ns-3."""
    servers, inside = max(topology.gpus_per_server, 1), len(topology.nvswitches)
    gpu = topology.gpu or "NONE"
    head = f"{topology.nodes} {servers} {inside} {len(topology.switches)} {len(topology.links)} {gpu}"
    return "\n".join([head, *_ns3_body(topology)]) + "\n"


def _ns3_body(topology: PeerTopology) -> Iterator[str]:
    yield " ".join(map(str, (*topology.nvswitches, *topology.switches)))
    for link in topology.links:
        if link.delay_ps % 1000:
            raise _refuse(
                f"a cable of {link.delay_ps / 1000:g} ns: ns-3's clock has whole nanoseconds",
                "cables of whole multiples of 20cm take whole nanoseconds",
            )
        yield f"{link.a} {link.b} {_gbps(link.speed_bps)} {link.delay_ps // 1000}ns 0"


def _gbps(speed_bps: int) -> str:
    return f"{speed_bps // 10**9}Gbps" if speed_bps % 10**9 == 0 else f"{speed_bps}bps"


def ns3_flows(flows: PeerFlows) -> str:
    """The flow file of ns3-hpcc and SimAI: by start, the first at 2 s as in its examples."""
    if len(flows.dep_ids):
        raise _refuse("flows that wait for others, which ns-3's file cannot say", "leave 'after' out")
    lines = [str(len(flows.src))]
    for i in sorted(range(len(flows.src)), key=lambda i: int(flows.start_ps[i])):
        size, start = int(flows.size_bytes[i]), int(flows.start_ps[i])
        if not 0 < size <= _MOST_NS3_BYTES:
            raise _refuse(f"flow {i + 1} has {size} bytes; ns-3 takes 1 to {_MOST_NS3_BYTES}")
        seconds = f"{_NS3_START_S + start // 10**12}.{start % 10**12 // 1000:09}"
        lines.append(f"{flows.src[i]} {flows.dst[i]} {NS3_PG} {flows.dst_port[i]} {size} {seconds}")
    return "\n".join(lines) + "\n"


def ns3_config(topology: PeerTopology, config: Ns3Config, topology_file: str, flow_file: str) -> str:
    """The settings file of ns3-hpcc: DCQCN and PFC without windows. What it names lies beside it."""
    speeds = sorted({link.speed_bps for link in topology.links})
    dcqcn = config.dcqcn or PeerDcqcn()
    ecn = dcqcn.ecn or dict.fromkeys(speeds, (800_000, 3_200_000, 0.2))
    least = " ".join(f"{speed} {ecn[speed][0] // 1000}" for speed in speeds)
    most = " ".join(f"{speed} {ecn[speed][1] // 1000}" for speed in speeds)
    chance = " ".join(f"{speed} {ecn[speed][2]:g}" for speed in speeds)
    settings = {
        "ENABLE_QCN": int(config.dcqcn is not None),
        "USE_DYNAMIC_PFC_THRESHOLD": 1,
        "PACKET_PAYLOAD_SIZE": config.payload_bytes,
        "TOPOLOGY_FILE": topology_file,
        "FLOW_FILE": flow_file,
        "TRACE_FILE": "trace.txt",
        "TRACE_OUTPUT_FILE": "out.tr",
        "FCT_OUTPUT_FILE": "out.fct",
        "PFC_OUTPUT_FILE": "out.pfc",
        "QLEN_MON_FILE": "out.qlen",
        "QLEN_MON_START": 1,
        "QLEN_MON_END": 2,
        "SIMULATOR_STOP_TIME": 100,
        "CC_MODE": 1,
        "ALPHA_RESUME_INTERVAL": dcqcn.alpha_timer_ps // 10**6,
        "RATE_DECREASE_INTERVAL": dcqcn.decrease_timer_ps // 10**6,
        "CLAMP_TARGET_RATE": int(dcqcn.clamps_target),
        "RP_TIMER": dcqcn.rate_timer_ps // 10**6,
        "EWMA_GAIN": f"{dcqcn.g:.12g}",
        "FAST_RECOVERY_TIMES": dcqcn.fast_recovery_steps,
        "RATE_AI": f"{dcqcn.rate_ai_bps}bps",
        "RATE_HAI": f"{dcqcn.rate_hai_bps}bps",
        "MIN_RATE": f"{dcqcn.min_rate_bps}bps",
        "DCTCP_RATE_AI": "1000Mb/s",
        "ERROR_RATE_PER_LINK": "0.0",
        "L2_CHUNK_SIZE": 4000,
        "L2_ACK_INTERVAL": 1,
        "L2_BACK_TO_ZERO": 0,
        "HAS_WIN": 0,
        "GLOBAL_T": 1,
        "VAR_WIN": 0,
        "FAST_REACT": 0,
        "U_TARGET": 0.95,
        "MI_THRESH": 0,
        "INT_MULTI": 1,
        "MULTI_RATE": 0,
        "SAMPLE_FEEDBACK": 0,
        "RATE_BOUND": 1,
        "ACK_HIGH_PRIO": 1,
        "LINK_DOWN": "0 0 0",
        "ENABLE_TRACE": 0,
        "KMIN_MAP": f"{len(speeds)} {least}",
        "KMAX_MAP": f"{len(speeds)} {most}",
        "PMAX_MAP": f"{len(speeds)} {chance}",
        "BUFFER_SIZE": config.buffer_bytes >> 20,
    }
    return "".join(f"{key} {value}\n" for key, value in settings.items())


def htsim_topology(tree: FatTree) -> str:
    """The topology file of csg-htsim (`-topo`)."""
    lines = [f"Nodes {tree.hosts}", f"Tiers {len(tree.tiers)}", f"Podsize {tree.hosts_per_pod}"]
    for number, tier in enumerate(tree.tiers):
        is_top = number == len(tree.tiers) - 1
        ratio = tier.radix_down // tier.radix_up if not is_top else 1
        lines += [
            "",
            f"Tier {number}",
            f"Downlink_speed_Gbps {tier.speed_bps // 10**9}",
            f"Radix_Down {tier.radix_down}",
            *([] if is_top else [f"Radix_Up {tier.radix_up}", f"Oversubscribed {ratio}"]),
            *([f"Bundle {tier.bundle}"] if tier.bundle > 1 else []),
            f"Downlink_Latency_ns {tier.delay_ps // 1000}",
            f"Switch_Latency_ns {tier.latency_ps // 1000}",
        ]
    return "\n".join(lines) + "\n"


def htsim_flows(flows: PeerFlows, nodes: int) -> str:
    """The connection matrix of csg-htsim (`-tm`); dependencies are triggers, of several flows barriers."""
    triggers: dict[tuple[int, ...], int] = {}
    raises: dict[int, int] = {}
    lines = []
    for i in range(len(flows.src)):
        size = int(flows.size_bytes[i])
        if not 0 < size <= MOST_HTSIM_BYTES:
            raise _refuse(f"flow {i + 1} has {size} bytes; csg-htsim takes 1 to {MOST_HTSIM_BYTES}")
        deps = tuple(flows.dep_ids[flows.dep_offsets[i] : flows.dep_offsets[i + 1]].tolist())
        start = f"start {flows.start_ps[i]}"
        if deps:
            if flows.start_ps[i]:
                raise _refuse(
                    f"flow {i + 1} has a start time and waits for others; csg-htsim takes one of these"
                )
            number = triggers.setdefault(deps, len(triggers) + 1)
            start = f"trigger {number}"
            for dep in deps:
                if raises.setdefault(dep, number) != number:
                    raise _refuse(f"flow {dep + 1} is waited for together with different flows; "
                                  "a connection of csg-htsim raises one trigger")  # fmt: skip
        lines.append(f"{flows.src[i]}->{flows.dst[i]} id {i + 1} {start} size {size}")
    for dep, number in raises.items():
        lines[dep] += f" send_done_trigger {number}"
    for deps, number in triggers.items():
        lines.append(
            f"trigger id {number} " + ("oneshot" if len(deps) == 1 else f"barrier count {len(deps)}")
        )
    head = [f"Nodes {nodes}", f"Connections {len(flows.src)}"]
    return "\n".join([*head, *([f"Triggers {len(triggers)}"] if triggers else []), *lines]) + "\n"
