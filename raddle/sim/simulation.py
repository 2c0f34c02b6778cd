"""The Python face of the engine: a fabric, the state of its switches and a schedule, run to the end.

The cables and NICs come from the fabric, their speeds too, but for ports that are set to less; all that a
switch does with a packet comes from its
`SwitchState`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle import _core
from raddle.ecmp_hash import HashClasses, hashed_addresses
from raddle.errors import InputError
from raddle.sim.acl_columns import RuleCounters, RuleKey, acl_columns
from raddle.sim.acl_headers import AclHeaders
from raddle.sim.columns import (
    NEVER,
    NONE,
    FlowColumns,
    OwnerColumns,
    PacketCounts,
    PortColumns,
    QpColumns,
    WatchdogColumns,
    WatchdogEvent,
    WatermarkColumns,
    read_ports,
    read_watchdog,
    read_watermarks,
)
from raddle.sim.engine import RunSetup, packet_engine
from raddle.sim.nic import check_train, nic_columns, twin_columns
from raddle.sim.pcapng import PFC, FrameColumns
from raddle.sim.policy_match import PacketHeaders
from raddle.sim.pool_sizes import with_pools_by_sai
from raddle.sim.scale_up import ScaleUpPorts, qp_ranks, scale_up_links
from raddle.sim.stall import StallGuard
from raddle.sim.switch_columns import switch_columns
from raddle.state import PRIORITIES, SwitchState
from raddle.topology.model import Fabric, LosslessClass, PortRef
from raddle.topology.views.host_bus import endpoint_bus_bps
from raddle.workload import NOWHERE, Sent

_NIC_BUFFER_BYTES = 2 << 20

_EVENTS_PER_CALL = 200_000
"""Between two of these the interpreter looks at signals: well within a second."""

Columns = Mapping[str, NDArray[Any]]
"""State in named columns."""

Progress = Callable[[float], None]
"""Told about which share of the packets has arrived, 0..1."""


class Simulation:
    """One run. Resumable: between two calls of `advance`, switch state and cables may change.

    Args:
        fabric: cables, speeds, NICs, RoCE policy of the hosts.
        addresses: address of every endpoint as an integer; IPv6 where the fabric has IPv6 alone.
        states: the state of every switch by name.
        sent: what is sent, queue pair by queue pair.
        seed: decides queue pair numbers and ECN marking.
        start_ps: int64, the earliest start of every flow, whatever it waits for; None: 0.
        source_ports: int64[queue pairs, 2], UDP source port of data and of acknowledgements, -1 or None where
            it follows from the queue pair numbers.
        dscp, priority: of every queue pair's data, the PFC priority that stops it at its NIC; None: those of
            the first lossless class.
        delay_ps: int64, from when all that a flow waits for is done until it starts; None: 0.
        threads: that share the network's switches; the result is the same for any number.
        train: most frames of a queue pair that move as one.

    Raises:
        InputError: `no-train`, frames are to go in trains and are too large for it, or some switch routes
            adaptively, or NICs repeat single frames.
    """

    counts_packets = True
    """Whether there are packets, and with them queues, marks, pauses and drops to count."""

    def __init__(
        self,
        fabric: Fabric,
        addresses: Sequence[int] | NDArray[np.uint32],
        states: Mapping[str, SwitchState],
        sent: Sent,
        seed: int,
        start_ps: NDArray[np.int64] | None = None,
        source_ports: NDArray[np.int64] | None = None,
        dscp: NDArray[np.uint8] | None = None,
        priority: NDArray[np.uint8] | None = None,
        delay_ps: NDArray[np.int64] | None = None,
        threads: int = 1,
        train: int = 1,
    ) -> None:
        check_train(fabric, train)
        self.fabric = fabric
        self.train = train
        self._addresses = tuple(int(address) for address in addresses)
        self._is_ipv6 = fabric.addressing.families == "ipv6"
        node, peer, speed_bps, propagation_ps = self._port_columns()
        schedule = sent.schedule
        self.scale_up = scale_up_links(fabric, sent)
        # Headers of queue pairs inside domains are never looked at.
        src, dst = (np.maximum(ends, 0).astype(np.uint32) for ends in (sent.qp_src, sent.qp_dst))
        ranks = qp_ranks(sent)
        hashed = hashed_addresses(self._addresses, self._is_ipv6)
        self._hashes = HashClasses(hashed[src], hashed[dst], seed, states, source_ports)
        hashes = self._hashes.columns(0)
        self._headers = PacketHeaders(self._addresses, src, dst, seed, source_ports)
        traffic_class = fabric.roce.lossless[0] if fabric.roce.lossless else LosslessClass(0, 0)
        if dscp is None:
            dscp = np.full(len(src), traffic_class.dscp, np.uint8)
        self._rule_counters: dict[str, RuleCounters] = {}
        self._acl_headers = AclHeaders(
            self._addresses, self._is_ipv6, src, dst, seed, source_ports, dscp, fabric.roce.cnp.dscp
        )
        self._qp_ends, self._source_ports = (src, dst), source_ports
        self._qp_priority = (
            np.full(len(src), traffic_class.priority, np.uint8) if priority is None else priority
        )
        bus_bps = endpoint_bus_bps(fabric)
        setup = RunSetup(
            endpoints=len(fabric.endpoints),
            threads=threads,
            seed=seed,
            nics=replace(nic_columns(fabric), train_frames=train),
            pipeline_ps=np.array([s.model.pipeline_latency_ps for s in fabric.switches], np.int64),
            port_node=node,
            port_peer=peer,
            port_bps=speed_bps,
            port_propagation_ps=propagation_ps,
            qp_src=sent.qp_src.astype(np.uint32),
            qp_dst=sent.qp_dst.astype(np.uint32),
            qp_src_rank=ranks[0].astype(np.uint32),
            qp_dst_rank=ranks[1].astype(np.uint32),
            scale_up=self.scale_up.columns if self.scale_up else None,
            endpoint_bus_bps=bus_bps if bus_bps.any() else bus_bps[:0],
            endpoint_twin=twin_columns(fabric),
            flow_delay_ps=np.zeros(0, np.int64) if delay_ps is None else delay_ps,
            qp_hash=hashes[0],
            qp_ack_hash=hashes[1],
            qp_dscp=dscp,
            qp_priority=self._qp_priority,
            flow_qp=schedule.qp.astype(np.uint32),
            flow_bytes=schedule.size_bytes,
            flow_start_ps=np.zeros(schedule.flows, np.int64) if start_ps is None else start_ps,
            dep_offsets=schedule.dep_offsets,
            dep_ids=schedule.dep_ids.astype(np.uint32),
            cuts_through=np.array([s.model.is_cut_through for s in fabric.switches], np.uint8),
        )
        self._core = packet_engine(setup)
        for limited in np.flatnonzero(bus_bps).tolist():
            self.set_receiver(self.port_names[limited], None)
        self.is_stalled = False
        self._owners = 0
        self.pool_names: dict[str, tuple[str, ...]] = {}
        self._set_bps: dict[PortRef, int] = {}
        last_start_ps, longest_delay_ps = (
            0 if times is None else int(times.max(initial=0)) for times in (start_ps, delay_ps)
        )
        self._stall_guard = StallGuard(self, last_start_ps, longest_delay_ps)
        packets = np.maximum(-(-schedule.size_bytes // fabric.roce.mtu_bytes), 1)
        inside = (sent.qp_src == NOWHERE)[schedule.qp]
        data = int(packets[~inside].sum())
        self.expected_packets = max(data + data // fabric.hosts[0].nic_model.ack_interval, 1)
        self._inside_bytes = int(schedule.size_bytes[inside].sum())
        self.payload_bytes = int(schedule.size_bytes.sum())
        self._hash_classes = 0
        self._adaptive: set[str] = set()
        for name, state in states.items():
            self.set_switch(name, state)
        for link in fabric.links:
            if not link.is_up:
                self.set_link(link.a, is_up=False)
            if fabric.phy.bit_error_ratio:
                self.set_bit_errors(link.a, fabric.phy.bit_error_ratio)

    @cached_property
    def port_names(self) -> tuple[PortRef, ...]:
        """Every transmitting port: NICs in endpoint order, then the switches' front panels in order."""
        hosts = self.fabric.hosts
        nics = [PortRef(hosts[e.host].name, e.nic) for e in self.fabric.endpoints]
        panels = [PortRef(switch.name, port.name) for switch in self.fabric.switches for port in switch.ports]
        return tuple(nics + panels)

    @cached_property
    def port_index(self) -> dict[PortRef, int]:
        return {ref: i for i, ref in enumerate(self.port_names)}

    def _port_columns(
        self,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
        """Node, peer, speed and propagation delay of every port; one without a cable has no peer."""
        fabric = self.fabric
        count = len(self.port_names)
        nodes = list(range(len(fabric.endpoints)))
        for i, switch in enumerate(fabric.switches):
            nodes += [len(fabric.endpoints) + i] * len(switch.ports)
        peer = np.full(count, NONE, np.uint32)
        speed = np.full(count, 1, np.int64)
        propagation = np.zeros(count, np.int64)
        for link in fabric.links:
            a, b = self.port_index[link.a], self.port_index[link.b]
            peer[a], peer[b] = b, a
            speed[[a, b]] = link.speed_bps
            propagation[[a, b]] = link.delay_ps + fabric.phy.fec_latency_ps
        return np.array(nodes, np.uint32), peer, speed, propagation

    def set_switch(self, name: str, state: SwitchState) -> None:
        """Give a switch new state, from the present simulated time on."""
        if self.train > 1 and state.is_adaptive:
            what = f"{name} routes adaptively, which goes by frames"
            raise InputError.of("no-train", f"frames cannot go in trains: {what}", "take --fidelity packet")
        index = self.fabric.switch_by_name[name].index
        model = self.fabric.switches[index].model
        state = with_pools_by_sai(state, model)
        columns = switch_columns(state, self._addresses, self._headers, self._is_ipv6)
        number = self._hashes.number(state)
        while number > self._hash_classes:
            self._hash_classes = self._core.add_hashes(*self._hashes.columns(self._hash_classes + 1))
        (self._adaptive.add if state.is_adaptive else self._adaptive.discard)(name)
        self.pool_names[name] = tuple(pool.name for pool in state.buffer_pools)
        self._core.set_switch(
            index=index, hash_class=number, marks_at_dequeue=model.marks_at_dequeue, **columns
        )
        if state.acl_tables or name in self._rule_counters:
            counters = self._rule_counters.setdefault(name, RuleCounters())
            acl = acl_columns(state.acl_tables, len(state.ports), self._acl_headers, counters)
            self._core.set_acl(index=index, **acl)
        self._follow_speeds(name, state)

    def _follow_speeds(self, name: str, state: SwitchState) -> None:
        """Let a cable carry no more than its ports are set to, both ways; NICs follow their switch."""
        for port in state.ports:
            ref = PortRef(name, port.name)
            if ref in self.fabric.link_by_port and self._set_bps.get(ref) != port.speed_bps:
                before = self._cable_bps(ref)
                self._set_bps[ref] = port.speed_bps
                if (now := self._cable_bps(ref)) != before:
                    self._core.set_speed(self.port_index[ref], now)

    def _cable_bps(self, port: PortRef) -> int:
        link = self.fabric.link_by_port[port]
        return min(link.speed_bps, *(self._set_bps.get(end, link.speed_bps) for end in (link.a, link.b)))

    def rule_counts(self, name: str) -> dict[RuleKey, tuple[int, int]]:
        """Packets and bytes (frames with FCS) that each rule of a switch's access lists has met."""
        if name not in self._rule_counters:
            return {}
        packets, octets = (c.tolist() for c in self._core.acl_counts(self.fabric.switch_by_name[name].index))
        numbers = self._rule_counters[name].numbers
        return {rule: (packets[number], octets[number]) for rule, number in numbers.items()}

    def rule_name(self, switch: str, number: int) -> str:
        """Table and rule of a number that `QpColumns.drop_rule` has."""
        return "|".join(self._rule_counters[switch].rules[number])

    @property
    def is_adaptive(self) -> bool:
        """Some switch routes adaptively."""
        return bool(self._adaptive)

    def of_packets(self, count: int) -> int | None:
        """A count of what only packets have; None where there are none."""
        return int(count) if self.counts_packets else None

    def set_link(self, port: PortRef, is_up: bool) -> None:
        """Cut or mend the cable at a port, in both directions."""
        self._core.set_link(self.port_index[port], is_up)

    @property
    def _engine(self) -> _core.Simulation | _core.Fluid:
        """What moves the flows."""
        return self._core

    def run(
        self,
        progress: Progress | None = None,
        until_ps: int = NEVER,
        after_call: Callable[[], None] = lambda: None,
        may_change: bool = False,
    ) -> None:
        """Run until every flow is done or failed, nothing can move any more, or `until_ps` is reached.

        A run that cannot get on ends with `is_stalled`, unless it `may_change` from outside. `after_call` is
        called after every 200,000 events; what `saved` gives there goes on as this run does.
        """
        while not self.is_done and self._engine.has_events:
            count = self._engine.advance(until_ps, _EVENTS_PER_CALL)
            if progress:
                progress(self._share_done())
            may_stall = self.counts_packets and not may_change and not self.is_done
            if may_stall and self._stall_guard.is_stalled():
                self.is_stalled = True
                return
            after_call()
            if count < _EVENTS_PER_CALL and until_ps != NEVER:
                return
        self.is_stalled = not self.is_done and not may_change

    def advance(self, until_ps: int) -> None:
        """Run all events up to and with `until_ps`."""
        while self._engine.advance(until_ps, _EVENTS_PER_CALL) >= _EVENTS_PER_CALL:
            pass

    def saved(self) -> Columns:
        """All that it was told and has come to, for `restore`."""
        return {"engine": self._core.save(), "stall": self._stall_guard.saved()}

    def restore(self, saved: Columns) -> None:
        """Go on where another simulation of the same work was; all that it was told must have been told here.

        Raises:
            ValueError: it was of other work.
        """
        self._core.restore(saved["engine"])
        self._stall_guard.restore(saved["stall"])

    def _share_done(self) -> float:
        """Of what is to be moved, of each medium as much as it has to move."""
        packets = min(self.packets.delivered / self.expected_packets, 1.0)
        if not self._inside_bytes:
            return packets
        inside = self.inside_bytes / self._inside_bytes
        return inside if self.expected_packets == 1 else (packets + inside) / 2

    @property
    def inside_bytes(self) -> int:
        """Bytes of messages that have arrived inside scale-up domains."""
        return self._core.scale_up_delivered_bytes

    def scale_up_ports(self) -> ScaleUpPorts | None:
        """What the accelerators' scale-up ports have carried; None where nothing goes over any."""
        return self.scale_up.ports(self._core.scale_up_bytes()) if self.scale_up else None

    @property
    def now_ps(self) -> int:
        return self._core.now_ps

    @property
    def is_done(self) -> bool:
        """No flow is under way and none can start any more."""
        return self._engine.is_done

    @property
    def packets(self) -> PacketCounts:
        return PacketCounts(*self._core.packets)

    def flows(self) -> FlowColumns:
        return FlowColumns(*self._core.flow_columns())

    def qps(self) -> QpColumns:
        return QpColumns(*self._core.qp_columns())

    def set_owners(self, owner: NDArray[np.int64], owners: int) -> None:
        """Count marks and pauses by owner, of whom each queue pair has one of 0 to `owners` - 1."""
        self._owners = owners
        self._core.set_owners(owner.astype(np.uint32), owners)

    def by_owner(self) -> OwnerColumns | None:
        """Marks and pauses by owner; None where there are none, or no packets."""
        if not self._owners:
            return None
        return OwnerColumns(*(each.reshape(-1, self._owners) for each in self._core.owner_columns()))

    def ports(self) -> PortColumns:
        return read_ports(self._core)

    def watermarks(self) -> WatermarkColumns:
        return read_watermarks(self._core)

    def clear_watermarks(self) -> None:
        """Let the highest marks, also those of `ports`, be what there is now."""
        self._core.clear_watermarks()

    def set_light(self, port: PortRef, is_lit: bool) -> None:
        """Cut or mend the cable at a port without its ends noticing: what they send is lost."""
        self._core.set_light(self.port_index[port], is_lit)

    def set_bit_errors(self, port: PortRef, ratio: float) -> None:
        """Give the cable at a port a bit error ratio after FEC, in both directions."""
        self._core.set_bit_errors(self.port_index[port], ratio)

    def set_speed(self, port: PortRef, rate_bps: int | None) -> None:
        """Let the cable at a port carry no more than `rate_bps` (None: as its ports are set), both ways."""
        self._core.set_speed(self.port_index[port], rate_bps or self._cable_bps(port))

    def set_delays(self, delay_ps: NDArray[np.int64]) -> None:
        """From when all that a flow waits for is done until it starts, of every flow not yet ready."""
        self._core.set_delays(delay_ps)

    def received_packets(self) -> NDArray[np.uint64]:
        """Packets that each queue pair's receiver has in order."""
        return self._core.received_packets()

    def set_receiver(self, port: PortRef, rate_bps: int | None) -> None:
        """Let the host at a NIC take data no faster than `rate_bps` (None: as its bus does).

        Assumption: 2 MiB of buffer in the NIC; it pauses its switch above half of that and lets it go on at a
        quarter. Half of 2 MiB is more than what 400G still brings over 2 km of cable after a pause.
        """
        size = _NIC_BUFFER_BYTES
        self._core.set_receiver(self.port_index[port], rate_bps or 0, size, size // 2, size // 4)

    def set_storm(self, port: PortRef, priorities: int, period_ps: int = 0, quanta: int = 0) -> None:
        """Let the NIC at `port` pause its switch on these priorities (bits) until told else.

        With a period it sends a PFC frame at once and one each period; each halts for so many quanta of 512
        bit times, and one of no quanta lets go on. Pauses of the fabric must end by themselves then.
        """
        self._core.set_storm(self.port_index[port], priorities, period_ps, quanta)

    def set_traced(self, port: int) -> None:
        """Record what the port with this number sends, for `take_trace`."""
        self._core.set_traced(port, True)

    def take_trace(self) -> FrameColumns:
        """The frames that traced ports have begun to send since the last call, in order of time."""
        time_ps, port, qp, psn, size, dscp_ce, ttl = self._core.take_trace()
        is_pfc = qp == NONE
        return FrameColumns(
            time_ps=time_ps,
            port=port,
            kind=np.where(is_pfc, PFC, psn >> np.uint32(24)).astype(np.uint8),
            qp=qp,
            psn=np.where(is_pfc, psn, psn & np.uint32(0xFFFFFF)),
            size_bytes=size,
            dscp=dscp_ce & np.uint8(0x3F),
            is_ce=dscp_ce >> np.uint8(7),
            ttl=ttl,
        )

    def find_deadlock(self) -> tuple[tuple[PortRef, int], ...]:
        """Ports with their queues that wait for each other in a circle; empty if there is none.

        Each queue is paused by a priority group whose packets can only leave through the next queue, or
        through others that are held as it is.
        """
        queues = self._core.find_deadlock().tolist()
        return tuple((self.port_names[queue // PRIORITIES], queue % PRIORITIES) for queue in queues)

    def qp_ends(self, qp: int) -> tuple[int, int]:
        """The endpoints that a queue pair sends from and to."""
        src, dst = self._qp_ends
        return int(src[qp]), int(dst[qp])

    def qp_addresses(self, qp: int) -> tuple[bytes, bytes]:
        """Addresses of a queue pair's sender and receiver, in network order."""
        width = 16 if self._is_ipv6 else 4
        src, dst = (self._addresses[ends[qp]].to_bytes(width, "big") for ends in self._qp_ends)
        return src, dst

    def qp_source_ports(self, qp: int) -> tuple[int, int] | None:
        """UDP source ports of a queue pair's data and acknowledgements; None or -1: of its numbers."""
        if self._source_ports is None:
            return None
        data, acks = self._source_ports[qp].tolist()
        return data, acks

    def qp_priority(self, qp: int) -> int:
        """The priority whose pause stops a queue pair's data."""
        return int(self._qp_priority[qp])

    @property
    def has_watchdogs(self) -> bool:
        return len(self._core.watchdog_columns()[0]) > 0

    def watchdog(self) -> WatchdogColumns:
        return read_watchdog(self._core)

    def watchdog_events(self) -> tuple[WatchdogEvent, ...]:
        """What the watchdogs did, in order of time."""
        columns = (column.tolist() for column in self._core.watchdog_events())
        return tuple(
            WatchdogEvent(time_ps, self.port_names[port], queue, bool(is_storm))
            for time_ps, port, queue, is_storm in zip(*columns, strict=True)
        )

    def trace(self, qp: int, *, acks: bool = False) -> NDArray[np.uint32]:
        """The transmitting ports that the present state gives a queue pair's data (or acknowledgements).

        An adaptive group counts with the member that the hash would take.
        """
        return self._core.trace(qp, acks)

    def traces(self, qps: NDArray[np.integer[Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`trace` of the data of many queue pairs, one behind the other, and how many ports each has."""
        ports, lengths = self._core.traces(qps.astype(np.uint32))
        return ports.astype(np.int64), lengths.astype(np.int64)
