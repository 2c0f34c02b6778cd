"""Congestion: what is found in ports' loads, what lasts, and that moves are few and are taken back."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import raddle
from raddle.cli.desired_state import FileSource
from raddle.cli.options import PlanOptions
from raddle.controller.plan import make_plan
from raddle.controller.plan.held import HeldPlan
from raddle.controller.service.congestion.acting import HOLD_S, SETTLE_LOOKS, Acting
from raddle.controller.service.congestion.find import Seeker
from raddle.controller.service.congestion.finding import Finding, Mend
from raddle.controller.service.congestion.jobs import JobFlow, demand_of_jobs, read_jobs
from raddle.controller.service.congestion.keeper import Keeper, Orders, Present
from raddle.controller.service.congestion.loads import Loads, PortLoad
from raddle.controller.service.congestion.steady import AFTER, Steady
from raddle.controller.service.desired import Desired, with_drains
from raddle.controller.service.events import Bus
from raddle.controller.service.records import Drain, Material, Revision
from raddle.controller.service.settings import Settings
from raddle.controller.service.source_ports import write_source_ports
from raddle.controller.service.watch.counters import STATS, Reading
from raddle.errors import InputError
from raddle.topology.model import Fabric, PortRef
from tests.fabrics import leaf_spine

FABRIC = raddle.loads(leaf_spine(2, 2, 2, "routing: {policy: ecmp}\n"))
JOBS = "job,src,dst\na,host0,host2\nb,host1,host3\n"
FLOWS = read_jobs(FABRIC, JOBS, "jobs.csv")
LEAF0_UP0, LEAF0_UP1 = PortRef("leaf0", "Ethernet16"), PortRef("leaf0", "Ethernet24")
HOST0, HOST1 = PortRef("leaf0", "Ethernet0"), PortRef("leaf0", "Ethernet8")
SPINE0_TO_LEAF0 = PortRef("spine0", "Ethernet0")


def kinds(found: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(each.kind, each.place) for each in found]


COLLISION = {
    LEAF0_UP0: PortLoad(sent=0.8, marks=1000),
    LEAF0_UP1: PortLoad(sent=0.1),
    HOST0: PortLoad(received=0.4),
    HOST1: PortLoad(received=0.4),
}


def test_two_that_share_a_link_while_another_is_free_collide() -> None:
    [found] = Seeker(FABRIC, FLOWS).find(COLLISION)
    assert (found.kind, found.place, found.mend) == ("collision", "leaf0:Ethernet16", Mend("re-pin"))
    assert found.jobs == ("a", "b")
    told = "leaf0:Ethernet16 is 80% full, 1e+03 packets/s marked, while leaf0:Ethernet24 is 10% full"
    assert found.evidence == told
    assert str(found).endswith("queue pairs of a: host0 -> host2, b: host1 -> host3; would re-pin")


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({LEAF0_UP1: PortLoad(sent=0.7)}, []),  # no room beside it, and it is not full
        ({LEAF0_UP1: PortLoad(sent=0.7), LEAF0_UP0: PortLoad(sent=0.98, marks=9)}, ["full"]),
        ({HOST1: PortLoad(received=0.05)}, []),  # one sender alone
        ({LEAF0_UP0: PortLoad(sent=0.99)}, []),  # full, but nobody waits
        ({LEAF0_UP0: PortLoad(sent=0.8, marks=9, paused=0.3)}, []),  # what is behind it is the cause
    ],
)  # fmt: skip
def test_what_is_no_collision(change: Mapping[PortRef, PortLoad], left: list[str]) -> None:
    assert [each.kind for each in Seeker(FABRIC, FLOWS).find({**COLLISION, **change})] == left


def test_on_a_drained_link_nothing_collides_any_more() -> None:
    drained = with_drains(FABRIC, [Drain("leaf0:Ethernet16")])
    assert Seeker(drained, FLOWS).find(COLLISION) == ()
    assert Seeker(drained).find({SPINE0_TO_LEAF0: PortLoad(errors=40, frames=10**6)})[0].mend is None


def test_a_link_that_leads_to_fewer_leaves_is_no_room_for_others() -> None:
    # spine0 has no way to leaf1: what leaf0 sends there over spine1 cannot take it.
    drained = with_drains(FABRIC, [Drain("leaf1:Ethernet16")])
    loads = {
        LEAF0_UP1: PortLoad(sent=0.97, marks=1000),
        LEAF0_UP0: PortLoad(),
        HOST0: PortLoad(received=0.5),
        HOST1: PortLoad(received=0.5),
    }
    [found] = Seeker(drained, FLOWS).find(loads)
    assert (found.kind, found.mend) == ("full", None)
    assert found.evidence.endswith("and no other leads there")
    [found] = Seeker(FABRIC, FLOWS).find(loads)
    assert found.kind == "collision"


def test_only_jobs_that_are_known_and_not_pinned_yet_are_pinned() -> None:
    [unknown] = Seeker(FABRIC).find(COLLISION)
    assert (unknown.mend, unknown.flows) == (None, ())
    assert "say with --jobs who sends to whom" in str(unknown)
    [pinned] = Seeker(FABRIC, FLOWS, is_pinned=True).find(COLLISION)
    assert pinned.mend is None


def test_flows_that_are_as_fast_as_can_be_are_not_named() -> None:
    fast = {**COLLISION, HOST1: PortLoad(received=0.97)}
    [found] = Seeker(FABRIC, FLOWS).find(fast)
    assert found.jobs == ("a",)


def test_a_host_that_takes_nothing_is_a_storm_and_who_is_paused_behind_it_is_not() -> None:
    loads = {
        PortRef("leaf1", "Ethernet8"): PortLoad(paused=1.0, marks=5),
        PortRef("spine0", "Ethernet8"): PortLoad(paused=0.9, sent=0.6, marks=5),
        LEAF0_UP0: PortLoad(paused=0.7, sent=0.9, marks=5),
    }
    [found] = Seeker(FABRIC, FLOWS).find(loads)
    assert (found.kind, found.mend) == ("storm", Mend("isolate", "leaf1:Ethernet8"))
    told = "host3 pauses leaf1:Ethernet8 for 100% of the time and takes nothing; 2 other ports are paused"
    assert found.evidence == told
    slow = {PortRef("leaf1", "Ethernet8"): PortLoad(paused=0.7, sent=0.25)}
    [found] = Seeker(FABRIC, FLOWS).find(slow)
    assert (found.kind, found.mend, found.jobs) == ("slow-receiver", None, ("b",))


def test_several_senders_to_one_host_are_an_incast_and_one_is_none() -> None:
    many = (*FLOWS, JobFlow("c", 1, 2, "c: host1 -> host2"))
    loads = {
        PortRef("leaf1", "Ethernet0"): PortLoad(sent=0.99, marks=100),
        PortRef("leaf1", "Ethernet16"): PortLoad(received=0.5),
        PortRef("leaf1", "Ethernet24"): PortLoad(received=0.5),
    }
    [found] = Seeker(FABRIC, many).find(loads)
    assert (found.kind, found.mend) == ("incast", None)
    assert "full of what 2 senders send" in found.evidence
    assert Seeker(FABRIC, FLOWS).find(loads) == ()


def test_a_link_with_bit_errors_is_drained_and_a_hosts_is_told() -> None:
    bad = PortLoad(errors=40, frames=1_000_000, seconds=1.0)
    [found] = Seeker(FABRIC).find({SPINE0_TO_LEAF0: bad})
    assert (found.kind, found.mend) == ("bit-errors", Mend("drain", "leaf0:Ethernet16"))
    assert found.evidence == "spine0:Ethernet0 received 40 corrupt of 1000000 frames in 1 s"
    [found] = Seeker(FABRIC).find({HOST0: bad})
    assert found.mend is None
    assert Seeker(FABRIC).find({SPINE0_TO_LEAF0: replace(bad, frames=10**9)}) == ()


def reading(clock_s: float, **stats: int) -> Reading:
    row = [stats.get(name, 0) for name in STATS] + [stats.get("paused_us", 0), stats.get("queued", 0)]
    return Reading("leaf0", clock_s, True, {"Ethernet16": row, "Ethernet999": row})


def test_loads_are_what_grew_between_two_readings() -> None:
    loads = Loads(FABRIC)
    assert not loads.take(reading(1.0))
    assert loads.take(
        reading(1.5, out_octets=20 * 10**9, paused_us=100_000, queued=10**6, in_errors=2, in_packets=8)
    )
    load = loads.ports[LEAF0_UP0]
    assert (load.sent, load.paused, load.errors, load.frames) == (0.8, 0.2, 2, 10)  # 20 GB in 0.5 s of 400G
    assert not loads.take(reading(1.5, out_octets=21 * 10**9)), "its clock has not moved on"
    assert loads.take(reading(2.0, out_octets=5)), "it was cleared meanwhile"
    assert loads.ports[LEAF0_UP0].sent == 0.0
    loads.forget("leaf0")
    assert loads.ports == {}


def finding(place: str = "x", kind: str = "collision") -> Finding:
    return Finding(kind, place, place, "", mend=Mend("re-pin"))  # type: ignore[arg-type]


def test_what_is_seen_now_and_then_is_not_found_and_what_lasts_is() -> None:
    steady = Steady()
    for look in range(100):
        assert steady.take([finding()] if look % 2 else []) == ([], [])
    looks = [bool(steady.take([finding()])[0]) for _ in range(AFTER)]
    assert looks.count(True) == 1
    steady.take([])
    assert steady.held  # once not seen is not over
    steady.take([]), steady.take([])
    assert not steady.held


def test_bit_errors_are_over_after_as_many_frames_as_would_have_shown_them() -> None:
    bad = {SPINE0_TO_LEAF0: PortLoad(errors=30, frames=10_000)}
    quiet = {SPINE0_TO_LEAF0: PortLoad(errors=0, frames=100)}
    steady, seeker = Steady(), Seeker(FABRIC)

    def look(loads: Mapping[PortRef, PortLoad], seeker: Seeker = seeker) -> list[Finding]:
        return steady.take(seeker.find(loads), lambda each: seeker.clean_frames(each, loads))[1]

    for _ in range(AFTER):
        look(bad)
    assert steady.held
    rare = {SPINE0_TO_LEAF0: PortLoad(errors=1, frames=400)}
    assert not any(look(rare) for _ in range(100)), "errors are fewer in a short look, and still there"
    # 3 errors are in 1000 such frames, which are 10 looks: AFTER times as many say that it is over.
    assert [bool(look(quiet)) for _ in range(10 * AFTER)] == [False] * (10 * AFTER - 1) + [True]
    for _ in range(AFTER):
        look(bad)
    drained = Seeker(with_drains(FABRIC, [Drain(str(SPINE0_TO_LEAF0))]))
    assert [bool(look({}, drained)) for _ in range(AFTER)] == [False] * (AFTER - 1) + [True]


class Toy:
    """Two jobs on two links: they collide until they are pinned, and what is told of it is noisy."""

    def __init__(self, seed: int, helps: bool) -> None:
        self._random, self._helps, self.is_pinned = random.Random(seed), helps, False

    def look(self) -> tuple[Finding, ...]:
        shared = not (self.is_pinned and self._helps)
        load = {LEAF0_UP0: 0.75 if shared else 0.6, LEAF0_UP1: 0.05 if shared else 0.6}
        noisy = {port: max(0.0, value + self._random.gauss(0, 0.15)) for port, value in load.items()}
        marks = 1000.0 if shared else max(0.0, self._random.gauss(-30, 20))
        loads = {port: PortLoad(sent=value, marks=marks) for port, value in noisy.items()}
        return Seeker(FABRIC, FLOWS, self.is_pinned).find({**COLLISION, **loads})


@pytest.mark.parametrize("helps", [True, False])
def test_noise_does_not_make_it_move_to_and_fro(helps: bool) -> None:
    for seed in range(5):
        toy, steady, acting, moves, backs = Toy(seed, helps), Steady(), Acting(), 0, 0
        for look in range(1000):
            now_s = 10.0 * look
            steady.take(toy.look())
            if judged := acting.judge(steady.held, now_s):
                assert judged[1] is helps
                toy.is_pinned, backs = judged[1], backs + (not judged[1])
            elif found := acting.next(steady.held, now_s):
                toy.is_pinned, moves = True, moves + 1
                acting.made(found, steady.held, now_s)
        # 10,000 s: a move that helps is the only one. One that does not is tried again after 600, 1200, 2400
        # and 4800 s, each time taken back.
        assert (moves, backs) == ((1, 0) if helps else (4, 4)), seed


BIG = raddle.loads(leaf_spine(8, 8, 8, "routing: {policy: ecmp}\n"))
RATE = 0.45
"""Of a flow, as a share of a link: two on a link are marked."""


def up(leaf: int, spine: int) -> PortRef:
    return PortRef(f"leaf{leaf}", f"Ethernet{64 + 8 * spine}")


def down(spine: int, leaf: int) -> PortRef:
    return PortRef(f"spine{spine}", f"Ethernet{8 * leaf}")


class Crowd:
    """64 queue pairs of 8 jobs over 64 links between switches, each to the next leaf, counted with noise.

    A hash puts them on spines at random. Pins spread them evenly.
    """

    def __init__(self, seed: int) -> None:
        self._random, self.is_pinned = random.Random(seed), False
        self._hashed = [self._random.randrange(8) for _ in range(64)]
        self._flows = [
            JobFlow(f"job{src // 8}", src, (src + 8) % 64, f"{src} -> {(src + 8) % 64}") for src in range(64)
        ]
        self._seekers = {pinned: Seeker(BIG, tuple(self._flows), pinned) for pinned in (False, True)}

    def look(self) -> tuple[Finding, ...]:
        spines = [flow.src % 8 for flow in self._flows] if self.is_pinned else self._hashed
        count = dict.fromkeys([end(a, b) for end in (up, down) for a in range(8) for b in range(8)], 0)
        for flow, spine in zip(self._flows, spines, strict=True):
            count[up(flow.src // 8, spine)] += 1
            count[down(spine, flow.dst // 8)] += 1
        for flow in self._flows:
            count[PortRef(f"leaf{flow.src // 8}", f"Ethernet{flow.src % 8 * 8}")] = 1
        return self._seekers[self.is_pinned].find({port: self._load(each) for port, each in count.items()})

    def _load(self, flows: int) -> PortLoad:
        share = max(0.0, min(1.0, RATE * flows) + self._random.gauss(0, 0.08))
        marks = 1000.0 if flows > 1 else max(0.0, self._random.gauss(-30, 20))
        return PortLoad(sent=share, received=share, marks=marks)


def test_among_64_links_that_collide_and_noise_one_move_is_the_only_one() -> None:
    crowd, steady, acting, moves = Crowd(1), Steady(), Acting(), 0
    assert len(crowd.look()) > 20
    for look in range(1000):
        now_s = 10.0 * look
        steady.take(crowd.look())
        if judged := acting.judge(steady.held, now_s):
            assert judged[1]
        elif found := acting.next(steady.held, now_s):
            crowd.is_pinned, moves = True, moves + 1
            acting.made(found, steady.held, now_s)
    assert moves == 1


@pytest.mark.parametrize(("kind", "remedy"), [("bit-errors", "drain"), ("storm", "isolate")])
def test_what_mends_one_link_is_judged_by_that_link(kind: str, remedy: str) -> None:
    acting = Acting()
    here = replace(finding("leaf0:Ethernet16", kind), mend=Mend(remedy, "leaf0:Ethernet16"))  # type: ignore[arg-type]
    other = replace(here, place="leaf0:Ethernet24", link="leaf0:Ethernet24")
    for later, helped in (({other.key: other}, True), ({here.key: here}, False)):
        acting.made(here, {here.key: here}, 0.0)
        judged = [acting.judge(later, 1.0) for _ in range(SETTLE_LOOKS)][-1]
        assert judged
        assert judged[1] is helped


def test_no_more_moves_than_the_budget_has_and_the_urgent_first() -> None:
    acting, held = Acting(moves=2, window_s=100.0), {}
    for each in (finding("a"), replace(finding("b", "bit-errors"), mend=Mend("drain", "b"))):
        held[each.key] = each
    first = acting.next(held, 0.0)
    assert first
    assert first.kind == "bit-errors"
    acting.made(first, held, 0.0)
    assert acting.next(held, 1.0) is None, "one at a time"
    for _ in range(SETTLE_LOOKS - 1):
        assert acting.judge(held, 2.0) is None
    judged = acting.judge(held, 2.0)
    assert judged
    assert not judged[1]
    assert acting.is_spent(3.0)  # the move and its way back
    assert acting.next(held, 3.0) is None
    assert acting.next(held, 101.0) == finding("a"), "the other is held off"
    assert acting.next({first.key: first}, 2.0 + HOLD_S) == first


def test_a_jobs_file_is_refused_by_line() -> None:
    with pytest.raises(InputError) as refused:
        read_jobs(FABRIC, "job,src,dst\na,host0,host9\nb,host1,host1\nc,host0\n", "jobs.csv")
    told = [str(each).partition("\n")[0] for each in refused.value.diagnostics]
    assert told == [
        "jobs.csv:2:1: error[bad-jobs]: 'host9' is no endpoint; write it as host3 or host3:eth0",
        "jobs.csv:3:1: error[bad-jobs]: 'host1' sends to itself",
        "jobs.csv:4:1: error[bad-jobs]: 2 cells, the header has 3",
    ]
    for text, message in (("src,dst\n", "not job,src,dst"), ("job,src,dst\n", "there is no flow in it")):
        with pytest.raises(InputError, match=message):
            read_jobs(FABRIC, text, "jobs.csv")
    assert demand_of_jobs(FLOWS).src.tolist() == [0, 1]


def test_links_are_drained_by_a_port_and_hosts_are_shut_out_by_theirs(tmp_path: Path) -> None:
    drained = with_drains(FABRIC, [Drain("leaf0:Ethernet16")])
    assert [link.is_drained for link in drained.links].count(True) == 1
    shut = with_drains(FABRIC, [Drain("leaf0:Ethernet0", is_shut=True)])
    assert not shut.link_by_port[HOST0].is_up
    for place, code in (("leaf0:Ethernet7", "no-link-there"), ("leaf9", "unknown-device")):
        with pytest.raises(InputError, match=code):
            with_drains(FABRIC, [Drain(place)])
    with pytest.raises(InputError, match="drain-cuts-off"):
        with_drains(FABRIC, [Drain("leaf0:Ethernet16"), Drain("leaf0:Ethernet24")])


def test_material_with_jobs_is_pinned_once_and_proven(tmp_path: Path) -> None:
    file, jobs = tmp_path / "pod.yaml", tmp_path / "jobs.csv"
    file.write_text(leaf_spine(2, 2, 2, "routing: {policy: ecmp}\n"))
    jobs.write_text(JOBS)
    source = FileSource(str(file), PlanOptions(), jobs_file=jobs)
    material = source.read()
    fabric, demand = source.fabric(material)
    assert (demand, source.jobs(material, fabric)) == (None, FLOWS)
    pinned = source.repinned(material)
    assert pinned
    assert source.repinned(pinned) is None
    fabric, demand = source.fabric(pinned)
    held = source.plan(pinned, fabric, None)
    assert held.plan.pins
    assert held.plan.pins.data.worst == 1.0
    assert source.problems(Desired(fabric, held, demand)) == ()
    isolated = with_drains(fabric, [Drain("leaf0:Ethernet0", is_shut=True)])
    assert source.problems(Desired(isolated, source.plan(pinned, isolated, held.plan), demand)) == ()


class Stub:
    """A planner and a controller for a keeper: what it asks for is put by."""

    def __init__(self, problem: str = "", outcome: str = "done") -> None:
        self.problem, self.outcome, self.asked = problem, outcome, list[str]()
        self.desired = Desired(FABRIC, HeldPlan(make_plan(FABRIC, "ecmp")))
        self.material = Material({}, "pod.yaml")
        self.planned = replace(self.desired)
        self.settings = Settings(Path("inventory.json"), congestion_s=1.0, acts=True)

    def jobs(self, material: Material, fabric: Fabric) -> tuple[JobFlow, ...]:
        return FLOWS

    def repinned(self, material: Material) -> Material | None:
        return replace(material, origin="pinned") if not material.origin else None

    def problems(self, desired: Desired) -> tuple[str, ...]:
        return ("as ever", *([self.problem] if self.problem and desired is self.planned else []))

    def present(self, number: int, origin: str = "") -> Present:
        revision = Revision(number, "", "", "", "", "", "", "")
        return Present(revision, replace(self.material, origin=origin), self.desired)

    def update(self, what: str, why: str, *rest: Any) -> Revision:
        self.asked.append(what)
        return Revision(2, "", "", what, why, "", "", "", outcome=self.outcome)

    def rollback(self, why: str, number: int) -> Revision:
        self.asked.append(f"back to {number}")
        return Revision(3, "", "", "", why, "", "", "", outcome="done")

    def keeper(self, told: list[str]) -> Keeper:
        bus = Bus()
        bus.hear(lambda event: told.append(event.text))
        orders = Orders(self.update, self.rollback, lambda material, drains: self.planned)
        return Keeper(self.settings, bus, self, orders)  # type: ignore[arg-type]


def collide(keeper: Keeper, present: Present, looks: range) -> None:
    """So many looks at a collision of leaf0's two hosts."""
    for look in looks:
        rows = {"Ethernet16": ("out_octets", 40), "Ethernet24": ("out_octets", 1)}
        rows |= {"Ethernet0": ("in_octets", 20), "Ethernet8": ("in_octets", 20)}
        counted = {
            port: [look * 10**9 * count if name == stat else look * (name == "ecn_marked") for name in STATS]
            for port, (stat, count) in rows.items()
        }
        keeper.hear(Reading("leaf0", float(look), False, counted))
        keeper.look(present, 10.0 * look)


def test_a_move_that_is_not_proven_is_not_made() -> None:
    told: list[str] = []
    stub = Stub(problem="it loops")
    collide(stub.keeper(told), stub.present(1), range(10))
    assert stub.asked == []  # what is planned is `not-proven`
    assert told[-1] == "re-pin is not done: verify says: it loops (not-proven)"


def test_a_move_that_switches_refuse_is_held_off() -> None:
    told: list[str] = []
    stub = Stub(outcome="taken back (leaf0 refused)")
    collide(stub.keeper(told), stub.present(1), range(20))
    assert stub.asked == ["re-pin"]
    assert told[-1] == "re-pin is not done: taken back (leaf0 refused)"


@pytest.mark.parametrize(("later", "asked"), [(2, ["re-pin", "back to 1"]), (7, ["re-pin"])])
def test_a_move_that_does_not_help_is_taken_back_unless_somebody_went_on_from_it(
    later: int, asked: list[str]
) -> None:
    told: list[str] = []
    stub = Stub()
    keeper = stub.keeper(told)
    collide(keeper, stub.present(1), range(5))
    collide(keeper, stub.present(later, "pinned"), range(5, 20))
    assert stub.asked == asked
    assert told[-1].startswith("re-pin has not helped")


def test_where_pins_are_source_ports_hosts_are_told_theirs_and_without_a_file_nobody_is(
    tmp_path: Path,
) -> None:
    fabric = raddle.loads(leaf_spine(2, 2, 2, "routing: {policy: ecmp, pins: udp-source-port}\n"))
    [found] = Seeker(fabric, FLOWS).find(COLLISION)
    assert found.mend == Mend("source-ports")
    told: list[str] = []
    stub = Stub()
    stub.planned = Desired(fabric, HeldPlan(make_plan(fabric, "pinned", demand_of_jobs(FLOWS))))
    collide(stub.keeper(told), stub.present(1), range(10))
    assert stub.asked == []
    assert told[-1] == (
        "re-pin is not done: 2 pairs of hosts would have to take other source ports "
        "(no-source-ports); give --source-ports FILE, from which hosts take them"
    )
    stub.settings = replace(stub.settings, source_ports=tmp_path / "ports.csv")
    collide(stub.keeper(told), stub.present(1), range(10))
    assert stub.asked == ["re-pin"]


def test_the_file_of_source_ports_is_what_the_revision_asks_of_hosts(tmp_path: Path) -> None:
    fabric = leaf_spine(2, 2, 2, "routing: {policy: ecmp, pins: udp-source-port}\n")
    plan = make_plan(raddle.loads(fabric), "pinned", demand_of_jobs(FLOWS))
    ports = {(each.src, each.dst): each for each in plan.source_ports}
    file = tmp_path / "ports.csv"
    write_source_ports(plan, file)
    header, *rows = [line.split(",") for line in file.read_text().splitlines()]
    assert header == ["src", "dst", "data", "acks"]
    assert [(src, dst) for src, dst, _, _ in rows] == [("host0", "host2"), ("host1", "host3")]
    for src, dst, data, acks in rows:
        assert (int(data), int(acks)) == (ports[src, dst].data, ports[src, dst].acks)
        assert int(data) >= 0xC000
    written = file.stat().st_mtime_ns
    write_source_ports(plan, file)
    assert file.stat().st_mtime_ns == written, "as before, and written again"
    write_source_ports(make_plan(FABRIC, "ecmp"), file)
    assert file.read_text() == "src,dst,data,acks\n"
    with pytest.raises(InputError, match="cannot-write"):
        write_source_ports(plan, tmp_path / "none" / "ports.csv")


def test_why_there_are_no_counters_is_told_once() -> None:
    told: list[str] = []
    keeper = Stub().keeper(told)
    for _ in range(3):
        keeper.lose("leaf0", "gives no counters")
    assert told == ["gives no counters"]
