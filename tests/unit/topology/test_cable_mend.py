"""The work that mends a cabling is right, and the shortest there is."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import pytest

from raddle import loads
from raddle.topology.model import PortRef
from raddle.topology.views.cable_mend import CableWork, cable_work, mend_cables
from raddle.topology.views.cable_truth import read_cables
from raddle.topology.views.rows import cable_rows

PORTS = [PortRef(f"d{index // 2}", f"p{index % 2}") for index in range(8)]
Cables = frozenset[frozenset[PortRef]]


def matching(order: list[PortRef], cables: int) -> Cables:
    return frozenset(frozenset(order[2 * k : 2 * k + 2]) for k in range(cables))


def after(cables: Cables, work: CableWork) -> Cables:
    at = {end: other for cable in cables for end, other in (tuple(cable), tuple(cable)[::-1])}
    if work.kind in ("swap", "move"):
        rename = {work.a: work.b, work.b: work.a}
        changed = [cable for cable in cables if cable & {work.a, work.b}]
        assert (work.kind == "swap" and len(changed) == 2) or work.b not in at
        return cables.difference(changed) | {frozenset(rename.get(e, e) for e in c) for c in changed}
    pair = frozenset((work.a, work.b))
    assert (pair in cables) == (work.kind == "remove")
    return cables ^ {pair}


def fewest_steps(cables: Cables, goal: Cables) -> int:
    """Breadth first over everything that can be done."""
    front, seen, steps = {cables}, {cables}, 0
    while goal not in front:
        reached = set()
        for state in front:
            used = {end for cable in state for end in cable}
            free = [port for port in PORTS if port not in used]
            works = [CableWork("swap", a, b) for a, b in combinations(sorted(used, key=str), 2)]
            works = [work for work in works if frozenset((work.a, work.b)) not in state]
            works += [CableWork("move", a, b) for a in used for b in free]
            works += [CableWork("lay", a, b) for a, b in combinations(free, 2)]
            works += [CableWork("remove", *cable) for cable in state]
            reached |= {after(state, work) for work in works}
        front = reached - seen
        seen |= front
        steps += 1
    return steps


@pytest.mark.parametrize("seed", range(25))
def test_no_shorter_work_leads_to_the_same_cabling(seed: int) -> None:
    draw = random.Random(seed)
    ports = [PORTS[:6], PORTS][seed % 2]
    cables = len(ports) // 2 - draw.choice((0, 0, 1))
    is_same = draw.random() < 0.6  # nothing to lay or to remove
    seen = matching(draw.sample(ports, len(ports)), cables)
    goal = matching(draw.sample(ports, len(ports)), cables if is_same else len(ports) // 2 - 1)
    plugged = {end: other for cable in seen for end, other in (tuple(cable), tuple(cable)[::-1])}
    work = cable_work([(min(cable, key=str), max(cable, key=str)) for cable in goal], plugged)
    state = seen
    for step in work:
        state = after(state, step)
    assert state == goal
    assert len(work) == fewest_steps(seen, goal)


def test_two_nics_of_one_host_in_the_wrong_rail_take_one_swap_at_the_host(tmp_path: Path) -> None:
    rails = loads(
        "raddle: 1\nname: rails\nfabric: {kind: rail-optimized, leaves: {count: 2}, spines: {count: 1}}\n"
        "hosts: {per_leaf: 2, nics: {count: 2}}\n"
    )
    rows = [[row[key] for key in ("a_device", "a_port", "b_device", "b_port")] for row in cable_rows(rails)]
    by_host = {(a, port): place for place, (a, port, *_) in enumerate(rows)}
    first, second = by_host["host0", "eth0"], by_host["host0", "eth1"]
    rows[first][2:], rows[second][2:] = rows[second][2:], rows[first][2:]
    path = tmp_path / "seen.csv"
    path.write_text("a_device,a_port,b_device,b_port\n" + "\n".join(map(",".join, rows)) + "\n")
    assert [str(step) for step in mend_cables(rails, read_cables(path))] == [
        "swap the plugs in host0:eth1 and host0:eth0 (both on host0)"
    ]
