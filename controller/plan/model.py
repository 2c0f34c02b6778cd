"""The plan: what each switch must be, vendor-neutral. Drivers turn it into calls.

Immutable; made by `raddle.controller.plan.make_plan`, compared by `raddle.controller.plan.diff_plans`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raddle.topology.model import (
    CPU_PACKETS,
    FIVE_TUPLE,
    AdaptiveRouting,
    Ecn,
    HashAlgorithm,
    HashField,
    Nos,
    PfcWatchdog,
    Role,
)
from raddle.topology.record import AdoptedEntry


@dataclass(frozen=True, slots=True)
class PortPlan:
    """A front-panel port. `peer` is the far end (`spine3:Ethernet8`), empty where nothing is cabled.

    `medium` is what the cable is and `autoneg` whether the port negotiates its speed (`on`, `off`), empty
    where nobody says. `index` is SONiC's, less 1.
    """

    name: str
    alias: str
    index: int
    lanes: tuple[int, ...]
    speed_bps: int
    mtu_bytes: int
    is_enabled: bool
    peer: str
    cable_m: float
    medium: str = ""
    autoneg: str = ""


@dataclass(frozen=True, slots=True)
class InterfacePlan:
    """A routed port or loopback and its address in CIDR form (`10.0.0.0/31`).

    A port with both families has one for each. An unnumbered port has an empty prefix: only the link-local
    IPv6 address that it makes of the switch's MAC address.
    """

    name: str
    prefix: str


@dataclass(frozen=True, slots=True)
class NextHop:
    """A neighbour's address and the port it is behind. `weight` is its part of the group's traffic.

    Of a route those of the least `distance` are used that have a live port (a floating static route).
    """

    address: str
    port: str
    weight: int = 1
    distance: int = 1


@dataclass(frozen=True, slots=True)
class Route:
    """A static route. `next_hops` are sorted by distance and address; `origin` says which part of the plan
    made it. Without next hops it discards what it holds.

    Weights are whole numbers that fit the switch's next-hop groups (see `raddle.controller.plan.weights`).
    """

    prefix: str
    next_hops: tuple[NextHop, ...]
    origin: Literal["fabric", "pin"]

    @property
    def used(self) -> tuple[NextHop, ...]:
        """The next hops while their links are up: without those in reserve."""
        return tuple(hop for hop in self.next_hops if hop.distance == 1)


@dataclass(frozen=True, slots=True)
class PolicyRoute:
    """A pin by source and destination address, which a switch looks up before its routes."""

    src: str
    dst: str
    next_hop: NextHop


@dataclass(frozen=True, slots=True)
class SourcePort:
    """UDP source ports of the queue pairs from `src` to `dst` (names of endpoints), for the NICs to use.

    With `data` the requester's packets, with `acks` the responder's, take their pinned paths by the
    switches' own hash.
    """

    src: str
    dst: str
    data: int
    acks: int


@dataclass(frozen=True, slots=True)
class LosslessProfile:
    """Buffer profile of the lossless priority groups of ports of one speed and cable length.

    `headroom_bytes` is what may still arrive after a pause is sent (see `raddle.controller.plan.buffers`);
    `ports` are those the profile applies to, and those that are kept for such a cable.
    """

    name: str
    speed_bps: int
    cable_m: float
    reserved_bytes: int
    xon_offset_bytes: int
    headroom_bytes: int
    dynamic_th: int
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BufferPlan:
    """The packet buffer: what is shared, and the headroom on top of it, in bytes.

    `cnp_reserved_bytes` are kept for CNPs in their own priority group, and again in their queue, of each of
    `ports` ports; 0 where they share both. `ports` counts those with a cable and those that are kept for one;
    0, in plans of before, are those with a cable. `counts_headroom` is of a switch whose pool has
    the headroom in its size.
    """

    shared_bytes: int
    headroom_pool_bytes: int
    profiles: tuple[LosslessProfile, ...]
    lossy_dynamic_th: int
    cnp_reserved_bytes: int = 0
    ports: int = 0
    counts_headroom: bool = False


@dataclass(frozen=True, slots=True)
class QosPlan:
    """Classification, scheduling, flow control and marking; marking alone may differ from port to port.

    `dscp_to_tc` has 64 entries, `tc_to_queue`, `tc_to_pg` and `queue_weights` 8; a weight of 0 is strict
    priority. `lossless` are priorities (with PFC if `pfc`); `ecn` marks on their queues, at ports of the
    speeds (bit/s) in `ecn_speeds` other thresholds do. `cnp` is the priority that CNPs have for themselves,
    queue and priority group; None where they share it.
    """

    dscp_to_tc: tuple[int, ...]
    tc_to_queue: tuple[int, ...]
    tc_to_pg: tuple[int, ...]
    queue_weights: tuple[int, ...]
    lossless: tuple[int, ...]
    pfc: bool
    ecn: Ecn
    watchdog: PfcWatchdog | None
    cnp: int | None = None
    ecn_speeds: tuple[tuple[int, Ecn], ...] = ()


@dataclass(frozen=True, slots=True)
class BgpNeighbor:
    """A BGP session with a router outside of the fabric: its name, address and AS number, and our address."""

    name: str
    address: str
    asn: int
    local_address: str


@dataclass(frozen=True, slots=True)
class AdaptivePlan:
    """Adaptive routing of the groups over these ports, which lead to other switches."""

    ports: tuple[str, ...]
    settings: AdaptiveRouting


@dataclass(frozen=True, slots=True)
class SwitchPlan:
    """Everything one switch must be. Tuples are sorted, so that equal plans print the same bytes.

    `asn` is its AS number, 0 if it has none. `nos` says how it is programmed. `adaptive` is None where groups
    hash. `adopted` is what its configuration had otherwise when raddle took it over, by `TABLE|KEY`.
    """

    name: str
    role: Role
    hwsku: str
    platform: str
    mac: str
    hash_seed: int
    asn: int
    ports: tuple[PortPlan, ...]
    interfaces: tuple[InterfacePlan, ...]
    routes: tuple[Route, ...]
    qos: QosPlan
    buffers: BufferPlan
    policies: tuple[PolicyRoute, ...] = ()
    nos: Nos = "sonic"
    hash_algorithm: HashAlgorithm = "crc32"
    hash_fields: tuple[HashField, ...] = FIVE_TUPLE
    hash_offset: int = 0
    cpu_packets: int = CPU_PACKETS
    adaptive: AdaptivePlan | None = None
    adopted: tuple[tuple[str, AdoptedEntry], ...] = ()
    bgp: tuple[BgpNeighbor, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkLoad:
    """Flows on the busiest link between switches, data or acknowledgements.

    The unit is a flow on one of the slowest such links; on a link of twice the speed it counts half.

    Attributes:
        worst: in the worst phase.
        bound: the least that any paths could reach there; key_bound: the least when flows that the carrier
            of the pins cannot tell apart stay together (the optimum may be higher).
        total, total_bound, total_key_bound: the same summed over phases, which follow one another.
    """

    worst: float
    bound: float
    key_bound: float
    total: float
    total_bound: float
    total_key_bound: float


Carrier = Literal["host-route", "policy-route", "udp-source-port"]
"""What carries a pin: a route of the destination, a route of source and destination, or the port that
makes the switches' hash take the path."""


@dataclass(frozen=True, slots=True)
class PinReport:
    """How well a demand fits its pinned paths; `pins` is the number of entries that `carrier` takes."""

    flows: int
    carrier: Carrier
    pins: int
    data: LinkLoad
    acks: LinkLoad
    method: str


SwitchKind = Literal["p4runtime", "openflow", "sonic-config-db", "sonic-appl-db", "sonic-bgp"]
"""What a switch is programmed through."""


@dataclass(frozen=True, slots=True)
class WeightCarrier:
    """What carries the weights of next-hop groups on a kind of switch.

    `loss` is how much more than its share the worst link gets, as a ratio of it, and `worst` the switch and
    leaf where that is.
    """

    switches: SwitchKind
    carrier: str
    loss: float
    worst: str


@dataclass(frozen=True, slots=True)
class Balance:
    """Load of the busiest link between switches when all endpoints send to all others alike, 1 is its speed.

    With exact shares, as the switches hold them (whole weights; on SONiC equal members), and the least that
    any shares of the same next hops could have.
    """

    shares: float
    held: float
    best: float


@dataclass(frozen=True, slots=True)
class WeightReport:
    """Next-hop groups with unequal shares: how many there are on how many switches, the most entries that one
    takes, and how exact they are on each kind of switch. `balance` is None where the fabric is too large."""

    groups: int
    switches: int
    most_entries: int
    carriers: tuple[WeightCarrier, ...]
    balance: Balance | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a fabric.

    `endpoints` maps an endpoint's name to its address in the first family. `weights` is None where all next
    hops of every group share equally. `ignore` are patterns of entries on SONiC switches to leave alone.
    """

    fabric: str
    routing: Literal["ecmp", "pinned"]
    switches: tuple[SwitchPlan, ...]
    endpoints: tuple[tuple[str, str], ...]
    pins: PinReport | None
    source_ports: tuple[SourcePort, ...] = ()
    weights: WeightReport | None = None
    ignore: tuple[str, ...] = ()
