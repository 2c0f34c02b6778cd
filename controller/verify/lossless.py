"""The lossless chain, host to host: what must fit together on every port that lossless packets cross."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter

from raddle.controller.plan.buffers import computed_headroom
from raddle.controller.verify.cnps import check_cnps
from raddle.controller.verify.finding import Finding
from raddle.controller.verify.headroom_pools import check_headroom_pools
from raddle.controller.verify.link_ends import check_ends
from raddle.errors import InputError
from raddle.sim.pool_sizes import with_pools_by_sai
from raddle.state import PortState, SwitchState
from raddle.topology.model import Fabric, Link, LosslessClass, PortRef, RocePolicy, Switch
from raddle.topology.pg_profiles import pg_profile
from raddle.units import format_length, format_rate

ROCE_HEADER_BYTES = 20 + 8 + 12 + 16 + 4
"""IPv4, UDP, BTH, RETH and ICRC (IBTA annex A17): what a packet adds to its payload within the IP MTU."""

CONGESTED_GROUPS = 8
"""Assumption: so many priority groups of a switch stand at their PFC threshold at the same time."""


_WIRE_BYTES = 18 + 20
"""Ethernet header and FCS, preamble and gap: what a frame has besides its IP packet (IEEE 802.3, 3.1.1)."""

_PFC_FRAME_BYTES = 64 + 20
"""A PFC frame on the wire (IEEE 802.1Q-2022, 36.1.3: one of the smallest size)."""

_QUANTUM_BYTES = 64
"""512 bit times of the port (IEEE 802.1Q-2022, 36.1.3.2)."""


def check_lossless(
    fabric: Fabric, states: Mapping[str, SwitchState], congested_groups: int = CONGESTED_GROUPS
) -> tuple[Finding, ...]:
    """Check what the switches hold against the fabric's RoCE policy; equal findings of ports are one.

    Args:
        states: of the switches that are looked at.
        congested_groups: priority groups at their PFC threshold when ECN must still mark first.
    """
    gathered: dict[Finding, dict[str, None]] = {}
    late: dict[str, tuple[int, Finding]] = {}
    known: dict[Hashable, _Findings] = {}
    for switch in fabric.switches:
        if (held := states.get(switch.name)) is None:
            continue
        cables = [fabric.link_by_port.get(PortRef(switch.name, port.name)) for port in held.ports]
        kind = _kind_of(fabric, switch, held, cables)
        if kind not in known:
            known[kind] = _findings_of(fabric, switch, held, cables, congested_groups)
        found = known[kind]
        for finding in found.whole:
            gathered.setdefault(finding, {})[switch.name] = None
        if found.late:
            late[switch.name] = found.late
        for port, finding in found.ports:
            gathered.setdefault(finding, {})[f"{switch.name}:{port}"] = None
    if late:  # one kmax has one bound: that of the switch that pauses first
        names = sorted(late, key=lambda name: late[name][0])
        gathered[late[names[0]][1]] = dict.fromkeys(names)
    for port_name, finding in check_ends(fabric, states):
        gathered.setdefault(finding, {})[port_name] = None
    for finding in _renewal(fabric.roce):
        gathered.setdefault(finding, {})["every port"] = None
    return tuple(
        Finding(each.code, f"{_where(list(places))}: {each.message}", each.hint, each.place, each.severity)
        for each, places in gathered.items()
    )


@dataclass(frozen=True, slots=True)
class _Findings:
    """What is wrong at a switch as a whole, what marks too late, and what is wrong at which port."""

    whole: tuple[Finding, ...]
    late: tuple[int, Finding] | None
    ports: tuple[tuple[str, Finding], ...]


def _findings_of(
    fabric: Fabric, switch: Switch, held: SwitchState, cables: list[Link | None], congested_groups: int
) -> _Findings:
    state = with_pools_by_sai(held, switch.model)
    lanes = {port.name: len(port.lanes) for port in switch.ports}
    return _Findings(
        whole=tuple(_switch(switch, state, fabric, congested_groups)),
        late=min(_ecn_after_pfc(state, fabric, congested_groups), key=itemgetter(0), default=None),
        ports=tuple(
            (port.name, finding)
            for port, link in zip(state.ports, cables, strict=True)
            if link is not None and link.is_up
            for finding in _port(switch, state, port, lanes[port.name], link, fabric)
        ),
    )


def _kind_of(fabric: Fabric, switch: Switch, held: SwitchState, cables: list[Link | None]) -> Hashable:
    """What switches with equal findings have in common: the same objects in their states and as their model
    and ports' names, and links of one kind at each port."""
    links = tuple(
        link and (link.speed_bps, link.length_m, link.is_up, _cable(fabric, link)) for link in cables
    )
    parts = (held.ports, held.buffer_pools, held.buffer_profiles, held.wred_profiles, switch.model)
    return links, *map(id, parts)


def _where(places: list[str]) -> str:
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f"{places[0]}{more}"


def _port(
    switch: Switch, state: SwitchState, port: PortState, lanes: int, link: Link, fabric: Fabric
) -> Iterator[Finding]:
    roce = fabric.roce
    for place, lossless in enumerate(roce.lossless):
        yield from _class(port, lossless, roce, ("roce", "lossless", place))
        yield from _headroom(switch, state, port, lanes, lossless, link, fabric)
        yield from _egress(state, port, lossless)
    yield from check_cnps(state, port, roce)
    yield from _beside(state, port, roce)
    need = roce.mtu_bytes + ROCE_HEADER_BYTES
    if port.mtu_bytes < need:
        yield Finding(
            "mtu-too-small",
            f"MTU {port.mtu_bytes} B is below {need} B, a RoCE packet of {roce.mtu_bytes} B payload",
            f"set port_mtu to {need} or more",
            ("roce", "port_mtu"),
        )
    elif port.mtu_bytes != roce.port_mtu_bytes:
        yield Finding(
            "mtu-differs",
            f"MTU {port.mtu_bytes} B, the fabric's is {roce.port_mtu_bytes} B",
            "give all ports of the path one MTU",
            ("roce", "port_mtu"),
        )


def _beside(state: SwitchState, port: PortState, roce: RocePolicy) -> Iterator[Finding]:
    """Priority groups with headroom that no class of the fabric is in: what they halt is not proven."""
    classes = {lossless.priority for lossless in roce.lossless}
    for number, profile in enumerate(port.pgs):
        if profile is not None and state.buffer_profiles[profile].xoff_bytes and number not in classes:
            yield Finding(
                "lossless-beside",
                f"priority group {number} is lossless, and no class of the fabric is",
                "remove its entry of BUFFER_PG, or say its class in 'roce: {lossless: ...}'",
                ("roce", "lossless"),
                "warning",
            )


def _renewal(roce: RocePolicy) -> Iterator[Finding]:
    """A pause must last until it is renewed: half its time, a frame that is being sent, the renewal."""
    least = -(-2 * (roce.port_mtu_bytes + _WIRE_BYTES + _PFC_FRAME_BYTES) // _QUANTUM_BYTES)
    if roce.lossless and roce.pfc and 0 < roce.pause_quanta < least:
        yield Finding(
            "pause-too-short",
            f"a pause of {roce.pause_quanta} quanta can end before it is renewed, as a frame of"
            f" {roce.port_mtu_bytes} B may be on the wire",
            f"set pause_quanta to {least} or more; SONiC switches send 65535",
            ("roce", "pause_quanta"),
        )


def _class(
    port: PortState, lossless: LosslessClass, roce: RocePolicy, place: tuple[str | int, ...]
) -> Iterator[Finding]:
    """DSCP = TC = queue = PG = PFC priority, and PFC is on."""
    if not roce.pfc:
        # The fabric has no chain then, so its first broken step would name neither cause nor way out.
        message = f"no PFC: packets of DSCP {lossless.dscp} can be dropped"
        yield Finding("pfc-off", message, "set 'pfc: true', or leave it out", ("roce", "pfc"))
        return
    dscp, priority = lossless.dscp, lossless.priority
    tc = port.dscp_to_tc[dscp]
    steps = [
        ("dscp", f"DSCP {dscp} maps to TC", tc),
        ("priority", f"TC {tc} maps to priority group", port.tc_to_pg[tc]),
        ("priority", f"TC {tc} maps to queue", port.tc_to_queue[tc]),
        ("priority", f"a pause of priority {priority} stops queue", port.pfc_to_queue[priority]),
    ]
    for key, what, value in steps:
        if value != priority:
            hint = f"{priority} is this class's one number on the whole way"
            yield Finding("priority-chain", f"{what} {value}, not {priority}", hint, (*place, key))
            return
    if not port.pfc_enable >> priority & 1:
        message = f"no PFC for lossless priority {priority}"
        yield Finding("pfc-off", message, "turn PFC on", (*place, "priority"))
    wred = port.queues[priority].wred
    if wred is None and roce.congestion_control == "dcqcn":
        message = f"queue {priority} marks no ECN, so DCQCN never slows a sender"
        yield Finding("ecn-off", message, "bind a WRED profile to it", ("roce", "ecn"))


def _headroom(
    switch: Switch,
    state: SwitchState,
    port: PortState,
    lanes: int,
    lossless: LosslessClass,
    link: Link,
    fabric: Fabric,
) -> Iterator[Finding]:
    if not fabric.roce.pfc:
        return
    index = port.pgs[lossless.priority]
    profile = None if index is None else state.buffer_profiles[index]
    if profile is None or not profile.xoff_bytes:
        message = f"priority group {lossless.priority} has no headroom: what arrives after a pause is lost"
        yield Finding("no-headroom", message, "bind a lossless buffer profile", ("roce", "lossless"))
        return
    try:
        need = computed_headroom(
            switch.model,
            link.speed_bps,
            link.length_m,
            fabric.roce,
            fabric.pfc_reaction_ps,
            fabric.phy.fec_latency_ps,
            lanes,
            port.mtu_bytes,
        )
    except InputError as error:
        first = error.diagnostics[0]
        yield Finding(first.code, first.message, first.hint, _cable(fabric, link))
        return
    vendor = pg_profile(switch.model, link.speed_bps, max(1, math.ceil(link.length_m)))
    if profile.xoff_bytes < (min(need, vendor.xoff_bytes) if vendor else need):
        yield Finding(
            "headroom-too-small",
            f"headroom {profile.xoff_bytes} B of {profile.name} is below the {need} B that "
            f"{format_length(link.length_m)} of cable at {format_rate(link.speed_bps)} need",
            "use the profile of this speed and cable length",
            _cable(fabric, link),
        )


def _cable(fabric: Fabric, link: Link) -> tuple[str | int, ...]:
    is_host = link.a.device not in fabric.switch_by_name
    return ("hosts", "nics", "cable") if is_host else ("fabric", "uplinks", "cable")


def _egress(state: SwitchState, port: PortState, lossless: LosslessClass) -> Iterator[Finding]:
    """What ingress let in, egress must not drop."""
    pg, queue = port.pgs[lossless.priority], port.queues[lossless.priority].buffer
    if pg is None or queue is None:
        return
    ingress = state.buffer_pools[state.buffer_profiles[pg].pool]
    profile = state.buffer_profiles[queue]
    egress = state.buffer_pools[profile.pool]
    need = ingress.size_bytes + ingress.xoff_bytes
    has = egress.size_bytes if profile.static_th_bytes is None else profile.static_th_bytes
    place = ("roce", "lossless")
    if egress.size_bytes < need:
        message = f"egress pool {egress.name} of {egress.size_bytes} B is smaller than ingress, {need} B"
        yield Finding("egress-pool-too-small", message, "make it as large as the buffer", place)
    elif profile.dynamic_th is not None or has < need:
        limit = "a dynamic threshold" if profile.dynamic_th is not None else f"a threshold of {has} B"
        message = f"lossless queue {lossless.priority} has {limit}: it drops before ingress ({need} B) pauses"
        yield Finding("egress-drops-first", message, "set static_th to the whole buffer", place)


def _switch(switch: Switch, state: SwitchState, fabric: Fabric, congested_groups: int) -> Iterator[Finding]:
    """What all ports of a switch share: the buffer, and the point where PFC sets in."""
    ingress = [pool for pool in state.buffer_pools if pool.is_ingress]
    reserved = _reserved(state)
    beside = sum(reserved) if switch.model.pool_size == "shared" else 0
    total = sum(pool.size_bytes + pool.xoff_bytes for pool in ingress) + beside
    if total > switch.model.buffer_bytes:
        what = (
            "ingress pools, headroom and the guarantees beside them"
            if beside
            else "ingress pools and headroom"
        )
        message = f"{what} take {total} B, {switch.model.name} has {switch.model.buffer_bytes}"
        yield Finding("buffer-exceeded", message, "shrink the pools", ("fabric", "leaves", "model"))
    cabled = {port.name for port in state.ports if PortRef(switch.name, port.name) in fabric.link_by_port}
    yield from check_headroom_pools(state, fabric.roce.headroom, cabled)
    if fabric.roce.pfc and fabric.roce.watchdog is None:
        message = "no PFC watchdog: a stuck receiver stops the fabric"
        yield Finding("no-watchdog", message, "set roce.watchdog", ("roce", "watchdog"), "warning")


def _reserved(state: SwitchState) -> list[int]:
    """What priority groups have reserved in each pool."""
    reserved = [0] * len(state.buffer_pools)
    for port in state.ports:
        for index in port.pgs:
            if index is not None:
                profile = state.buffer_profiles[index]
                reserved[profile.pool] += profile.reserved_bytes
    return reserved


def _ecn_after_pfc(
    state: SwitchState, fabric: Fabric, congested_groups: int
) -> Iterator[tuple[int, Finding]]:
    """Where PFC pauses before ECN marks, and from how many bytes on.

    A priority group's dynamic threshold with N such groups at it, T = alpha * (B - N * T), is above kmax.

    Source: Y. Zhu et al., "Congestion control for large-scale RDMA deployments", SIGCOMM 2015, section 4:
        ECN must mark before PFC pauses even where all bytes of a marked queue came in through one port.
    """
    if not fabric.roce.pfc or fabric.roce.congestion_control != "dcqcn":
        return
    reserved = _reserved(state)
    for priority in (each.priority for each in fabric.roce.lossless):
        pairs = {(port.pgs[priority], port.queues[priority].wred) for port in state.ports}
        for pg, wred in sorted((a, b) for a, b in pairs if a is not None and b is not None):
            profile, marking = state.buffer_profiles[pg], state.wred_profiles[wred]
            shared = state.buffer_pools[profile.pool].size_bytes - reserved[profile.pool]
            if profile.dynamic_th is None:
                pause_bytes = profile.static_th_bytes or 0
            else:
                alpha = 2.0**profile.dynamic_th
                pause_bytes = int(alpha * shared / (1 + congested_groups * alpha)) + profile.reserved_bytes
            if marking.max_bytes >= pause_bytes:
                finding = Finding(
                    "ecn-after-pfc",
                    f"ECN kmax {marking.max_bytes} B is not below {pause_bytes} B, where PFC pauses priority "
                    f"{priority} with {congested_groups} congested priority groups",
                    f"set kmax below {pause_bytes} B, or raise dynamic_th",
                    ("roce", "ecn", "kmax"),
                )
                yield pause_bytes, finding
