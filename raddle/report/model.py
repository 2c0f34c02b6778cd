"""The result of a benchmark, as values that every form of report reads.

Bandwidths are in GB/s with GB = 1e9 bytes, as in nccl-tests. What a run did not reach is None, and so is what
its fidelity does not have: without packets there are no queues, marks, pauses and drops.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from raddle.units import format_span, format_time

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


FOR_PAGES = {"for pages": True}
"""Metadata of a result's field that pages show and JSON leaves out; its default is ()."""


def is_for_pages(each: Field[Any]) -> bool:
    """Whether JSON leaves a result's field out."""
    return bool(each.metadata.get("for pages"))


def as_document(result: DataclassInstance) -> dict[str, Any]:
    """The fields of a result that its JSON has, as plain values."""
    left_out = [each.name for each in fields(result) if is_for_pages(each)]
    document = asdict(replace(result, **dict.fromkeys(left_out, ())))
    return {name: value for name, value in document.items() if name not in left_out}


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that a run was made of, and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class UnfinishedFlow:
    """A flow whose last byte never arrived. `name` is like `rank3 host12 -> rank4 host1`."""

    name: str
    step: int
    reason: str


@dataclass(frozen=True, slots=True)
class FastForward:
    """What of a run was computed, as its steps repeat to the picosecond; the rest was simulated.

    Attributes:
        flows, of_flows: flows that were computed, and all.
        periods, period_ps: how many periods that is, and how long each takes.
    """

    flows: int
    of_flows: int
    periods: int
    period_ps: int

    def __str__(self) -> str:
        return (
            f"{self.flows} of {self.of_flows} flows are computed: {self.periods} periods of"
            f" {format_time(self.period_ps)}, each as the one before to the picosecond"
        )


@dataclass(frozen=True, slots=True)
class NotForwarded:
    """Why nothing of a run by `--fidelity auto` was computed.

    Attributes:
        has_steps: whether it has steps that are all alike, so that it was tried.
        not_flowed: why messages do not flow where packets take long; empty: they take not long, or flow.
    """

    why: str
    has_steps: bool = False
    not_flowed: str = ""

    @property
    def was_tried(self) -> bool:
        """Whether anything was tried in vain."""
        return self.has_steps or bool(self.not_flowed)

    def __str__(self) -> str:
        flows = f"; messages do not flow, as {self.not_flowed}" if self.not_flowed else ""
        return f"no step is computed, every packet is simulated: {self.why}{flows}"


@dataclass(frozen=True, slots=True)
class Flowed:
    """Messages flow in a run by `--fidelity auto`: packets take long, and messages end as they do.

    Attributes:
        packets_s: what packets take, about, in seconds of computing.
        late_ps: how much longer than alone a message takes, at most: less than a frame does.
        way: the share of the time until the end that is the way of first bits.
    """

    packets_s: float
    late_ps: int
    way: float

    def __str__(self) -> str:
        return (
            f"messages flow, as packets take about {format_span(self.packets_s)} of computing, and end within"
            f" 1 % of them, as none meets another (late by {format_time(self.late_ps)} at most,"
            f" {self.way:.1%} of the time is the way of first bits); --fidelity packet moves packets"
        )


def auto_lines(
    fast_forward: FastForward | None, flowed: Flowed | None, not_forwarded: NotForwarded | None
) -> Iterator[str]:
    """What a run by `--fidelity auto` did not simulate packet by packet, or tried in vain not to."""
    tried = not_forwarded if not_forwarded and not_forwarded.was_tried else None
    if told := fast_forward or flowed or tried:
        yield str(told)


@dataclass(frozen=True, slots=True)
class RepairRow:
    """What a controller made of links that died or came back during a run, and of what it was told.

    Attributes:
        lost, back: links between switches.
        heard_ps: when the controller heard of it.
        done_ps: when the last switch forwarded by the new routes; `heard_ps` where there were none to write.
        switches, routes: that were written.
        told: the orders: `drain spine1`.
        ports_left: switches of which it would shut ports of bonds, or set them up again: a run has its
            routes alone.
    """

    lost: tuple[str, ...]
    back: tuple[str, ...]
    heard_ps: int
    done_ps: int
    switches: int
    routes: int
    told: tuple[str, ...] = ()
    ports_left: tuple[str, ...] = ()

    def __str__(self) -> str:
        left = f"; not simulated: ports of bonds that it sets on {', '.join(self.ports_left)}"
        return self._written() + (left if self.ports_left else "")

    def _written(self) -> str:
        dead = [f"{each} is down" for each in self.lost] + [f"{each} is back" for each in self.back]
        what = "; ".join([*self.told, *dead])
        if not self.routes:
            why = "switches repair that by themselves" if dead else "nothing to write"
            return f"{format_time(self.heard_ps)}: {what}: {why}"
        wrote = f"{self.routes} routes of {self.switches} switches in place at {format_time(self.done_ps)}"
        return f"{format_time(self.heard_ps)}: {what}: {wrote}"


@dataclass(frozen=True, slots=True)
class InPart:
    """A schedule of more flows than fit, of which some steps were run; what the others take was computed.

    Attributes:
        steps, of_steps: that were run, and all.
        step_ps: what each of the others takes.
        differs: by which share the two halves of those differ that this is taken from.
        is_busy: it is what the busiest link needs, which is more than those took.
    """

    steps: int
    of_steps: int
    step_ps: int
    differs: float
    is_busy: bool

    def __str__(self) -> str:
        why = (
            "what its busiest link needs for one" if self.is_busy else "the pace of the second half of these"
        )
        return (
            f"{self.steps} of {self.of_steps} steps were run, the others take {format_time(self.step_ps)}"
            f" each: {why}, whose two parts differ by {self.differs:.1%}"
        )


@dataclass(frozen=True, slots=True)
class SizeRow:
    """The run of one buffer size.

    Attributes:
        size_bytes, count, datatype, redop, root: as nccl-tests prints them.
        algorithm: what ran, which is the choice of `auto`.
        protocol: NCCL's, where `auto` chose it; else empty.
        time_ps, algbw_gbs, busbw_gbs: None where the collective did not finish.
        wrong: elements that are not what the collective promises, summed over ranks; None: not counted, as
            the flows carry too many parts of buffers to be replayed in memory.
        in_place_wrong: the same of the in-place half; None: nccl-tests does not check it, or not counted.
        pfc_pauses, pfc_pause_ps: pause frames that took effect, and the time that ports stood still,
            summed over ports and priorities.
        ecn_marks: packets marked.
        drops: packets by reason, sorted by reason.
        diagnosis: why flows did not finish, where the fabric as a whole is to blame: a deadlock's cycle; or
            what slowed senders.
        fast_forward: what was computed; None: every packet was simulated, or messages flowed.
        not_forwarded: why nothing was computed; None: something was, or nobody asked for it.
        flowed: why messages flowed by `--fidelity auto`; None: they did not, or were told to.
        repairs: what the controller did, where one was asked for.
        in_part: what was run of more steps than fit; None: all were.
    """

    size_bytes: int
    count: int
    datatype: str
    redop: str
    root: int
    algorithm: str
    protocol: str
    time_ps: int | None
    algbw_gbs: float | None
    busbw_gbs: float | None
    wrong: int | None
    in_place_wrong: int | None
    pfc_pauses: int | None
    pfc_pause_ps: int | None
    ecn_marks: int | None
    drops: tuple[tuple[str, int], ...] | None
    unfinished: tuple[UnfinishedFlow, ...]
    diagnosis: tuple[str, ...]
    fast_forward: FastForward | None = None
    not_forwarded: NotForwarded | None = None
    flowed: Flowed | None = None
    repairs: tuple[RepairRow, ...] = ()
    in_part: InPart | None = None


@dataclass(frozen=True, slots=True)
class LinkUse:
    """One direction of a link. `name` is like `leaf0:Ethernet32 -> spine1:Ethernet0`.

    Attributes:
        tx_bytes: bytes sent.
        utilisation: sent time over run time, 0..1; of a frame under way at the end all, up to 1.
        max_flows: most flows of one step that crossed it; 0 where flows have no path of their own.
        pause_ps: how long the sender was paused.
        ecn_marks: packets marked in the sender's queues.
        max_queue_bytes: the longest that the sender's queues were.
    """

    name: str
    tx_bytes: int
    utilisation: float
    max_flows: int
    pause_ps: int | None
    ecn_marks: int | None
    max_queue_bytes: int | None


@dataclass(frozen=True, slots=True)
class ScaleUpUse:
    """One direction of an accelerator's scale-up port. `name` is like `host0:3 -> nvlink`.

    Attributes:
        sent_bytes: what it carried, with what sums in the domain's switch cost and what a ring passes on.
        utilisation: time that this takes at the port's rate, over run time, 0..1.
    """

    name: str
    sent_bytes: int
    utilisation: float


@dataclass(frozen=True, slots=True)
class Collision:
    """Flows of one step that shared a link. `flows` are named like `rank3 host12 -> rank4 host1`."""

    link: str
    step: int
    flows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinkFlow:
    """A flow that crossed a link, and its payload there."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class LinkFlows:
    """Flows that crossed one direction of a link: those with most bytes, of `count` in all."""

    link: str
    flows: tuple[LinkFlow, ...]
    count: int


CARRIERS = {
    "host-route": "host routes",
    "policy-route": "policy routes",
    "udp-source-port": "UDP source ports",
}
"""What carries pins, in words."""


@dataclass(frozen=True, slots=True)
class PinSummary:
    """How the pinned paths fit the collective: most flows on a link, and the least that is possible."""

    flows: int
    carrier: str
    pins: int
    max_data_load: float
    data_bound: float
    max_ack_load: float
    ack_bound: float
    method: str


@dataclass(frozen=True, slots=True)
class BenchResult:
    """A benchmark: one row for each size, and what the links carried.

    `links`, `scale_up` and `collisions` are of the last row's run. `line_rate_gbs` is the payload rate of a
    rank's ports.
    `tenant` is whose job it is; those of several run at the same time. Where switches route adaptively
    (`is_adaptive`) there are no collisions. `fidelity` is
    what moved: packets, or messages that flow; `left_out` is what the fabric file says and the run does not
    have; `notes` are what is to be known of the traffic. After an interrupt (`is_interrupted`) the rows are
    those of the sizes that were done.
    """

    fabric: str
    collective: str
    algorithm: str
    routing: str
    placement: str
    ranks: int
    seed: int
    line_rate_gbs: float
    pins: PinSummary | None
    rows: tuple[SizeRow, ...]
    links: tuple[LinkUse, ...]
    collisions: tuple[Collision, ...]
    tenant: str = ""
    fidelity: str = "packet"
    is_adaptive: bool = False
    is_interrupted: bool = False
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    scale_up: tuple[ScaleUpUse, ...] = ()
    link_flows: tuple[LinkFlows, ...] = field(default=(), metadata=FOR_PAGES)  # of the last row's run, too

    @property
    def average_busbw_gbs(self) -> float:
        """nccl-tests' `Avg bus bandwidth`: the mean over rows; a row that did not finish counts as 0."""
        return sum(row.busbw_gbs or 0.0 for row in self.rows) / max(1, len(self.rows))
