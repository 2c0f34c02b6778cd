"""The shape of what a fabric file says of policy: RoCE, routing, addresses, tenants.

Fields have the names of the YAML keys, as in `raddle.topology.yaml.schema_devices`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from raddle.topology.model import FIVE_TUPLE, HashAlgorithm, HashField, Medium
from raddle.topology.rate_control import CongestionControl, DcqcnSetName
from raddle.topology.yaml.fields import (
    Asn,
    Count,
    DetectTime,
    Dscp,
    DynamicTh,
    ErrorRatio,
    Gain,
    HashOffset,
    HashSeed,
    HostSet,
    IdleTime,
    LoadValue,
    LoadWeight,
    Microseconds,
    Name,
    PauseQuanta,
    Pool,
    Pool6,
    PortMtu,
    Priority,
    Probability,
    Range,
    Rate,
    RestoreTime,
    Size,
    Switch,
    Time,
    Timer,
    Window,
)
from raddle.topology.yaml.rules import parse_count
from raddle.topology.yaml.schema_devices import Spec, one_or_many


class ClassSpec(Spec):
    """A traffic class: its priority (TC, queue and PG) and the DSCP that maps to it."""

    priority: Priority
    """PFC priority."""
    dscp: Dscp
    """DSCP of its packets."""


class SpeedEcnSpec(Spec):
    """ECN marking at ports of one speed."""

    speed: Rate
    """Of the ports."""
    kmin: Size
    """Queue length from which packets are marked."""
    kmax: Size
    """Queue length from which every packet is marked."""
    pmax: Probability = 0.2
    """Share of packets that are marked at `kmax`."""


class EcnSpec(Spec):
    """ECN marking.

    Assumption: 800 KB, 3200 KB and 20 %: half of what HPCC (SIGCOMM 2019, section 5.1: 100 KB and 400 KB
    per 25 Gb/s) scales to at 400 Gb/s, so that queues stay well below the PFC threshold.
    """

    kmin: Size = 800_000
    """Queue length from which packets are marked."""
    kmax: Size = 3_200_000
    """Queue length from which every packet is marked."""
    pmax: Probability = 0.2
    """Share of packets that are marked at `kmax`."""
    speeds: tuple[SpeedEcnSpec, ...] = ()
    """Ports of these speeds mark otherwise."""


class DcqcnSpec(Spec):
    """DCQCN's parameters; what is not given is as in `set` (sources: `raddle.topology.rate_control`)."""

    set: DcqcnSetName = "connectx"
    """Values that belong together, of ConnectX NICs or of the paper; the NICs' `cnp_interval` too."""
    g: Gain | None = None
    """Gain of the alpha filter."""
    alpha_timer: Timer | None = None
    """Period of alpha."""
    rate_timer: Timer | None = None
    """Period of the timer that raises the rate."""
    byte_counter: Window | None = None
    """Bytes sent after which the rate is raised; 0: the timer alone raises it."""
    fast_recovery_steps: Count | None = None
    """Steps that halve the distance to the target before additive increase."""
    rate_ai: Rate | None = None
    """Additive increase."""
    rate_hai: Rate | None = None
    """Hyper increase."""
    min_rate: Rate | None = None
    """Least rate."""
    clamp_target_rate: Switch | None = None
    """Every CNP sets the target to the current rate; else the first after a raise does."""
    decrease_timer: Time | None = None
    """Period at whose end the rate falls if a CNP came within it; 0us: each CNP lowers it at once."""


class WatchdogSpec(Spec):
    """PFC watchdog; the defaults are those of SONiC's `pfcwd start_default`."""

    detect: DetectTime = 200
    """Time a queue is paused before the watchdog acts."""
    restore: RestoreTime = 200
    """Time without pause after which the queue is restored."""
    action: Literal["drop", "forward", "alert"] = "drop"
    """What happens to the queue's packets."""


def _path_mtu(value: Any) -> Any:
    try:
        return parse_count(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _watchdog(value: Any) -> Any:
    return None if value == "none" else value


class HeadroomSpec(Spec):
    """Room for what arrives after a pause.

    By itself every lossless priority group has room of its own, for small packets alone in frames of the
    port's MTU, the worst case. What shares it or counts with less holds no longer for every traffic.
    """

    over_subscribe_ratio: Count = 1
    """The pool is what all groups of a switch need over this number (SONiC's term), at least one's need."""
    pool: Size | None = None
    """Or its size on every switch."""
    small_packets: Probability = 1.0
    """Share of 64-byte packets that the headroom is for, in packets."""
    mtu: PortMtu | None = None
    """Largest frame of lossless traffic in bytes (default: `port_mtu`)."""


class RoceSpec(Spec):
    """How the fabric carries RoCEv2.

    Defaults: 4096 bytes, the largest path MTU of InfiniBand; 9100 bytes, SONiC's
    port MTU; priority 3 with DSCP 26 and CNPs on priority 6 with DSCP 48, as NIC vendors' RoCE guides
    have it; dynamic_th 0, SONiC's DEFAULT_LOSSLESS_BUFFER_PARAMETER.
    """

    mtu: Annotated[Literal[256, 512, 1024, 2048, 4096], BeforeValidator(_path_mtu)] = 4096
    """RDMA path MTU: bytes of payload per packet."""
    port_mtu: PortMtu = 9100
    """MTU of the switch ports in bytes."""
    lossless: Annotated[
        tuple[ClassSpec, ...],
        BeforeValidator(one_or_many, json_schema_input_type=ClassSpec | list[ClassSpec]),
    ] = (ClassSpec(priority=3, dscp=26),)
    """Lossless classes: one, or a list."""
    pfc: Switch = True
    """Priority flow control on the lossless classes."""
    headroom: HeadroomSpec = HeadroomSpec()
    """Headroom of the lossless priority groups."""
    pause_quanta: PauseQuanta = 65535
    """Quanta of 512 bit times that a pause holds unless it is renewed; 0: until it is lifted."""
    dynamic_th: DynamicTh = 0
    """Threshold exponent of the lossless priority groups: alpha = 2**dynamic_th."""
    cnp: ClassSpec = ClassSpec(priority=6, dscp=48)
    """Class of congestion notification packets."""
    congestion_control: CongestionControl = "dcqcn"
    """What the NICs run."""
    dcqcn: DcqcnSpec = DcqcnSpec()
    """Parameters of DCQCN."""
    ecn: EcnSpec = EcnSpec()
    """ECN marking on the lossless queues."""
    watchdog: Annotated[
        WatchdogSpec | None,
        BeforeValidator(_watchdog, json_schema_input_type=WatchdogSpec | Literal["none"]),
    ] = WatchdogSpec()
    """PFC watchdog, or `none`."""


class PhySpec(Spec):
    """The links' electronics.

    Assumption: 0 of both; RS(544,514) takes about 100 ns at 400G, which a switch model's latency may hold
    already, and leaves fewer wrong bits than matter to a run of milliseconds.
    """

    fec_latency: Time = 0
    """Latency of the FEC at the receiver of a link."""
    bit_errors: ErrorRatio = 0.0
    """Share of bits that are wrong behind the FEC: `1e-12`."""
    autoneg: tuple[Medium, ...] | None = None
    """Kinds of cable whose ports negotiate (SONiC's PORT `autoneg` on, over others off): `[dac]`."""


class HashSpec(Spec):
    """ECMP hash.

    All these functions are affine: a seed permutes what a hash chooses, but flows that collide in one tier
    still collide in the next (hash polarisation). What undoes it is `offset: per-tier`.
    """

    algorithm: HashAlgorithm = "crc32"
    """Hash function: SONiC's CRC, CRC_32LO, CRC_32HI, CRC_CCITT (`crc16`) or XOR."""
    seed: HashSeed = None
    """`per-switch`, a number that all switches share, or `sonic`: what SONiC sets by the switch's type."""
    fields: tuple[HashField, ...] = FIVE_TUPLE
    """What the hash goes over; `bth_qp` needs SONiC switches with the feature `hash-on-qp`, or P4 ones."""
    offset: HashOffset = None
    """Bits that the hash is rotated right by before its use; `per-tier`: other bits in each tier; `sonic`:
    what SONiC sets by the switch's type. The default is `per-tier` with three tiers of SONiC or P4 switches,
    else 0."""


class LoadSpec(Spec):
    """From where to where a load counts, as on a port of 10G, and its weight; 0 to 0: it does not count."""

    min: LoadValue = 0
    """Up to it a port counts as idle."""
    max: LoadValue
    """From it on a port counts as fully loaded."""
    weight: LoadWeight = 16
    """Weight of this load against the other (SAI's default)."""


class AdaptiveSpec(Spec):
    """Adaptive routing (SONiC's ARS): switches choose the way by the load of their ports instead of a hash.

    Idle time, flows, sampling and weights are the defaults of SONiC's draft and of SAI. Assumption: past load
    counts up to line rate, queues up to 2000 bytes as on a port of 10G, 1.6 us of line rate at any speed.
    """

    mode: Literal["flowlet", "packet"]
    """Choose for each packet, or for each burst of a flow between pauses."""
    idle: IdleTime = 256
    """Pause of a flow after which it may take another way; for `flowlet`."""
    max_flows: Count = 512
    """Flows of a next-hop group that are told apart; for `flowlet`."""
    sampling: Microseconds = 16
    """Interval at which loads are measured."""
    past_load: LoadSpec = LoadSpec(max=10_000)
    """Mb/s sent, averaged."""
    future_load: LoadSpec = LoadSpec(max=2_000)
    """Bytes queued, averaged."""
    current_load: LoadSpec = LoadSpec(max=2_000, weight=0)
    """Bytes queued now; they count as future load where they are more, so that their weight is not used."""


def _adaptive(value: Any) -> Any:
    return None if value == "none" else value


class AsNumbersSpec(Spec):
    """First AS number of each tier (RFC 7938, section 5.2.1: private numbers, one per leaf).

    All superspines of a plane share one, the spines of a pod share one, each leaf has its own. The
    defaults are in the private 32-bit range (RFC 6996).
    """

    superspines: Asn = 4_200_000_000
    """Superspines of plane p: this plus p."""
    spines: Asn = 4_200_000_100
    """Spines of the n-th pod, counted through all planes: this plus n."""
    leaves: Asn = 4_200_010_000
    """The n-th leaf: this plus n."""


class RoutingSpec(Spec):
    """How packets find their way."""

    policy: Literal["ecmp", "pinned"] | None = None
    """Share all paths, or pin the flows of a collective; without `adaptive` the default is `pinned`."""
    pins: Literal["auto", "host-route", "policy-route", "udp-source-port"] = "auto"
    """What carries pinned paths; `auto` takes the first of them that fits the switches' tables."""
    pin_backups: Switch = False
    """Each pin has a next hop in reserve, which its switch takes when the pinned link dies."""
    hash: HashSpec = HashSpec()
    """ECMP hash."""
    adaptive: Annotated[
        AdaptiveSpec | None,
        BeforeValidator(_adaptive, json_schema_input_type=AdaptiveSpec | Literal["none"]),
    ] = None
    """Adaptive routing, or `none`."""
    as_numbers: AsNumbersSpec = AsNumbersSpec()
    """AS numbers of the switches."""


class Ipv6Spec(Spec):
    """IPv6 pools; the defaults are unique local addresses (RFC 4193)."""

    hosts: Pool6 = "fd00:0:0:1::/64"
    """Host links, /127 each (RFC 6164)."""
    loopbacks: Pool6 = "fd00:0:0:2::/64"
    """Loopbacks, /128 each."""
    underlay: Pool6 = "fd00:0:0:3::/64"
    """Links between switches, /127 each."""


class AddressingSpec(Spec):
    """Address pools; the defaults are private (RFC 1918): 32 768 host links and 131 072 fabric links, and in
    larger fabrics larger (`raddle.topology.forms.pools`)."""

    families: Literal["ipv4", "ipv6", "dual"] = "ipv4"
    """Address families."""
    hosts: Pool = "10.0.0.0/16"
    """IPv4 of host links, /31 each (RFC 3021)."""
    loopbacks: Pool = "10.255.0.0/20"
    """IPv4 of loopbacks, /32 each."""
    underlay: Pool = "172.16.0.0/14"
    """IPv4 of links between switches, /31 each."""
    ipv6: Ipv6Spec = Ipv6Spec()
    """IPv6 pools, used by `ipv6` and `dual`."""
    links: Literal["numbered", "unnumbered"] = "numbered"
    """Unnumbered links between switches have link-local addresses only and use no pool (RFC 5549)."""


class TenantSpec(Spec):
    """Who owns which accelerators, and how the ranks of the owner's job are placed on them."""

    name: Name
    """The tenant."""
    hosts: Annotated[
        tuple[HostSet, ...],
        BeforeValidator(
            lambda value: [value] if isinstance(value, str) else value,
            json_schema_input_type=HostSet | list[HostSet],
        ),
    ]
    """Hosts: `host[0-15]`, `host[0-7,9],host12`, or a list."""
    accelerators: Range | None = None
    """Accelerators of each of them: `0-3` (default: all)."""
    ranks: Literal["linear", "strided"] = "linear"
    """Consecutive ranks in one host (linear), or on consecutive hosts (strided)."""
