"""The shape of a fabric file: one class per mapping, with every default and where it comes from.

Fields have the names of the YAML keys. Values are texts in the file and numbers with the unit of
`raddle.topology.fields` here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from raddle.topology.fields import (
    Cable,
    Count,
    DetectTime,
    Dscp,
    DynamicTh,
    Gain,
    HashSeed,
    LaneCount,
    Name,
    NicCount,
    Pool,
    PortCount,
    PortMtu,
    Priority,
    Probability,
    Rate,
    RestoreTime,
    Retries,
    Size,
    State,
    Switch,
    Text,
    Time,
    Timer,
    Version,
    parse_count,
    refuse,
)
from raddle.topology.model import Dcqcn, NicModel

DEFAULT_MODEL = "white-box-12.8t"
HOST_CABLE_M = 3.0
"""Assumption: copper within the rack."""
FABRIC_CABLE_M = 30.0
"""Assumption: multimode fibre along a row (400GBASE-SR8 reaches 100 m, IEEE 802.3cm)."""

_NIC = NicModel(speed_bps=400_000_000_000)
_DCQCN = Dcqcn()


class Spec(BaseModel):
    """A mapping of the file: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSpec(Spec):
    """A switch model. Default lanes: 400GBASE-R over 8 lanes of 50G (IEEE 802.3bs, clause 119).

    Assumptions: cells of 256 bytes and 800 ns of latency, the order of a single-chip 400G switch; a
    platform that is SONiC's virtual switch. `hwsku` is the model's name if not given.
    """

    hwsku: Text = ""
    platform: Text = "x86_64-kvm_x86_64-r0"
    ports: PortCount
    port_speed: Rate
    lanes_per_port: LaneCount = 8
    buffer: Size
    cell: Size = 256
    latency: Time = 800_000
    source: Text = "the fabric file"


class TierSpec(Spec):
    """The switches of one tier, all of one model."""

    count: Count
    model: Name = DEFAULT_MODEL


class UplinkSpec(Spec):
    """Links between each leaf and each spine. `speed` None is the ports' own."""

    per_pair: Count = 1
    speed: Rate | None = None
    cable: Cable = FABRIC_CABLE_M


class LeafSpineSpec(Spec):
    kind: Literal["leaf-spine"] = "leaf-spine"
    leaves: TierSpec
    spines: TierSpec
    uplinks: UplinkSpec = UplinkSpec()


class NicSpec(Spec):
    """A host's RDMA NICs.

    Defaults: 400G, the line rate of a current NIC (ConnectX-7 class); the rest as in
    `raddle.topology.model.NicModel`, which names the sources.
    """

    count: NicCount = 1
    speed: Rate = _NIC.speed_bps
    ack_interval: Count = _NIC.ack_interval
    rto: Timer = _NIC.rto_ps
    retry_count: Retries = _NIC.retry_count
    cnp_interval: Time = _NIC.cnp_interval_ps
    pfc_reaction: Time = _NIC.pfc_reaction_ps


class CabledNicSpec(NicSpec):
    """NICs of an intent, with the cables to their leaf."""

    cable: Cable = HOST_CABLE_M


class AcceleratorSpec(Spec):
    """What the hosts compute with: read and checked; no stage uses it."""

    kind: Literal["gpu", "npu"] = "gpu"
    model: Text = ""
    count: Count = 1


class HostsSpec(Spec):
    """The hosts of an intent."""

    per_leaf: Count
    nics: CabledNicSpec = CabledNicSpec()
    accelerators: AcceleratorSpec | None = None


class DeviceSpec(Spec):
    """A device of an explicit fabric. `model` belongs to switches, `nics` to hosts."""

    role: Literal["leaf", "spine", "host"]
    model: Name | None = None
    nics: NicSpec | None = None


Ends = tuple[Text, Text]


def _two_ends(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2:
        raise refuse(
            "bad-ends", "'ends' must be a list of two", 'write it as ["leaf1:Ethernet0", "host3:eth0"]'
        )
    return value


class LinkSpec(Spec):
    """A cable of an explicit fabric. `speed` None is the speed of both ports; `cable` as in an intent."""

    ends: Annotated[Ends, BeforeValidator(_two_ends)]
    speed: Rate | None = None
    cable: Cable | None = None
    state: State = "up"


class LinkOverride(Spec):
    """A change to the links between two devices (`leaf3`) or ports (`leaf3:Ethernet0`)."""

    ends: Annotated[Ends, BeforeValidator(_two_ends)]
    speed: Rate | None = None
    cable: Cable | None = None
    state: State | None = None


class OverridesSpec(Spec):
    links: tuple[LinkOverride, ...] = ()


class ClassSpec(Spec):
    priority: Priority
    dscp: Dscp


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class EcnSpec(Spec):
    """ECN marking.

    Assumption: 800 KB, 3200 KB and 20 %: half of what HPCC (SIGCOMM 2019, section 5.1: 100 KB and 400 KB
    per 25 Gb/s) scales to at 400 Gb/s, so that queues stay well below the PFC threshold.
    """

    kmin: Size = 800_000
    kmax: Size = 3_200_000
    pmax: Probability = 0.2


class DcqcnSpec(Spec):
    """DCQCN's parameters; the defaults are those of `raddle.topology.model.Dcqcn`."""

    g: Gain = _DCQCN.g
    alpha_timer: Timer = _DCQCN.alpha_timer_ps
    rate_timer: Timer = _DCQCN.rate_timer_ps
    byte_counter: Size = _DCQCN.byte_counter_bytes
    fast_recovery_steps: Count = _DCQCN.fast_recovery_steps
    rate_ai: Rate = _DCQCN.rate_ai_bps
    rate_hai: Rate = _DCQCN.rate_hai_bps
    min_rate: Rate = _DCQCN.min_rate_bps
    clamp_target_rate: Switch = _DCQCN.clamp_target_rate


class WatchdogSpec(Spec):
    """PFC watchdog; the defaults are those of SONiC's `pfcwd start_default`."""

    detect: DetectTime = 200
    restore: RestoreTime = 200
    action: Literal["drop", "forward", "alert"] = "drop"


def _path_mtu(value: Any) -> Any:
    try:
        return parse_count(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _watchdog(value: Any) -> Any:
    return None if value == "none" else value


class RoceSpec(Spec):
    """How the fabric carries RoCEv2.

    Defaults: 4096 bytes, the largest path MTU of InfiniBand; 9100 bytes, SONiC's
    port MTU; priority 3 with DSCP 26 and CNPs on priority 6 with DSCP 48, as NIC vendors' RoCE guides
    have it; dynamic_th 0, SONiC's DEFAULT_LOSSLESS_BUFFER_PARAMETER.
    """

    mtu: Annotated[Literal[256, 512, 1024, 2048, 4096], BeforeValidator(_path_mtu)] = 4096
    port_mtu: PortMtu = 9100
    lossless: Annotated[tuple[ClassSpec, ...], BeforeValidator(_one_or_many)] = (
        ClassSpec(priority=3, dscp=26),
    )
    pfc: Switch = True
    dynamic_th: DynamicTh = 0
    cnp: ClassSpec = ClassSpec(priority=6, dscp=48)
    congestion_control: Literal["dcqcn", "none"] = "dcqcn"
    dcqcn: DcqcnSpec = DcqcnSpec()
    ecn: EcnSpec = EcnSpec()
    watchdog: Annotated[WatchdogSpec | None, BeforeValidator(_watchdog)] = WatchdogSpec()


class HashSpec(Spec):
    """ECMP hash. Seeds differ per switch so that tiers do not hash alike (hash polarisation)."""

    algorithm: Literal["crc32"] = "crc32"
    seed: HashSeed = None


class RoutingSpec(Spec):
    policy: Literal["ecmp", "pinned"] = "pinned"
    hash: HashSpec = HashSpec()


class AddressingSpec(Spec):
    """IPv4 pools; the defaults are private (RFC 1918) and hold 32 768 host links and 131 072 fabric links."""

    hosts: Pool = "10.0.0.0/16"
    loopbacks: Pool = "10.255.0.0/20"
    underlay: Pool = "172.16.0.0/14"


class FabricFile(Spec):
    """The whole file: either an intent (`fabric` and `hosts`) or explicit (`devices` and `links`)."""

    raddle: Version
    name: Name
    models: dict[str, ModelSpec] = {}
    fabric: LeafSpineSpec | None = None
    hosts: HostsSpec | None = None
    devices: dict[str, DeviceSpec] | None = None
    links: tuple[LinkSpec, ...] | None = None
    roce: RoceSpec = RoceSpec()
    routing: RoutingSpec = RoutingSpec()
    addressing: AddressingSpec = AddressingSpec()
    overrides: OverridesSpec = OverridesSpec()
