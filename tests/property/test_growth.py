"""Adding and removing parts of a fabric, in any order, changes nothing of what stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from raddle import InputError, load
from raddle.controller.plan import make_plan
from raddle.controller.plan.growth import record_of
from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.p4runtime.fabric import group_ids
from raddle.controller.southbound.p4runtime.neighbors import member_ids, neighbors_of
from raddle.topology.model import Fabric
from raddle.topology.record import Record, ends_of, parse_record, record_json


@dataclass(frozen=True)
class Form:
    """A fabric file whose parts come and go."""

    kind: str
    leaves: int = 2
    spines: int = 2
    hosts: int = 2
    pods: int = 2
    planes: int = 1
    links: int = 1
    absent: frozenset[str] = frozenset()
    added: int = 0
    families: str = "ipv4"
    reserve: str = ""

    def text(self) -> str:
        per = "per_pod" if self.kind == "fat-tree" else "count"
        pods = f"pods: {self.pods}, superspines: {{count: {self.spines}}}, " if per == "per_pod" else ""
        added = ", ".join(
            f'{{ends: ["leaf0:Ethernet{8 * (31 - i)}", "spine0:Ethernet{8 * (31 - i)}"]}}'
            for i in range(self.added)
        )
        return (
            "raddle: 1\nname: growing\nrecord: record.json\n"
            f"fabric: {{kind: {self.kind}, planes: {self.planes}, {pods}leaves: {{{per}: {self.leaves}}},"
            f" spines: {{{per}: {self.spines}}}, uplinks: {{per_pair: {self.links}}}}}\n"
            f"hosts: {{per_leaf: {self.hosts}, nics: {{count: {self.planes}}}}}\n"
            f"addressing: {{families: {self.families}}}\n"
            f"overrides: {{absent: [{', '.join(sorted(self.absent))}], add: [{added}]}}\n" + self.reserve
        )


USERS_OWN = {
    "not-enough-ports",
    "unknown-device",
    "port-in-use",
    "unreachable-host",
    "no-hosts",
    "host-not-connected",
}
"""What a change may end with: a row without ports left, devices of another form, leaves without spines."""

CHANGES = ("leaves", "spines", "hosts", "pods", "planes", "links", "absent", "added")
changes = st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 3)), min_size=1, max_size=6)


def changed(form: Form, key: str, number: int) -> Form:
    """The form with one part more or less."""
    if key == "absent":
        name = (
            f"{('leaf', 'spine')[number % 2]}{number // 2}" if form.planes == 1 else f"p0-leaf{number // 2}"
        )
        return replace(form, absent=form.absent ^ {name})
    if key == "added":
        return replace(form, added=number % 3 if form.planes == 1 and not form.absent else 0)
    least = 1 if key in ("hosts", "links", "planes") else 2
    changed: Any = {key: least + number}
    return replace(form, **changed)


def facts(fabric: Fabric, plan: Plan) -> tuple[Record, dict[str, object]]:
    """The record, and what a plan says of names that stand: identities, addresses of ports, of endpoints."""
    said: dict[str, object] = dict(plan.endpoints)
    for switch in plan.switches:
        said[switch.name] = (switch.mac, switch.asn)
        for each in switch.interfaces:
            if each.name.startswith("Loopback"):
                said[f"{switch.name} {each.name} {':' in each.prefix}"] = each.prefix
    macs = neighbour_macs(plan)
    for switch in plan.switches:
        said |= p4_numbers(switch, macs)
    for link in fabric.links:
        for end in (link.a, link.b):
            own = next((s for s in plan.switches if s.name == end.device), None)
            if own:
                found = tuple(each.prefix for each in own.interfaces if each.name == end.port)
                said[f"{link.a} {link.b} {end.device}"] = found
    return record_of(fabric), said


def p4_numbers(switch: SwitchPlan, macs: Mapping[str, str]) -> dict[str, object]:
    """Ids of a P4 switch's members by far end, and of its groups by their members."""
    peer = {port.name: port.peer for port in switch.ports}
    ids = member_ids(neighbors_of(switch, macs))
    found: dict[str, object] = {f"{switch.name} to {peer[port]}": number for port, number in ids.items()}
    hops = [tuple(sorted((ids[hop.port], hop.weight) for hop in each.next_hops)) for each in switch.routes]
    groups = group_ids(each for each in hops if len(each) > 1)
    return found | {f"{switch.name} group {members}": number for members, number in groups.items()}


def planned(form: Form, folder: Path) -> tuple[Fabric, Record, dict[str, object]] | None:
    """The fabric of a file, its record, which is written, and what the plan says; None if it is refused."""
    (folder / "fabric.yaml").write_text(form.text())
    try:
        fabric = load(folder / "fabric.yaml")
    except InputError as error:
        problems = error.diagnostics
    else:
        problems = ()
    if problems:
        assert {problem.code for problem in problems} <= USERS_OWN
        return None
    record, said = facts(fabric, make_plan(fabric, "ecmp"))
    text = record_json(record)
    assert parse_record(text, "record.json") == record  # no number is given twice
    (folder / "record.json").write_text(text)
    return fabric, record, said


def pairs_of(record: Record) -> dict[tuple[str, str], set[str]]:
    pairs: dict[tuple[str, str], set[str]] = {}
    for key, entry in record.cables.items():
        if not entry.is_gone:
            a, b = ends_of(key)
            pairs.setdefault((str(a) if a.device.startswith("host") else a.device, b.device), set()).add(key)
    return pairs


def assert_nothing_moved(
    before: Record, after: Record, said: dict[str, object], now: dict[str, object]
) -> None:
    assert {key: said[key] for key in said.keys() & now.keys()} == {
        key: now[key] for key in said.keys() & now.keys()
    }
    cables, cables_now = pairs_of(before), pairs_of(after)
    for pair in cables.keys() & cables_now.keys():
        assert cables[pair] <= cables_now[pair] or cables_now[pair] <= cables[pair], pair
    for name, entry in before.switches.items():
        there = after.switches.get(name)
        if there and not entry.is_gone and not there.is_gone:
            assert set(entry.hosts) <= set(there.hosts)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(("leaf-spine", "fat-tree")),
    families=st.sampled_from(("ipv4", "dual")),
    reserve=st.sampled_from(("", "reserve: {leaves: 5, spines: 5, hosts_per_leaf: 4, links_per_pair: 4}\n")),
    steps=changes,
)
def test_what_stands_keeps_ports_addresses_and_numbers(
    tmp_path_factory, kind: str, families: str, reserve: str, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("growing")
    form = Form(kind, families=families, reserve=reserve)
    found = planned(form, folder)
    assert found is not None
    _, record, said = found
    for key, number in steps:
        if found := planned(wanted := changed(form, key, number), folder):
            form = wanted
            _, later, now = found
            assert_nothing_moved(record, later, said, now)
            record, said = later, now


@settings(max_examples=30, deadline=None)
@given(steps=changes)
def test_what_returns_has_its_old_numbers(tmp_path_factory, steps: list[tuple[str, int]]) -> None:
    folder = tmp_path_factory.mktemp("returning")
    form = Form("leaf-spine", leaves=3, spines=3)
    first = planned(form, folder)
    assert first is not None
    for key, number in steps:
        wanted = changed(form, key, number)
        form = wanted if planned(wanted, folder) else form
    last = planned(Form("leaf-spine", leaves=3, spines=3), folder)
    assert last is not None
    assert last[2] == first[2]


@settings(max_examples=30, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(("leaves", "spines", "hosts")), st.integers(0, 3)), max_size=4)
)
def test_within_a_reservation_nothing_moves_without_a_record(
    tmp_path_factory, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("reserved")
    form = Form("leaf-spine", reserve="reserve: {leaves: 5, spines: 5, hosts_per_leaf: 4}\n")
    found = planned(form, folder)
    assert found is not None
    _, record, said = found
    for key, number in steps:
        (folder / "record.json").unlink()
        form = changed(form, key, number)
        found = planned(form, folder)
        assert found is not None
        assert_nothing_moved(record, found[1], said, found[2])
        _, record, said = found
