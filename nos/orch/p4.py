"""What a switch forwards with whose tables are programmed over P4Runtime.

Ports, scheduling and buffers come from its databases, as on any SONiC switch. Which packets go where comes
from the tables of the pipeline: `p4/fabric.p4`, or SONiC PINS' `middleblock`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from raddle.nos.db.databases import ConfigDb, HashDb
from raddle.nos.orch.derive import derive
from raddle.nos.orch.p4_acl import p4_acl_tables
from raddle.nos.orch.ports import derive_ports
from raddle.nos.p4rt.entity_tables import Call, Choice, EntityTables, Row
from raddle.nos.p4rt.pipeline import Pipeline
from raddle.nos.p4rt.port_ids import PortIds
from raddle.state import HASH_FIELDS, PolicyState, PortState, RouteState, SwitchState, WredProfile

ECN_DEPTH_BYTES = 4096
"""What `p4/fabric.p4` counts as one packet of queue depth: the RDMA payload of a full packet (assumption)."""

_MAX_PROBABILITY = 65535
_IPV4_MAPPED = 0xFFFF << 32


def derive_p4(config: ConfigDb, appl: HashDb, pipeline: Pipeline | None, tables: EntityTables) -> SwitchState:
    """What a switch forwards with, given its databases and its P4Runtime tables.

    A member of a group whose watched port is down is skipped. A pipeline that is not known here, or none,
    forwards nothing.
    """
    ports = derive_ports(config, appl)
    names = [port.name for port in ports]
    held = derive(config, appl)
    base = dataclasses.replace(held, routes=(), acl_tables=(*held.acl_tables, *p4_acl_tables(tables, names)))
    view = _View(
        tables, PortIds(names), {port.name: place for place, port in enumerate(ports)},
        frozenset(port.name for port in ports if port.is_oper_up),
    )  # fmt: skip
    known = pipeline.table_names if pipeline else {}
    if "ipv4_route" in known:
        return _fabric_state(base, view)
    if "ipv4_table" in known and "wcmp_group_table" in known:
        return dataclasses.replace(base, routes=_sorted(_middleblock_routes(view)))
    return base


@dataclasses.dataclass(frozen=True, slots=True)
class _View:
    tables: EntityTables
    ids: PortIds
    index: Mapping[str, int]
    live: frozenset[str]

    def port(self, value: bytes, is_text: bool = False) -> int | None:
        """Index of the port that a value means; None where there is none."""
        name = self.ids.name(value, is_text)
        return None if name is None else self.index[name]

    def is_usable(self, watched: bytes, is_text: bool = False) -> bool:
        return not watched or self.ids.name(watched, is_text) in self.live


def _fabric_state(base: SwitchState, view: _View) -> SwitchState:
    tables = view.tables
    routes = {
        _prefix(row, "dst", is_ipv6): _members(row, view)
        for table, is_ipv6 in (("ipv4_route", False), ("ipv6_route", True))
        for row in tables.rows[table]
    }
    for row in tables.rows["pin_dst"]:
        is_ipv6, address = _host(row.exact["dst"])
        if not _is_idle(row, view):
            routes[is_ipv6, address, 128 if is_ipv6 else 32] = _members(row, view)
    state = dataclasses.replace(base, routes=_sorted(routes), policies=_policies(view))
    setting = tables.defaults.get("switch_config")
    if setting:
        fields = (*HASH_FIELDS, "bth_qp") if setting.number("hash_on_qp") else HASH_FIELDS
        state = dataclasses.replace(
            state, hash_seed=setting.number("hash_seed"), hash_algorithm="crc32", hash_fields=fields,
            hash_offset=setting.number("hash_offset"),
        )  # fmt: skip
    return _with_qos(state, tables)


def _host(value: bytes) -> tuple[bool, int]:
    """An address as the pins write it: whether it is IPv6, and its number."""
    address = int.from_bytes(value, "big")
    is_ipv4 = address >> 32 == _IPV4_MAPPED >> 32
    return (False, address & 0xFFFFFFFF) if is_ipv4 else (True, address)


def _policies(view: _View) -> tuple[PolicyState, ...]:
    """Pins by more than the destination, in the order in which the pipeline looks them up."""
    found = []
    for table in ("pin_flow", "pin_qp", "pin_pair"):
        for row in view.tables.rows[table]:
            if _is_idle(row, view):
                continue
            is_ipv6, dst = _host(row.exact["dst"])
            number = {name: int.from_bytes(value, "big") for name, value in row.exact.items()}
            found.append(
                PolicyState(
                    dst=dst,
                    ports=tuple(port for port, _ in _members(row, view)),
                    src=_host(row.exact["src"])[1] if "src" in number else None,
                    l4_src_port=number.get("src_port"),
                    bth_qp=number.get("dest_qp"),
                    is_ipv6=is_ipv6,
                )
            )
    return tuple(found)


def _members(row: Row, view: _View) -> tuple[tuple[int, int], ...]:
    """(port, weight) of a route's usable next hops; none for a packet that ends here.

    A next hop that is not watched and whose port is down is its backup, where it has one.
    """
    found = []
    for choice in row.choices:
        if not view.is_usable(choice.watch_port):
            continue
        ways = _ways(choice)
        way = next((each for each in ways if view.is_usable(each)), ways[0] if ways else b"")
        if (port := view.port(way)) is not None:
            found.append((port, choice.weight))
    return tuple(found)


def _ways(choice: Choice) -> list[bytes]:
    """The port of a next hop, and its backup's where it has one."""
    return [choice.call.params[name] for name in ("port", "backup_port") if name in choice.call.params]


def _is_idle(row: Row, view: _View) -> bool:
    """Whether a pin's port is down, and its backup's where it has one: its packets take the route."""
    names = [view.ids.name(way, is_text=False) for way in _ways(row.choices[0])]
    return bool(names) and all(name is not None and name not in view.live for name in names)


def _with_qos(state: SwitchState, tables: EntityTables) -> SwitchState:
    """The state with the pipeline's classification and ECN marking."""
    dscp_to_tc = [0] * 64
    queue_of: dict[int, int] = {}
    for row in tables.rows["dscp_to_tc"]:
        call = row.choices[0].call
        dscp_to_tc[int.from_bytes(row.exact["dscp"], "big")] = call.number("tc")
        queue_of[call.number("tc")] = call.number("queue")
    profiles: list[WredProfile] = []
    wred_of_tc: dict[int, int] = {}
    for row in tables.rows["ecn"]:
        call = row.choices[0].call
        if call.action == "set_ecn":
            wred_of_tc[int.from_bytes(row.exact["tc"], "big")] = len(profiles)
            profiles.append(_wred(call))
    return dataclasses.replace(
        state,
        wred_profiles=tuple(profiles),
        ports=tuple(_port(port, tuple(dscp_to_tc), queue_of, wred_of_tc) for port in state.ports),
    )


def _wred(call: Call) -> WredProfile:
    return WredProfile(
        name="ecn",
        marks_ecn=True,
        drops=False,
        min_bytes=call.number("min") * ECN_DEPTH_BYTES,
        max_bytes=call.number("max") * ECN_DEPTH_BYTES,
        probability=call.number("p") / _MAX_PROBABILITY,
    )


def _port(
    port: PortState, dscp_to_tc: tuple[int, ...], queue_of: Mapping[int, int], wred_of_tc: Mapping[int, int]
) -> PortState:
    tc_to_queue = tuple(queue_of.get(tc, queue) for tc, queue in enumerate(port.tc_to_queue))
    wred_of = {tc_to_queue[tc]: wred for tc, wred in wred_of_tc.items()}
    queues = tuple(
        dataclasses.replace(queue, wred=wred_of.get(number)) for number, queue in enumerate(port.queues)
    )
    return dataclasses.replace(port, dscp_to_tc=dscp_to_tc, tc_to_queue=tc_to_queue, queues=queues)


Prefix = tuple[bool, int, int]
"""Whether it is IPv6, the network address, the prefix length."""

Routes = dict[Prefix, tuple[tuple[int, int], ...]]


def _prefix(row: Row, name: str, is_ipv6: bool) -> Prefix:
    value, length = row.lpm.get(name, (b"", 0))
    return is_ipv6, int.from_bytes(value, "big"), length


def _middleblock_routes(view: _View) -> Routes:
    """Routes of the default VRF. Without an entry that admits packets to routing there are none."""
    tables = view.tables
    if not tables.rows["l3_admit_table"]:
        return {}
    port_of_rif = {
        row.exact["router_interface_id"]: view.port(row.choices[0].call.params["port"], is_text=True)
        for row in tables.rows["router_interface_table"]
    }
    port_of_hop = {
        row.exact["nexthop_id"]: port_of_rif.get(row.choices[0].call.params.get("router_interface_id", b""))
        for row in tables.rows["nexthop_table"]
    }
    groups = {row.exact["wcmp_group_id"]: row.choices for row in tables.rows["wcmp_group_table"]}
    routes: Routes = {}
    for family, is_ipv6 in (("ipv4", False), ("ipv6", True)):
        for row in tables.rows[f"{family}_table"]:
            if not row.exact.get("vrf_id"):
                call = row.choices[0].call
                choices: Iterable[Choice] = row.choices
                if "wcmp_group_id" in call.params:
                    choices = groups[call.params["wcmp_group_id"]]
                routes[_prefix(row, f"{family}_dst", is_ipv6)] = tuple(
                    (port, choice.weight)
                    for choice in choices
                    if view.is_usable(choice.watch_port, is_text=True)
                    if (port := port_of_hop.get(choice.call.params.get("nexthop_id", b""))) is not None
                )
    return routes


def _sorted(routes: Routes) -> tuple[RouteState, ...]:
    """Routes as the engine takes them; weights stand where they are not all 1."""
    return tuple(
        RouteState(
            prefix,
            length,
            tuple(port for port, _ in hops),
            tuple(weight for _, weight in hops) if any(weight > 1 for _, weight in hops) else (),
            is_ipv6,
        )
        for (is_ipv6, prefix, length), hops in sorted(routes.items())
    )
