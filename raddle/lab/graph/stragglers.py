"""Ranks that compute slower than others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from raddle.lab.graph.model import COMPUTE, Node, Part, Step


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
