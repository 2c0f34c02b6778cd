"""To how many ranks and nodes a token of a mixture of experts goes, on average.

Each token takes the k experts with the highest of its scores, which are independent; with a limit, from the
so many nodes whose two best experts have the highest sums (DeepSeek-AI, arXiv 2412.19437, 2.1.2, for top 8 in
4 nodes). Popular experts have higher scores: an expert's chance to be first is its share of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SAMPLES = 20_000
"""Tokens that are drawn where no formula holds: a share of 0.5 has a standard error of 0.35 %."""

_SAMPLES_OF_SENDER = 2_000
"""Of each rank, where each has its own experts: a standard error of 1.1 %."""


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Of an average token.

    Attributes:
        rank: float64[ranks], its chance to go to each rank, node: to each node; or float64[ranks, ...], a row
            for the tokens of each sender.
        load: float64[ranks], how many of its experts are there; over all senders.
    """

    rank: Floats
    node: Floats
    load: Floats


def uniform_hits(experts: int, top_k: int, ranks: int, nodes: int) -> Hits:
    """With experts that are equally popular and evenly placed, and no limit: exact."""
    rank, node = (_meets(experts, experts // parts, top_k) for parts in (ranks, nodes))
    return Hits(np.full(ranks, rank), np.full(nodes, node), np.full(ranks, top_k / ranks))


def _meets(experts: int, some: int, top_k: int) -> float:
    """The chance that k of so many experts, all different, have one of `some` among them."""
    return 1 - comb(experts - some, top_k) / comb(experts, top_k)


def drawn_hits(
    weights: Floats,
    seats: tuple[tuple[int, ...], ...],
    top_k: int,
    ranks: int,
    ranks_of_node: int,
    node_limit: int | None,
    seed: int,
) -> Hits:
    """With any popularity and placement, from tokens that are drawn.

    Args:
        weights: of each expert, float64[experts]; or float64[ranks, experts], those of each sender's tokens.
        seats: of each expert the ranks, of so many, that hold it; a token takes one of them by chance.
    """
    random = np.random.default_rng(seed)
    if weights.ndim == 1:
        return _drawn(weights, seats, top_k, ranks, ranks_of_node, node_limit, random, _SAMPLES)
    rows = [
        _drawn(row, seats, top_k, ranks, ranks_of_node, node_limit, random, _SAMPLES_OF_SENDER)
        for row in weights
    ]
    by_rank, by_node, loads = (
        np.stack([getattr(row, name) for row in rows]) for name in ("rank", "node", "load")
    )
    return Hits(by_rank, by_node, loads.mean(axis=0))


def _drawn(
    weights: Floats,
    seats: tuple[tuple[int, ...], ...],
    top_k: int,
    ranks: int,
    ranks_of_node: int,
    node_limit: int | None,
    random: np.random.Generator,
    samples: int,
) -> Hits:
    experts = len(weights)
    nodes = ranks // ranks_of_node
    with np.errstate(divide="ignore"):
        scores = np.log(weights) + random.gumbel(size=(samples, experts))
    home = np.array([each[0] // ranks_of_node for each in seats])
    if node_limit and node_limit < nodes:
        best = np.full((samples, nodes), -np.inf)
        for node in range(nodes):
            own = np.sort(scores[:, home == node], axis=1)[:, -2:]
            best[:, node] = own.sum(axis=1)
        kept = np.argsort(best, axis=1)[:, -node_limit:]
        allowed = np.zeros((samples, nodes), np.bool_)
        np.put_along_axis(allowed, kept, True, axis=1)
        scores = np.where(allowed[:, home], scores, -np.inf)
    chosen = np.argpartition(scores, -top_k, axis=1)[:, -top_k:]
    counts = np.array([len(each) for each in seats])
    table = np.array([[each[i % len(each)] for i in range(counts.max())] for each in seats])
    pick = (random.random(chosen.shape) * counts[chosen]).astype(np.int64)
    at = table[chosen, pick]
    hits = np.zeros((samples, ranks), np.bool_)
    np.put_along_axis(hits, at, True, axis=1)
    by_node = hits.reshape(samples, nodes, ranks_of_node).any(axis=2)
    load = np.bincount(at.reshape(-1), minlength=ranks) / samples
    return Hits(hits.mean(axis=0), by_node.mean(axis=0), load)


def expert_loads(weights: Floats, top_k: int, seed: int) -> Floats:
    """How often a token takes each expert, where nodes set no limit."""
    lone = tuple((expert,) for expert in range(weights.shape[-1]))
    return drawn_hits(weights, lone, top_k, len(lone), 1, None, seed).load


def zipf_weights(experts: int, exponent: float) -> Floats:
    """Zipf's law: the n-th expert has 1 / n^s of the first one's share."""
    weights = 1.0 / np.arange(1, experts + 1) ** exponent
    found: Floats = weights / weights.sum()
    return found
