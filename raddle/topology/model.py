"""The fabric: an immutable model of devices (raddle/topology/devices.py), and of the policy for them.

Built once from YAML by `raddle.topology.load`; every later stage reads it and none changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from raddle.errors import Diagnostic
from raddle.topology.accelerators import AcceleratorColumns
from raddle.topology.arrays import FabricArrays
from raddle.topology.devices import (
    CPU_PACKETS as CPU_PACKETS,
)
from raddle.topology.devices import (
    PROPAGATION_PS_PER_M as PROPAGATION_PS_PER_M,
)
from raddle.topology.devices import (
    Accelerators as Accelerators,
)
from raddle.topology.devices import (
    Endpoint as Endpoint,
)
from raddle.topology.devices import (
    Host as Host,
)
from raddle.topology.devices import (
    Link as Link,
)
from raddle.topology.devices import (
    Medium as Medium,
)
from raddle.topology.devices import (
    NicModel as NicModel,
)
from raddle.topology.devices import (
    Nos as Nos,
)
from raddle.topology.devices import (
    Outside as Outside,
)
from raddle.topology.devices import (
    PgProfile as PgProfile,
)
from raddle.topology.devices import (
    Port as Port,
)
from raddle.topology.devices import (
    PortRef as PortRef,
)
from raddle.topology.devices import (
    Role as Role,
)
from raddle.topology.devices import (
    ScaleUpTopology as ScaleUpTopology,
)
from raddle.topology.devices import (
    Switch as Switch,
)
from raddle.topology.devices import (
    SwitchModel as SwitchModel,
)
from raddle.topology.devices import (
    TableBudget as TableBudget,
)
from raddle.topology.rate_control import CongestionControl, Dcqcn, LineRate, RateControl

if TYPE_CHECKING:
    import networkx as nx

    from raddle.topology.record import Record


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
class PfcWatchdog:
    """PFC watchdog of every port (SONiC PFC_WD)."""

    detect_ms: int
    restore_ms: int
    action: Literal["drop", "forward", "alert"]


@dataclass(frozen=True, slots=True)
class HeadroomPolicy:
    """How headroom is counted and shared.

    Attributes:
        over_subscribe_ratio: the pool is what all groups need over this number, and no less than one needs.
        pool_bytes: or it has this size; 0: it follows from the ratio.
        small_packet_share: of 64-byte packets in lossless traffic, in packets.
        lossless_mtu_bytes: largest frame of lossless traffic; 0: that of the port.
    """

    over_subscribe_ratio: int = 1
    pool_bytes: int = 0
    small_packet_share: float = 1.0
    lossless_mtu_bytes: int = 0

    @property
    def is_shared(self) -> bool:
        """Not every group may be in headroom at once."""
        return self.over_subscribe_ratio > 1 or self.pool_bytes > 0

    def pool_of(self, needs_bytes: int, most_bytes: int) -> int:
        """The pool of a switch whose groups need so much in all, and one at most, in bytes."""
        shared_bytes = self.pool_bytes or max(-(-needs_bytes // self.over_subscribe_ratio), most_bytes)
        return min(needs_bytes, shared_bytes)


@dataclass(frozen=True, slots=True)
class RocePolicy:
    """How the fabric carries RoCEv2.

    `mtu_bytes` is the RDMA path MTU (payload per packet); `port_mtu_bytes` the switch ports' MTU.
    `dynamic_th` is the lossless priority groups' threshold exponent (alpha = 2**dynamic_th). A pause holds
    for `pause_quanta` quanta of 512 bit times unless it is renewed; 0: until it is lifted. `ecn_speeds` are
    speeds in bit/s, in the file's order, whose ports mark otherwise than by `ecn`.
    """

    mtu_bytes: int
    port_mtu_bytes: int
    lossless: tuple[LosslessClass, ...]
    pfc: bool
    dynamic_th: int
    cnp: LosslessClass
    congestion_control: CongestionControl
    dcqcn: Dcqcn
    ecn: Ecn
    watchdog: PfcWatchdog | None
    pause_quanta: int = 0
    headroom: HeadroomPolicy = HeadroomPolicy()
    ecn_speeds: tuple[tuple[int, Ecn], ...] = ()

    @property
    def rate_control(self) -> RateControl:
        """The one that `congestion_control` names, with its parameters."""
        return self.dcqcn if self.congestion_control == "dcqcn" else LineRate()


@dataclass(frozen=True, slots=True)
class Phy:
    """What the links' electronics do to frames: latency of the FEC at the receiver of a link, and the share
    of bits that are wrong behind it. Over cables of the media in `autoneg` ports negotiate their speed, over
    others not; None: as their switches' HwSKU has it."""

    fec_latency_ps: int = 0
    bit_error_ratio: float = 0.0
    autoneg: tuple[Medium, ...] | None = None


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

    `hash_seed` None gives each switch a seed of its own. `hash_offset` is how many bits a hash is rotated
    right by before its use; None gives each tier other bits. `sonic` is what SONiC sets by itself.

    `pins` is what carries pinned paths; `auto` takes the first that fits the switches' tables. With
    `pin_backups` each pin has a next hop in reserve. `adaptive` is None where groups hash.
    """

    policy: Literal["ecmp", "pinned"]
    hash_algorithm: HashAlgorithm
    hash_seed: int | Literal["sonic"] | None
    pins: Literal["auto", "host-route", "policy-route", "udp-source-port"] = "auto"
    hash_fields: tuple[HashField, ...] = FIVE_TUPLE
    hash_offset: int | Literal["sonic"] | None = 0
    adaptive: AdaptiveRouting | None = None
    pin_backups: bool = False
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


@dataclass(frozen=True, slots=True)
class NetworkPlace:
    """A network among those of its file: `hosts` are all hosts of the file, in whichever they have NICs."""

    name: str
    among: tuple[str, ...]
    hosts: int


@dataclass(frozen=True, slots=True)
class PlaneCopies:
    """How many equal planes the file has, of which the fabric is the one that is `kept`."""

    planes: int
    kept: int

    @property
    def text(self) -> str:
        return f"plane {self.kept} of {self.planes} alike, which are too large together"


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
    network: NetworkPlace | None = field(default=None, compare=False)
    """Which of the file's networks this is; None where there is one alone."""
    copies: PlaneCopies | None = None
    """Of which planes this is one; None where all planes are here."""
    first_boot: tuple[str, ...] = ()
    """Sections of the file that switches only boot with: no push brings them, and nothing compares them."""
    reserved: Fabric | None = field(default=None, compare=False)
    record: Record | None = field(default=None, compare=False)
    record_file: str = field(default="", compare=False)
    templates: tuple[tuple[str, str | None], ...] = field(default=(), compare=False)

    @property
    def is_listed(self) -> bool:
        """Whether its file lists devices and links, instead of a form that makes them."""
        return not self.templates

    @cached_property
    def switch_by_name(self) -> dict[str, Switch]:
        return {switch.name: switch for switch in self.switches}

    @cached_property
    def link_by_port(self) -> dict[PortRef, Link]:
        """The link at each cabled port, host NICs included."""
        return {end: link for link in self.links for end in (link.a, link.b)}

    @cached_property
    def room_by_port(self) -> dict[PortRef, Link]:
        """The cable that each port without one is kept for: one that is reserved, or absent."""
        if self.reserved is None:
            return {}
        there = self.link_by_port
        return {end: link for end, link in self.reserved.link_by_port.items() if end not in there}

    @cached_property
    def pfc_reaction_ps(self) -> int:
        """The longest that a NIC takes to stop after a pause; 0 without hosts."""
        return max((host.nic_model.pfc_reaction_ps for host in self.hosts), default=0)

    @cached_property
    def servers(self) -> int:
        """How many hosts there are, which come first; those behind them stand for routers outside."""
        return sum(host.outside is None for host in self.hosts)

    @property
    def server_endpoints(self) -> int:
        """How many endpoints servers have, which come first."""
        return len(self.endpoints) - (len(self.hosts) - self.servers)

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
    def follower_leaves(self) -> dict[int, int]:
        """Of two leaves with bonds, the later one and the one before, by index: both announce one block."""
        pairs = (
            (each.leaf, self.endpoints[each.twin].leaf) for each in self.endpoints if each.twin is not None
        )
        return {later: earlier for later, earlier in pairs if earlier < later}

    @cached_property
    def accelerators(self) -> AcceleratorColumns:
        """What computes, host by host, with the NIC ports that each uses."""
        return AcceleratorColumns.of(self.hosts, self.endpoints)

    @cached_property
    def arrays(self) -> FabricArrays:
        """The links as columns, for computing over large fabrics."""
        return FabricArrays.of(self.hosts, self.switches, self.links)

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
