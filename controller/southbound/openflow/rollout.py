"""Tables between what OpenFlow switches hold and what they should hold, so that no traffic is lost.

Source: the rounds are those of `raddle.controller.plan.update`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from raddle.controller.plan.model import NextHop, Plan
from raddle.controller.plan.update import Write, peers_of, update_rounds
from raddle.controller.southbound.openflow.tables import (
    Action,
    FailoverGroup,
    Hop,
    RuleKey,
    SelectGroup,
    Tables,
    port_numbers,
    route_key,
)


def steps(
    plan: Plan, held: Mapping[str, Tables], wanted: Mapping[str, Tables]
) -> Iterator[Mapping[str, Tables]]:
    """Tables to push one after the other, to all switches of a step at the same time; the last are `wanted`.

    Where routes need no order, as with the first routes of a fabric, there is one step.
    """
    names = {
        switch.name: {number: port for port, number in port_numbers(switch).items()}
        for switch in plan.switches
    }
    before = {name: _routes(held[name], names[name]) for name in wanted}
    after = {name: _routes(tables, names[name]) for name, tables in wanted.items()}
    rounds = update_rounds(peers_of(plan), before, after)
    rules = {name: dict(held[name].rules) for name in wanted}
    for writes in rounds if len(rounds) > 1 else ():
        for write in writes:
            _carry_out(write, rules[write.switch], wanted[write.switch].rules)
        yield {
            name: Tables(wanted[name].mac, dict(rules[name]))
            for name in sorted({each.switch for each in writes})
        }
    yield wanted


def _carry_out(write: Write, rules: dict[RuleKey, Action], wanted: Mapping[RuleKey, Action]) -> None:
    key = route_key(write.prefix)
    if key in wanted:
        rules[key] = wanted[key]
    else:
        rules.pop(key, None)


def _routes(tables: Tables, ports: Mapping[int, str]) -> dict[str, tuple[NextHop, ...]]:
    """Next hops by prefix: of a pin its own alone, of what ends at the switch none."""
    found = {}
    for key, action in tables.rules.items():
        prefix = key.match.destination
        if prefix and "/" in prefix and key == route_key(prefix) and (hops := _hops(action)):
            found[prefix] = tuple(NextHop("", ports.get(hop.port, ""), weight) for hop, weight in hops)
    return found


def _hops(action: Action) -> tuple[tuple[Hop, int], ...]:
    match action:
        case SelectGroup(buckets):
            return buckets
        case FailoverGroup(first, _):
            return ((first, 1),)
        case Hop():
            return ((action, 1),)
        case _:
            return ()
