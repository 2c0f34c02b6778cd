"""The least load if flows could be cut into parts: a bound that sees which links switches have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.colouring import Ints, distinct
from raddle.controller.plan.linear import Program, minimise
from raddle.controller.plan.slots import SlotProblem

MOST_COLUMNS = 40_000
"""Larger linear programs are not solved: they would take longer than the bound is worth (about 5 s)."""


def fractional_bound(problem: SlotProblem, phase: int) -> float:
    """The cost of the busiest link of a phase, at least; 0 where the linear program would be too large.

    Flows of one pair of rows are one commodity, which may divide over all slots that it can take. The
    program minimises the cost of the busiest link; HiGHS solves it.
    """
    flows = problem.phase == phase
    columns = [column[flows] for column in (*problem.left, *problem.right)]
    ends = np.stack(columns)
    commodities, member, count = np.unique(ends, axis=1, return_inverse=True, return_counts=True)
    is_open = problem.is_open[problem.key[flows]][np.unique(member, return_index=True)[1]]
    commodity, slot = np.nonzero(is_open)
    if not len(commodity) or len(commodity) > MOST_COLUMNS:
        return 0.0
    # Column 0 is the cost of the busiest link; then a column for every commodity and slot.
    rows, cols, values = [commodity], [1 + np.arange(len(commodity))], [np.ones(len(commodity))]
    used = []
    for row in commodities:
        loads = row[commodity] >= 0
        used.append((row[commodity] * problem.slots + slot)[loads])
        cols.append(1 + np.flatnonzero(loads))
    links, place = distinct(np.concatenate(used))
    rows.append(len(count) + place)
    values.append(problem.unit.ravel()[links[place]].astype(float))
    rows.append(len(count) + np.arange(len(links)))
    cols.append(np.zeros(len(links), np.int64))
    values.append(np.full(len(links), -1.0))
    return _solve(np.concatenate(rows), np.concatenate(cols), np.concatenate(values), count, len(links))


def _solve(rows: Ints, cols: Ints, values: NDArray[np.float64], demands: Ints, links: int) -> float:
    """Minimise column 0: the first rows equal the demands, the others are at most 0."""
    cost = np.zeros(int(cols.max()) + 1)
    cost[0] = 1.0
    wanted = demands.astype(np.float64)
    lower = np.concatenate((wanted, np.full(links, -np.inf)))
    upper = np.concatenate((wanted, np.zeros(links)))
    solution = minimise(Program(cost, rows, cols, values, lower, upper))
    return 0.0 if solution is None else float(solution[0])
