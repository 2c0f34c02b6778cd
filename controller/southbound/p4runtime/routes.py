"""The routes among the entities of a P4Runtime switch, of `p4/fabric.p4` and of SONiC PINS."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from finsy import Action, IndirectAction, P4Schema, P4TableEntry

from raddle.controller.plan.model import NextHop
from raddle.controller.southbound.driver import RouteTable
from raddle.controller.southbound.p4runtime.text import without_watch
from raddle.controller.southbound.p4runtime.updates import Entities, Key

_ROUTES = ("ipv4_route", "ipv6_route", "ipv4_table", "ipv6_table")
_PINS = "pin_dst"
_GROUPS = "wcmp_group_table"


class EntityRoutes:
    """Which entries are routes, and where they lead.

    Args:
        ports: names of the switch's ports by number.
    """

    def __init__(self, schema: P4Schema, entities: Entities, ports: Mapping[int, str]) -> None:
        self._schema, self._entities, self._ports = schema, entities, ports
        routes = {table.id for table in schema.tables if table.alias in (*_ROUTES, _PINS)}
        self._entries = {
            key: P4TableEntry.decode(without_watch(entity), schema)
            for key, entity in entities.items()
            if key[0] == "entry" and key[1] in routes
        }

    @cached_property
    def keys(self) -> Mapping[str, tuple[Key, ...]]:
        """The keys of the entries of every prefix: a pin's may stand beside a route's."""
        found: dict[str, tuple[Key, ...]] = {}
        for key, entry in self._entries.items():
            prefix = _prefix(entry)
            found[prefix] = (*found.get(prefix, ()), key)
        return found

    @cached_property
    def table(self) -> RouteTable:
        """Next hops by prefix; pins come before routes, and what ends at the switch has none."""
        found: dict[str, tuple[NextHop, ...]] = {}
        for entry in sorted(self._entries.values(), key=lambda each: each.table_id == _PINS):
            if hops := self._hops(entry):
                found[_prefix(entry)] = hops
        return found

    def _hops(self, entry: P4TableEntry) -> tuple[NextHop, ...]:
        action = entry.action
        if isinstance(action, IndirectAction) and action.action_set:
            return tuple(
                NextHop("", self._ports[number], weight)
                for weight, each in action.action_set
                if isinstance(weight, int) and (number := int(str(each.args.get("port", 0)))) in self._ports
            )
        if isinstance(action, IndirectAction):
            members = self._members[action.group_id] if action.group_id else ((action.member_id or 0, 1),)
            ports = (
                (self._ports.get(self._port_of.get(member, 0), ""), weight) for member, weight in members
            )
            return tuple(NextHop("", port, weight) for port, weight in ports if port)
        args = dict(action.args) if isinstance(action, Action) else {}
        if "wcmp_group_id" in args:
            return self._wcmp.get(str(args["wcmp_group_id"]), ())
        if "nexthop_id" in args:
            return (NextHop("", str(args["nexthop_id"])),)
        ways = [self._ports.get(int(str(args[name]))) for name in ("port", "backup_port") if name in args]
        return tuple(NextHop("", port, distance=distance) for distance, port in enumerate(ways, 1) if port)

    @cached_property
    def _port_of(self) -> Mapping[int, int]:
        """The port of every member that sends out of one, in the order that `set_next_hop` has it first."""
        return {
            entity.action_profile_member.member_id: int.from_bytes(
                entity.action_profile_member.action.params[0].value, "big"
            )
            for key, entity in self._entities.items()
            if key[0] == "member" and entity.action_profile_member.action.params
        }

    @cached_property
    def _members(self) -> Mapping[int, tuple[tuple[int, int], ...]]:
        return {
            entity.action_profile_group.group_id: tuple(
                (member.member_id, member.weight) for member in entity.action_profile_group.members
            )
            for key, entity in self._entities.items()
            if key[0] == "group"
        }

    @cached_property
    def _wcmp(self) -> Mapping[str, tuple[NextHop, ...]]:
        found = {}
        tables = {table.id for table in self._schema.tables if table.alias == _GROUPS}
        for key, entity in self._entities.items():
            if key[0] == "entry" and key[1] in tables:
                entry = P4TableEntry.decode(without_watch(entity), self._schema)
                assert isinstance(entry.action, IndirectAction)
                found[str(entry.match_dict(self._schema)["wcmp_group_id"])] = tuple(
                    NextHop(
                        "", str(action.args["nexthop_id"]), weight if isinstance(weight, int) else weight[0]
                    )
                    for weight, action in entry.action.action_set or ()
                )
        return found


def _prefix(entry: P4TableEntry) -> str:
    """The destination that an entry of a route or a pin matches; the whole of a family where it has none."""
    match = dict(entry.match or {})
    for value in match.values():
        if isinstance(value, IPv4Network | IPv6Network):
            return str(value)
        if isinstance(value, IPv6Address):
            address = value.ipv4_mapped or value
            return f"{address}/{address.max_prefixlen}"
    return "0.0.0.0/0" if "ipv4" in str(entry.table_id) else "::/0"
