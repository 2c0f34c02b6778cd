"""Double binary trees over servers: an inner server of one is a leaf of the other, or all but one are.

Source: Sanders, Speck and Traeff, "Two-tree algorithms for full bandwidth broadcast, reduction and scan",
Parallel Computing 35(12), 2009, in the form of NCCL's src/graph/trees.cc. Inside a server NCCL chains the
accelerators behind the one that talks to other servers; with in-switch reduction (NVLS Tree) they are all its
children, summed and copied by the switch of their domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.collectives import trees
from raddle.traffic.collectives.chains import heads
from raddle.traffic.collectives.record import Pairs
from raddle.traffic.collectives.slices import buffered, slices
from raddle.traffic.collectives.trees import ROOT, Trees
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import Buffer, split_elements
from raddle.workload import Schedule

Ints = NDArray[np.int64]


def double_tree(nodes: int) -> Ints:
    """int64[2, nodes], the parent of each node in both trees; ROOT at the root."""
    first = _parents(nodes)
    node = np.arange(nodes)
    if nodes % 2 == 0:
        mirrored = first[::-1]
        second = np.where(mirrored == ROOT, ROOT, nodes - 1 - mirrored)
    else:
        shifted = first[(node - 1) % nodes]
        second = np.where(shifted == ROOT, ROOT, (shifted + 1) % nodes)
    return np.stack([first, second])


def _parents(nodes: int) -> Ints:
    """The binary tree whose leaves are the odd numbers: a number's lowest bit is its height, 0 the root."""
    node = np.arange(nodes)
    bit = node & -node
    up = (node ^ bit) | (bit << 1)
    return np.where(node == 0, ROOT, np.where(up < nodes, up, node ^ bit))


def over_servers(shape: Shape, *, in_switch: bool) -> Trees:
    """Two trees for each channel: lane 2 * channel + tree.

    Channel c goes between servers at place c, so on one rail. A server alone has one tree for each channel:
    NCCL's chain is the same for all, in-switch every channel has its own head.
    """
    servers, head = shape.servers, heads(shape)
    nodes = double_tree(len(servers))[: 1 if len(servers) == 1 else 2]
    parent = np.full((shape.channels, len(nodes), shape.ranks), ROOT)
    copies = np.zeros_like(parent)
    for at, server in enumerate(servers):
        for channel in range(shape.channels):
            if in_switch:
                parent[channel, :, server] = head[channel, at]
                others = len(server) - 1
                copies[channel, :, server] = others if others > 1 else 0
            else:
                begin = int(np.searchsorted(server, head[channel, at])) if len(servers) > 1 else 0
                chain = np.roll(server, -begin)
                parent[channel, :, chain[1:]] = chain[:-1, None]
    if in_switch or len(servers) > 1:
        between = np.where(nodes == ROOT, ROOT, head[:, nodes])
        lane, tree = np.ogrid[: shape.channels, : len(nodes)]
        parent[lane[..., None], tree[..., None], head[:, None, :]] = between
        copies[lane[..., None], tree[..., None], head[:, None, :]] = 0
    return Trees(parent.reshape(-1, shape.ranks), copies.reshape(-1, shape.ranks))


def schedule(name: str, shape: Shape, size_bytes: int, *, in_switch: bool) -> Schedule:
    """An all-reduce: every lane up its tree and down again."""
    lanes = over_servers(shape, in_switch=in_switch)
    lane_bytes = split_elements(size_bytes, len(lanes.parent))
    parts = _slices(shape, lanes, size_bytes, in_switch=in_switch)
    whole = int(lane_bytes.max()) // parts
    ahead = buffered(whole, _unit(shape, in_switch=in_switch)) if len(shape.servers) > 1 else 0
    return trees.schedule(name, lanes, lane_bytes, parts, ahead=ahead)


def count_flows(buffer: Buffer, *, in_switch: bool) -> Callable[[Shape, int], int]:
    """Flows by shape and size; `buffer` rounds the size."""

    def count(shape: Shape, size_bytes: int) -> int:
        lanes = over_servers(shape, in_switch=in_switch)
        rounded_bytes = buffer(shape.ranks, size_bytes).size_bytes
        return 2 * lanes.edges * _slices(shape, lanes, rounded_bytes, in_switch=in_switch)

    return count


def pairs_of(*, in_switch: bool) -> Callable[[Shape], Iterator[Pairs]]:
    """One phase."""
    return lambda shape: trees.pairs(over_servers(shape, in_switch=in_switch))


def _slices(shape: Shape, lanes: Trees, size_bytes: int, *, in_switch: bool) -> int:
    unit = _unit(shape, in_switch=in_switch)
    return slices(size_bytes // len(lanes.parent), unit, 2 * int(lanes.depth.max()))


def _unit(shape: Shape, *, in_switch: bool) -> int:
    return shape.protocol.switch_slice_bytes if in_switch else shape.protocol.tree_slice_bytes
