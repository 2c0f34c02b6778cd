"""The fabric: an immutable model of devices, ports, links, hosts and policy.

Built once from YAML by `raddle.topology.load`; every later stage reads it and none changes it.
Devices are named as in the file (`leaf0`, `spine3`, `host17`), ports as SONiC names them (`Ethernet0`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from raddle.errors import Diagnostic
from raddle.topology.accelerators import AcceleratorColumns
from raddle.topology.arrays import FabricArrays

if TYPE_CHECKING:
    import networkx as nx

    from raddle.topology.record import Record

PROPAGATION_PS_PER_M = 5000
"""5 ns per metre: light in glass, refractive index about 1.5 (ITU-T G.652)."""

Role = Literal["leaf", "spine", "superspine"]

Nos = Literal["sonic", "p4", "pins"]
"""What a switch runs: SONiC, programmed over gNMI; or p4/fabric.p4 or SONiC PINS, programmed over P4Runtime.
"""

ScaleUpTopology = Literal["crossbar", "mesh", "ring"]

Medium = Literal["dac", "aec", "aoc", "sr", "dr", "fr", "lr"]
"""Passive or active copper, active optical cable, or the optics of an IEEE 802.3 suffix (SR, DR, FR, LR)."""


@dataclass(frozen=True, slots=True)
class TableBudget:
    """Sizes of a switch's forwarding tables, in entries; 0 is unknown.

    `group_size` is the most members of one next-hop group, `group_members` of all groups together.
    """

    group_size: int = 0
    groups: int = 0
    group_members: int = 0
    host_routes: int = 0
    prefix_routes: int = 0
    acl_entries: int = 0


@dataclass(frozen=True, slots=True)
class PgProfile:
    """A vendor's headroom (`xoff_bytes`) of a lossless priority group, for cables up to a length."""

    speed_bps: int
    cable_m: float
    xoff_bytes: int


@dataclass(frozen=True, slots=True)
class SwitchModel:
    """A switch as its data sheet describes it.

    Attributes:
        hwsku, platform: SONiC's names (DEVICE_METADATA).
        port_count, port_speed_bps, lanes_per_port: front panel at its native speed.
        buffer_bytes: packet buffer that all ports share.
        cell_bytes: unit in which the chip allocates buffer.
        pipeline_latency_ps: from the last bit in to the first bit out of an idle port.
        source: where the numbers are from.
        tables: sizes of the forwarding tables.
        features: extensions such as `adaptive-routing` and `hash-on-qp`.
        nos: what it runs.
        is_cut_through: forwards a frame before it is there whole, where its ports' speeds allow it.
        marks_at_dequeue: ECN by what a packet leaves behind in its queue, not by what it finds.
        pg_profiles: its vendor's headroom by speed and length, which counts before what is computed.
    """

    name: str
    hwsku: str
    platform: str
    port_count: int
    port_speed_bps: int
    lanes_per_port: int
    buffer_bytes: int
    cell_bytes: int
    pipeline_latency_ps: int
    source: str
    tables: TableBudget = TableBudget()
    features: tuple[str, ...] = ()
    nos: Nos = "sonic"
    is_cut_through: bool = False
    marks_at_dequeue: bool = False
    pg_profiles: tuple[PgProfile, ...] = ()


@dataclass(frozen=True, slots=True)
class Port:
    """A port as SONiC sees it: a front-panel port, or one of those that a breakout makes of it.

    `index` is the front-panel port, from 0: the ports of a breakout share it. `lanes` are SerDes lanes as
    in SONiC, from 1.
    """

    name: str
    alias: str
    index: int
    lanes: tuple[int, ...]
    speed_bps: int


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch. `index` is its place in `Fabric.switches`: leaves, spines, superspines.

    `pod` and `plane` count from 0 and are 0 where the fabric has none; `asn` is its AS number, `mac` its MAC
    address and `slot` its place in the form (`raddle.topology.record`), of which equality takes no notice.
    """

    name: str
    role: Role
    index: int
    model: SwitchModel
    ports: tuple[Port, ...]
    pod: int = 0
    plane: int = 0
    asn: int = 0
    mac: int = 0
    slot: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class NicModel:
    """An RDMA NIC's parameters.

    Attributes:
        ack_interval: the responder acknowledges every n-th packet of a message, and its last one.
        rto_ps: retransmission timeout (InfiniBand local ack timeout 14: 4.096 us * 2**14 = 67.1 ms).
        retry_count: retransmissions without progress after which the queue pair fails (3-bit, 7).
        cnp_interval_ps: least time between two CNPs of one queue pair (ConnectX: 4 us).
        pfc_reaction_ps: from the arrival of a pause frame to the transmitter's halt.
        window_bytes: most payload that a queue pair has under way; 0: any.
        messages: most messages that a queue pair has in the NIC, not acknowledged; 0: any.
        burst_packets: what a queue pair sends before it is another one's turn.
        class_weights: shares of the wire, by PFC priority, where several have something to send; 0 is strict:
            before all that have a share, the highest first. Those not named have 1, CNPs are strict.
            Within a priority answers go before data, and queue pairs take turns.
        qps_per_connection: queue pairs that a connection's data is spread over.
        splits_data: each message goes over all of them in parts; else they take turns.
        is_selective: only what is lost is sent again (selective repeat); else all behind it (go-back-N).
        reorder_packets: by how many a packet may be overtaken before selective repeat counts it as lost.
        bus_bps: what the host's bus gives the whole NIC each way; 0: more than its ports carry.
    """

    speed_bps: int
    ack_interval: int = 1
    rto_ps: int = 67_108_864_000
    retry_count: int = 7
    cnp_interval_ps: int = 4_000_000
    pfc_reaction_ps: int = 0
    window_bytes: int = 0
    messages: int = 0
    burst_packets: int = 1
    class_weights: tuple[tuple[int, int], ...] = ()
    qps_per_connection: int = 1
    splits_data: bool = False
    is_selective: bool = False
    reorder_packets: int = 0
    bus_bps: int = 0


@dataclass(frozen=True, slots=True)
class Accelerators:
    """What a host computes with.

    Attributes:
        scale_up: name of the network between accelerators.
        scale_up_bps: of one accelerator, each way; 0: there is no such network.
        topology: its shape; of `mesh` and `ring` the links share `scale_up_bps`.
        domain_hosts: hosts, one after the other, that share it.
        in_network_bps: bus bandwidth of an all-reduce that its switches sum; 0: they cannot.
        bus_bps: what the host's bus gives one accelerator each way, towards NICs; 0: more than they carry.
    """

    kind: Literal["gpu", "npu"]
    model: str
    count: int
    scale_up: str = ""
    scale_up_bps: int = 0
    scale_up_latency_ps: int = 0
    topology: ScaleUpTopology = "crossbar"
    domain_hosts: int = 1
    in_network_bps: int = 0
    bus_bps: int = 0


@dataclass(frozen=True, slots=True)
class Host:
    """A server. `index` is its place in `Fabric.hosts`, `slot` that in the form.

    `nics` are the names of the NICs' ports: `eth0`, or `eth0p0`, `eth0p1`; `nic_model` is of one port.
    `domain` is the scale-up domain of its accelerators, -1 without.
    """

    name: str
    index: int
    nics: tuple[str, ...]
    nic_model: NicModel
    accelerators: Accelerators | None = None
    domain: int = -1
    slot: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class PortRef:
    """One end of a link, written `leaf1:Ethernet0`."""

    device: str
    port: str

    def __str__(self) -> str:
        return f"{self.device}:{self.port}"


@dataclass(frozen=True, slots=True)
class Link:
    """A cable. `a` is the lower end (host, leaf, spine, superspine), `b` the upper.

    No route uses a link that is drained, although it is up.
    """

    index: int
    a: PortRef
    b: PortRef
    speed_bps: int
    length_m: float
    is_up: bool
    medium: Medium | None = None
    is_drained: bool = False

    @property
    def delay_ps(self) -> int:
        """Propagation delay in picoseconds."""
        return round(self.length_m * PROPAGATION_PS_PER_M)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A port of a host's NIC: what has an address, sends and receives. Ranks are placed on endpoints.

    `name` is the host's name where it has one, else `host3:eth1`. `leaf` indexes `Fabric.switches`,
    `link` indexes `Fabric.links`. `rail` is the number of the NIC in its host; `accelerator` the one that
    it serves, of several the first; `plane` its leaf's.
    """

    name: str
    index: int
    host: int
    nic: str
    leaf: int
    link: int
    rail: int = 0
    plane: int = 0
    accelerator: int = 0


@dataclass(frozen=True, slots=True)
class LosslessClass:
    """A lossless traffic class: its PFC priority (also TC, queue and PG) and the DSCP that maps to it."""

    priority: int
    dscp: int


@dataclass(frozen=True, slots=True)
class Ecn:
    """RED-like ECN marking (DCQCN, SIGCOMM 2015, section 3.1): kmin, kmax in bytes of queue, pmax 0..1."""

    kmin_bytes: int
    kmax_bytes: int
    pmax: float


@dataclass(frozen=True, slots=True)
class Dcqcn:
    """DCQCN's parameters under the names of the paper (Zhu et al., SIGCOMM 2015, sections 3 and 5).

    The defaults are those of ConnectX NICs, DCQCN_SETS has them and the paper's.

    Attributes:
        g: gain of the alpha filter.
        alpha_timer_ps: time without CNP after which alpha decays.
        rate_timer_ps: period of the timer that raises the rate.
        byte_counter_bytes: bytes sent after which the rate is raised; 0: the timer alone raises it.
        fast_recovery_steps: F, steps that halve the distance to the target before additive increase.
        rate_ai_bps, rate_hai_bps: additive and hyper increase.
        min_rate_bps: least rate.
        clamp_target_rate: every CNP sets the target to the current rate; False: only the first after a
            raise does.
        decrease_timer_ps: period at whose end the rate falls if a CNP came within it; alpha then moves with
            its timer, up if a CNP came and down if not. 0: each CNP moves rate and alpha at once.
    """

    g: float = 5 / 1024
    alpha_timer_ps: int = 1_000_000
    rate_timer_ps: int = 300_000_000
    byte_counter_bytes: int = 32_767_000
    fast_recovery_steps: int = 1
    rate_ai_bps: int = 5_000_000
    rate_hai_bps: int = 50_000_000
    min_rate_bps: int = 1_000_000
    clamp_target_rate: bool = False
    decrease_timer_ps: int = 4_000_000


@dataclass(frozen=True, slots=True)
class DcqcnSet:
    """Parameters of the reaction point and, of the notification point, the least time between two CNPs."""

    dcqcn: Dcqcn
    cnp_interval_ps: int


DcqcnSetName = Literal["connectx", "sigcomm2015"]

DCQCN_SETS: dict[DcqcnSetName, DcqcnSet] = {
    "connectx": DcqcnSet(Dcqcn(), cnp_interval_ps=4_000_000),
    "sigcomm2015": DcqcnSet(
        Dcqcn(
            g=1 / 256,
            alpha_timer_ps=55_000_000,
            rate_timer_ps=55_000_000,
            byte_counter_bytes=10_000_000,
            fast_recovery_steps=5,
            rate_ai_bps=40_000_000,
            rate_hai_bps=400_000_000,
            min_rate_bps=1_000_000,
            clamp_target_rate=True,
            decrease_timer_ps=0,
        ),
        cnp_interval_ps=50_000_000,
    ),
}
"""Values that belong together: a set that mixes them sees CNPs too seldom for its alpha, or too often.

connectx: NVIDIA, "DCQCN CC Parameters" (ConnectX-4 and later): dce_tcp_g 1019/1024, dce_tcp_rtt 1 us,
rate_reduce_monitor_period 4 us, rpg_time_reset 300 us, rpg_byte_reset 32767 (read as kilobytes, as the 150
of IEEE 802.1Qau), rpg_threshold 1, rpg_ai_rate 5 Mb/s, rpg_hai_rate 50 Mb/s, rpg_min_rate 1 Mb/s,
clamp_tgt_rate 0; of the notification point min_time_between_cnps 4 us, as such NICs report it.

sigcomm2015: Zhu et al., sections 3 and 5: g 1/256, K and T 55 us, B 10 MB, F 5, R_AI 40 Mb/s, N 50 us; each
CNP sets the target (equation 1). The paper gives neither R_HAI nor a least rate: ten times R_AI, as IEEE
802.1Qau has it, and 1 Mb/s are assumptions. Its values are for 40G: at 400G they leave most of a link idle.
"""


@dataclass(frozen=True, slots=True)
class PfcWatchdog:
    """PFC watchdog of every port (SONiC PFC_WD)."""

    detect_ms: int
    restore_ms: int
    action: Literal["drop", "forward", "alert"]


@dataclass(frozen=True, slots=True)
class RocePolicy:
    """How the fabric carries RoCEv2.

    `mtu_bytes` is the RDMA path MTU (payload per packet); `port_mtu_bytes` the switch ports' MTU.
    `dynamic_th` is the lossless priority groups' threshold exponent (alpha = 2**dynamic_th). A pause holds
    for `pause_quanta` quanta of 512 bit times unless it is renewed; 0: until it is lifted.
    """

    mtu_bytes: int
    port_mtu_bytes: int
    lossless: tuple[LosslessClass, ...]
    pfc: bool
    dynamic_th: int
    cnp: LosslessClass
    congestion_control: Literal["dcqcn", "none"]
    dcqcn: Dcqcn
    ecn: Ecn
    watchdog: PfcWatchdog | None
    pause_quanta: int = 0


@dataclass(frozen=True, slots=True)
class Phy:
    """What the links' electronics do to frames: latency of the FEC at the receiver of a link, and the share
    of bits that are wrong behind it."""

    fec_latency_ps: int = 0
    bit_error_ratio: float = 0.0


HashAlgorithm = Literal["crc32", "crc32lo", "crc32hi", "crc16", "xor"]
HashField = Literal["src_ip", "dst_ip", "ip_protocol", "l4_src_port", "l4_dst_port", "bth_qp"]
FIVE_TUPLE: tuple[HashField, ...] = ("src_ip", "dst_ip", "ip_protocol", "l4_src_port", "l4_dst_port")


@dataclass(frozen=True, slots=True)
class LoadBands:
    """From where to where a load counts, as on a port of 10G, and its weight (SONiC ARS_PROFILE)."""

    minimum: int
    maximum: int
    weight: int


@dataclass(frozen=True, slots=True)
class AdaptiveRouting:
    """How switches choose the way of a flow by the load of their ports (SONiC's ARS).

    With `is_per_packet` each packet is on its own; else a flow that was idle for longer than `idle_us` may
    take another way. `max_flows` of a group are told apart. Loads are measured every `sampling_us`:
    `past_load` in Mb/s sent, `future_load` (averaged) and `current_load` in bytes queued.
    """

    is_per_packet: bool
    idle_us: int
    max_flows: int
    sampling_us: int
    past_load: LoadBands
    future_load: LoadBands
    current_load: LoadBands


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """`policy` is the default of commands; `is_declared` says whether the file has named one.

    `hash_seed` None gives each switch a seed of its own.

    `hash_offset` is how many bits a hash is rotated right by before its use; None gives each tier other bits.
    `pins` is what carries pinned paths; `auto` takes the first that fits the switches' tables. `adaptive` is
    None where groups hash.
    """

    policy: Literal["ecmp", "pinned"]
    hash_algorithm: HashAlgorithm
    hash_seed: int | None
    pins: Literal["auto", "host-route", "policy-route", "udp-source-port"] = "auto"
    hash_fields: tuple[HashField, ...] = FIVE_TUPLE
    hash_offset: int | None = 0
    adaptive: AdaptiveRouting | None = None
    is_declared: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Addressing:
    """Pools as CIDR strings. Host and fabric links are /31 and /127, loopbacks /32 and /128.

    `families` says which pools count. Unnumbered links between switches use no pool.
    """

    hosts: str
    loopbacks: str
    underlay: str
    families: Literal["ipv4", "ipv6", "dual"] = "ipv4"
    ipv6_hosts: str = ""
    ipv6_loopbacks: str = ""
    ipv6_underlay: str = ""
    is_numbered: bool = True


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who owns which accelerators: `accelerators` are (host index, accelerator), in the order of ranks.

    `endpoints` is the endpoint of each rank: the first that serves its accelerator.
    """

    name: str
    accelerators: tuple[tuple[int, int], ...]
    endpoints: tuple[int, ...]


ConfigTables = dict[str, dict[str, dict[str, "str | list[str]"]]]
"""CONFIG_DB: table, key, field."""


@dataclass(frozen=True, slots=True)
class Management:
    """How a switch is managed: its management port's address with prefix length, and by what it is known
    before it has a name; texts are empty where that is not said."""

    address: str
    gateway: str = ""
    mac: str = ""
    serial: str = ""


@dataclass(frozen=True)
class Fabric:
    """The whole fabric. Two files that describe the same fabric load as equal objects.

    `file` is where it was read from, for messages; `warnings` are what dead links cut off. `reserved` is
    the fabric at the size that room is kept for and `record` says what was given before: both decide about
    numbers; `templates` and `record_file` are for writing the record. None of these counts in comparisons.
    """

    name: str
    switches: tuple[Switch, ...]
    hosts: tuple[Host, ...]
    links: tuple[Link, ...]
    endpoints: tuple[Endpoint, ...]
    roce: RocePolicy
    routing: RoutingPolicy
    addressing: Addressing
    file: str = field(default="", compare=False)
    tenants: tuple[Tenant, ...] = ()
    phy: Phy = Phy()
    warnings: tuple[Diagnostic, ...] = field(default=(), compare=False)
    ignore: tuple[str, ...] = ()
    """Patterns of entries on SONiC switches (`TABLE/KEY`, or `SWITCH:TABLE/KEY`) that are never touched."""
    base: Mapping[str, ConfigTables] = field(default_factory=dict, compare=False)
    """What each switch boots with besides the plan, by name."""
    management: Mapping[str, Management] = field(default_factory=dict, compare=False)
    first_boot: tuple[str, ...] = ()
    """Sections of the file that switches only boot with: no push brings them, and nothing compares them."""
    reserved: Fabric | None = field(default=None, compare=False)
    record: Record | None = field(default=None, compare=False)
    record_file: str = field(default="", compare=False)
    templates: tuple[tuple[str, str | None], ...] = field(default=(), compare=False)

    @cached_property
    def switch_by_name(self) -> dict[str, Switch]:
        return {switch.name: switch for switch in self.switches}

    @cached_property
    def link_by_port(self) -> dict[PortRef, Link]:
        """The link at each cabled port, host NICs included."""
        return {end: link for link in self.links for end in (link.a, link.b)}

    @property
    def leaves(self) -> tuple[Switch, ...]:
        return tuple(switch for switch in self.switches if switch.role == "leaf")

    @property
    def spines(self) -> tuple[Switch, ...]:
        return tuple(switch for switch in self.switches if switch.role == "spine")

    @property
    def superspines(self) -> tuple[Switch, ...]:
        return tuple(switch for switch in self.switches if switch.role == "superspine")

    @cached_property
    def planes(self) -> int:
        """How many planes there are; 1 for a fabric that has none."""
        return 1 + max((switch.plane for switch in self.switches), default=0)

    @cached_property
    def accelerators(self) -> AcceleratorColumns:
        """What computes, host by host, with the NIC ports that each uses."""
        return AcceleratorColumns.of(self)

    @cached_property
    def arrays(self) -> FabricArrays:
        """The links as columns, for computing over large fabrics."""
        return FabricArrays.of(self)

    def graph(self) -> nx.MultiGraph[str]:
        """The fabric as a networkx multigraph: nodes are device names, edges carry their `link`."""
        import networkx as nx

        graph: nx.MultiGraph[str] = nx.MultiGraph()
        for switch in self.switches:
            graph.add_node(switch.name, role=switch.role)
        for host in self.hosts:
            graph.add_node(host.name, role="host")
        for link in self.links:
            graph.add_edge(link.a.device, link.b.device, link=link)
        return graph
