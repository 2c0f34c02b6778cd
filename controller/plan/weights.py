"""Whole-number weights of next-hop groups: as exact as a hardware group allows, or none at all.

A group of n entries gives next hop i the part w_i / n of the traffic where its share is p_i. The loss is how
much too much the worst one gets, max_i (w_i / n) / p_i - 1: what a link may carry less than its capacity
before its next hop is full.

Source: J. Zhou et al., "WCMP: weighted cost multipathing for improved fairness in data centers", EuroSys
2014, section 3 (maximum oversubscription, reduction of a group, then of all groups to the table). The least
loss at a given size is what Jefferson's method of apportionment finds (M. Balinski, H. Young, "Fair
representation", appendix A, 1982): each further entry goes where it does least harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from raddle.topology.model import TableBudget

ASSUMED_GROUP_SIZE = 128
"""Most entries of a group where the switch model does not say; an assumption (what Tomahawk 4 has)."""

LOSS_WANTED = 0.01
"""A group grows no further once its loss is this small."""


@dataclass(frozen=True, slots=True)
class Group:
    """Weights of a group's members, in their order; 0 where a member gets nothing. `loss` is a ratio."""

    weights: tuple[int, ...]
    loss: float

    @property
    def size(self) -> int:
        return sum(self.weights)


@lru_cache(maxsize=1 << 16)
def reduce_group(shares: tuple[float, ...], most: int, wanted: float = LOSS_WANTED) -> Group:
    """The smallest group whose loss is at most `wanted`, else the one with the least loss.

    Args:
        shares: each member's part of the traffic; they sum to 1.
        most: entries that a group may have.
    """
    weights = [0] * len(shares)
    best = Group((), float("inf"))
    for size in range(1, most + 1):
        taker = min(range(len(shares)), key=lambda i: (weights[i] + 1) / shares[i])
        weights[taker] += 1
        loss = max(weight / share for weight, share in zip(weights, shares, strict=True)) / size - 1
        if loss < best.loss - 1e-9:
            best = Group(tuple(weights), max(loss, 0.0))
        if best.loss <= wanted:
            break
    return best


@lru_cache(maxsize=1 << 16)
def equal_group(shares: tuple[float, ...]) -> Group:
    """The members that share equally with the least loss; a weak member may be better left out."""
    order = sorted(range(len(shares)), key=lambda i: (-shares[i], i))
    losses = [1 / (count * shares[order[count - 1]]) - 1 for count in range(1, len(shares) + 1)]
    count = min(range(1, len(shares) + 1), key=lambda count: (round(losses[count - 1], 9), -count))
    taken = set(order[:count])
    weights = tuple(int(i in taken) for i in range(len(shares)))
    return Group(weights, max(losses[count - 1], 0.0))


def reduce_groups(shares: Sequence[tuple[float, ...]], budget: TableBudget) -> list[Group]:
    """The groups of one switch, each within a group's size and all within the switch's table.

    Where they do not fit together, all are content with twice the loss, until they do; at worst they become
    groups of equal members, which `fits` judges.
    """
    most = budget.group_size or ASSUMED_GROUP_SIZE
    wanted = LOSS_WANTED
    while True:
        groups = [reduce_group(each, most, wanted) for each in shares]
        if fits(groups, budget):
            return groups
        if wanted > 1:
            return [equal_group(each) for each in shares]
        wanted *= 2


def fits(groups: Sequence[Group], budget: TableBudget) -> bool:
    """Whether a switch holds these groups; a single next hop needs none, and 0 in a budget is unknown."""
    sizes = [group.size for group in groups if group.size > 1]
    return (not budget.groups or len(sizes) <= budget.groups) and (
        not budget.group_members or sum(sizes) <= budget.group_members
    )
