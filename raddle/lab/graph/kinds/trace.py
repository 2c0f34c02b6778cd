"""A trace of another tool: `{goal: FILE.goal, group: GROUP}`."""

from __future__ import annotations

from dataclasses import replace

from raddle.lab.graph.groups import EVERYONE
from raddle.lab.graph.kinds.record import Context, Made, NodeKind, NodeSpec
from raddle.lab.graph.traces.goal import read_goal
from raddle.lab.graph.traces.operations import SEND, steps_of
from raddle.topology.yaml.fields import Name, Text


class GoalSpec(NodeSpec):
    """What the ranks of a GOAL file do."""

    goal: Text
    """The file, in text, beside the workload."""
    group: Name = EVERYONE
    """Its ranks are the file's, in order."""


def _goal(spec: GoalSpec, context: Context) -> Made:
    group, path = context.group(spec.group, "group").ranks, context.folder / spec.goal
    trace = read_goal(path)
    if len(group) != trace.ranks:
        message = f"'{spec.goal}' has {trace.ranks} ranks, '{spec.group}' {len(group)}"
        raise context.error("uneven-groups", message, ("goal",), "name a group of as many")
    steps = tuple(
        replace(step, parts=tuple(replace(part, ranks=group[part.ranks]) for part in step.parts))
        for step in steps_of(str(path), trace.operations)
    )
    if not steps:
        raise context.error("bad-workload", f"nothing is done in '{spec.goal}'", ("goal",))
    sent = sum(each.kind == SEND for each in trace.operations)
    changed = f" ({'; '.join(trace.changed)})" if trace.changed else ""
    return Made(steps, f"trace of {sent} messages and {len(steps) - sent} calcs from {spec.goal}{changed}")


GOAL_KIND = NodeKind("goal", GoalSpec, _goal)
