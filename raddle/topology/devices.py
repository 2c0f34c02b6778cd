"""What a fabric is made of: switches and their ports, hosts and their NICs, cables, endpoints.

Devices are named as in the file (`leaf0`, `spine3`, `host17`), ports as SONiC names them (`Ethernet0`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from raddle.units import format_rate

PROPAGATION_PS_PER_M = 5000
"""5 ns per metre: light in glass, refractive index about 1.5 (ITU-T G.652)."""

Role = Literal["leaf", "spine", "superspine"]

Nos = Literal["sonic", "p4", "pins"]
PoolSize = Literal["shared-and-guaranteed", "shared", "shared-guaranteed-and-headroom"]
"""What a switch runs: SONiC, programmed over gNMI; or p4/fabric.p4 or SONiC PINS, programmed over P4Runtime.
"""

ScaleUpTopology = Literal["crossbar", "mesh", "ring"]

LossRecovery = Literal["go-back-n", "selective-repeat"]
"""The engine's loss recoveries (native/include/raddle/loss_recovery.hpp), by its names and in its order."""

Medium = Literal["dac", "aec", "aoc", "sr", "dr", "fr", "lr"]
"""Passive or active copper, active optical cable, or the optics of an IEEE 802.3 suffix (SR, DR, FR, LR)."""


Mode = tuple[tuple[int, int, int], ...]
"""What becomes of a front-panel port, in the order of its lanes: (ports, speed of each in bits per second,
lanes of them together; 0: all)."""


def mode_text(mode: Mode) -> str:
    """A mode as SONiC spells it: `2x400G`, `1x400G(4)+4x100G(4)`."""
    return "+".join(
        f"{parts}x{format_rate(speed_bps)}" + (f"({lanes})" if lanes else "")
        for parts, speed_bps, lanes in mode
    )


ASSUMED_GROUP_SIZE = 128
"""Most members of a next-hop group where the switch model does not say; an assumption.

Source: sonic-net/sonic-buildimage #5400 (the default of Broadcom's SAI from 3.7 on)."""


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

    @property
    def most_of_group(self) -> int:
        """The most members of one group, where need be assumed."""
        return self.group_size or ASSUMED_GROUP_SIZE


@dataclass(frozen=True, slots=True)
class PgProfile:
    """A vendor's headroom (`xoff_bytes`) of a lossless priority group, for cables up to a length."""

    speed_bps: int
    cable_m: float
    xoff_bytes: int


@dataclass(frozen=True, slots=True)
class CageMode:
    """What a cage can be: its ports as `Mode` has them, the speeds that each of them may have instead of its
    own in bits per second, and what the vendor calls them."""

    mode: Mode
    speeds_bps: tuple[frozenset[int], ...]
    aliases: tuple[str, ...]

    def fits(self, mode: Mode, lanes: int) -> bool:
        """Whether `mode` is this one on so many lanes, perhaps at other speeds that it may have."""
        return len(mode) == len(self.mode) and all(
            (parts, own or lanes) == (mine, mine_own or lanes) and (speed == mine_bps or speed in others)
            for (parts, speed, own), (mine, mine_bps, mine_own), others in zip(
                mode, self.mode, self.speeds_bps, strict=True
            )
        )


@dataclass(frozen=True, slots=True)
class Cage:
    """A front-panel port as SONiC's platform.json and hwsku.json have it.

    `first` is the number of its first port's name, `number` SONiC's `index`, `lanes` SerDes lanes as the chip
    counts them, `default` the mode that its ports have if nothing else is said, `autoneg` whether they
    negotiate their speed (empty where the files do not say).
    """

    first: int
    number: int
    lanes: tuple[int, ...]
    modes: tuple[CageMode, ...]
    default: Mode
    autoneg: str = ""

    def mode_of(self, mode: Mode) -> CageMode | None:
        """The mode of the file that a breakout means; None if there is none."""
        return next((each for each in self.modes if each.fits(mode, len(self.lanes))), None)


CPU_PACKETS = 600
"""SOURCE: SONiC's copp_cfg.j2, the trap group `default` (cir and cbs 600, red_action drop)."""


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
        cpu_packets: packets a second, and in a burst, that a P4 switch lets up to its controller from a port.
        is_cut_through: forwards a frame before it is there whole, where its ports' speeds allow it.
        marks_at_dequeue: ECN by what a packet leaves behind in its queue, not by what it finds.
        max_ports: most ports, whatever they are broken out to; 0: as many as lanes give.
        group_cages, group_max_ports: so many cages, one after the other, have at most so many ports; 0: any.
        breakouts: modes that cages can have besides the whole port, as SONiC spells them; empty: any.
        pool_size: what the size of an ingress pool counts: shared bytes and what priority groups have
            reserved (as SAI says), shared bytes alone, or those, what is reserved and the headroom (`xoff`).
        headroom_pool_bytes: its vendor's pool of headroom; 0: nobody has said.
        pg_profiles: its vendor's headroom by speed and length, which counts before what is computed.
        cages: its front-panel ports by its vendor's files; empty: alike, named and numbered by their lanes.
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
    cpu_packets: int = CPU_PACKETS
    is_cut_through: bool = False
    marks_at_dequeue: bool = False
    max_ports: int = 0
    group_cages: int = 0
    group_max_ports: int = 0
    breakouts: tuple[str, ...] = ()
    pool_size: PoolSize = "shared-and-guaranteed"
    headroom_pool_bytes: int = 0
    pg_profiles: tuple[PgProfile, ...] = ()
    cages: tuple[Cage, ...] = ()


@dataclass(frozen=True, slots=True)
class Port:
    """A port as SONiC sees it: a front-panel port, or one of those that a breakout makes of it.

    `index` is SONiC's, less 1: the front-panel port from 0, if the vendor does not count otherwise. The ports
    of a breakout share it. `lanes` are SerDes lanes as in SONiC. `autoneg` is its vendor's.
    """

    name: str
    alias: str
    index: int
    lanes: tuple[int, ...]
    speed_bps: int
    autoneg: str = ""


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
        loss_recovery: what is sent again, all from a lost packet on or only what is lost.
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
    loss_recovery: LossRecovery = "go-back-n"
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
class Outside:
    """What a router outside of the fabric has: the `addresses` of the switch's port to it, with the length of
    the prefix, one for each family; the `prefixes` that are reached over it; its AS number, 0 without BGP."""

    addresses: tuple[str, ...]
    prefixes: tuple[str, ...]
    asn: int = 0


@dataclass(frozen=True, slots=True)
class Host:
    """A server. `index` is its place in `Fabric.hosts`, `slot` that in the form.

    `nics` are the names of the NICs' ports: `eth0`, or `eth0p0`, `eth0p1`; `nic_model` is of one port.
    `domain` is the scale-up domain of its accelerators, -1 without. With `outside` it stands for a router
    that is no part of the fabric: it has no ranks.
    """

    name: str
    index: int
    nics: tuple[str, ...]
    nic_model: NicModel
    accelerators: Accelerators | None = None
    domain: int = -1
    slot: tuple[int, ...] = field(default=(), compare=False)
    outside: Outside | None = None


@dataclass(frozen=True, slots=True)
class PortRef:
    """One end of a link, written `leaf1:Ethernet0`."""

    device: str
    port: str

    def __str__(self) -> str:
        return f"{self.device}:{self.port}"


@dataclass(frozen=True, slots=True)
class Link:
    """A link. `a` is the lower end (host, leaf, spine, superspine), `b` the upper.

    No route uses a link that is drained, although it is up. `per_cable` links of `a`, one after the other,
    share a cable.
    """

    index: int
    a: PortRef
    b: PortRef
    speed_bps: int
    length_m: float
    is_up: bool
    medium: Medium | None = None
    is_drained: bool = False
    per_cable: int = 1

    @property
    def delay_ps(self) -> int:
        """Propagation delay in picoseconds."""
        return round(self.length_m * PROPAGATION_PS_PER_M)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A port of a host's NIC: what has an address, sends and receives. Ranks are placed on endpoints.

    `name` is the host's name where it has one, else `host3:eth1`. `leaf` indexes `Fabric.switches`,
    `link` indexes `Fabric.links`. `rail` is the number of the NIC in its host; `accelerator` the one that
    it serves, of several the first; `plane` its leaf's. `twin` is the other port of a bond: both have one
    address.
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
    twin: int | None = None

    @property
    def interface(self) -> str:
        """What has the address: a bond, `host0:eth0` of its port `host0:eth0p1`, or else the endpoint."""
        return self.name if self.twin is None else self.name.rpartition("p")[0]
