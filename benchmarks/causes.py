"""Scores the causes that `raddle expect --log` names: faulted fabrics, logs of their runs, what it says.

Usage: python -m benchmarks.causes [SEEDS [FIRST [KIND...]]] [--jobs N] [--keep FILE]

Each of 8 kinds of fault is drawn with each seed (place and strength). The logs are written by raddle's
engine in the form of nccl-tests and perftest, and read beside the fabric file as it should be. A set is
all-reduces on all hosts with one and with eight queue pairs, all-gather and gather on all, an all-reduce
on each leaf, perftest between pairs of NICs from host memory and from accelerators', and a latency test.
A single log is the collective of the set that is furthest from what it should be. What is asked was
stated beforehand: of a set, which of the 8 kinds; of a single log, that the true cause is among those
named.

100G NICs, 4 leaves of 2 hosts of 2 accelerators. A hash that does not collide is drawn again. What does
not concern PFC or ECN runs without packets.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import raddle
from raddle import traffic
from raddle.controller.plan.addresses import dotted, endpoint_addresses
from raddle.controller.plan.make import make_plan
from raddle.lab.expect.cases import Assumed
from raddle.lab.expect.collisions import states_of
from raddle.lab.expect.diagnose import diagnose
from raddle.lab.expect.logs.read import read_logs
from raddle.lab.expect.logs.record import Log
from raddle.lab.run.drive import Run, set_up
from raddle.lab.run.settings import RunSettings
from raddle.lab.run.size_row import size_rows
from raddle.lab.workloads.collective import CollectiveJob, job_on
from raddle.lab.workloads.connections import with_qps
from raddle.lab.workloads.ranks import EVERYWHERE, seats_of
from raddle.report.table import table_row
from raddle.topology.model import Fabric
from raddle.workload import Seats, Sent, Workload, first_flows

KINDS = (
    "hash-collisions", "nic", "algorithm", "pfc-ecn", "latency", "straggler", "oversubscription", "host-bus",
)  # fmt: skip

SIZES = (64 << 10, 1 << 20, 16 << 20)
_HOSTS = ("host0", "host2", "host4", "host6", "host1", "host3", "host5", "host7")
"""Neighbours in this order are on different leaves."""

_PAIR_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Faulted:
    """What really runs: a fabric, how its flows are routed, and what else is wrong."""

    fabric: Fabric
    routing: str = "pinned"
    seed: int = 1
    algorithm: str | None = None
    channels: int = 0
    late: tuple[str, int] = ("", 0)
    fidelity: str = "fluid"


@cache
def fabric_of(more: str = "", bus: str = "") -> Fabric:
    """The fabric as it should be, with lines at its end and a bus of its accelerators."""
    return raddle.loads(
        "raddle: 1\nname: pod\n"
        "fabric: {leaves: {count: 4}, spines: {count: 4}, uplinks: {per_pair: 1, speed: 100G}}\n"
        f"hosts: {{per_leaf: 2, accelerators: {{count: 2, scale_up: {{bandwidth: 200GBps}}{bus}}}, "
        "nics: {per_accelerator: 1, speed: 100G}}\n"
        f"roce: {{congestion_control: none}}\nrouting: {{policy: ecmp}}\n{more}"
    )


def draw(kind: str, seed: int) -> tuple[Faulted, str]:
    """A fault of a kind, and where it is."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    host = f"host{random.integers(8)}"
    if kind == "hash-collisions":
        return Faulted(fabric_of(), "ecmp", _colliding(random)), ""
    if kind == "nic":
        port, speed = f"{host}:eth{random.integers(2)}", random.choice(["10G", "25G", "40G", "50G"])
        number = int(host.removeprefix("host"))
        ends = f"'{port}', leaf{number // 2}"
        return Faulted(fabric_of(f"overrides: {{links: [{{ends: [{ends}], speed: {speed}}}]}}\n")), port
    if kind == "algorithm":
        if random.integers(2):
            return Faulted(fabric_of(), channels=1), ""
        return Faulted(fabric_of(), algorithm="tree"), ""
    if kind == "pfc-ecn":
        return Faulted(_without_pfc(fabric_of(), random), fidelity="packet"), ""
    if kind == "latency":
        late_ps = int(random.uniform(3, 60) * 1e6)
        fabric = fabric_of()
        return Faulted(replace(fabric, phy=replace(fabric.phy, fec_latency_ps=late_ps))), ""
    if kind == "straggler":
        return Faulted(fabric_of(), late=(host, int(random.uniform(0.3, 8) * 1e9))), host
    if kind == "oversubscription":
        gone = random.choice(4, size=int(random.integers(2, 4)), replace=False).tolist()
        leaf = int(random.integers(5))
        chosen = range(4) if leaf == 4 else [leaf]
        links = ", ".join(f"{{ends: [leaf{a}, spine{b}], state: down}}" for a in chosen for b in gone)
        where = "every leaf" if leaf == 4 else f"leaf{leaf}"
        return Faulted(fabric_of(f"overrides: {{links: [{links}]}}\n")), where
    gbs = random.uniform(2.5, 9.5)
    fabric = fabric_of()
    number = int(host.removeprefix("host"))
    hosts = list(fabric.hosts)
    spec = hosts[number].accelerators
    assert spec
    hosts[number] = replace(hosts[number], accelerators=replace(spec, bus_bps=round(gbs * 8e9)))
    return Faulted(replace(fabric, hosts=tuple(hosts))), host


def _without_pfc(fabric: Fabric, random: np.random.Generator) -> Fabric:
    """PFC off with shallow buffers, or ECN that marks far too early."""
    if random.integers(2):
        models = {switch.model.name: switch.model for switch in fabric.switches}
        assert models
        switches = tuple(
            replace(each, model=replace(each.model, buffer_bytes=int(random.uniform(2, 4) * 1e6)))
            for each in fabric.switches
        )
        return replace(fabric, switches=switches, roce=replace(fabric.roce, pfc=False))
    kmin = int(random.uniform(1, 6) * 1000)
    ecn = replace(fabric.roce.ecn, kmin_bytes=kmin, kmax_bytes=2 * kmin, pmax=1.0)
    return replace(fabric, roce=replace(fabric.roce, congestion_control="dcqcn", ecn=ecn))


def _colliding(random: np.random.Generator) -> int:
    """A seed with which flows of the all-reduce meet."""
    while True:
        seed = int(random.integers(1, 10_000))
        rig = Rig(Faulted(fabric_of(), "ecmp", seed))
        run = rig.run(rig.job("all_reduce", _HOSTS), SIZES[-1])
        good = Rig(Faulted(fabric_of()))
        usual = good.run(good.job("all_reduce", _HOSTS), SIZES[-1])
        if run.simulation.now_ps > 1.3 * usual.simulation.now_ps:
            return seed


class Rig:
    """Runs jobs on a faulted fabric."""

    def __init__(self, faulted: Faulted) -> None:
        self.faulted, self.fabric = faulted, faulted.fabric

    def job(self, collective: str, hosts: Sequence[str]) -> CollectiveJob:
        numbers = {host.name: host.index for host in self.fabric.hosts}
        chosen = np.array([2 * numbers[host] + each for host in hosts for each in range(2)], np.int32)
        algorithm = self.faulted.algorithm if collective == "all_reduce" else None
        seats = seats_of(self.fabric, chosen)
        job = job_on(self.fabric, seats, collective, algorithm, EVERYWHERE, traffic.USUAL, SIZES)
        if self.faulted.channels and collective == "all_reduce":
            job = replace(job, shape=replace(job.shape, channels=self.faulted.channels))
        return job

    def run(self, job: CollectiveJob, size_bytes: int, qps: int = 1) -> Run:
        fabric = with_qps(self.fabric, qps, qps > 1)
        job = replace(job, fabric=fabric)
        work = job.workload(size_bytes)
        host, late_ps = self.faulted.late
        names = np.array(
            [fabric.hosts[int(each)].name for each in fabric.accelerators.host[job.seats.accelerator]]
        )
        is_late = names[work.schedule.src] == host
        work = replace(work, start_ps=np.where(is_late, np.maximum(work.starts_ps, late_ps), work.starts_ps))
        return self._driven(fabric, work, job.demand())

    def pairs(self, pairs: Sequence[tuple[int, int]], size_bytes: int) -> Run:
        """Messages between endpoints, all at once; no two share a port."""
        ends = np.array([end for pair in pairs for end in pair], np.int32)
        seats = Seats.of_endpoints(ends)
        two = traffic.build("send_recv", "direct", len(ends), size_bytes)
        chosen = np.arange(0, len(ends), 2)
        schedule = replace(
            first_flows(Sent.between(two, ends), len(pairs)).schedule,
            src=two.src[chosen], dst=two.dst[chosen], chunk=two.chunk[chosen],
            qp=np.arange(len(pairs), dtype=np.int32),
        )  # fmt: skip
        alone = Rig(replace(self.faulted, routing="pinned"))  # one pair after the other, so that none collide
        return alone._driven(self.fabric, Workload(schedule, seats), None)

    def _driven(self, fabric: Fabric, work: Workload, demand: object) -> Run:
        from raddle.lab.workloads.demand import demand_of

        is_pinned = self.faulted.routing == "pinned"
        asked = (demand or demand_of(fabric, work.seats, work.schedule)) if is_pinned else None
        plan = make_plan(fabric, self.faulted.routing, asked)  # type: ignore[arg-type]
        settings = RunSettings(seed=self.faulted.seed, fidelity=self.faulted.fidelity)
        run = set_up(fabric, states_of(fabric, plan), work, settings, plan)
        while not run.simulation.is_done and not run.simulation.is_stalled:
            run.simulation.run(lambda share: None, 20 * 10**12, lambda: None)
        return run


def nccl_log(rig: Rig, collective: str, hosts: Sequence[str], qps: int = 1) -> str:
    """A run as nccl-tests prints it."""
    job = rig.job(collective, hosts)
    lines = [
        f"# Collective test starting: {collective}_perf",
        "# nThread 1 nGpus 1 minBytes 65536 maxBytes 16777216 step: 16(factor) warmup iters: 5 iters: 20",
        "# Using devices",
    ]
    lines += [
        f"#  Rank {rank:>2} Group  0 Pid {1000 + rank} on {host} device {rank % 2} [0x00] NVIDIA H100"
        for rank, host in enumerate(host for host in hosts for _ in range(2))
    ]
    if qps > 1:
        lines.append(f"{hosts[0]}:1:1 [0] NCCL INFO NCCL_IB_QPS_PER_CONNECTION set by environment to {qps}.")
    rows = [table_row(size_rows([job], size, rig.run(job, size, qps))[0]) for size in SIZES]
    return "\n".join(lines) + "\n" + "".join(rows)


def perftest_logs(rig: Rig, *, on_accelerators: bool) -> Iterator[str]:
    """ib_write_bw between NICs of neighbours on a leaf, and of hosts of two leaves."""
    fabric = rig.fabric
    if not on_accelerators:
        hosts = tuple(
            replace(host, accelerators=replace(host.accelerators, bus_bps=0)) if host.accelerators else host
            for host in fabric.hosts
        )
        rig = Rig(replace(rig.faulted, fabric=replace(fabric, hosts=hosts)))
    addresses = [dotted(address) for address in endpoint_addresses(fabric)]
    near = [(a, a + 2) for a in range(16) if a // 2 % 2 == 0]
    far = [(a, (a + 4) % 16) for a in range(16) if a // 4 % 2 == 0]
    memory = "allocated GPU buffer of a 4194304 address\n" if on_accelerators else ""
    # Those of a leaf have nothing in common; those between leaves run one after the other.
    for pairs, links in ((near, 2), *(([pair], 4) for pair in far)):
        flows = rig.pairs(pairs, _PAIR_BYTES).messages()
        # Messages under way hide the way of one.
        way_s = links * rig.fabric.phy.fec_latency_ps / 1e12 + links * 0.5e-6
        for (a, b), start, end in zip(pairs, flows.start_ps.tolist(), flows.finish_ps.tolist(), strict=True):
            gbits = _PAIR_BYTES * 8 / ((end - start) / 1e12 - way_s) / 1e9
            row = f"{_PAIR_BYTES} 5000 0.00 {gbits:.2f} 0.001"
            yield _perftest(memory, addresses[a], addresses[b], row)


def latency_log(rig: Rig) -> str:
    """ib_write_lat between two leaves: half of a round trip of 2 bytes."""
    run = rig.pairs([(0, 12)], 4)
    addresses = [dotted(address) for address in endpoint_addresses(rig.fabric)]
    time_us = float(run.messages().finish_ps[0]) / 1e6
    head = "RDMA_Write Latency Test\n" + _gids(addresses[0], addresses[12])
    head += (
        " #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]\n"
    )
    return head + f" 2 1000 {time_us:.2f} {time_us:.2f} {time_us:.2f} {time_us:.2f} 0.01\n"


def _perftest(memory: str, a: str, b: str, row: str) -> str:
    head = "                    RDMA_Write BW Test\n Number of qps   : 1\n"
    table = " #bytes     #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   MsgRate[Mpps]\n"
    return f"{memory}{head}{_gids(a, b)}{table} {row}\n"


def _gids(*addresses: str) -> str:
    return "".join(
        f" {side} address: LID 0000 QPN 0x0108 PSN 0x63ad7d\n"
        f" GID: 00:00:00:00:00:00:00:00:00:00:255:255:{':'.join(address.split('.'))}\n"
        for side, address in zip(("local", "remote"), addresses, strict=True)
    )


def logs_of(faulted: Faulted) -> Mapping[str, str]:
    """A set of logs, by name."""
    rig = Rig(faulted)
    found = {
        "all_reduce": nccl_log(rig, "all_reduce", _HOSTS),
        "all_reduce-8-qps": nccl_log(rig, "all_reduce", _HOSTS, 8),
        "all_gather": nccl_log(rig, "all_gather", _HOSTS),
        "gather": nccl_log(rig, "gather", _HOSTS),
    }
    for leaf in range(4):
        found[f"leaf{leaf}"] = nccl_log(rig, "all_reduce", (f"host{2 * leaf}", f"host{2 * leaf + 1}"))
    for name, on_accelerators in (("host", False), ("gpu", True)):
        for number, text in enumerate(perftest_logs(rig, on_accelerators=on_accelerators)):
            found[f"write-{name}-{number}"] = text
    found["lat"] = latency_log(rig)
    return found


def read_set(texts: Mapping[str, str], folder: Path) -> dict[str, Log]:
    """The logs of texts, through files."""
    logs = {}
    for name, text in texts.items():
        (folder / name).write_text(text)
        (logs[name],) = read_logs(folder / name)
    return logs


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of a fault: first of a set, and all that is named of one log."""

    kind: str
    seed: int
    place: str
    said: str
    places: Sequence[str]
    what: str
    named: Sequence[str]

    @property
    def is_placed(self) -> bool:
        """Whether it is the cause, where it is."""
        return self.said == self.kind and (not self.place or list(self.places) == [self.place])

    @property
    def fits(self) -> bool:
        """Whether it is the cause, and the place is among those that fit alike."""
        return self.is_placed or (self.said == self.kind and self.place in self.places)


def main() -> None:
    """Draw, run, ask, and print the matrix of both."""
    asked = _arguments()
    answers = _kept(asked.keep, asked.first, asked.seeds, asked.kinds)
    wanted = [(kind, seed) for seed in range(asked.first, asked.first + asked.seeds) for kind in asked.kinds]
    left = [each for each in wanted if each not in {(answer.kind, answer.seed) for answer in answers}]
    os.environ["OMP_NUM_THREADS"] = "1"
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(asked.jobs, get_context("spawn")))
        kept = stack.enter_context(asked.keep.open("a")) if asked.keep else None
        for done in as_completed([pool.submit(answer_to, kind, seed) for kind, seed in left]):
            answer = done.result()
            answers.append(answer)
            line = json.dumps(asdict(answer))
            print(line, file=sys.stderr, flush=True)
            if kept:
                print(line, file=kept, flush=True)
    _print(asked.kinds, answers)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{used.ru_utime + used.ru_stime:.0f} CPU s for {len(left)} of {len(wanted)}", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Scores the causes that raddle expect --log names.")
    parser.add_argument("seeds", type=int, nargs="?", default=20)
    parser.add_argument("first", type=int, nargs="?", default=1000, help="the first seed")
    parser.add_argument("kinds", nargs="*", default=KINDS, choices=[*KINDS, KINDS])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--keep", type=Path, help="a file of answers, which are not asked for again")
    return parser.parse_args()


def _kept(path: Path | None, first: int, seeds: int, kinds: Sequence[str]) -> list[Answer]:
    """The answers that a file has, of what is asked for; an end that a kill cut off is none."""
    if path is None or not path.exists():
        return []
    found = []
    for line in path.read_text().splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        found.append(Answer(**values))
    return [each for each in found if first <= each.seed < first + seeds and each.kind in kinds]


def answer_to(kind: str, seed: int) -> Answer:
    """Draw a fault, run it, and ask about its logs."""
    faulted, place = draw(kind, seed)
    with tempfile.TemporaryDirectory() as folder:
        logs = read_set(logs_of(faulted), Path(folder))
    found = diagnose(fabric_of(), list(logs.values()), Assumed())
    collectives = {log.file: log for log in logs.values() if not log.pair}
    worst = max(
        (each for each in found.logs if each.file in collectives),
        key=lambda each: each.measured_us / each.expected_us,
    )
    alone = diagnose(fabric_of(), [collectives[worst.file]], Assumed())
    best = found.causes[0]
    named = tuple(cause.cause for cause in alone.causes)
    return Answer(kind, seed, place, best.cause, best.places, best.what, named)


def _print(kinds: Sequence[str], answers: Sequence[Answer]) -> None:
    """The table as it stands in docs/cli/expect.md, and the line below it."""
    usual = (*KINDS, "as-expected")
    said = usual + tuple(sorted({each.said for each in answers}.difference(usual)))
    head = ("fault \\ said of a set", *said, "its place", "among those named of one log")
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for kind in kinds:
        own = [each for each in answers if each.kind == kind]
        counts = Counter(each.said for each in own)
        placed, fits = (sum(getattr(each, what) for each in own) for what in ("is_placed", "fits"))
        cells = [str(counts[each] or "") for each in said]
        print(f"| {kind} | {' | '.join(cells)} | {placed} ({fits}) | {sum(map(_is_named, own))} |")
    total, right = len(answers), sum(each.said == each.kind for each in answers)
    named = sum(map(_is_named, answers))
    mean = sum(len(each.named) for each in answers) / total
    print(
        f"\nTogether: top-1 over sets {right} of {total} ({right / total:.1%}); of one log the true cause is "
        f"among those named in {named} of {total} ({named / total:.1%}), {mean:.1f} are named on average."
    )


def _is_named(answer: Answer) -> bool:
    return answer.kind in answer.named


if __name__ == "__main__":
    main()
