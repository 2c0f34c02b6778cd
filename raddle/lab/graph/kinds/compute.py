"""Computing: every rank of a group is busy for a time; and waiting, which keeps no rank busy."""

from __future__ import annotations

from raddle.lab.graph.groups import EVERYONE
from raddle.lab.graph.kinds.record import Context, Made, NodeKind, StreamSpec, times
from raddle.lab.graph.model import COMPUTE, Part, Step
from raddle.topology.yaml.fields import Duration, Name
from raddle.units import format_time


class ComputeSpec(StreamSpec):
    """Computing: `{compute: 50us, group: GROUP}`."""

    compute: Duration
    """How long each rank computes; one thing at a time."""
    group: Name = EVERYONE
    """The group whose ranks do."""


class DelaySpec(StreamSpec):
    """Waiting: `{delay: 50us, group: GROUP}`."""

    delay: Duration
    """How long each rank waits, from when all is done that the node is after."""
    group: Name = EVERYONE
    """The group whose ranks do."""


def _step(context: Context, group: str, time_ps: int, stream: str, label: str) -> tuple[Step, ...]:
    ranks = context.group(group, "group").ranks
    return (Step((Part(ranks, time_ps=times(len(ranks), time_ps)),), stream, label),)


def _compute(spec: ComputeSpec, context: Context) -> Made:
    steps = _step(context, spec.group, spec.compute, spec.stream or COMPUTE, COMPUTE)
    return Made(steps, f"compute {format_time(spec.compute)}")


def _delay(spec: DelaySpec, context: Context) -> Made:
    """Two that wait at the same time do not hold each other up: each has a stream of its own."""
    own = f"delay {context.name}"
    return Made(
        _step(context, spec.group, spec.delay, spec.stream or own, "delay"),
        f"delay {format_time(spec.delay)}",
    )


COMPUTE_KIND = NodeKind("compute", ComputeSpec, _compute)
DELAY_KIND = NodeKind("delay", DelaySpec, _delay)
