"""Dispatch and combine of experts: `{moe: dispatch, tokens: 4096}`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import numpy as np
from pydantic import Field

from raddle.errors import InputError
from raddle.lab.graph.groups import EVERYONE
from raddle.lab.graph.kinds.record import Context, Made, NodeKind, StreamSpec
from raddle.lab.graph.model import Ints, Part, Step
from raddle.lab.graph.moe.messages import copy_bytes, straight, through_nodes
from raddle.lab.graph.moe.placement import enough_copies, evened, in_order
from raddle.lab.graph.moe.routing import Floats, Hits, drawn_hits, expert_loads, uniform_hits, zipf_weights
from raddle.lab.graph.moe.weights_file import read_weights
from raddle.topology.yaml.fields import Copies, Count, Factor, Name, Text
from raddle.topology.yaml.parsers import AUTO
from raddle.workload import NOWHERE, Seats, Workload

_SEED = 1
_NOWHERE = Seats.of_endpoints(np.zeros(0, np.int32))


class ExpertsSpec(StreamSpec):
    """Where tokens go, and how."""

    group: Name = EVERYONE
    """Expert-parallel groups, side by side; a node is a scale-up domain, or a rank outside of any."""
    mode: Literal["normal", "low_latency"] = "normal"
    """normal: once to each node and on from there; low_latency: straight to each rank."""
    hidden: Count = 7168
    """Values of a token."""
    experts: Count = 256
    """In all, evenly over the ranks."""
    top_k: Count = 8
    """Experts of a token."""
    node_limit: Count | None = None
    """A token's experts are on at most so many nodes [default: any]."""
    zipf: Factor | None = None
    """Exponent of Zipf's law for the popularity of experts [default: all alike]."""
    weights: Text | None = None
    """CSV in its place: columns expert,weight, or a row for each rank with a weight for each expert."""
    placement: Literal["in_order", "even"] = "in_order"
    """in_order: neighbours together; even: so that ranks have even loads."""
    copies: Copies = Field(default=0)
    """Experts that are held once more, where placement is even; auto: as many as even the loads."""


class MoeSpec(ExpertsSpec):
    """Tokens go to the ranks of their experts, or results come back."""

    moe: Literal["dispatch", "combine"]
    """dispatch or combine."""
    tokens: Count
    """Of each rank."""
    precision: Literal["fp8", "bf16"] | None = None
    """Of values; FP8 has a scale of 4 bytes for each 128 [default: fp8 for dispatch, bf16 for combine]."""


Sends = Callable[[bool, int, str], tuple[Part, ...]]
"""Parts of dispatch, or of combine where true, of so many tokens of each rank in a precision."""


def _make(spec: MoeSpec, context: Context) -> Made:
    spec = with_copies(spec, context)
    sends, said = experts_of(spec, context, "moe")
    combines = spec.moe == "combine"
    parts = sends(combines, spec.tokens, spec.precision or ("bf16" if combines else "fp8"))
    mode = spec.mode.replace("_", " ")
    step = Step(parts, spec.stream or f"moe {spec.group}", "ep")
    return Made((step,), f"moe {spec.moe}, {mode}, {spec.tokens} tokens{said}")


Experts = TypeVar("Experts", bound=ExpertsSpec)


def with_copies(spec: Experts, context: Context) -> Experts:
    """The node with the number of copies that evens the loads, where that is to be found."""
    if spec.copies != AUTO:
        return spec
    _check_placement(spec, context)
    ranks = len(context.group(spec.group, "group").parts[0])
    loads = expert_loads(_weights(spec, context, ranks), min(spec.top_k, spec.experts), _SEED)
    return spec.model_copy(update={"copies": enough_copies(loads, ranks)})


def experts_of(spec: ExpertsSpec, context: Context, key: str) -> tuple[Sends, str]:
    """What the groups of a node send, and what is to be said of loads.

    Args:
        key: of the node, where what is wrong with it is told.
    """
    found, said = [], ""
    for ranks in context.group(spec.group, "group").parts:
        width = _node_width(context, ranks)
        hits, said = _hits(spec, context, len(ranks), width, key)
        make = straight if spec.mode == "low_latency" or width == 1 else through_nodes
        found.append((ranks, hits, make))

    def sends(combines: bool, tokens: int, precision: str) -> tuple[Part, ...]:
        each_bytes = copy_bytes(spec.hidden, precision)
        return tuple(
            Part(ranks, Workload(make(hits, tokens, each_bytes, combines=combines), _NOWHERE))
            for ranks, hits, make in found
        )

    return sends, said


def _node_width(context: Context, ranks: Ints) -> int:
    """Ranks of each node of a group, which must all have as many, in a row."""
    domain = context.seats.domain[ranks]
    if (domain == NOWHERE).any():
        return 1
    starts = np.flatnonzero(np.diff(domain, prepend=NOWHERE))
    widths = set(np.diff(np.append(starts, len(domain))).tolist())
    if len(widths) > 1 or len(set(domain[starts].tolist())) < len(starts):
        message = "the group's ranks are not as many on each node, one node after the other"
        raise context.error("uneven-groups", message, ("group",), "take whole nodes")
    return int(widths.pop())


def _hits(spec: ExpertsSpec, context: Context, ranks: int, width: int, key: str) -> tuple[Hits, str]:
    """Where tokens go, and what is to be said of loads."""
    _check(spec, context, ranks, width, key)
    is_even = spec.zipf is None and spec.weights is None and spec.placement == "in_order"
    if is_even and (spec.node_limit or ranks) >= ranks // width:
        return uniform_hits(spec.experts, spec.top_k, ranks, ranks // width), ""
    weights = _weights(spec, context, ranks)
    usual = in_order(spec.experts, ranks)
    if is_even:
        return drawn_hits(weights, usual, spec.top_k, ranks, width, spec.node_limit, _SEED), ""
    before = drawn_hits(weights, usual, spec.top_k, ranks, width, spec.node_limit, _SEED)
    busiest = f"{before.load.max() / before.load.mean():.2f} x the mean load"
    if spec.placement == "in_order":
        return before, f"; the busiest rank has {busiest}"
    placement = evened(expert_loads(weights, spec.top_k, _SEED), ranks, spec.copies)
    after = drawn_hits(weights, placement, spec.top_k, ranks, width, spec.node_limit, _SEED)
    evenly = f"{after.load.max() / after.load.mean():.2f} x the mean load"
    copies = f"with {spec.copies} copies " if spec.copies else ""
    return after, f"; {copies}the busiest rank has {evenly}, in order {busiest}"


def _check_placement(spec: ExpertsSpec, context: Context) -> None:
    if spec.copies and spec.placement == "in_order":
        hint = "add placement: even"
        raise context.error("bad-workload", "copies of experts are for an even placement", ("copies",), hint)


def _check(spec: ExpertsSpec, context: Context, ranks: int, width: int, key: str) -> None:
    nodes = ranks // width
    _check_placement(spec, context)
    if ranks < 2 or (spec.experts + spec.copies) % ranks:
        message = f"{spec.experts} experts and {spec.copies} copies do not divide among {ranks} ranks"
        raise context.error("groups-do-not-cover", message, (key,))
    if spec.node_limit and (spec.node_limit < nodes and spec.copies):
        raise context.error(
            "bad-workload", "a node limit and copies of experts exclude each other", ("copies",)
        )
    reach = spec.experts * min(spec.node_limit or nodes, nodes) // nodes
    if spec.top_k > reach:
        raise context.error("bad-workload", f"a token takes {spec.top_k} of {reach} experts", (key,))
    if spec.zipf is not None and spec.weights is not None:
        raise context.error(
            "bad-workload", "'zipf' and 'weights' both say how popular experts are", ("weights",)
        )


def _weights(spec: ExpertsSpec, context: Context, ranks: int) -> Floats:
    if spec.weights is None:
        return zipf_weights(spec.experts, spec.zipf or 0.0)
    try:
        return read_weights(context.folder / spec.weights, spec.experts, ranks, spec.top_k)
    except InputError as error:
        raise context.placed(error, "weights") from None


MOE_KIND = NodeKind("moe", MoeSpec, _make)
