"""Exact fast-forward: steps are simulated until they repeat to the picosecond, and the rest is computed.

A schedule is a pattern where its flows are blocks of one length, each as the one before: queue pairs, sizes,
delays, and what waits for what (a ring's steps, a collective that is run again). The pattern is run a few
blocks long. It repeats where three periods in a row have flows that start, arrive and are acknowledged one
period later than in the one before, all of them, with nothing random or stateful: no mark and no queue long
enough for one, no pause, no drop, no notification, nothing sent again. Then a run as long as it takes is
watched over two periods: all queues, priority groups, counters and scale-up links must be at eight instants
of each as they were a period before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.sim import FLOW_STATUS, NEVER, FlowColumns
from raddle.sim.forwarded import ForwardedSimulation, Gap
from raddle.state import PRIORITIES, SwitchState
from raddle.workload import Schedule

_DONE, _WAITING = FLOW_STATUS.index("done"), FLOW_STATUS.index("waiting")

_FEWEST_BLOCKS = 64
"""Of a pattern that is looked at: others are through before they repeat."""

_LOOK_AGAIN = 1.25
"""Times the blocks that were over at the last look."""

_WORTH = 0.7
"""A run that stands for the whole has at most so much of its blocks."""

_LOOKS = 8
"""Instants of a period at which the network must be as a period before."""

_LONGEST_PATTERN = 8
"""Steps of a block, at most."""

_NOT_QUIET = "marks, pauses, drops, or queues that are long enough for marks or change from step to step"

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """A schedule of `blocks` blocks of `block` flows each, from the second on each as the one before."""

    block: int
    blocks: int


def find_pattern(schedule: Schedule, start_ps: Ints | None, delay_ps: Ints | None) -> Pattern | None:
    """The shortest block that the schedule repeats; None where it repeats none, or not often enough."""
    if not schedule.flows:
        return None
    for block in _blocks(schedule.step):
        if schedule.flows % block or schedule.flows // block < _FEWEST_BLOCKS:
            continue
        if start_ps is not None and start_ps[block:].any():
            continue
        if _repeats(schedule, delay_ps, block):
            return Pattern(block, schedule.flows // block)
    return None


def _blocks(step: NDArray[np.int32]) -> Iterator[int]:
    """Flows of a step, of some steps, and of all until the first step comes again."""
    grows = np.diff(step)
    first = next(iter((np.flatnonzero(grows) + 1).tolist()), len(step))
    yield from (steps * first for steps in range(1, _LONGEST_PATTERN + 1))
    yield from (np.flatnonzero(grows < 0)[:1] + 1).tolist()


def _repeats(schedule: Schedule, delay_ps: Ints | None, block: int) -> bool:
    """Whether each flow is the one a block before; the first may wait otherwise."""
    columns: list[NDArray[np.integer[Any]]] = [schedule.qp, schedule.size_bytes, schedule.fan]
    if any((column[block:] != column[:-block]).any() for column in columns):
        return False
    waits = np.diff(schedule.dep_offsets)
    later = [waits] if delay_ps is None else [waits, delay_ps]
    if any((column[2 * block :] != column[block:-block]).any() for column in later):
        return False
    first, second, last = (int(schedule.dep_offsets[at]) for at in (block, 2 * block, -1 - block))
    return bool((schedule.dep_ids[second:] == schedule.dep_ids[first:last] + block).all())


def fast_forward(
    pattern: Pattern,
    states: Mapping[str, SwitchState],
    make: Callable[[int], ForwardedSimulation],
    progress: Callable[[ForwardedSimulation, float], None],
) -> ForwardedSimulation | str:
    """The run of the whole pattern, most of it computed; or why it is not, as it does not repeat exactly.

    Args:
        make: a simulation of so many of the first flows.
        progress: told how much of a simulation is done, 0..1.
    """
    # Most repeat within 30 blocks, if they do: that many, but no more than a small share of all.
    tried = max(16, min(32, pattern.blocks // 6), pattern.blocks // 12)
    trial = make(tried * pattern.block)
    shorter = _run_until_it_repeats(trial, pattern, progress)
    if not is_quiet(trial, states):
        return _NOT_QUIET
    if shorter is None:
        return (
            f"the first {tried} of its {pattern.blocks} equal parts do not repeat to the picosecond, or"
            " too late: hops that differ, or flows that share a link"
        )
    return _filled(make, shorter, pattern, states, progress) or _NOT_QUIET


class _SeenError(Exception):
    """The trial repeats, or its last block has begun: from there on it is not as a longer run would be."""


def _run_until_it_repeats(
    trial: ForwardedSimulation, pattern: Pattern, progress: Callable[[ForwardedSimulation, float], None]
) -> _Shorter | None:
    looked, found = 0, None

    def look() -> None:
        nonlocal looked, found
        flows = trial.sent_flows()
        if (done := _blocks_over(flows, pattern.block)) > looked * _LOOK_AGAIN:
            looked, found = done, _shorter(flows, pattern)
        if found is not None or (flows.status[-pattern.block :] != _WAITING).any():
            raise _SeenError

    progress(trial, 0.0)
    with suppress(_SeenError):
        trial.run(lambda share: progress(trial, share), after_call=look)
    return found or _shorter(trial.sent_flows(), pattern)


def _blocks_over(flows: FlowColumns, block: int) -> int:
    """How many blocks were over before the last one began, from where on a longer run has more to send."""
    over_ps = flows.acked_ps.reshape(-1, block).max(axis=1)
    is_over = (over_ps != NEVER) & (over_ps <= flows.start_ps[-block:].min())
    return len(is_over) if is_over.all() else int(is_over.argmin())


def is_quiet(simulation: ForwardedSimulation, states: Mapping[str, SwitchState]) -> bool:
    """Whether nothing random or stateful has happened, and no queue was long enough for a mark."""
    ports, qps = simulation.ports(), simulation.qps()
    happened = (ports.pauses, ports.pause_ps, ports.ecn_marks, ports.drops, ports.losses, ports.lost_frames)
    if any(column.any() for column in (*happened, qps.cnps, qps.timeouts, qps.retransmitted)):
        return False
    least = _mark_bytes(simulation, states)
    return bool((ports.max_queue_bytes[-len(least) :] <= least).all())


def _mark_bytes(simulation: ForwardedSimulation, states: Mapping[str, SwitchState]) -> Ints:
    """Of every switch port and queue, int64[ports, 8], how long it may be without a draw for marks."""
    rows = []
    for switch in simulation.fabric.switches:
        state = states[switch.name]
        for port in state.ports:
            profiles = (None if q.wred is None else state.wred_profiles[q.wred] for q in port.queues)
            rows.append([np.iinfo(np.int64).max if w is None else w.min_bytes for w in profiles])
    return np.array(rows, np.int64).reshape(-1, PRIORITIES)


@dataclass(frozen=True, slots=True)
class _Shorter:
    """A run of `blocks` blocks, with a gap to be filled, that is watched for two periods from a time on."""

    blocks: int
    gap: Gap
    from_ps: int


def _shorter(flows: FlowColumns, pattern: Pattern) -> _Shorter | None:
    """The shortest run whose end comes after it was watched; None where its flows do not repeat."""
    done = _blocks_over(flows, pattern.block)
    columns = (flows.start_ps, flows.finish_ps, flows.acked_ps)
    times = [column.reshape(-1, pattern.block)[:done] for column in columns]
    found = next(_periods(times, done), None)
    if found is None:
        return None
    length, period_ps = found
    first, from_ps = done - length, int(times[2][-1].max())
    until_ps = from_ps + 2 * period_ps
    # The first start of a block, of those that are done and, from there on, period by period.
    starts_ps = times[0].min(axis=1)
    blocks = done + (pattern.blocks - done) % length + length
    while (
        starts_ps[first + (blocks - 1 - first) % length] + (blocks - 1 - first) // length * period_ps
        <= until_ps
    ):
        blocks += length
    left_out = pattern.blocks - blocks
    if left_out <= 0 or blocks > _WORTH * pattern.blocks:
        return None
    return _Shorter(blocks, Gap(pattern.block, first, length, period_ps, left_out // length), from_ps)


def _periods(times: list[Ints], done: int) -> Iterator[tuple[int, int]]:
    """How many blocks a period has and how long it takes, where the last three are alike."""
    for length in range(1, done // 3 + 1):
        period_ps = int(times[1][-1, 0] - times[1][-1 - length, 0])
        if (times[1][-1] - times[1][-1 - length] != period_ps).any():
            continue
        if all(
            (column[-2 * length :] - column[-3 * length : -length] == period_ps).all() for column in times
        ):
            yield length, period_ps


def _filled(
    make: Callable[[int], ForwardedSimulation],
    shorter: _Shorter,
    pattern: Pattern,
    states: Mapping[str, SwitchState],
    progress: Callable[[ForwardedSimulation, float], None],
) -> ForwardedSimulation | None:
    """The run, watched over two periods, and filled; None where these are not alike."""
    simulation, period_ps = make(shorter.blocks * pattern.block), shorter.gap.period_ps
    block, looks = pattern.block, range(_LOOKS + 1)
    progress(simulation, 0.0)
    seen = []
    for look in range(2 * _LOOKS + 1):
        until_ps = shorter.from_ps + look * period_ps // _LOOKS
        simulation.run(lambda share: progress(simulation, share), until_ps, may_change=True)
        seen.append(simulation.counted())
    if (simulation.sent_flows().status[-block:] != _WAITING).any():
        return None
    grown = [seen[look + _LOOKS].grown_since(seen[look]) for look in looks]
    if not all(
        grown[look].counts_as(grown[0]) and seen[look + _LOOKS].holds_as(seen[look]) for look in looks
    ):
        return None
    simulation.run(lambda share: progress(simulation, share))
    flows = simulation.sent_flows()
    if (
        (flows.status != _DONE).any()
        or not _goes_on(flows, shorter.gap, until_ps)
        or not is_quiet(simulation, states)
    ):
        return None
    simulation.fill(shorter.gap, grown[0])
    return simulation


def _goes_on(flows: FlowColumns, gap: Gap, until_ps: int) -> bool:
    """Whether what happened up to a time is what happened a period before."""
    for column in (flows.start_ps, flows.finish_ps, flows.acked_ps):
        rows = column.reshape(-1, gap.block)[gap.first :]
        later, before = rows[gap.length :], rows[: -gap.length]
        is_due = later <= until_ps
        if (later[is_due] != before[is_due] + gap.period_ps).any():
            return False
    return True
