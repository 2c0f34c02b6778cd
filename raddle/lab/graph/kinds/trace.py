"""A trace of another tool: `{goal: FILE.goal, group: GROUP}`, `{simai: FILE.txt, group: GROUP}`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from raddle.errors import InputError
from raddle.lab.graph.groups import EVERYONE, Group
from raddle.lab.graph.kinds.collective import collective_step
from raddle.lab.graph.kinds.record import Context, Made, NodeKind, NodeSpec, times
from raddle.lab.graph.model import COMPUTE, Ints, Part, Step
from raddle.lab.graph.traces.chakra import read_chakra
from raddle.lab.graph.traces.goal import read_goal
from raddle.lab.graph.traces.operations import SEND, Operation, steps_of
from raddle.lab.graph.traces.simai import Communication, SimaiWorkload, read_simai
from raddle.topology.yaml.fields import Name, Text
from raddle.traffic import Terms


def _on(group: Ints, step: Step) -> Step:
    """A step of a trace, whose ranks are places in a group, on the ranks of that group."""
    return replace(step, parts=tuple(replace(part, ranks=group[part.ranks]) for part in step.parts))


class GoalSpec(NodeSpec):
    """What the ranks of a GOAL file do."""

    goal: Text
    """The file, in text, beside the workload."""
    group: Name = EVERYONE
    """Its ranks are the file's, in order."""


def _goal(spec: GoalSpec, context: Context) -> Made:
    group, path = context.group(spec.group, "group").ranks, context.folder / spec.goal
    try:
        trace = read_goal(path)
    except InputError as error:
        raise context.placed(error, "goal") from None
    if len(group) != trace.ranks:
        message = f"'{spec.goal}' has {trace.ranks} ranks, '{spec.group}' {len(group)}"
        raise context.error("uneven-groups", message, ("goal",), "name a group of as many")
    steps = tuple(_on(group, step) for step in steps_of(trace.operations))
    if not steps:
        raise context.error("bad-workload", f"nothing is done in '{spec.goal}'", ("goal",))
    sent = sum(each.kind == SEND for each in trace.operations)
    changed = f" ({'; '.join(trace.changed)})" if trace.changed else ""
    return Made(steps, f"trace of {sent} messages and {len(steps) - sent} calcs from {spec.goal}{changed}")


GOAL_KIND = NodeKind("goal", GoalSpec, _goal)


class ChakraSpec(NodeSpec):
    """What the ranks of Chakra execution traces do."""

    chakra: Text
    """PREFIX of PREFIX.0.et, PREFIX.1.et, ... beside the workload."""
    group: Name = EVERYONE
    """Its ranks are those of the files, in order."""


def _chakra(spec: ChakraSpec, context: Context) -> Made:
    group = context.group(spec.group, "group").ranks
    try:
        trace = read_chakra(context.folder / spec.chakra, len(group))
    except InputError as error:
        raise context.placed(error, "chakra") from None

    def joined(each: Operation, ranks: tuple[int, ...]) -> Step:
        size = each.size_bytes * (len(ranks) if each.collective == "all_gather" else 1)
        members = Group(each.group, (np.array(ranks),))
        found = replace(members, parts=(group[members.ranks],))
        name = f"group {each.group}"
        return collective_step(context, found, each.collective, None, size, Terms(), name, each.collective)[0]

    steps = tuple(
        _on(group, step) if step.label in (COMPUTE, SEND) else step
        for step in steps_of(trace.operations, joined)
    )
    changed = f" ({'; '.join(trace.changed)})" if trace.changed else ""
    return Made(steps, f"{len(steps)} operations of {spec.chakra}{changed}")


CHAKRA_KIND = NodeKind("chakra", ChakraSpec, _chakra)


class SimaiSpec(NodeSpec):
    """A step of a workload file of SimAI or AICB."""

    simai: Text
    """The file, beside the workload."""
    group: Name = EVERYONE
    """Its ranks are the file's, in order."""


def _simai(spec: SimaiSpec, context: Context) -> Made:
    group, path = context.group(spec.group, "group").ranks, context.folder / spec.simai
    try:
        trace = read_simai(path)
    except InputError as error:
        raise context.placed(error, "simai") from None
    if len(group) != trace.ranks:
        message = f"'{spec.simai}' has {trace.ranks} ranks, '{spec.group}' {len(group)}"
        raise context.error("uneven-groups", message, ("simai",), "name a group of as many")
    steps = _SimaiSteps(context, group, trace).steps()
    sizes = f"TP {trace.tp} x DP {trace.ranks // trace.tp}" + (f", EP {trace.ep}" if trace.ep > 1 else "")
    what = f"{len(trace.rows)} rows from {spec.simai}, {sizes}"
    return Made(steps, f"{what} (update times left out)")


class _SimaiSteps:
    """Rows as steps: all forward, then all backward; what gradients of weights send goes on beside."""

    def __init__(self, context: Context, group: Ints, trace: SimaiWorkload) -> None:
        self._context, self._group, self._trace = context, group, trace
        tp, ep = trace.tp, trace.ep
        by_data = group.reshape(-1, tp).T  # a row for each place in tensor parallelism
        self._groups = {
            "tp": Group("tp", tuple(group.reshape(-1, tp))),
            "dp": Group("dp", tuple(by_data)),
            "ep": Group("ep", tuple(by_data.reshape(-1, ep))),
            "dp_ep": Group("dp_ep", tuple(by_data.reshape(tp, -1, ep).swapaxes(1, 2).reshape(tp * ep, -1))),
        }
        self._made: list[Step] = []
        self._last: tuple[int, ...] = ()

    def steps(self) -> tuple[Step, ...]:
        for row in self._trace.rows:
            self._compute(row.forward_ns)
            self._send(row.forward, "tp", waits=True)
        for row in reversed(self._trace.rows):
            self._compute(row.weight_ns)
            self._send(row.weight, "dp", waits=False)
            self._compute(row.input_ns)
            self._send(row.input, "tp", waits=True)
        return tuple(self._made)

    def _compute(self, time_ns: int) -> None:
        part = Part(self._group, time_ps=times(len(self._group), time_ns * 1000))
        self._add(Step((part,), COMPUTE, COMPUTE, self._last), waits=True)

    def _send(self, each: Communication | None, usual: str, *, waits: bool) -> None:
        if each is None:
            return
        name = {"": usual, "_EP": "ep", "_DP_EP": "dp_ep"}[each.suffix]
        group = self._groups[name]
        if len(group.parts[0]) == 1:
            return
        step, _ = collective_step(
            self._context, group, each.operation, None, each.size_bytes, Terms(), name, name
        )
        self._add(replace(step, after=self._last), waits=waits)

    def _add(self, step: Step, *, waits: bool) -> None:
        self._made.append(step)
        if waits:
            self._last = (len(self._made) - 1,)


SIMAI_KIND = NodeKind("simai", SimaiSpec, _simai)
