"""What an emulation has found, for the reader and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median

NOT_PROVEN = (
    "Emulation proves paths, tables and failover. It says nothing of losslessness or speed: "
    "these switches have no PFC, and links are slowed down."
)

_SHOWN = 5  # examples of what went wrong


@dataclass(frozen=True, slots=True)
class Ping:
    """Pairs of endpoints that were tried, each over all `families`, and those without an answer.

    Who did not answer was asked again, until there had been so many `attempts`.
    """

    families: tuple[str, ...]
    pairs: int
    failed: tuple[str, ...]
    attempts: int = 1

    @property
    def is_good(self) -> bool:
        return not self.failed


@dataclass(frozen=True, slots=True)
class Iperf:
    """One TCP stream and what its slowest link could carry."""

    src: str
    dst: str
    family: str
    mbps: float
    link_mbps: float

    @property
    def is_good(self) -> bool:
        """Something came through, and not faster than the link."""
        return 0 < self.mbps <= self.link_mbps


@dataclass(frozen=True, slots=True)
class Roce:
    """A schedule's flows as RoCEv2 packets.

    Attributes:
        attempts: runs that it took; all but the last only lost packets.
        problems: what the receivers found wrong.
        paths: directions of queue pairs whose path was checked.
        wrong_paths: those that went another way.
        is_counted: whether the simulator's hash is the switches': its counts are then compared.
        ports: switch ports whose counters were compared with the simulator's.
        wrong_ports: those that differ.
    """

    schedule: str
    flows: int
    data_packets: int
    acknowledgements: int
    attempts: int
    problems: tuple[str, ...]
    paths: int
    wrong_paths: tuple[str, ...]
    is_counted: bool
    ports: int
    wrong_ports: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        return not (self.problems or self.wrong_paths or self.wrong_ports)


@dataclass(frozen=True, slots=True)
class Spread:
    """Of several values the median and the 99th percentile (nearest rank: of up to 100 the highest)."""

    median: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None of none."""
        if not values:
            return None
        return cls(float(median(values)), float(sorted(values)[math.ceil(0.99 * len(values)) - 1]))


@dataclass(frozen=True, slots=True)
class Failover:
    """One failure under a stream of packets, again and again; times in seconds.

    Attributes:
        kind: `link` (a port of the sender's leaf loses its carrier), `link shut` (that port is taken down),
            `remote link` and `remote link shut` (behind it), `switch` (all links of one).
        cuts: how often; where there is a `problem` the last of them had it.
        other_s: from the cut to the first packet that arrived over another path.
        backup_s: to the first that arrived over the path that the controller planned for this failure.
        detect_s: from the cut until the controller had heard of the last dead port that changed its plan.
        plan_s: from then until it had the routes.
        push_s: from then until all switches had acknowledged them; then they are read back.
        lost: packets of the stream that did not arrive; `interval_s` is the mean time between two.
    """

    kind: str
    failure: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    cuts: int
    other_s: Spread | None
    backup_s: Spread | None
    detect_s: Spread | None
    plan_s: Spread | None
    push_s: Spread | None
    lost: Spread | None
    interval_s: float
    problem: str = ""

    @property
    def is_good(self) -> bool:
        return not self.problem


@dataclass(frozen=True, slots=True)
class EmulationResult:
    """All that was asked for; None or empty where it was not.

    `hash_note`: how the switches' ECMP chooses otherwise than the simulator's, if it does.
    """

    fabric: str
    switch: str
    switches: int
    hosts: int
    routing: str
    divisor: int
    fastest_mbps: float
    messages: int
    ping: Ping | None = None
    iperf: tuple[Iperf, ...] = ()
    roce: Roce | None = None
    failover: tuple[Failover, ...] = ()
    pcaps: tuple[str, ...] = ()
    hash_note: str = ""

    @property
    def is_good(self) -> bool:
        single = [test.is_good for test in (self.ping, self.roce) if test]
        return all((*single, *(row.is_good for row in self.iperf), *(row.is_good for row in self.failover)))


def to_json(result: EmulationResult) -> str:
    document = {"schema_version": 1, "ok": result.is_good, **asdict(result)}
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def to_text(result: EmulationResult) -> str:
    return "\n".join(_lines(result)) + "\n"


def _lines(result: EmulationResult) -> Iterator[str]:
    yield (
        f"{result.fabric}: {result.switches} switches, {result.switch}; {result.hosts} hosts; "
        f"{result.routing} routing"
    )
    yield f"links at 1/{result.divisor} of their rate, the fastest at {result.fastest_mbps:g} Mbit/s"
    yield f"tables    pushed with {result.messages} messages and read back"
    if result.hash_note:
        yield f"hash      {result.hash_note}"
    if result.ping:
        reached = result.ping.pairs - len(result.ping.failed)
        over = " and ".join(result.ping.families)
        yield f"ping      {reached} of {result.ping.pairs} pairs reach each other over {over}"
        if result.ping.attempts > 1:
            yield f"          after {result.ping.attempts} rounds; who did not answer was asked again"
        yield from _examples(result.ping.failed, "no answer")
    for row in result.iperf:
        rate = f"{row.mbps:.1f} of {row.link_mbps:g} Mbit/s"
        yield f"iperf     {row.src} -> {row.dst} over {row.family}: {rate}"
    if result.roce:
        yield from _roce_lines(result.roce)
    for each in result.failover:
        yield from _failover_lines(each)
    if result.pcaps:
        yield f"pcap      {len(result.pcaps)} files, {result.pcaps[0]} the first"
    yield NOT_PROVEN


def _roce_lines(roce: Roce) -> Iterator[str]:
    yield (
        f"roce      {roce.schedule}: {roce.flows} flows, {roce.data_packets} packets and "
        f"{roce.acknowledgements} acknowledgements, "
        + ("some of them wrong" if roce.problems else "all in order with a correct ICRC")
    )
    if roce.attempts > 1:
        yield f"          in run {roce.attempts}; those before lost packets"
    yield from _examples(roce.problems, "wrong")
    good = roce.paths - len(roce.wrong_paths)
    way = (
        "exactly the planned links"
        if roce.is_counted
        else "planned links; which, the switches' own hash says"
    )
    yield f"          {good} of {roce.paths} directions of queue pairs crossed {way}"
    yield from _examples(roce.wrong_paths, "another path")
    if roce.is_counted:
        good = roce.ports - len(roce.wrong_ports)
        yield f"          {good} of {roce.ports} switch ports counted as many packets as the simulator's"
    yield from _examples(roce.wrong_ports, "other counts")


def _failover_lines(each: Failover) -> Iterator[str]:
    yield f"failover  {each.kind} {each.failure}, {each.cuts} cuts (median and p99)"
    if each.other_s:
        yield f"          first packet on another path after {_ms(each.other_s)}"
    if each.backup_s:
        yield f"          first packet on the plan's backup after {_ms(each.backup_s)}"
        yield f"          {' '.join(each.before)}  =>  {' '.join(each.after)}"
    if each.detect_s and each.plan_s and each.push_s:
        yield (
            f"          the controller heard of it after {_ms(each.detect_s)}, "
            f"planned in {_ms(each.plan_s)}, pushed in {_ms(each.push_s)}"
        )
    if each.lost:
        lost = f"{each.lost.median:g} and {each.lost.p99:g} packets lost"
        yield f"          {lost}, one was sent every {each.interval_s * 1e3:.1f} ms"
    if each.problem:
        yield f"          FAILED: {each.problem}"


def _ms(times: Spread) -> str:
    return f"{times.median * 1e3:.1f} and {times.p99 * 1e3:.1f} ms"


def _examples(lines: tuple[str, ...], what: str) -> Iterator[str]:
    for line in lines[:_SHOWN]:
        yield f"          {what}: {line}"
    if len(lines) > _SHOWN:
        yield f"          and {len(lines) - _SHOWN} more"
