"""Access lists -> the columns that the engine takes: rules are held against queue pairs once per change.

Packets of queue pairs and kinds that match the same rules are a class, and so are ports at which the same
rules are bound; for each pair of the two the engine has the short list of rules that such packets may meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.sim.acl_headers import AclHeaders, Residue
from raddle.state import AclRule, AclTable

RuleKey = tuple[str, str]
"""Names of a table and of its rule."""

_Entry = tuple[int, ...]
_NO_STAGE = {
    "port_class": np.empty(0, np.uint32),
    "offsets": np.empty(0, np.uint32),
    "entries": np.empty((0, 8), np.uint32),
}


class RuleCounters:
    """Which of the engine's counters a switch's rules have. A new or changed rule begins at 0."""

    def __init__(self) -> None:
        self.rules: list[RuleKey] = []
        self._held: dict[RuleKey, tuple[int, tuple[AclRule, ...]]] = {}

    def renew(self, tables: Sequence[AclTable]) -> None:
        """Give the rules of `tables` their counters."""
        wanted: dict[RuleKey, tuple[AclRule, ...]] = {}
        for table in tables:
            for rule in table.rules:
                wanted[table.name, rule.name] = (*wanted.get((table.name, rule.name), ()), rule)
        held = {}
        for key, rules in wanted.items():
            old = self._held.get(key)
            if old is None or old[1] != rules:
                old = len(self.rules), rules
                self.rules.append(key)
            held[key] = old
        self._held = held

    @property
    def numbers(self) -> Mapping[RuleKey, int]:
        """The counter of each rule that there is now."""
        return {key: number for key, (number, _) in self._held.items()}


def acl_columns(
    tables: Sequence[AclTable], ports: int, headers: AclHeaders, counters: RuleCounters
) -> dict[str, Any]:
    """The keyword arguments of `_core.Simulation.set_acl` for a switch with so many ports."""
    counters.renew(tables)
    rules = [rule for table in tables for rule in table.rules]
    taken = [headers.take(rule.matches) for rule in rules]
    arguments: dict[str, Any] = {"rules": len(counters.rules), "header_class": np.empty(0, np.uint32)}
    members: list[tuple[int, ...]] = []
    if any(len(rows) for rows, _ in taken):
        arguments["header_class"], members = _classes(headers.rows, [rows for rows, _ in taken])
    numbers = counters.numbers
    first = 0
    placed = []
    for table in tables:
        entries = {
            first + place: (numbers[table.name, rule.name], rule, taken[first + place][1])
            for place, rule in enumerate(table.rules)
        }
        placed.append((table, entries))
        first += len(table.rules)
    for stage, is_egress in (("ingress", False), ("egress", True)):
        own = [(table, entries) for table, entries in placed if table.is_egress == is_egress and table.ports]
        columns = _stage(own, ports, members, is_egress) if own and members else _NO_STAGE
        arguments |= {f"{stage}_{name}": column for name, column in columns.items()}
    return arguments


def _classes(
    count: int, taken: Sequence[NDArray[np.int64]]
) -> tuple[NDArray[np.uint32], list[tuple[int, ...]]]:
    """The class of each row, and the rules that each class matches."""
    classes = np.zeros(count, np.int64)
    members: list[tuple[int, ...]] = [()]
    for rule, rows in enumerate(taken):
        if not len(rows):
            continue
        old, place = np.unique(classes[rows], return_inverse=True)
        classes[rows] = len(members) + place
        members += [(*members[each], rule) for each in old.tolist()]
    left, compact = np.unique(classes, return_inverse=True)
    return compact.astype(np.uint32), [members[each] for each in left.tolist()]


_Placed = tuple[AclTable, Mapping[int, tuple[int, AclRule, Residue]]]


def _stage(
    tables: Sequence[_Placed], ports: int, members: Sequence[tuple[int, ...]], is_egress: bool
) -> dict[str, NDArray[np.uint32]]:
    """Port classes, and what the packets of every header class meet at the ports of each."""
    kinds: dict[tuple[frozenset[int], ...], int] = {}
    port_class = [
        kinds.setdefault(tuple(_bound(table, port, is_egress) for table in tables), len(kinds))
        for port in range(ports)
    ]
    offsets = [0]
    entries: list[_Entry] = []
    for matched in members:
        for bound in kinds:
            for (_, rules), here in zip(tables, bound, strict=True):
                entries += _met(rules, [rule for rule in matched if rule in here])
            offsets.append(len(entries))
    return {
        "port_class": np.array(port_class, np.uint32),
        "offsets": np.array(offsets, np.uint32),
        "entries": np.array(entries, np.uint32).reshape(-1, 8),
    }


def _bound(table: _Placed, port: int, is_egress: bool) -> frozenset[int]:
    """The rules of a table that look at packets of a port."""
    if port not in table[0].ports:
        return frozenset()
    return frozenset(
        place
        for place, (_, rule, _) in table[1].items()
        if (ports := rule.out_ports if is_egress else rule.in_ports) is None or port in ports
    )


def _met(rules: Mapping[int, tuple[int, AclRule, Residue]], matched: Sequence[int]) -> Iterator[_Entry]:
    """The entries of one table up to the first that fits every packet of its class."""
    found = []
    for place in matched:
        number, rule, residue = rules[place]
        found.append((number, *astuple(residue), int(rule.drops)))
        if residue == Residue():
            break
    for place, entry in enumerate(found, 1):
        yield (*entry, int(place == len(found)))
