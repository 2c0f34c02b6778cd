"""The lossless buffer profile: how much may still arrive after a pause is sent, and where it fits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from raddle.controller.plan.model import BufferPlan, LosslessProfile, PortPlan
from raddle.controller.plan.qos import own_priority
from raddle.errors import InputError
from raddle.topology.model import Fabric, PortRef, RocePolicy, SwitchModel
from raddle.topology.pg_profiles import pg_profile
from raddle.units import format_length, format_rate

KIB = 1024
SIGNAL_SPEED_M_PER_S = 198_000_000
SMALLEST_FRAME_BYTES = 64
QUANTUM_BITS = 512
WIDE_PORT_LANES = 8

PAUSE_QUANTA = {
    10**9: 2,
    10**10: 67,
    25 * 10**9: 80,
    40 * 10**9: 118,
    50 * 10**9: 147,
    10**11: 394,
    2 * 10**11: 453,
    4 * 10**11: 905,
    8 * 10**11: 905,
    16 * 10**11: 4 * 905,
}
"""Pause quanta of 512 bit times within which a MAC must react to a pause frame, by speed in bits per second
(IEEE 802.3, 31B.3.7; the 800G value is SONiC's, which takes that of 400G).

Assumption: at 1.6T, for which no standard is out (IEEE P802.3dj), a MAC and PHY take as long as at 400G,
1158 ns, which is four times as many quanta; twice the time of 800G, so on the safe side."""

LOSSY_DYNAMIC_TH = 0
"""alpha = 1: a lossy queue takes at most half of the free pool (SONiC's Dell Z9864F profile)."""


@dataclass(frozen=True, slots=True)
class AsicParameters:
    """What the headroom formula must know of a switch chip.

    Attributes:
        cell_bytes: unit of buffer allocation.
        pipeline_latency_bytes: what the pipeline holds; SONiC keeps it as `xon`.
        mac_phy_delay_bytes: held in the egress MAC and PHY when the pause is generated.
        tile_delay_ns: line rate times this is held between MAC and shared buffer.

    The defaults are those of the Spectrum-4 generation and are an assumption for any other chip.
    """

    cell_bytes: int = 192
    pipeline_latency_bytes: int = 19 * KIB
    mac_phy_delay_bytes: float = 0.8 * KIB
    tile_delay_ns: int = 120


@dataclass(frozen=True, slots=True)
class Headroom:
    """`xoff_bytes` arrive at most after the pause; `xon_bytes` are kept for the start after it.

    `speed_overhead_bytes` come on top at a port of 8 lanes. `delays` are what `xoff_bytes` are the sum of,
    in bytes by name, each `occupancy` times over, as a small packet takes a whole cell; and one packet more.
    """

    xoff_bytes: int
    xon_bytes: int
    speed_overhead_bytes: int = 0
    delays: tuple[tuple[str, float], ...] = ()
    occupancy: float = 1.0

    @property
    def size_bytes(self) -> int:
        return _to_kib(self.xoff_bytes + self.xon_bytes + self.speed_overhead_bytes)

    @property
    def after_pause_bytes(self) -> int:
        """All that can come after the pause."""
        return _to_kib(self.xoff_bytes + self.speed_overhead_bytes)


def headroom(
    asic: AsicParameters,
    speed_bps: int,
    cable_m: float,
    port_mtu_bytes: int,
    lossless_mtu_bytes: int = 1024,
    small_packet_percent: float = 100,
    peer_reaction_ps: int = 0,
    ingress_latency_ps: int = 0,
    lanes: int = 1,
) -> Headroom:
    """Headroom of one lossless priority group.

    After the threshold is crossed these still arrive: one frame that the peer has begun
    (`port_mtu_bytes`), what is on the cable both ways, what MAC, PHY and tile hold, and what the peer sends
    before it reacts (pause quanta). A small packet occupies a whole cell, so all of it is multiplied with
    the cells' occupancy; on top comes one lossless packet that delays the pause frame itself.

    Args:
        lossless_mtu_bytes: packet size of lossless traffic (LOSSLESS_TRAFFIC_PATTERN.mtu).
        small_packet_percent: share of 64-byte packets in it, counted in packets. 100 is the worst case and
            the default: it costs a few megabytes of a switch buffer, and a guarantee that holds for the
            usual mix of packets only is none.
        peer_reaction_ps: how long the peer is known to take to stop, where that is longer than the standard
            allows.
        ingress_latency_ps: from a frame's last bit to its being counted, where the chip's own share in the
            MAC, PHY and tile delays does not hold it.
        lanes: of the port. One of 8 takes two buffer units: twice the pipeline but for 1 KiB, and another
            frame.

    Source:
        sonic-swss, cfgmgr/buffer_headroom_mellanox.lua (as of pull request 3235; the compensation of
        pull request 4757 concerns percentages below 100 without shared headroom). The delays are those
        of IEEE 802.1Q-2022, annex N (buffer requirements for priority-based flow control).
    """
    if speed_bps not in PAUSE_QUANTA:
        known = ", ".join(format_rate(speed) for speed in PAUSE_QUANTA)
        raise InputError.of(
            "unknown-pause-delay",
            f"no PFC reaction time is known for a port of {format_rate(speed_bps)}",
            f"speeds with a known reaction time: {known}",
            ("fabric", "uplinks", "speed"),
        )
    cells_per_small = math.ceil(
        asic.cell_bytes / SMALLEST_FRAME_BYTES
        if asic.cell_bytes > 2 * SMALLEST_FRAME_BYTES
        else 2 * asic.cell_bytes / (1 + asic.cell_bytes)
    )
    mean_bytes = (
        small_packet_percent * SMALLEST_FRAME_BYTES + (100 - small_packet_percent) * lossless_mtu_bytes
    ) / 100
    # SOURCE: the script's share by bytes; without the factor small_packet_percent it errs on the safe side.
    small_share = SMALLEST_FRAME_BYTES / mean_bytes
    occupancy = 1 - small_share + small_share * cells_per_small
    delays = {
        "frame that the peer has begun": float(port_mtu_bytes),
        "cable, both ways": 2 * cable_m / SIGNAL_SPEED_M_PER_S * speed_bps / 8,
        "MAC and PHY": asic.mac_phy_delay_bytes,
        "peer's reaction": max(
            PAUSE_QUANTA[speed_bps] * QUANTUM_BITS / 8, peer_reaction_ps * speed_bps / 8e12
        ),
        "from MAC to buffer": asic.tile_delay_ns * speed_bps / 8e9,
        "pipeline and FEC": ingress_latency_ps * speed_bps / 8e12,
    }
    is_wide = lanes == WIDE_PORT_LANES
    pipeline_bytes = asic.pipeline_latency_bytes * 2 - KIB if is_wide else asic.pipeline_latency_bytes
    return Headroom(
        xoff_bytes=_to_kib(lossless_mtu_bytes + sum(delays.values()) * occupancy),
        xon_bytes=_to_kib(pipeline_bytes),
        speed_overhead_bytes=port_mtu_bytes if is_wide else 0,
        delays=tuple(delays.items()),
        occupancy=occupancy,
    )


def plan_buffers(
    switch: str,
    model: SwitchModel,
    ports: tuple[PortPlan, ...],
    roce: RocePolicy,
    peer_reaction_ps: int,
    fec_latency_ps: int = 0,
) -> BufferPlan:
    """Divide a switch's packet buffer into headroom, reserved and shared.

    Every lossless priority group of every cabled port has its whole headroom set aside, so that all of them
    can be paused at once without loss, unless the policy shares it. One maximal frame per group, in cells,
    is reserved so that a full pool cannot starve it, and is the hysteresis between pause and resume (9144
    bytes for 9100 in cells of 254, as in SONiC's Dell Z9664F profile). Ports of one speed and cable length
    (whole metres, rounded up, as CABLE_LENGTH has them) share a profile. Without PFC nothing is set aside. A
    model's own headroom (`pg_profiles`) counts before what is computed. CNPs with a priority of their own
    have one maximal frame reserved, too, at every cabled port on the way in and on the way out, which nothing
    else can take.

    Args:
        ports: those with a `peer` get buffer, as `with_room` has them: a cable that comes later then changes
            no pool, which SONiC takes from a new config_db.json only.

    Raises:
        InputError: `headroom-exceeds-buffer`, `headroom-pool-too-small` for one that does not hold what a
            single group needs, or `unknown-pause-delay` for an odd port speed.
    """
    frame_bytes = -(-roce.port_mtu_bytes // model.cell_bytes) * model.cell_bytes
    cnp_bytes = 0 if own_priority(roce) is None else frame_bytes
    cabled = sum(1 for port in ports if port.peer)
    cnps_bytes = cnp_bytes * cabled
    if not roce.pfc or not roce.lossless:
        if cnps_bytes >= model.buffer_bytes:  # no room for a guarantee, and nothing else that needs one
            cnp_bytes = cnps_bytes = 0
        return BufferPlan(model.buffer_bytes - cnps_bytes, 0, (), LOSSY_DYNAMIC_TH, cnp_bytes, cabled)
    counts_headroom = model.pool_size == "shared-guaranteed-and-headroom"
    groups: dict[tuple[int, int], list[PortPlan]] = {}
    for port in ports:
        if port.peer:
            groups.setdefault((port.speed_bps, max(1, math.ceil(port.cable_m))), []).append(port)
    vendor = {kind: row for kind in groups if (row := pg_profile(model, *kind))}
    profiles = tuple(
        LosslessProfile(
            name=f"pg_lossless_{speed_bps // 10**6}_{cable_m}m_profile",
            speed_bps=speed_bps,
            cable_m=float(cable_m),
            reserved_bytes=frame_bytes,
            xon_offset_bytes=frame_bytes,
            headroom_bytes=vendor[speed_bps, cable_m].xoff_bytes
            if (speed_bps, cable_m) in vendor
            else computed_headroom(
                model,
                speed_bps,
                cable_m,
                roce,
                peer_reaction_ps,
                fec_latency_ps,
                max(len(port.lanes) for port in alike),
            ),
            dynamic_th=roce.dynamic_th,
            ports=tuple(port.name for port in alike),
        )
        for (speed_bps, cable_m), alike in sorted(groups.items(), key=lambda item: item[0])
    )
    priorities = len(roce.lossless)
    needs_bytes = sum(priorities * len(each.ports) * each.headroom_bytes for each in profiles)
    most_bytes = max((each.headroom_bytes for each in profiles), default=0)
    headroom_bytes = roce.headroom.pool_of(needs_bytes, most_bytes)
    if headroom_bytes < most_bytes:
        raise TooSmallError.of(
            "headroom-pool-too-small",
            f"{switch}: a pool of {headroom_bytes} bytes of headroom does not hold the {most_bytes} bytes "
            "that one lossless priority group needs",
            f"set 'roce: {{headroom: {{pool: {most_bytes}B}}}}' or more",
            ("roce", "headroom", "pool"),
        ).lacking(most_bytes - headroom_bytes)
    reserved_bytes = sum(priorities * len(each.ports) * each.reserved_bytes for each in profiles)
    # Where a chip has guarantees beside a pool's size they are left twice: SAI, and who reads the pool by it,
    # counts them in its size.
    beside_bytes = reserved_bytes + cnps_bytes if model.pool_size == "shared" else 0
    shared_bytes = model.buffer_bytes - headroom_bytes - reserved_bytes - cnps_bytes - beside_bytes
    if shared_bytes <= 0:
        raise _too_small(switch, model, profiles, priorities, shared_bytes, cnp_bytes)
    return BufferPlan(
        shared_bytes, headroom_bytes, profiles, LOSSY_DYNAMIC_TH, cnp_bytes, cabled, counts_headroom
    )


def with_room(fabric: Fabric, switch: str, ports: tuple[PortPlan, ...]) -> tuple[PortPlan, ...]:
    """The ports of a switch as buffer is divided among them: those that are kept for a cable as with it."""
    room = fabric.room_by_port
    if not room:
        return ports
    return tuple(
        port
        if (link := room.get(PortRef(switch, port.name))) is None
        else replace(
            port,
            speed_bps=link.speed_bps,
            peer=str(link.b if link.a.device == switch else link.a),
            cable_m=link.length_m,
        )
        for port in ports
    )


def computed_headroom(
    model: SwitchModel,
    speed_bps: int,
    cable_m: float,
    roce: RocePolicy,
    peer_reaction_ps: int,
    fec_latency_ps: int,
    lanes: int,
    port_mtu_bytes: int = 0,
) -> int:
    """What a port needs by the formula, in bytes; its MTU is the policy's if not given. Raises as `headroom`
    does."""
    return port_headroom(
        model, speed_bps, cable_m, roce, peer_reaction_ps, fec_latency_ps, lanes, port_mtu_bytes
    ).after_pause_bytes


def port_headroom(
    model: SwitchModel,
    speed_bps: int,
    cable_m: float,
    roce: RocePolicy,
    peer_reaction_ps: int,
    fec_latency_ps: int,
    lanes: int,
    port_mtu_bytes: int = 0,
) -> Headroom:
    """The headroom of a port with what it is the sum of; its MTU is the policy's if not given."""
    return headroom(
        AsicParameters(cell_bytes=model.cell_bytes),
        speed_bps,
        cable_m,
        # A frame of any class can delay the pause frame, so the port's MTU counts here too.
        port_mtu_bytes=port_mtu_bytes or roce.port_mtu_bytes,
        lossless_mtu_bytes=roce.headroom.lossless_mtu_bytes or port_mtu_bytes or roce.port_mtu_bytes,
        small_packet_percent=100 * roce.headroom.small_packet_share,
        peer_reaction_ps=peer_reaction_ps,
        # FEC delays the pause on its way out and the data on its way in.
        ingress_latency_ps=model.pipeline_latency_ps + 2 * fec_latency_ps,
        lanes=lanes,
    )


class TooSmallError(InputError):
    """`headroom-exceeds-buffer` or `headroom-pool-too-small`; `lack_bytes` are too few."""

    lack_bytes = 0

    def lacking(self, lack_bytes: int) -> Self:
        """The same, with how many bytes are too few."""
        self.lack_bytes = lack_bytes
        return self


def _too_small(
    switch: str,
    model: SwitchModel,
    profiles: tuple[LosslessProfile, ...],
    priorities: int,
    shared_bytes: int,
    cnp_bytes: int,
) -> TooSmallError:
    needs = "; ".join(
        f"{len(each.ports)} ports of {format_rate(each.speed_bps)} with {format_length(each.cable_m)} cable "
        f"({each.ports[0]}..{each.ports[-1]}): {each.headroom_bytes + each.reserved_bytes} bytes each"
        for each in profiles
    )
    shared = f"pool: {model.headroom_pool_bytes}B" if model.headroom_pool_bytes else "over_subscribe_ratio: 4"
    if cnp_bytes:
        needs += f"; and {cnp_bytes} bytes for CNPs on each"
    return TooSmallError.of(
        "headroom-exceeds-buffer",
        f"{switch}: lossless headroom leaves no shared buffer: {model.name} has {model.buffer_bytes} bytes, "
        f"{-shared_bytes} too few for {priorities} lossless priorities on {needs}",
        "shorten cables, use fewer lossless priorities or a switch model with more buffer, or share the "
        f"headroom: 'roce: {{headroom: {{{shared}}}}}'",
        ("models", model.name, "buffer"),
    ).lacking(-shared_bytes)


def _to_kib(size_bytes: float) -> int:
    """Round up to whole KiB, as the script does."""
    return math.ceil(size_bytes / KIB) * KIB
