"""The shape of a fabric file: its forms and its top. Every default names where it comes from.

Fields have the names of the YAML keys, as in `raddle.topology.yaml.schema_devices`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from raddle.topology.model import Medium
from raddle.topology.yaml.fields import (
    Cable,
    Count,
    EntryPattern,
    HostCount,
    LinksPerCable,
    Name,
    NameTemplate,
    PlaneCount,
    Range,
    Rate,
    Text,
    TorCount,
    Version,
)
from raddle.topology.yaml.rules import refuse
from raddle.topology.yaml.schema_base import BaseSpec, ManagementSpec
from raddle.topology.yaml.schema_border import ExternalSpec
from raddle.topology.yaml.schema_devices import (
    DEFAULT_MODEL,
    FABRIC_CABLE_M,
    AcceleratorSpec,
    Breakout,
    CabledNicSpec,
    DeviceSpec,
    LinkSpec,
    ModelSpec,
    OverridesSpec,
    Spec,
    one_or_many,
)
from raddle.topology.yaml.schema_policy import AddressingSpec, PhySpec, RoceSpec, RoutingSpec, TenantSpec


def _one_or_several(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


OneOrSeveral = Annotated[
    tuple[Count, ...] | None,
    BeforeValidator(_one_or_several, json_schema_input_type=Count | list[Count]),
]


class TierSpec(Spec):
    """The switches of one tier, all of one model. Give `count`, or `per_pod` where there are pods."""

    count: Count | None = None
    """Switches of the tier, in each plane."""
    per_pod: OneOrSeveral = None
    """Switches of the tier in each pod; of leaves also a list, for pods of unequal size."""
    model: Name = DEFAULT_MODEL
    """Switch model: built in, or of `models`."""
    name: NameTemplate | None = None
    """Naming template, such as `pod{pod}-leaf{n:02}`."""
    breakout: Breakout = ()
    """Port profile: a mode such as `2x400G` for all ports, or a list of ranges."""

    @model_validator(mode="after")
    def _has_a_count(self) -> Self:
        if self.count is None and self.per_pod is None:
            raise refuse("missing-key", "'count' is missing", "with pods, 'per_pod' may be given instead")
        return self


class LinksSpec(Spec):
    """Links between two tiers. `speed` None is the ports' own."""

    per_pair: Count = 1
    """Parallel links between a lower and an upper switch."""
    speed: Rate | None = None
    """Speed of a link."""
    cable: Cable = FABRIC_CABLE_M
    """Cable length."""
    medium: Medium | None = None
    """Kind of cable or optics."""
    links_per_cable: LinksPerCable = 1
    """Links, one after the other, that a cable carries: 2 with twin-port optics or split copper."""


class UplinkSpec(LinksSpec):
    """Links between leaves and spines."""

    mesh: Literal["full", "rail"] = "full"
    """Each leaf to all spines of its pod, or to those of its rail."""


class SpineUplinkSpec(LinksSpec):
    """Links between spines and superspines."""

    mesh: Literal["column", "full"] = "column"
    """The n-th spines of all pods to superspines of their own, or each spine to all superspines."""


class FormSpec(Spec):
    """A fabric by its form.

    leaf-spine: a host's NICs share a leaf. rail-optimized: the n-th NIC of every host is on the leaf of
    rail n; it may have pods under superspines. fat-tree: pods of leaves and spines under superspines.
    """

    kind: Literal["leaf-spine", "rail-optimized", "fat-tree"] = "leaf-spine"
    """The form."""
    planes: PlaneCount = 1
    """Separate copies of the switches; a host's ports go round them in turn."""
    tors: TorCount = 1
    """2 is dual-ToR: the ports of a NIC go to two leaves."""
    rails: Count | None = None
    """Rails, each with leaves of its own (default where `kind` has them: NICs of a host in a plane)."""
    port_order: Literal["round", "block"] = "round"
    """Ports of a host go round the leaves of its group, or neighbouring ports share a leaf."""
    pods: Count | None = None
    """Pods of three tiers."""
    leaves: TierSpec
    """Switches that hosts connect to."""
    spines: TierSpec | None = None
    """Switches above the leaves; none in a single tier."""
    superspines: TierSpec | None = None
    """Switches above the spines of all pods."""
    uplinks: UplinkSpec = UplinkSpec()
    """Links between leaves and spines."""
    spine_uplinks: SpineUplinkSpec = SpineUplinkSpec()
    """Links between spines and superspines."""


class HostsSpec(Spec):
    """Hosts of one kind of an intent."""

    per_leaf: Count
    """Hosts on each leaf (on each group of leaves: the rails, or the two of dual-ToR)."""
    count: HostCount | None = None
    """Hosts of this kind in all, where the last leaves are not full (default: as many as find room)."""
    groups: Range | None = None
    """Leaves, or groups of them, of each pod that have these hosts: `0-29` (default: all)."""
    pods: Range | None = None
    """Pods that have these hosts (default: all)."""
    name: NameTemplate | None = None
    """Naming template, such as `gpu{i:03}`."""
    nics: CabledNicSpec = CabledNicSpec()
    """RDMA NICs of a host."""
    accelerators: AcceleratorSpec | None = None
    """Accelerators of a host."""


class ReserveSpec(Spec):
    """Room that is kept: names, ports, addresses and AS numbers are those of a fabric of this size, so that
    what is there stays as it is when the rest comes."""

    pods: Count | None = None
    """Pods of three tiers."""
    leaves: Count | None = None
    """Leaves, counted as in `fabric: leaves:` (`count` or `per_pod`)."""
    spines: Count | None = None
    """Spines, counted as in `fabric: spines:`."""
    superspines: Count | None = None
    """Superspines (default: as many per spine as there are)."""
    hosts_per_leaf: OneOrSeveral = None
    """Hosts of each leaf: one number, or one for each kind of hosts."""
    links_per_pair: Count | None = None
    """Parallel links between a leaf and a spine."""


class NetworkSpec(Spec):
    """A network: either an intent (`fabric` and `hosts`) or explicit (`devices` and `links`)."""

    models: dict[str, ModelSpec] = Field(default_factory=dict)
    """Switch models of your own."""
    fabric: FormSpec | None = None
    """The form of an intent."""
    hosts: Annotated[
        tuple[HostsSpec, ...] | None,
        BeforeValidator(one_or_many, json_schema_input_type=HostsSpec | list[HostsSpec]),
    ] = None
    """Hosts of an intent: one kind, or a list of kinds that share the leaves."""
    devices: dict[str, DeviceSpec] | None = None
    """Devices of an explicit fabric, by name."""
    links: tuple[LinkSpec, ...] | None = None
    """Cables of an explicit fabric."""
    roce: RoceSpec = RoceSpec()
    """How the fabric carries RoCEv2."""
    phy: PhySpec = PhySpec()
    """The links' electronics: FEC and bit errors."""
    routing: RoutingSpec = RoutingSpec()
    """How packets find their way."""
    addressing: AddressingSpec = AddressingSpec()
    """Address pools."""
    overrides: OverridesSpec = OverridesSpec()
    """Differences from the form."""
    reserve: ReserveSpec | None = None
    """Room that is kept for an intent to grow into."""
    record: Text | None = None
    """File beside this one in which `raddle plan` keeps what every device and cable was given."""
    external: tuple[ExternalSpec, ...] = ()
    """Links to routers that are no part of the fabric."""
    tenants: tuple[TenantSpec, ...] = ()
    """Who owns which accelerators."""
    base: Annotated[
        tuple[BaseSpec, ...],
        BeforeValidator(one_or_many, json_schema_input_type=BaseSpec | list[BaseSpec]),
    ] = ()
    """What switches boot with besides the plan: one mapping, or a list."""
    management: ManagementSpec = ManagementSpec()
    """Management addresses of the switches."""
    ignore: tuple[EntryPattern, ...] = ()
    """Entries on SONiC switches that are never touched, as TABLE/KEY with * and ?."""


class FabricFile(NetworkSpec):
    """The whole file: one network, or several by name with what they have in common beside them."""

    raddle: Version
    """Version of the format."""
    name: Name
    """The fabric's name."""
    networks: dict[str, NetworkSpec] | None = None
    """Networks that hosts have NICs in, each with switches of its own (raddle.topology.yaml.networks)."""
