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

LOSS_WANTED = 0.01
"""A group grows no further once its loss is this small."""

_EQUAL = 1e-6
"""Shares come from single precision: what differs by less is equal."""


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

    Equal members all have their entry where there is room: none of a hundred is left out for its one percent.

    Args:
        shares: each member's part of the traffic; they sum to 1.
        most: entries that a group may have.
    """
    if wanted <= LOSS_WANTED and len(shares) <= most and max(shares) <= min(shares) * (1 + _EQUAL):
        return Group((1,) * len(shares), 0.0)
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


def loss_of(weights: Sequence[int], shares: Sequence[float]) -> float:
    """How much more than its share the worst member gets, as a ratio of it."""
    total = sum(weights)
    return max(0.0, max(weight / total / share for weight, share in zip(weights, shares, strict=True)) - 1)


@lru_cache(maxsize=1 << 16)
def equal_weights(shares: tuple[float, ...]) -> tuple[int, ...]:
    """1 for the members that share equally with the least loss, 0 for the others: a weak one may be better
    left out. Shares may be in any unit."""
    order = sorted(range(len(shares)), key=lambda i: (-shares[i], i))
    counts = [count for count in range(1, len(shares) + 1) if shares[order[count - 1]] > 0]
    # The last one taken is the worst off: it gets 1 / count where its share is the least.
    taken = min(counts, key=lambda count: (round(1 / (count * shares[order[count - 1]]), 9), -count))
    return tuple(int(i in order[:taken]) for i in range(len(shares)))


def reduce_groups(shares: Sequence[tuple[float, ...]], budget: TableBudget) -> list[Group]:
    """The groups of one switch, each within a group's size and all within the switch's table.

    Where they do not fit together, all are content with twice the loss, until they do; at worst they become
    groups of equal members, which `fits` judges.
    """
    most = budget.most_of_group
    wanted = LOSS_WANTED
    while True:
        groups = [reduce_group(each, most, wanted) for each in shares]
        if fits(groups, budget):
            return groups
        if wanted > 1:
            return [Group(equal := equal_weights(each), loss_of(equal, each)) for each in shares]
        wanted *= 2


def fits(groups: Sequence[Group], budget: TableBudget) -> bool:
    """Whether a switch holds these groups; a single next hop needs none, and 0 in a budget is unknown."""
    sizes = [group.size for group in groups if group.size > 1]
    return (not budget.groups or len(sizes) <= budget.groups) and (
        not budget.group_members or sum(sizes) <= budget.group_members
    )
