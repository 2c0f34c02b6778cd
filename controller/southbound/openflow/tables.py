"""A switch's plan as OpenFlow tables and groups: values, no messages.

Three tables: ADMIT takes what is for the switch's own MAC address and has no VLAN, CLASSIFY chooses the
queue by DSCP, FORWARD the way by destination. What a table has no entry for is dropped. Every set of next
hops is a select group whose buckets watch their ports, so that a dead member drops out in the datapath. A pin
is a fast-failover group: the pinned link first, then its backup where it has one, then the group that the
packet would take without the pin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPV6LENGTH, IPv4Network, IPv6Network, ip_interface, ip_network

from raddle.controller.plan.model import NextHop, SwitchPlan
from raddle.controller.southbound.only_sonic import refuse_what_is_sonics
from raddle.units import ip_text

ADMIT, CLASSIFY, FORWARD = 0, 1, 2
"""Table ids."""

COOKIE = int.from_bytes(b"raddle", "big") << 16
"""Of raddle's flow entries. Entries with another are somebody else's, and stay."""

FIRST_GROUP, LAST_GROUP = 1 << 24, (1 << 25) - 1
"""Ids of raddle's groups, as groups have no cookies. Others are somebody else's, and stay."""

UNTAGGED, PRIORITY_TAG = 0, 0x1000
"""Values of `vlan_vid`: no tag, a tag of VLAN 0 (OpenFlow 1.3.5, 7.2.3.7: OFPVID_NONE, OFPVID_PRESENT)."""

OWN_HASH = (
    "a select group of Open vSwitch hashes in a way of its own: flows find other next hops than in the "
    "simulator, though as many"
)
"""Of routes with several next hops, over OpenFlow 1.5."""

NO_UDP_PORTS = (
    "a select group of Open vSwitch hashes no UDP ports over OpenFlow 1.3: RoCEv2 packets of two addresses "
    "share a next hop, whatever their queue pairs, so what 'bench' and 'simulate' say of ecmp is not so here"
)
"""The same over OpenFlow 1.3 (docs/openflow.md)."""

UDP_PORT_ROCE = 4791
"""RoCEv2 (IANA; InfiniBand architecture specification, annex A17)."""

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Hop:
    """Send out of a port to a neighbour: source MAC is the switch's own, TTL is one less."""

    port: int
    eth_dst: str


@dataclass(frozen=True, slots=True)
class SelectGroup:
    """Hops and their weights, sorted; a hash chooses among those whose port is live: that of the 5-tuple and
    `seed`, or without one whatever the switch takes."""

    buckets: tuple[tuple[Hop, int], ...]
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class FailoverGroup:
    """The first of the hops whose port is live, else what `otherwise` chooses."""

    hops: tuple[Hop, ...]
    otherwise: SelectGroup


Group = SelectGroup | FailoverGroup


@dataclass(frozen=True, slots=True)
class Queue:
    """Put the packet in an egress queue and go on with table FORWARD."""

    number: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Set a DSCP, choose a queue (0: none) and go on with table FORWARD."""

    dscp: int
    queue: int


@dataclass(frozen=True, slots=True)
class Admit:
    """Go on with table CLASSIFY; `pops`: without the tag."""

    pops: bool = False


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on with table FORWARD."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Forward nowhere."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """What a switch does that no plan asks for; `text` shows it."""

    text: str


Action = Group | Hop | Admit | Queue | Mark | Continue | Drop | Unknown


@dataclass(frozen=True, slots=True)
class Match:
    """Addresses in CIDR form; `eth_type` 0 matches everything, `udp_dst` a UDP port. With `eth_dst` goes a
    `vlan_vid`. `text` is what no plan matches on."""

    eth_type: int = 0
    destination: str = ""
    source: str = ""
    dscp: int | None = None
    udp_dst: int | None = None
    eth_dst: str = ""
    vlan_vid: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class RuleKey:
    """What identifies a flow entry on a switch."""

    table: int
    priority: int
    match: Match


@dataclass(frozen=True, slots=True)
class Tables:
    """All that a switch forwards with. Groups exist as far as rules use them."""

    mac: str
    rules: Mapping[RuleKey, Action]

    @property
    def groups(self) -> tuple[Group, ...]:
        """Every group once, those that others refer to first."""
        used = dict.fromkeys(action for action in self.rules.values() if isinstance(action, Group))
        inner = dict.fromkeys(group.otherwise for group in used if isinstance(group, FailoverGroup))
        return tuple(dict.fromkeys((*inner, *used)))

    @property
    def is_spreading(self) -> bool:
        """There are routes with several next hops."""
        return any(
            isinstance(action, SelectGroup) and len(action.buckets) > 1 for action in self.rules.values()
        )


def port_numbers(switch: SwitchPlan) -> dict[str, int]:
    """OpenFlow port number of every port: its place among the switch's ports, from 1."""
    return {port.name: number for number, port in enumerate(switch.ports, start=1)}


def datapath_id(switch: SwitchPlan) -> int:
    """The switch's MAC address as a number, as OpenFlow 1.3 (A.3.1) suggests."""
    return int(switch.mac.replace(":", ""), 16)


def switch_hops(switch: SwitchPlan, macs: Mapping[str, str]) -> dict[Hop, str]:
    """The hops behind a switch's cabled ports, for the reader: `Ethernet0 to spine1`."""
    hops = _Hops(switch, macs)
    return {
        hops.to(port.name): f"{port.name} to {port.peer.partition(':')[0]}"
        for port in switch.ports
        if port.peer
    }


def route_key(prefix: str) -> RuleKey:
    """What identifies the entry of a route."""
    return _destination(ip_network(prefix))


def switch_tables(
    switch: SwitchPlan,
    macs: Mapping[str, str],
    has_queues: bool,
    marks_roce: bool = False,
    has_selection_method: bool = False,
) -> Tables:
    """What a switch's part of the plan is in OpenFlow.

    Args:
        macs: of all neighbours, as `neighbour_macs` gives them.
        has_queues: the datapath has the plan's queues; without them a packet's class chooses nothing.
        marks_roce: a leaf gives RoCEv2 packets without DSCP that of the first lossless class.
        has_selection_method: groups can be told what they hash.

    Raises:
        InputError: `adaptive-not-supported`; `external-not-supported`.
    """
    refuse_what_is_sonics(switch, "OpenFlow")
    hops = _Hops(switch, macs, switch.hash_seed if has_selection_method else None)
    rules: dict[RuleKey, Action] = {
        RuleKey(ADMIT, 1, Match(eth_dst=switch.mac, vlan_vid=UNTAGGED)): Admit(),
        RuleKey(ADMIT, 1, Match(eth_dst=switch.mac, vlan_vid=PRIORITY_TAG)): Admit(pops=True),
        RuleKey(CLASSIFY, 0, Match()): Continue(),
    }
    if has_queues:
        rules |= _queue_rules(switch)
    if marks_roce and switch.role == "leaf" and switch.qos.lossless:
        rules |= _marking_rules(switch, has_queues)
    routes = [(ip_network(route.prefix), route) for route in switch.routes]
    fabric = {network: hops.select(route.next_hops) for network, route in routes if route.origin == "fabric"}
    for network, group in fabric.items():
        rules[_destination(network)] = group
    for network, route in routes:
        if route.origin == "pin":
            rules[_destination(network)] = hops.pin(route.next_hops, _covering(fabric, network))
    for policy in switch.policies:
        network = ip_network(policy.dst)
        rules[_pair(policy.src, network)] = hops.pin((policy.next_hop,), _covering(fabric, network))
    for interface in switch.interfaces:
        if not interface.prefix:
            continue  # unnumbered
        own = ip_interface(interface.prefix)
        if own.network.num_addresses == 2:  # a cable; what is not this end is the other one
            first, second = own.network
            rules[_destination(ip_network(second if own.ip == first else first))] = hops.to(interface.name)
        rules[_destination(ip_network(own.ip))] = Drop()
    return Tables(switch.mac, rules)


class _Hops:
    """Finds the hop behind a port."""

    def __init__(self, switch: SwitchPlan, macs: Mapping[str, str], seed: int | None = None) -> None:
        self._seed = seed
        self._numbers = port_numbers(switch)
        self._peers = {port.name: port.peer for port in switch.ports}
        self._macs = macs

    def to(self, port: str) -> Hop:
        peer = self._peers[port]
        # An endpoint has its host's name alone where the host has one NIC.
        mac = self._macs.get(peer) or self._macs[peer.partition(":")[0]]
        return Hop(self._numbers[port], mac)

    def select(self, next_hops: Iterable[NextHop]) -> SelectGroup:
        weights = Counter[Hop]()
        for hop in next_hops:
            weights[self.to(hop.port)] += hop.weight
        by_port = sorted(weights.items(), key=lambda item: item[0].port)
        return SelectGroup(tuple(by_port), self._seed if len(by_port) > 1 else None)

    def pin(self, next_hops: Iterable[NextHop], otherwise: SelectGroup | None) -> Group:
        hops = tuple(self.to(hop.port) for hop in next_hops)
        return self.select(next_hops) if otherwise is None else FailoverGroup(hops, otherwise)


def _destination(network: Network) -> RuleKey:
    """The entry of a route. Longer prefixes have the higher priority."""
    return RuleKey(FORWARD, 1 + network.prefixlen, Match(_eth_type(network), ip_text(network)))


def _pair(source: str, destination: Network) -> RuleKey:
    """Before all routes."""
    match = Match(_eth_type(destination), ip_text(destination), ip_text(ip_network(source)))
    return RuleKey(FORWARD, 2 + IPV6LENGTH, match)


def _eth_type(network: Network) -> int:
    return 0x0800 if network.version == 4 else 0x86DD


def _covering(fabric: Mapping[Network, SelectGroup], network: Network) -> SelectGroup | None:
    """The group of the longest other route that holds a pin's destination."""
    for length in range(network.prefixlen - 1, -1, -1):
        group = fabric.get(network.supernet(new_prefix=length))
        if group:
            return group
    return None


def _marking_rules(switch: SwitchPlan, has_queues: bool) -> Iterator[tuple[RuleKey, Action]]:
    """Before the choice of a queue by DSCP."""
    qos = switch.qos
    tc = qos.lossless[0]
    mark = Mark(qos.dscp_to_tc.index(tc), qos.tc_to_queue[tc] if has_queues else 0)
    for eth_type in (0x0800, 0x86DD):
        yield RuleKey(CLASSIFY, 2, Match(eth_type, dscp=0, udp_dst=UDP_PORT_ROCE)), mark


def queues_of(switch: SwitchPlan) -> frozenset[int]:
    """The egress queues that the plan puts packets in, beside queue 0."""
    return frozenset(switch.qos.tc_to_queue[tc] for tc in switch.qos.dscp_to_tc) - {0}


def _queue_rules(switch: SwitchPlan) -> Iterator[tuple[RuleKey, Action]]:
    qos = switch.qos
    for dscp, tc in enumerate(qos.dscp_to_tc):
        if qos.tc_to_queue[tc]:
            for eth_type in (0x0800, 0x86DD):
                yield RuleKey(CLASSIFY, 1, Match(eth_type, dscp=dscp)), Queue(qos.tc_to_queue[tc])
