"""Runs another simulator's inputs on raddle's engine, under that simulator's conventions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.errors import InputError
from raddle.peers.files import PeerFlows, PeerTopology
from raddle.peers.models import HTSIM, NS3_HPCC, PeerModel
from raddle.peers.network import PeerNetwork
from raddle.peers.ns3_config import Ns3Config, PeerDcqcn
from raddle.peers.paths import HtsimPaths, ns3_hash
from raddle.sim.columns import NEVER, NONE
from raddle.sim.engine import Engine, RunSetup, packet_engine
from raddle.sim.switch_columns import BufferPool, BufferProfile, WredProfile, qos_map
from raddle.state import PRIORITIES

_DATA_PRIORITY = 3
_UNLIMITED_BYTES = 2**60


@dataclass(frozen=True, slots=True)
class PeerResult:
    """Per flow: time from its start to its last acknowledgement (NEVER where it did not end). And how often
    a port was paused, how many packets were marked and dropped, the engine's events, the simulated time."""

    fct_ps: NDArray[np.int64]
    pauses: int
    marks: int
    drops: int
    events: int
    now_ps: int


def run_peer(
    topology: PeerTopology,
    flows: PeerFlows,
    model: PeerModel,
    mtu_bytes: int = 4096,
    seed: int = 1,
    config: Ns3Config | None = None,
    clock_s: int | None = None,
    train: int = 1,
) -> PeerResult:
    """Run flows on a topology as another simulator would.

    Args:
        seed: of marking, and of htsim's paths without a clock.
        config: settings of ns3-hpcc; None: 32 MiB of buffer and only PFC.
        clock_s: what the clock said in a run of htsim, which seeds its paths from it.
        train: most frames of a flow that move as one.

    Raises:
        InputError: a flow's end is not a host.
    """
    config = config or Ns3Config(payload_bytes=mtu_bytes, buffer_bytes=32 << 20)
    network = PeerNetwork(topology, model)
    is_host = np.isin(np.concatenate([flows.src, flows.dst]), network.hosts)
    if not is_host.all() or (flows.src == flows.dst).any():
        raise InputError.of("bad-peer-file", "every flow goes from one host to another one")
    count = len(flows.src)
    hashes = _path_choices(network, flows, seed, clock_s)
    setup = RunSetup(
        endpoints=len(network.hosts),
        seed=seed,
        nics=replace(model.nic_columns(config.payload_bytes, config.dcqcn), train_frames=train),
        pipeline_ps=np.zeros(len(network.switches), np.int64),
        port_node=network.port_node,
        port_peer=network.port_peer,
        port_bps=network.port_bps,
        port_propagation_ps=network.port_delay_ps,
        qp_src=network.rank[flows.src].astype(np.uint32),
        qp_dst=network.rank[flows.dst].astype(np.uint32),
        qp_hash=hashes[0],
        qp_ack_hash=hashes[1],
        qp_dscp=np.zeros(count, np.uint8),
        qp_priority=np.full(count, _DATA_PRIORITY, np.uint8),
        flow_qp=np.arange(count, dtype=np.uint32),
        flow_bytes=flows.size_bytes,
        flow_start_ps=flows.start_ps,
        dep_offsets=flows.dep_offsets,
        dep_ids=flows.dep_ids.astype(np.uint32),
    )
    core = packet_engine(setup)
    _set_switches(core, network, flows, config)
    events = 0
    while not core.is_done and core.has_events:
        events += core.advance(NEVER, 1_000_000)
    start, _, acked, _ = core.flow_columns()
    fct = np.where(acked == NEVER, NEVER, acked - start)
    columns = core.queue_columns()
    return PeerResult(
        fct_ps=fct,
        pauses=int(columns[6].sum()),
        marks=int(columns[2].sum()),
        drops=int(core.drops().sum()),
        events=events,
        now_ps=core.now_ps,
    )


def _path_choices(
    network: PeerNetwork, flows: PeerFlows, seed: int, clock_s: int | None
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The hash of every flow's data and of its acknowledgements at the first switch.

    The switches take it modulo the number of equal-cost next hops. Of ns3-hpcc these are the first switches'
    hashes; where others have a choice too, `_set_switches` gives each its own.
    """
    ends = list(zip(flows.src.tolist(), flows.dst.tolist(), strict=True))
    leaves = [(network.first_choice(src), network.first_choice(dst)) for src, dst in ends]
    if network.model is NS3_HPCC:
        ports = zip(flows.src_port.tolist(), flows.dst_port.tolist(), strict=True)
        choices = [
            (ns3_hash(here, src, dst, sport, dport), ns3_hash(there, dst, src, dport, sport))
            for (src, dst), (here, there), (sport, dport) in zip(ends, leaves, ports, strict=True)
        ]
    elif network.model is HTSIM and clock_s is not None:
        number = {int(switch): i for i, switch in enumerate(network.switches)}
        pairs = [(number[here], number[there]) for here, there in leaves]
        senders = dict.fromkeys(here for here, there in pairs if here != there)
        order = senders | dict.fromkeys(there for here, there in pairs if here != there)
        uplinks = max((len(network.switch_cables[leaf]) for leaf, _ in leaves), default=0)
        paths = HtsimPaths(clock_s, order, uplinks)
        choices = [
            (paths.uplink(here, i), paths.uplink(there, i, is_ack=True)) if here != there else (0, 0)
            for i, (here, there) in enumerate(pairs, 1)
        ]
    else:
        return tuple(np.random.default_rng(seed).integers(0, 2**32, (2, len(ends)), np.uint32))
    table = np.array(choices, np.uint32).reshape(-1, 2)
    return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])


def _set_switches(
    core: Engine,
    network: PeerNetwork,
    flows: PeerFlows,
    config: Ns3Config,
) -> None:
    groups: list[dict[tuple[int, ...], int]] = [{} for _ in network.switches]
    fib = np.full((len(network.switches), len(network.hosts)), NONE, np.uint32)
    base = len(network.hosts)
    for leaf in {network.first_choice(int(host)) for host in network.hosts}:
        own = {far: port for port, (_, far, _) in enumerate(network.cables[leaf])}
        hosts = [host for host in own if network.rank[host] < base]
        columns = network.rank[hosts]
        for node, ports in network.next_hops(leaf).items():
            at = int(network.rank[node]) - base
            fib[at, columns] = groups[at].setdefault(ports, len(groups[at]))
        at = int(network.rank[leaf]) - base
        for host in hosts:
            fib[at, network.rank[host]] = groups[at].setdefault((own[host],), len(groups[at]))
    for i, switch in enumerate(network.switches):
        members = list(groups[i])
        has_choice = network.model is NS3_HPCC and any(len(group) > 1 for group in members)
        is_first = any(network.rank[far] < base for _, far, _ in network.cables[int(switch)])
        core.set_switch(
            index=i,
            hash_seed=0,
            hash_class=_ns3_hash_class(core, int(switch), flows) if has_choice and not is_first else 0,
            fib=fib[i],
            group_offsets=np.cumsum([0, *map(len, members)]).astype(np.uint32),
            group_ports=np.array([port for group in members for port in group], np.uint32),
            **_buffers(network, int(switch), config),
            **_marking(network, int(switch), config.dcqcn),
        )


def _ns3_hash_class(core: Engine, switch: int, flows: PeerFlows) -> int:
    """Gives the engine the hashes of all queue pairs at a switch."""
    columns = (flows.src, flows.dst, flows.src_port, flows.dst_port)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    data = [ns3_hash(switch, src, dst, sport, dport) for src, dst, sport, dport in rows]
    acks = [ns3_hash(switch, dst, src, dport, sport) for src, dst, sport, dport in rows]
    return core.add_hashes(np.array(data, np.uint32), np.array(acks, np.uint32))


def _buffers(network: PeerNetwork, switch: int, config: Ns3Config) -> dict[str, Any]:
    """Buffer, PFC and QoS columns of a switch; profile 0 is of classes without traffic."""
    model, links = network.model, [link for _, _, link in network.cables[switch]]
    ports = len(links)
    frames = model.headroom_frames * (config.payload_bytes + model.header_bytes)
    headroom = [
        frames + model.headroom_delays * link.speed_bps * link.delay_ps // (8 * 10**12) for link in links
    ]
    is_static = not model.shares_buffer
    pool = (
        _UNLIMITED_BYTES if is_static else config.buffer_bytes - sum(headroom) - ports * model.reserved_bytes
    )
    if pool <= 0:
        raise InputError.of(
            "no-shared-buffer", f"node {switch}: headroom takes the whole buffer of {model.name}"
        )
    fixed = model.xoff_packets * config.payload_bytes, model.xon_packets * config.payload_bytes - 1
    profiles = [_static_profile(pool=1, xoff_bytes=_UNLIMITED_BYTES, xon_bytes=0, headroom_bytes=0)]
    for link, room in zip(links, headroom, strict=True):
        if is_static:
            profiles.append(
                _static_profile(0, *fixed, xon_offset_bytes=_UNLIMITED_BYTES, headroom_bytes=_UNLIMITED_BYTES)
            )
            continue
        profiles.append(
            BufferProfile(
                pool=0,
                reserved_bytes=model.reserved_bytes,
                is_dynamic=True,
                dynamic_th=-_alpha_shift(network, link.speed_bps),
                static_th_bytes=0,
                xon_bytes=0,
                xon_offset_bytes=model.xon_offset_bytes,
                headroom_bytes=room,
            )
        )
    pg_profile = np.zeros((ports, PRIORITIES), np.uint32)
    pg_profile[:, _DATA_PRIORITY] = 1 + np.arange(ports)
    identity = list(range(PRIORITIES))
    dscp_to_tc = [_DATA_PRIORITY] * 64
    return {
        "port_up": np.ones(ports, np.uint8),
        "pfc_enable": np.full(ports, 1 << _DATA_PRIORITY, np.uint8),
        "port_qos": np.zeros(ports, np.uint32),
        "pg_profile": pg_profile,
        "queue_profile": np.full((ports, PRIORITIES), NONE, np.uint32),
        "queue_weight": np.ones((ports, PRIORITIES), np.uint32),
        "qos": [qos_map(dscp_to_tc, identity, identity, identity)],
        "pools": [BufferPool(size_bytes=size, headroom_bytes=0) for size in (pool, _UNLIMITED_BYTES)],
        "profiles": profiles,
        "pauses_at_threshold": model.pauses_at_threshold,
        "releases_at_end": model.releases_at_end,
    }


def _static_profile(
    pool: int, xoff_bytes: int, xon_bytes: int, headroom_bytes: int, xon_offset_bytes: int = 0
) -> BufferProfile:
    """One whose threshold does not move; nothing is reserved."""
    return BufferProfile(
        pool=pool,
        reserved_bytes=0,
        is_dynamic=False,
        dynamic_th=0,
        static_th_bytes=xoff_bytes,
        xon_bytes=xon_bytes,
        xon_offset_bytes=xon_offset_bytes,
        headroom_bytes=headroom_bytes,
    )


def _alpha_shift(network: PeerNetwork, speed_bps: int) -> int:
    """One less for each doubling of a port's speed above the first NIC's, down to 0."""
    shift, nic_bps = network.model.alpha_shift, int(network.port_bps[0])
    while speed_bps > nic_bps and shift > 0:
        shift, speed_bps = shift - 1, speed_bps // 2
    return shift


def _marking(network: PeerNetwork, switch: int, dcqcn: PeerDcqcn | None) -> dict[str, Any]:
    """ECN of a switch: by each port's speed, on what a packet leaves behind.

    Raises:
        InputError: `bad-peer-file`, there are no thresholds for a speed.
    """
    speeds = [link.speed_bps for _, _, link in network.cables[switch]]
    wred = np.full((len(speeds), PRIORITIES), NONE, np.uint32)
    rows: dict[int, tuple[int, int, float]] = {}
    if dcqcn and dcqcn.ecn:
        for speed in speeds:
            if speed not in dcqcn.ecn:
                raise InputError.of("bad-peer-file", f"no KMIN_MAP, KMAX_MAP and PMAX_MAP for {speed} bit/s")
            rows.setdefault(speed, dcqcn.ecn[speed])
        wred[:, _DATA_PRIORITY] = [list(rows).index(speed) for speed in speeds]
    table = [
        WredProfile(min_bytes=low, max_bytes=high, probability=chance, marks=True, drops=False)
        for low, high, chance in rows.values()
    ]
    return {
        "queue_wred": wred,
        "wred": table,
        "marks_at_dequeue": True,
    }
