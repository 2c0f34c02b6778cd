"""What a switch forwards with: the one value that passes from a NOS to the engine.

A `SwitchState` is derived from a switch's databases (see `raddle.nos.orch`) and from nothing else. The engine
takes its forwarding, QoS and buffer state from it and from nothing else. Field names follow SONiC's
CONFIG_DB and SAI; every table the engine reads by index is a tuple of fixed length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

PRIORITIES = 8
"""Priority groups per ingress port, queues per egress port, PFC priorities (IEEE 802.1Q-2022, 36)."""

DSCPS = 64
"""Code points of the DS field (RFC 2474)."""

HashAlgorithm = Literal["crc32", "crc32lo", "crc32hi", "crc32c", "crc16", "xor"]
"""SAI's CRC, CRC_32LO, CRC_32HI, CRC_CCITT (crc16) and XOR; and crc32c, which some chips use for CRC."""

HashField = Literal["src_ip", "dst_ip", "ip_protocol", "l4_src_port", "l4_dst_port", "bth_qp"]
"""What an ECMP hash may go over; `bth_qp` is the destination queue pair of the BTH (24 bits)."""

HASH_FIELDS: tuple[HashField, ...] = ("src_ip", "dst_ip", "ip_protocol", "l4_src_port", "l4_dst_port")
"""The 5-tuple."""


@dataclass(frozen=True, slots=True)
class BufferPool:
    """A shared pool of packet memory (SONiC BUFFER_POOL).

    Units: `size_bytes` is what the pool may hold without headroom, `xoff_bytes` the shared headroom
    that lossless priority groups may use on top after they have paused their sender (0: no shared
    headroom, each profile's own `xoff_bytes` is then set aside for every priority group).
    """

    name: str
    is_ingress: bool
    size_bytes: int
    xoff_bytes: int


@dataclass(frozen=True, slots=True)
class BufferProfile:
    """Thresholds of a priority group or queue (SONiC BUFFER_PROFILE).

    `reserved_bytes` is SONiC's `size`. Exactly one threshold is set: `dynamic_th` (alpha = 2**dynamic_th
    of the pool's free bytes) or `static_th_bytes`. `xoff_bytes` > 0 makes a priority group lossless.
    """

    name: str
    pool: int
    reserved_bytes: int
    dynamic_th: int | None
    static_th_bytes: int | None
    xon_bytes: int
    xon_offset_bytes: int
    xoff_bytes: int


@dataclass(frozen=True, slots=True)
class WredProfile:
    """ECN marking of a queue (SONiC WRED_PROFILE, green packets).

    Linear between `min_bytes` and `max_bytes` up to `probability` (0..1); every ECT packet is marked above
    `max_bytes`. `marks_ecn` is False where the profile has `ecn: ecn_none` or is not on; `drops` is
    `wred_green_enable`, which is on: packets that are not ECN-capable are dropped where others are marked.
    """

    name: str
    marks_ecn: bool
    drops: bool
    min_bytes: int
    max_bytes: int
    probability: float


@dataclass(frozen=True, slots=True)
class QueueState:
    """An egress queue: its scheduler, its ECN marking and its buffer thresholds.

    `weight` is the DWRR weight; 0 means strict priority. `wred` and `buffer` index
    `SwitchState.wred_profiles` and `SwitchState.buffer_profiles`, None where nothing is bound.
    """

    weight: int
    wred: int | None
    buffer: int | None


@dataclass(frozen=True, slots=True)
class WatchdogState:
    """The PFC watchdog of a port (SONiC PFC_WD).

    `queues` is a bit mask of the queues that it watches. A queue paused for `detect_ps` is in a storm until
    no pause has been asked for during `restore_ps`; both are looked at every `poll_ps` (0: all the time).
    """

    queues: int
    detect_ps: int
    restore_ps: int
    action: Literal["drop", "forward", "alert"]
    poll_ps: int = 0


@dataclass(frozen=True, slots=True)
class PortState:
    """A front-panel port as the ASIC holds it.

    `dscp_to_tc` has 64 entries, the other maps 8. `pfc_enable` is a bit mask of priorities.
    `pgs[i]` indexes `SwitchState.buffer_profiles` or is None.
    """

    name: str
    is_admin_up: bool
    speed_bps: int
    mtu_bytes: int
    dscp_to_tc: tuple[int, ...]
    tc_to_queue: tuple[int, ...]
    tc_to_pg: tuple[int, ...]
    pfc_to_queue: tuple[int, ...]
    pfc_enable: int
    pgs: tuple[int | None, ...]
    queues: tuple[QueueState, ...]
    watchdog: WatchdogState | None = None


@dataclass(frozen=True, slots=True)
class ArsLoad:
    """Limits of a load's bands, as on a port of 10G, and the weight of its band in a port's load."""

    min_value: int
    max_value: int
    weight: int


@dataclass(frozen=True, slots=True)
class ArsObject:
    """How an adaptive next-hop group chooses (SONiC ARS_OBJECT): for each packet, or each time that a flow
    was idle for longer than `idle_ps`; `max_flows` of a group are told apart."""

    name: str
    is_per_packet: bool
    idle_ps: int
    max_flows: int
    primary_path_threshold: int
    alternative_path_cost: int


@dataclass(frozen=True, slots=True)
class ArsState:
    """Adaptive routing of a switch (SONiC ARS_PROFILE): what it measures of its ports, every
    `sampling_interval_ps`, and what its groups refer to.

    `past` is in Mb/s sent, `future` and `current` in bytes queued, averaged and now. `nominal_bps` is the
    speed of every port that counts as 10G.
    """

    sampling_interval_ps: int
    past: ArsLoad
    future: ArsLoad
    current: ArsLoad
    objects: tuple[ArsObject, ...]
    nominal_bps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RouteState:
    """A route as the ASIC holds it: an IPv4 or IPv6 prefix to the ports of its live next hops.

    `prefix` is the network address as an integer, `length` the prefix length. `ports` index
    `SwitchState.ports`, in the order of the next-hop group (SONiC orders members by IP address); a
    hash value h takes member h % len(ports). An empty tuple is a blackhole route. With `weights`, one per
    port, a port is as many members of the group, one after another, as its weight says. An adaptive group
    does as the object `ars` of `SwitchState.ars` says; `alternatives` are those of its ports that are not
    primary paths. `reserve` are ports that take over once all of `ports` are down, of the next greater
    distance.
    """

    prefix: int
    length: int
    ports: tuple[int, ...]
    weights: tuple[int, ...] = ()
    is_ipv6: bool = False
    ars: int | None = None
    alternatives: tuple[int, ...] = ()
    reserve: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyState:
    """What is looked up before the routes: packets to `dst` with these headers go to `ports`.

    `src` is the source address, `l4_src_port` the UDP source port, `bth_qp` the destination queue pair of the
    BTH; None stands for any.
    """

    dst: int
    ports: tuple[int, ...]
    src: int | None = None
    l4_src_port: int | None = None
    bth_qp: int | None = None
    is_ipv6: bool = False


AclField = Literal[
    "ether_type", "src_ip", "dst_ip", "ip_protocol", "l4_src_port", "l4_dst_port", "dscp", "ecn", "ttl",
    "bth_opcode", "bth_qp", "aeth_syndrome",
]  # fmt: skip
"""What a rule of an access list may look at. Addresses are IPv6, or IPv4 in its mapped form (::ffff:0:0/96);
`bth_qp` is the destination queue pair; `aeth_syndrome` that of an acknowledgement, which other packets do not
have."""


@dataclass(frozen=True, slots=True)
class AclMatch:
    """A condition: `value` in the bits of `mask`; or, with `last`, a number from `value` to `last`."""

    field: AclField
    value: int
    mask: int = -1
    last: int | None = None


@dataclass(frozen=True, slots=True)
class AclRule:
    """A rule of an access list: a packet that fulfils all of it is dropped, or else let through, and counted.

    Rules of one name and table share a counter. `in_ports` and `out_ports` index `SwitchState.ports`; None is
    any port. `out_ports` is for egress tables, `in_ports` for ingress tables.
    """

    name: str
    drops: bool
    matches: tuple[AclMatch, ...] = ()
    in_ports: tuple[int, ...] | None = None
    out_ports: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class AclTable:
    """An access list at the ports that it is bound to (indices into `SwitchState.ports`).

    Of the rules, the first that a packet matches acts; a packet that matches none goes on.
    """

    name: str
    is_egress: bool
    ports: tuple[int, ...]
    rules: tuple[AclRule, ...]


@dataclass(frozen=True, slots=True)
class ListedRule:
    """A rule as a real switch may have it, where `AclRule` is what the engine's RoCE packets meet.

    Attributes:
        drops: None where it neither drops packets nor lets them go on (it redirects them, or nobody knows).
        priority: the higher ones act first; among equal ones nobody promises an order.
        matches: those that are modelled; `in_ports` and `out_ports` as in `AclRule`.
        is_unsure: whether it takes a packet that fulfils all that, depends on more (fields that are not
            modelled, a mirror session).
        why_untested: why it has no packet test itself; empty where it can have one.
    """

    name: str
    drops: bool | None
    priority: int
    matches: tuple[AclMatch, ...] = ()
    in_ports: tuple[int, ...] | None = None
    out_ports: tuple[int, ...] | None = None
    is_unsure: bool = False
    why_untested: str = ""


@dataclass(frozen=True, slots=True)
class ListedTable:
    """An access list as a real switch may have it, bound as `AclTable`; rules of falling priority."""

    name: str
    is_egress: bool
    ports: tuple[int, ...]
    rules: tuple[ListedRule, ...]


@dataclass(frozen=True, slots=True)
class SwitchState:
    """Everything one switch forwards with. Routes are sorted, IPv4 first, by (prefix, length) and unique.

    Of the policies, the first that a packet matches decides. Every access list that is bound to a packet's
    port sees it; if one drops it, it is dropped.

    The ECMP hash goes over `hash_seed` and `hash_fields`; the result is rotated right by `hash_offset` bits
    (SAI_SWITCH_ATTR_ECMP_DEFAULT_HASH_OFFSET, SONiC's `ecmp_hash_offset`) before a member is chosen.
    """

    name: str
    hash_seed: int
    ports: tuple[PortState, ...]
    routes: tuple[RouteState, ...]
    buffer_pools: tuple[BufferPool, ...]
    buffer_profiles: tuple[BufferProfile, ...]
    wred_profiles: tuple[WredProfile, ...]
    hash_algorithm: HashAlgorithm = "crc32"
    hash_fields: tuple[HashField, ...] = HASH_FIELDS
    hash_offset: int = 0
    policies: tuple[PolicyState, ...] = ()
    acl_tables: tuple[AclTable, ...] = ()
    ars: ArsState | None = None

    @property
    def is_adaptive(self) -> bool:
        """Some flow's way depends on the load of the switch's ports."""
        return any(route.ars is not None for route in self.routes)


@dataclass(frozen=True, slots=True)
class SwitchCounters:
    """What a switch has counted since it booted, as columns under SAI's names.

    Attributes:
        ports: the ports that the rows of all columns belong to.
        port: `SAI_PORT_STAT_IF_OUT_OCTETS` -> a value per port.
        queue: `SAI_QUEUE_STAT_BYTES` -> per port a value for each of its 8 queues.
        pg: `SAI_INGRESS_PRIORITY_GROUP_STAT_SHARED_WATERMARK_BYTES` -> per port one for each of its 8 PGs.
        pools: the buffer pools that the rows of `pool` belong to.
        pool: `SAI_BUFFER_POOL_STAT_WATERMARK_BYTES` -> a value per pool.
        time_ps: the simulated instant of the counts.
        acl: (table, rule) of the access lists -> (packets, bytes) that it has matched.

    Units: bytes, packets and, where the name says so, microseconds. A name that is missing has counted 0.
    Watermarks are since they were last read, if reading clears them.
    """

    ports: tuple[str, ...] = ()
    port: Mapping[str, Sequence[int]] = field(default_factory=dict)
    queue: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)
    pg: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)
    pools: tuple[str, ...] = ()
    pool: Mapping[str, Sequence[int]] = field(default_factory=dict)
    time_ps: int = 0
    acl: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
