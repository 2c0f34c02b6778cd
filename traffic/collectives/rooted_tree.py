"""Double binary trees hung up at a root, for a broadcast down or a reduction up.

NCCL has only chains for these. The two trees are its all-reduce's, with the way from their own root to this
one turned around, each for half of the data.
"""

from __future__ import annotations

from collections.abc import Iterator

from raddle.traffic.collectives import chain, double_tree, trees
from raddle.traffic.collectives.record import Pairs
from raddle.traffic.collectives.slices import slices
from raddle.traffic.collectives.trees import ROOT, Trees
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import split_elements
from raddle.workload import Schedule


def lanes(shape: Shape, root: int) -> Trees:
    """The trees of each channel, with this root."""
    hung = double_tree.over_servers(shape, in_switch=False)
    parent = hung.parent.copy()
    for own in parent:
        below, at = ROOT, root
        while at != ROOT:
            above = int(own[at])
            own[at] = below
            below, at = at, above
    return Trees(parent, hung.copies)


def schedule(name: str, shape: Shape, root: int, size_bytes: int, *, up: bool) -> Schedule:
    """A reduction (`up`) or a broadcast."""
    hung = lanes(shape, root)
    lane_bytes = split_elements(size_bytes, len(hung.parent))
    return trees.schedule(name, hung, lane_bytes, _parts(shape, hung, size_bytes), up=up, down=not up)


def count_flows(shape: Shape, root: int, size_bytes: int) -> int:
    """Of the schedule of so many bytes."""
    hung = lanes(shape, root)
    return hung.edges * _parts(shape, hung, size_bytes)


def pairs(shape: Shape, root: int, *, up: bool) -> Iterator[Pairs]:
    """One phase."""
    return trees.pairs(lanes(shape, root), up=up, down=not up)


def _parts(shape: Shape, hung: Trees, size_bytes: int) -> int:
    return slices(size_bytes // len(hung.parent), chain.slice_bytes(shape), int(hung.depth.max()))
