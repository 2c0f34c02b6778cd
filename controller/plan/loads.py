"""How much the busiest link of every phase carries, and how little it could."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.assignment import Flows, KeyOf, Paths, spine_rows
from raddle.controller.plan.colouring import Ints, distinct
from raddle.controller.plan.fractional import fractional_bound
from raddle.controller.plan.model import LinkLoad
from raddle.controller.plan.slots import SlotProblem, free_bounds, key_bounds
from raddle.controller.plan.tiers import Bundles, Tiers

FRACTIONAL_PHASES = 16
"""At most so many phases get a bound by linear programming."""

_CLOSE = 1e-6


def summarize(tiers: Tiers, flows: Flows, paths: Paths, key_of: KeyOf) -> LinkLoad:
    """Loads and bounds of flows that take these paths.

    The unit is a flow on one of the slowest links between switches; on a link of twice the speed it counts
    half. The bounds hold for whole flows; flows without a path do not count.
    """
    is_placed = paths.spine >= 0
    flows = Flows(flows.src[is_placed], flows.dst[is_placed], flows.phase[is_placed])
    if not len(flows):
        return LinkLoad(0, 0, 0, 0, 0, 0)
    problem = _problem(tiers, flows, key_of)
    scale = tiers.slowest / problem.widest
    worst = _worst(tiers, problem.phase, paths.link[:, is_placed])
    free = np.maximum(free_bounds(problem) * scale, _fractional(tiers, flows, problem, worst))
    kept = np.maximum(key_bounds(problem) * scale, free)
    return LinkLoad(
        worst=float(worst.max()),
        bound=float(free.max()),
        key_bound=float(kept.max()),
        total=float(worst.sum()),
        total_bound=float(free.sum()),
        total_key_bound=float(kept.sum()),
    )


def _fractional(
    tiers: Tiers, flows: Flows, links: SlotProblem, worst: NDArray[np.float64]
) -> NDArray[np.float64]:
    """float[phases], bounds that see which links leaves have in common, of phases that miss `free_bounds`."""
    bounds = np.zeros(len(worst))
    capacity, left, right, closed = spine_rows(tiers, tiers.leaf[flows.src], tiers.leaf[flows.dst])
    of_leaves, of_pods = np.split(capacity, [2 * tiers.leaves])
    if (of_leaves == of_leaves[0, 0]).all() and (of_pods == of_pods[0, 0]).all():
        return bounds  # all links are there and alike
    every = np.arange(len(flows))
    phase = distinct(flows.phase)[1]
    problem = SlotProblem(capacity, every, phase, left, right, np.full(len(flows), -1), closed=closed)
    grain = tiers.slowest / links.widest
    missed = np.flatnonzero(worst > free_bounds(links) * grain + _CLOSE)
    for number in missed[:FRACTIONAL_PHASES].tolist():
        cost = fractional_bound(problem, number) * tiers.slowest / problem.widest
        bounds[number] = np.ceil(cost / grain - _CLOSE) * grain
    return bounds


def _problem(tiers: Tiers, flows: Flows, key_of: KeyOf) -> SlotProblem:
    """The flows on all links out of and into every leaf, and every pod, as if they could take any of them."""
    source, target = tiers.leaf[flows.src], tiers.leaf[flows.dst]
    from_pod, to_pod = tiers.pod[source], tiers.pod[target]
    leaves, pods = tiers.leaves, len(tiers.spine_at)
    lower = tiers.lower.capacity.reshape(leaves, -1)
    upper = tiers.upper.capacity.reshape(tiers.spines, -1)
    upper = np.concatenate((upper, np.zeros((1, upper.shape[1]), np.int64)))[tiers.spine_at].reshape(pods, -1)
    capacity = np.zeros((2 * (leaves + pods), max(lower.shape[1], upper.shape[1])), np.int64)
    capacity[: 2 * leaves, : lower.shape[1]] = np.concatenate((lower, lower))
    capacity[2 * leaves :, : upper.shape[1]] = np.concatenate((upper, upper))
    is_far = from_pod != to_pod
    _, key = distinct(key_of(source, flows.src, flows.dst))
    _, phase = distinct(flows.phase)
    return SlotProblem(
        capacity=capacity,
        key=key,
        phase=phase,
        left=(source, np.where(is_far, 2 * leaves + from_pod, -1)),
        right=(leaves + target, np.where(is_far, 2 * leaves + pods + to_pod, -1)),
        fixed=np.full(int(key.max()) + 1, -1, np.int64),
    )


def _worst(tiers: Tiers, phase: Ints, link: Ints) -> NDArray[np.float64]:
    """float[phases], the cost of the busiest link; `link` is int[4, F], a link's way up and down apart."""
    capacity = _capacity_by_link(tiers.lower, tiers.upper)
    hops = len(link)
    is_up = np.repeat(np.arange(hops) < hops // 2, link.shape[1])
    used = link.ravel() >= 0
    channel = (2 * link.ravel() + is_up)[used]
    cells, place = distinct(np.tile(phase, hops)[used] * 2 * len(capacity) + channel)
    count = np.bincount(place)
    in_phase, channel = np.divmod(cells, 2 * len(capacity))
    worst = np.zeros(int(phase.max()) + 1)
    np.maximum.at(worst, in_phase, count * tiers.slowest / capacity[channel // 2])
    return worst


def _capacity_by_link(*tiers: Bundles) -> Ints:
    capacity = np.zeros(1 + max(int(bundles.link.max(initial=-1)) for bundles in tiers), np.int64)
    for bundles in tiers:
        is_there = bundles.link >= 0
        capacity[bundles.link[is_there]] = bundles.capacity[is_there]
    return capacity
