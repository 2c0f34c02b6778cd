"""Pushes to switches that carry traffic: what makes a new way first, then routes in rounds, the rest last.

Sound routes before and after are not enough: a leaf that sends to a spine which has not got its route yet,
or has it no more, loses packets (see `raddle.controller.plan.update`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raddle.controller.plan.model import NextHop, Plan
from raddle.controller.plan.update import Write, peers_of, update_rounds
from raddle.controller.southbound.sonic.sets import Push, plan_push
from raddle.controller.southbound.sonic.tables import Tables, intended

_ROUTES = "STATIC_ROUTE"
_VRF = "default|"
_GROUNDWORK = ("INTERFACE", "LOOPBACK_INTERFACE")

Stage = Mapping[str, Push]
"""What each switch gets before any switch gets the next stage."""


def stages(plan: Plan, current: Mapping[str, Tables]) -> tuple[Stage, ...]:
    """What to push before the rest of a plan, so that traffic on the way is never lost.

    Args:
        current: CONFIG_DB of the switches that take part, by name.

    Returns:
        Addresses and ports that new routes need, then routes in rounds. Nothing where routes need no
        order, as with the first routes of a fabric.
    """
    wanted = {switch.name: intended(switch) for switch in plan.switches if switch.name in current}
    before = {name: _routes(current[name]) for name in wanted}
    after = {name: _routes(tables) for name, tables in wanted.items()}
    rounds = update_rounds(peers_of(plan), before, after)
    if len(rounds) < 2:
        return ()
    groundwork = {name: plan_push(current[name], _groundwork(wanted[name]), ()) for name in wanted}
    tables = {name: dict(current[name].get(_ROUTES, {})) for name in wanted}
    found = [groundwork]
    for writes in rounds:
        stage = {}
        for name, own in _by_switch(writes).items():
            had = dict(tables[name])
            for write in own:
                key = _VRF + write.prefix
                tables[name].pop(key, None)
                if write.after:
                    tables[name][key] = wanted[name][_ROUTES][key]
            stage[name] = plan_push({_ROUTES: had}, {_ROUTES: tables[name]}, (_ROUTES,))
        found.append(stage)
    return tuple({name: push for name, push in stage.items() if push.requests} for stage in found)


def _groundwork(wanted: Tables) -> Tables:
    """Addresses, and ports that are to be up."""
    ports = {
        name: {"admin_status": "up"}
        for name, fields in wanted.get("PORT", {}).items()
        if fields.get("admin_status") == "up"
    }
    return {"PORT": ports} | {table: wanted[table] for table in _GROUNDWORK if table in wanted}


def _routes(tables: Tables) -> Mapping[str, tuple[NextHop, ...]]:
    """The routes of the default VRF by prefix."""
    return {
        key.removeprefix(_VRF): tuple(
            NextHop(address, port)
            for address, port in zip(
                fields.get("nexthop", "").split(","), fields.get("ifname", "").split(","), strict=False
            )
        )
        for key, fields in tables.get(_ROUTES, {}).items()
        if key.startswith(_VRF)
    }


def _by_switch(writes: Iterable[Write]) -> dict[str, list[Write]]:
    found: dict[str, list[Write]] = {}
    for write in writes:
        found.setdefault(write.switch, []).append(write)
    return found
