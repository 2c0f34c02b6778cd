"""The shape of what a fabric file says of devices: switch models, ports, NICs, accelerators, cables.

Fields have the names of the YAML keys. Values are texts in the file and numbers with the unit of
`raddle.topology.yaml.fields` here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from raddle.topology.devices import LossRecovery, PoolSize
from raddle.topology.model import Medium, NicModel, Nos, ScaleUpTopology
from raddle.topology.yaml.fields import (
    Bandwidth,
    BreakoutMode,
    Cable,
    ClassWeights,
    Count,
    LaneCount,
    LinksPerCable,
    Messages,
    Name,
    NicCount,
    PortCount,
    Position,
    QpCount,
    Range,
    Rate,
    Reorder,
    Retries,
    Size,
    State,
    Switch,
    TableSize,
    Text,
    Time,
    Timer,
    Window,
)
from raddle.topology.yaml.rules import refuse

DEFAULT_MODEL = "white-box-12.8t"
HOST_CABLE_M = 3.0
"""Assumption: copper within the rack."""
FABRIC_CABLE_M = 30.0
"""Assumption: multimode fibre along a row (400GBASE-SR8 reaches 100 m, IEEE 802.3cm)."""

_NIC = NicModel(speed_bps=400_000_000_000)


class Spec(BaseModel):
    """A mapping of the file: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def one_or_many(value: Any) -> Any:
    """A lone item stands for a list of one."""
    return [value] if isinstance(value, dict) else value


class TablesSpec(Spec):
    """Table budgets of a switch model; 0 or absent is unknown."""

    group_size: TableSize = 0
    """Most members of one next-hop group."""
    groups: TableSize = 0
    """Next-hop groups."""
    group_members: TableSize = 0
    """Members of all next-hop groups together."""
    host_routes: TableSize = 0
    """Host routes (/32)."""
    prefix_routes: TableSize = 0
    """Routes of any prefix length."""
    acl_entries: TableSize = 0
    """Ingress ACL entries."""


class PortGroupsSpec(Spec):
    """Cages, one after the other, that share a pipeline of so many ports."""

    cages: Count
    """Cages of a group."""
    max_ports: Count
    """Most ports of a group."""


class ModelSpec(Spec):
    """A switch model. Default lanes: 400GBASE-R over 8 lanes of 50G (IEEE 802.3bs, clause 119).

    Assumptions: cells of 256 bytes and 800 ns of latency, the order of a single-chip 400G switch; a
    platform that is SONiC's virtual switch. `hwsku` is the model's name if not given.
    """

    hwsku: Text = ""
    """SONiC's HwSKU (DEVICE_METADATA)."""
    platform: Text = "x86_64-kvm_x86_64-r0"
    """SONiC's platform (DEVICE_METADATA)."""
    ports: PortCount | None = None
    """Front-panel ports."""
    port_speed: Rate | None = None
    """Native speed of a port."""
    lanes_per_port: LaneCount = 8
    """SerDes lanes of a port; SONiC's port names count them."""
    platform_json: Text | None = None
    """Its platform.json beside this file, instead of these three and `breakouts`: the front panel."""
    hwsku_json: Text | None = None
    """Its HwSKU's hwsku.json: of these ports, which it has and how they are broken out by default."""
    buffer: Size | None = None
    """Packet buffer that all ports share."""
    cell: Size = 256
    """Unit in which the chip allocates buffer."""
    latency: Time = 800_000
    """From the last bit in to the first bit out of an idle port."""
    switching: Literal["store-and-forward", "cut-through"] = "store-and-forward"
    """Whether a frame may leave before its last bit is in."""
    ecn_marking: Literal["enqueue", "dequeue"] = "enqueue"
    """Whether ECN goes by the queue that a packet joins or by the one that it leaves behind."""
    tables: TablesSpec = TablesSpec()
    """Table budgets."""
    features: tuple[
        Literal["adaptive-routing", "hash-on-qp", "packet-trimming", "policy-routing", "shared-headroom"], ...
    ] = ()
    """Extensions that the chip has and the fabric may use."""
    nos: Nos = "sonic"
    """What it runs: SONiC (programmed over gNMI), p4/fabric.p4 or SONiC PINS (over P4Runtime)."""
    cpu_packets: Count | None = None
    """With `nos: p4` the packets a second, and in a burst, from a port to the controller (default 600)."""
    max_ports: PortCount | None = None
    """Most ports of the whole switch, whatever they are broken out to."""
    port_groups: PortGroupsSpec | None = None
    """Most ports of neighbouring cages that share a pipeline."""
    breakouts: tuple[BreakoutMode, ...] = ()
    """Modes that its cages can have besides the whole port (default: whatever divides their lanes)."""
    pool_size: PoolSize = "shared-and-guaranteed"
    """What a pool's size counts: what priority groups have reserved too, as SAI says, or not, or both that
    and the headroom."""
    buffers_defaults: Text | None = None
    """Its HwSKU's buffers_defaults file beside this file: `buffer` and `pool_size`, if not given."""
    pg_profiles: Text | None = None
    """Its HwSKU's pg_profile_lookup.ini beside this file: headroom by speed and cable length."""
    source: Text = "the fabric file"
    """Where the numbers are from."""

    @model_validator(mode="after")
    def _polices_where_it_can(self) -> Self:
        if self.cpu_packets is not None and self.nos != "p4":
            hint = "SONiC and PINS have CoPP for it, which is not planned: leave it out"
            raise refuse("key-conflict", f"'cpu_packets' of a model that runs {self.nos}", hint)
        return self

    @model_validator(mode="after")
    def _has_one_front_panel(self) -> Self:
        said = {"ports", "port_speed", "lanes_per_port", "breakouts"} & self.model_fields_set
        if self.platform_json:
            if said:
                given = ", ".join(f"'{key}'" for key in sorted(said))
                raise refuse("key-conflict", f"{given} beside 'platform_json'", "the file says it: keep one")
        elif self.hwsku_json:
            raise refuse("missing-key", "'platform_json' is missing", "hwsku.json is of its ports")
        elif self.ports is None or self.port_speed is None:
            missing = "ports" if self.ports is None else "port_speed"
            raise refuse("missing-key", f"'{missing}' is missing", "or name a file with 'platform_json'")
        if self.buffer is None and self.buffers_defaults is None:
            raise refuse("missing-key", "'buffer' is missing", "or name a file with 'buffers_defaults'")
        return self


class PortRangeSpec(Spec):
    """How a range of front-panel ports is broken out."""

    ports: Range
    """Front-panel ports, from 0: `0-15`."""
    mode: BreakoutMode
    """Ports that each becomes: `2x400G`, or with lanes of each kind, `1x400G(4)+4x100G(4)`."""


def _breakout_list(value: Any) -> Any:
    return [{"ports": "0-1023", "mode": value}] if isinstance(value, str) else one_or_many(value)


Breakout = Annotated[tuple[PortRangeSpec, ...], BeforeValidator(_breakout_list, json_schema_input_type=Any)]


class NicSpec(Spec):
    """A host's RDMA NICs.

    Defaults: 400G, the line rate of a current NIC (ConnectX-7 class); the rest as in
    `raddle.topology.model.NicModel`, which names the sources.
    """

    count: NicCount | None = None
    """NICs of a host (default 1)."""
    per_accelerator: NicCount | None = None
    """NICs per accelerator, instead of `count`."""
    accelerators_per_nic: Count | None = None
    """Accelerators that share a NIC, instead of `count`."""
    ports: NicCount = 1
    """Ports of a NIC, each an interface of its own: `eth0`, or `eth0p0` and `eth0p1`."""
    speed: Rate = _NIC.speed_bps
    """Speed of each port."""
    bond: Switch = False
    """The two ports of a NIC are one bond: they have one address, on two leaves that both announce it."""
    bus: Bandwidth | None = None
    """What the host's bus gives a NIC each way (`48.5GBps`), whatever its ports could carry."""
    ack_interval: Count = _NIC.ack_interval
    """The responder acknowledges every n-th packet of a message, and its last one."""
    rto: Timer = _NIC.rto_ps
    """Retransmission timeout."""
    retry_count: Retries = _NIC.retry_count
    """Retransmissions without progress after which the queue pair fails."""
    cnp_interval: Time | None = None
    """Least time between two CNPs of one queue pair (default: that of `roce: {dcqcn: {set: ...}}`)."""
    pfc_reaction: Time = _NIC.pfc_reaction_ps
    """From the arrival of a pause frame to the transmitter's halt."""
    window: Window = _NIC.window_bytes
    """Most payload that a queue pair has under way: a size, or 0 for any."""
    messages: Messages = _NIC.messages
    """Most messages that a queue pair has handed to its NIC and not acknowledged; 0: any."""
    burst: Count = _NIC.burst_packets
    """Packets that a queue pair sends before it is another one's turn."""
    class_weights: ClassWeights = ()
    """Shares of the wire by PFC priority, or `strict`: `{3: 3, 4: 1}`; others have 1, CNPs are strict."""
    qps_per_connection: QpCount = _NIC.qps_per_connection
    """Queue pairs, each with its own UDP source port, that a connection's data is spread over."""
    split_data: Switch = _NIC.splits_data
    """Each message goes over all of them in equal parts; else whole messages take turns."""
    retransmission: LossRecovery = "go-back-n"
    """What is sent again after a loss: all behind it, or only what was lost."""
    reorder: Reorder = _NIC.reorder_packets
    """Packets that may overtake one before it counts as lost; for selective repeat."""


class CabledNicSpec(NicSpec):
    """NICs of an intent, with the cables to their leaves."""

    cable: Cable = HOST_CABLE_M
    """Cable length."""
    medium: Medium | None = None
    """Kind of cable or optics."""
    links_per_cable: LinksPerCable = 1
    """Links of a host, one after the other, that a cable carries: 2 with twin-port optics or split copper."""


class ScaleUpSpec(Spec):
    """The network between accelerators (NVLink, HCCS): bandwidth of one each way, latency, who shares it."""

    kind: Text = ""
    """Its name: nvlink, hccs, xgmi."""
    topology: ScaleUpTopology = "crossbar"
    """Switches that block nothing, links between all (`mesh`), or to both neighbours (`ring`)."""
    bandwidth: Bandwidth
    """Of one accelerator, one direction; a mesh or ring shares it out to its links."""
    latency: Time = 1_000_000
    """Assumption: 1 us from accelerator to accelerator."""
    hosts: Count = 1
    """Hosts, one after the other, whose accelerators are one domain."""
    in_network: Bandwidth | None = None
    """Bus bandwidth of an all-reduce that the domain's switches sum (NVLS); none where they cannot."""


class AcceleratorSpec(Spec):
    """What the hosts compute with."""

    kind: Literal["gpu", "npu"] = "gpu"
    """What it is."""
    model: Text = ""
    """Its name: h100, 910b."""
    count: Count = 1
    """Accelerators of a host."""
    bus: Bandwidth | None = None
    """What the host's bus gives an accelerator each way, towards its NICs."""
    scale_up: ScaleUpSpec | None = None
    """The network between a host's accelerators."""


class DeviceSpec(Spec):
    """A device of an explicit fabric. `model` and `breakout` belong to switches, `nics` to hosts."""

    role: Literal["leaf", "spine", "superspine", "host"]
    """Its tier."""
    model: Name | None = None
    """Switch model."""
    breakout: Breakout | None = None
    """Port profile of a switch."""
    pod: Position = 0
    """Pod of a leaf or spine."""
    plane: Position = 0
    """Plane of a switch."""
    nics: NicSpec | None = None
    """NICs of a host."""
    accelerators: AcceleratorSpec | None = None
    """Accelerators of a host."""


def _two_ends(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2:
        raise refuse(
            "bad-ends", "'ends' must be a list of two", 'write it as ["leaf1:Ethernet0", "host3:eth0"]'
        )
    return value


Ends = Annotated[tuple[Text, Text], BeforeValidator(_two_ends)]


class LinkSpec(Spec):
    """A cable of an explicit fabric. `speed` None is the speed of both ports; `cable` as in an intent."""

    ends: Ends
    """Two ports: `["leaf1:Ethernet0", "host3:eth0"]`."""
    speed: Rate | None = None
    """Speed of the link (default: the ports')."""
    cable: Cable | None = None
    """Cable length (default: 3m to a host, 30m between switches)."""
    medium: Medium | None = None
    """Kind of cable or optics."""
    state: State = "up"
    """Whether the link carries traffic."""
    links_per_cable: LinksPerCable = 1
    """Links of the lower device, one after the other, that share a cable with this one."""


class LinkOverride(Spec):
    """A change to the links between two devices (`leaf3`) or ports (`leaf3:Ethernet0`)."""

    ends: Ends
    """Two devices, or two ports."""
    number: Position | None = None
    """Only this one of the parallel links, from 0 in the order of the ports."""
    speed: Rate | None = None
    """Speed of the link."""
    cable: Cable | None = None
    """Cable length."""
    medium: Medium | None = None
    """Kind of cable or optics."""
    state: State | None = None
    """Whether the link carries traffic."""


class LinkChoice(Spec):
    """The links between two devices or ports."""

    ends: Ends
    """Two devices, or two ports."""
    number: Position | None = None
    """Only this one of the parallel links, from 0 in the order of the ports."""


class SwitchOverride(Spec):
    """A switch that differs from its tier."""

    name: Name
    """Its name."""
    model: Name | None = None
    """Its switch model."""
    breakout: Breakout | None = None
    """Its port profile."""


class OverridesSpec(Spec):
    """Differences from the form, in the order in which they apply."""

    switches: tuple[SwitchOverride, ...] = ()
    """Switches of another model or port profile."""
    absent: tuple[Text, ...] = ()
    """Switches and hosts that are not there, or not any more; hosts of absent leaves are not there either."""
    remove: tuple[LinkChoice, ...] = ()
    """Links that are not there."""
    add: tuple[LinkSpec, ...] = ()
    """Links beyond the form."""
    links: tuple[LinkOverride, ...] = ()
    """Links with other properties."""
    drain: tuple[Text, ...] = ()
    """Switches, or ports of them (`leaf0:Ethernet32`), whose links between switches no route is to use."""
