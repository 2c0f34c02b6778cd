"""A plan's routes after every single failure: what switches do alone, and what the controller does.

A switch sees its own links: it takes next hops behind a dead one out of their groups, and a route without any
gives way to the next shorter prefix (local repair). What a failure elsewhere asks for, such as leaves that
must not send to a spine which has lost its link to their destination, only the controller can bring; so
can it alone spread pins anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from raddle.controller.plan.model import Plan
from raddle.controller.plan.replan import ports_to_shut, with_links
from raddle.controller.plan.routes import SwitchRoutes
from raddle.controller.plan.update import Routes, Write, by_prefix, routes_of, writes_between
from raddle.topology.model import Fabric, PortRef


@dataclass(frozen=True, slots=True)
class Repair:
    """A port whose link is dead, and the routes of its switch that lose a next hop: `narrowed` keep
    others, `gone` have none left."""

    port: PortRef
    narrowed: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Backup:
    """The state after one failure.

    Attributes:
        failure: the link (`leaf0:Ethernet0 - spine0:Ethernet8`) or switch that fails.
        alone: what switches repair on their own.
        controller: routes that the controller writes after that; empty where local repair is all.
        shut: ports of bonds that it shuts then, on leaves without a way up.
    """

    failure: str
    alone: tuple[Repair, ...]
    controller: tuple[Write, ...]
    shut: tuple[PortRef, ...] = ()


def backups(
    fabric: Fabric, plan: Plan, replan: Callable[[Fabric], SwitchRoutes], switches: bool = True
) -> Iterator[Backup]:
    """The state after every single failure of a link between switches, and of a switch.

    Args:
        replan: the routes of the plan's switches on the links that are left (see `replanner`).
        switches: whether switches fail, too.
    """
    failures = {name: {index} for index, name in inner_links(fabric).items()}
    if switches:
        for switch in fabric.switches:
            failures[switch.name] = {
                link.index for link in fabric.links if switch.name in (link.a.device, link.b.device)
            }
    planned = routes_of(plan)
    for name, dead in failures.items():
        yield backup_of(fabric, plan, replan, name, dead, planned)


def backup_of(
    fabric: Fabric,
    plan: Plan,
    replan: Callable[[Fabric], SwitchRoutes],
    failure: str,
    dead: Collection[int],
    planned: Routes | None = None,
) -> Backup:
    """The state after a failure: that of some links, by index, or of the switch that `failure` names.

    Args:
        planned: `routes_of(plan)`, where it is at hand.
    """
    left = [link.is_up and index not in dead for index, link in enumerate(fabric.links)]
    failed = with_links(fabric, left)
    after = replan(failed)
    wanted = {switch.name: by_prefix(routes) for switch, routes in zip(plan.switches, after, strict=True)}
    repaired, repairs = _local_repair(fabric, planned or routes_of(plan), sorted(dead), failure)
    writes = writes_between(repaired, {switch: wanted[switch] for switch in repaired})
    return Backup(failure, repairs, writes, ports_to_shut(failed))


def inner_links(fabric: Fabric) -> dict[int, str]:
    """The links between switches that are up, by index: `leaf0:Ethernet0 - spine0:Ethernet8`."""
    return {
        link.index: f"{link.a} - {link.b}"
        for link in fabric.links
        if link.is_up and {link.a.device, link.b.device} <= fabric.switch_by_name.keys()
    }


def backups_json(states: Iterable[Backup]) -> str:
    """The states as JSON, one failure on a line; next hops are the ports that lead to them."""
    lines = [json.dumps(_document(each), sort_keys=True) for each in states]
    return '{"failures": [\n' + ",\n".join(lines) + '\n], "schema_version": 1}\n'


def _document(state: Backup) -> dict[str, object]:
    return {
        "failure": state.failure,
        "alone": [
            {"port": str(repair.port), "narrowed": repair.narrowed, "gone": repair.gone}
            for repair in state.alone
        ],
        "controller": [
            {
                "switch": write.switch,
                "prefix": write.prefix,
                "before": [hop.port for hop in write.before],
                "after": [hop.port for hop in write.after],
            }
            for write in state.controller
        ],
        "shut": [str(port) for port in state.shut],
    }


def _local_repair(
    fabric: Fabric, planned: Routes, dead: list[int], failed: str
) -> tuple[Routes, tuple[Repair, ...]]:
    """The routes of the switches that are left, and what changed at each end of the dead links."""
    routes = {switch: dict(table) for switch, table in planned.items() if switch != failed}
    repairs = []
    for index in dead:
        link = fabric.links[index]
        for end in (link.a, link.b):
            table = routes.get(end.device, {})
            narrowed: list[str] = []
            gone: list[str] = []
            for prefix, hops in list(table.items()):
                live = tuple(hop for hop in hops if hop.port != end.port)
                if len(live) == len(hops):
                    continue
                (narrowed if live else gone).append(prefix)
                if live:
                    table[prefix] = live
                else:
                    del table[prefix]
            if narrowed or gone:
                repairs.append(Repair(end, tuple(narrowed), tuple(gone)))
    return routes, tuple(repairs)
