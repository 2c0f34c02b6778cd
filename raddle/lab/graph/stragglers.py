"""Ranks that compute slower than others, and how long computing may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from raddle.lab.graph.model import COMPUTE, Node, Part, Step

TOO_LONG = "is longer than 2000000s, 23 days"


def longest_ps(steps: Sequence[Step]) -> int:
    """The longest that a rank computes or waits in one step."""
    times = (part.time_ps for step in steps for part in step.parts if part.time_ps is not None)
    return max((int(each.max(initial=0)) for each in times), default=0)


def computing_ranks(node: Node) -> set[int]:
    """Ranks that compute for some time in a node."""
    parts = (part for step in node.steps if step.label == COMPUTE for part in step.parts)
    return {
        rank for part in parts if part.time_ps is not None for rank in part.ranks[part.time_ps > 0].tolist()
    }


def slowed(node: Node, factors: Mapping[int, float]) -> Node:
    """The node with its computing so many times longer on some ranks; waiting stays."""
    if not factors:
        return node
    return replace(node, steps=tuple(_step(step, factors) for step in node.steps))


def _step(step: Step, factors: Mapping[int, float]) -> Step:
    if step.label != COMPUTE:
        return step
    return replace(step, parts=tuple(_part(part, factors) for part in step.parts))


def _part(part: Part, factors: Mapping[int, float]) -> Part:
    if part.time_ps is None:
        return part
    factor = np.array([factors.get(rank, 1.0) for rank in part.ranks.tolist()])
    return replace(part, time_ps=np.rint(part.time_ps * factor).astype(np.int64))
