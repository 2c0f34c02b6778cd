"""What packets show of a switch's part of the plan: which to send, and where they must come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from itertools import islice, product
from typing import Any

from raddle.controller.plan.model import NextHop, Plan, SwitchPlan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.ptf.access_lists import AccessLists, ListTests

_TRIED = 256
"""Addresses of a prefix that are looked at for one that no longer prefix has."""

_SPREADS = {4: ("198.18.0.1", "198.19.0.1"), 6: ("2001:2::1", "2001:2:0:8000::1")}
"""The first source addresses of flows for all next hops; of benchmarking networks (RFC 2544, RFC 5180)."""

_SPREAD = {version: spreads[0] for version, spreads in _SPREADS.items()}

_SOURCE_PORTS = (0xC000, 0xD000, 0xE000, 0x8000, 0x4000)
"""The first source ports of flows; others than the first only where access lists are in the way."""

_PER_MEMBER, _MOST_FLOWS, _FLOWS_OF_ONE, _QUEUE_PACKETS = 16, 1024, 4, 50

Network = IPv4Network | IPv6Network


NO_LISTS = "access lists: the plan has none; --over CONFIG or --inventory FILE gives those of the switch"
"""What is left out where nobody has said what lists a switch has."""

_LEFT_OUT = (
    "backups: what packets do when a port is down",
    "pins by UDP source port or queue pair",
)


def suite(plan: Plan, name: str, lists: AccessLists | None = None) -> dict[str, Any]:
    """The tests of a switch, as JSON for `raddle_ptf.py`; ports are numbered from 1, in their order.

    `lists` are the access lists that it holds, None where they are not known.
    """
    return _Suite(plan, next(switch for switch in plan.switches if switch.name == name), lists).document()


class _Suite:
    def __init__(self, plan: Plan, switch: SwitchPlan, lists: AccessLists | None) -> None:
        self._plan, self._switch, self._lists = plan, switch, lists
        self._left_out = list(_LEFT_OUT)
        self._macs = neighbour_macs(plan)
        self._numbers = {port.name: number for number, port in enumerate(switch.ports, 1) if port.peer}
        self._peers = {port.name: port.peer for port in switch.ports}
        self._own = [ip_interface(each.prefix) for each in switch.interfaces if each.prefix]
        self._routes: dict[Network, dict[int, int]] = dict(self._all_routes())
        self._pairs = {(policy.src, policy.dst) for policy in switch.policies}

    def document(self) -> dict[str, Any]:
        ways = list(self._ways())
        forwarded = next((way for way in ways if way["kind"] == "route"), ways[0] if ways else None)
        tests = [*ways, *(self._classes(forwarded) if forwarded else ()), *self._dropped(forwarded)]
        tests = self._beside_lists(tests)
        return {
            "raddle_ptf": 1,
            "switch": self._switch.name,
            "mac": self._switch.mac,
            "ports": {
                str(number): {"name": name, "peer": self._peers[name], "peer_mac": self._mac(name)}
                for name, number in self._numbers.items()
            },
            "tests": tests,
            "left_out": self._left_out,
        }

    def _beside_lists(self, tests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The tests whose packets no list drops, and those of the lists."""
        if self._lists is None:
            self._left_out.append(NO_LISTS)
            return tests
        routes = [test for test in tests if test["kind"] == "route"]
        lists = ListTests(self._lists, self._numbers, routes, self._way_to, self._pairs)
        found = [*lists.tests()]
        self._left_out += lists.left_out
        return [*(kept for test in tests if (kept := self._past_lists(test, lists))), *found]

    def _past_lists(self, test: dict[str, Any], lists: ListTests) -> dict[str, Any] | None:
        """A test with packets that surely no list drops or sends elsewhere; None where there are none."""
        if test["kind"] == "drop":
            if not lists.may_go_elsewhere(test):
                return test
            self._left_out.append(f"{test['name']}: access lists may send its packets elsewhere")
            return None
        version = ip_address(test["destination"]).version
        fates = set()
        for spread, port in product(_SPREADS[version], _SOURCE_PORTS):
            other = test | {"spread": spread, "source_port": port}
            fates.add(fate := lists.dropping(other))
            if fate is False:
                return other
        said = "drop" if fates == {True} else "drop, or may drop, some of"
        self._left_out.append(f"{test['name']}: access lists {said} its packets")
        return None

    def _way_to(self, address: str) -> dict[str, Any] | None:
        """The way of packets to an address, by the longest prefix; None where they are not forwarded."""
        target = ip_address(address)
        fits = [each for each in self._routes if each.version == target.version and target in each]
        network = max(fits, key=lambda each: each.prefixlen, default=None)
        if network is None or not self._routes[network] or any(own.ip == target for own in self._own):
            return None
        return self._way("route", str(network), address, self._routes[network])

    def _all_routes(self) -> Iterator[tuple[Network, dict[int, int]]]:
        """Weights by port of every prefix that packets are sent out for; none of one that is discarded."""
        for route in self._switch.routes:
            yield ip_network(route.prefix), self._weights(route.used)
        for interface in self._switch.interfaces:
            if interface.prefix and interface.name in self._numbers:
                own = ip_interface(interface.prefix)
                for address in own.network:
                    if own.network.num_addresses == 2 and address != own.ip:
                        yield ip_network(address), {self._numbers[interface.name]: 1}

    def _weights(self, next_hops: tuple[NextHop, ...]) -> dict[int, int]:
        found: dict[int, int] = {}
        for hop in next_hops:
            number = self._numbers[hop.port]
            found[number] = found.get(number, 0) + hop.weight
        return found

    def _ways(self) -> Iterator[dict[str, Any]]:
        """A test of every route, attached neighbour and pin."""
        pins = {ip_network(route.prefix) for route in self._switch.routes if route.origin == "pin"}
        for network, weights in self._routes.items():
            target = self._address_of(network) if weights else ""  # without a next hop: `_dropped`
            if weights and not target:
                self._left_out.append(f"route {network}: longer prefixes have all addresses that were tried")
            if target:
                yield self._way("pin" if network in pins else "route", str(network), target, weights)
        for policy in self._switch.policies:
            weights = self._weights((policy.next_hop,))
            name = f"{ip_network(policy.src)} {ip_network(policy.dst)}"
            source, target = (str(ip_network(end).network_address) for end in (policy.src, policy.dst))
            yield self._way("pin", name, target, weights, source)

    def _way(
        self, kind: str, name: str, target: str, weights: Mapping[int, int], source: str = ""
    ) -> dict[str, Any]:
        flows = min(_MOST_FLOWS, _PER_MEMBER * sum(weights.values()) // min(weights.values()))
        return {
            "kind": kind,
            "name": f"{kind} {name}",
            "flows": flows if len(weights) > 1 else _FLOWS_OF_ONE,
            "source_port": _SOURCE_PORTS[0],
            "ingress": self._ingress(weights),
            "source": source or self._source(target),
            "spread": _SPREAD[ip_address(target).version],
            "destination": target,
            "egress": {str(number): weight for number, weight in sorted(weights.items())},
        }

    def _ingress(self, weights: Mapping[int, int]) -> int:
        """A port that the packets do not go out of; else the first, as some switches never send back."""
        return next((number for number in self._numbers.values() if number not in weights), min(weights))

    def _address_of(self, network: Network) -> str:
        """An address of a prefix that no longer one has, and that is not the switch's own; or empty."""
        inner = [other for other in self._routes if other != network and _is_in(other, network)]
        own = {address.ip for address in self._own}
        for address in islice(network, _TRIED):
            if address not in own and not any(address in other for other in inner):
                return str(address)
        return ""

    def _source(self, target: str) -> str:
        """An endpoint that is not the target, and whose packets to it have no pin of their own."""
        version = ip_address(target).version
        for _, address in self._plan.endpoints:
            pair = (
                f"{address}/{ip_address(address).max_prefixlen}",
                f"{target}/{ip_address(target).max_prefixlen}",
            )
            if ip_address(address).version == version and address != target and pair not in self._pairs:
                return address
        return _SPREAD[version]

    def _classes(self, way: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Of every queue that a DSCP leads to, the first DSCP that does."""
        qos = self._switch.qos
        first: dict[int, int] = {}
        for dscp, tc in enumerate(qos.dscp_to_tc):
            first.setdefault(qos.tc_to_queue[tc], dscp)
        for queue, dscp in sorted(first.items()):
            what = {"kind": "queue", "name": f"queue {queue}", "queue": queue, "dscp": dscp}
            yield dict(way) | what | {"flows": _QUEUE_PACKETS}

    def _dropped(self, way: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """What must come out of no port."""
        if way:
            for what in ("another MAC", "broadcast", "VLAN 7", "TTL 1", "LLDP"):
                yield dict(way) | {"kind": "drop", "name": f"drop {what}", "what": what, "egress": {}}
        discarded = (self._address_of(network) for network, weights in self._routes.items() if not weights)
        kinds = (("own address", (str(own.ip) for own in self._own)), ("discarded", filter(None, discarded)))
        for what, targets in kinds:
            for target in targets:
                yield {
                    "kind": "drop",
                    "name": f"drop {what} {target}",
                    "what": what,
                    "ingress": min(self._numbers.values()),
                    "source": self._source(target),
                    "destination": target,
                    "egress": {},
                }

    def _mac(self, port: str) -> str:
        peer = self._peers[port]
        return self._macs.get(peer) or self._macs[peer.partition(":")[0]]


def _is_in(inner: Network, outer: Network) -> bool:
    return (
        inner.version == outer.version
        and inner.prefixlen > outer.prefixlen
        and inner.network_address in outer
    )
