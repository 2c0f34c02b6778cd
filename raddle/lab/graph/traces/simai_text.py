"""A training step as a workload file of SimAI; simai.py has the form and its source.

SimAI runs all rows forward and then all backward. So gradients go with the rows of the first micro-batch,
which are the last ones on the way back, and parameters that come back at the end are rows before all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from raddle.errors import InputError
from raddle.lab.graph.model import Graph
from raddle.lab.graph.traces.simai import FORM, OPERATIONS, Communication, Row
from raddle.lab.graph.training.plan import TrainingPlan

_NS = 1000
_WORDS = {operation: word for word, operation in OPERATIONS.items()}
_Pair = tuple[Communication, Communication]
"""What is sent forward behind some computing, and on the way back."""


def plan_of(graph: Graph) -> TrainingPlan:
    """The step of training that a graph is.

    Raises:
        InputError: `not-exportable`, it is something else, or a step that a file of SimAI cannot say.
    """
    nodes = [node for job in graph.jobs for node in job.nodes]
    plan = nodes[0].plan if len(nodes) == 1 else None
    if plan is None:
        hint = "export goal and export chakra take any workload"
        raise InputError.of("not-exportable", "a file of SimAI is one 'training' node and nothing else", hint)
    for what, is_so in (
        (f"{plan.pp} pipeline stages", plan.pp > 1),
        (f"context-parallel groups of {plan.cp}", plan.cp > 1),
        ("parameters that are sharded out (zero3)", plan.sharding == "zero3"),
    ):
        if is_so:
            raise InputError.of("not-exportable", f"rows of SimAI cannot say {what}")
    return plan


def simai_text(plan: TrainingPlan) -> str:
    """The file; its ranks are the plan's, in order."""
    rows = list(_rows(plan))
    sizes = f"model_parallel_NPU_group: {plan.tp} ep: {plan.ep} pp: 1 vpp: {plan.layers}"
    head = f"{FORM} {sizes} ga: {plan.micro_batches} all_gpus: {plan.ranks} pp_comm: 0"
    return "".join(f"{line}\n" for line in (head, len(rows), *map(_line, rows)))


def lost_in_simai(plan: TrainingPlan) -> Iterator[str]:
    """What a step has and the file does not."""
    if plan.micro_batches > 1:
        yield "that a micro-batch goes back before the next one comes: all rows go forward, then all back"
    if plan.dp > 1:
        yield "buckets of gradients, which go layer by layer"
    yield "that collectives are rings: who runs the file chooses"
    yield "what of computing backward is of inputs and what of weights: half each"
    if plan.forward_ps % (2 * _NS) or plan.backward_ps % (4 * _NS):
        yield "parts of a nanosecond"
    yield "names, and where ranks are"


def _rows(plan: TrainingPlan) -> Iterator[Row]:
    if plan.sharding != "ddp":
        for each in _shared(plan, "all_gather", range(plan.layers), plan.param_bytes):
            yield Row("parameters", 0, None, 0, None, 0, each)
    reduced = "all_reduce" if plan.sharding == "ddp" else "reduce_scatter"
    for micro_batch in range(plan.micro_batches):
        for layer in range(plan.layers):
            gradients = [] if micro_batch else _shared(plan, reduced, (layer,), plan.grad_bytes)
            yield from _layer(plan, f"layer{layer}", gradients)


def _layer(plan: TrainingPlan, name: str, gradients: list[Communication]) -> Iterator[Row]:
    tensor, experts = _tensor(plan), _experts(plan)
    halves = plan.forward_ps // 2, plan.backward_ps // 2
    rest = plan.forward_ps - halves[0], plan.backward_ps - halves[1]
    yield from _part(f"{name}.attention", *halves, tensor, gradients[:1])
    if experts:
        yield from _part(f"{name}.dispatch", 0, 0, experts[:1], [])
    yield from _part(f"{name}.mlp", *rest, [*experts[1:], *tensor], gradients[1:])


def _part(
    name: str, forward_ps: int, backward_ps: int, sent: list[_Pair], gradients: list[Communication]
) -> Iterator[Row]:
    """A row that computes, and one more for all that it sends after the first."""
    weight_ns = backward_ps // 2 // _NS
    first: tuple[Communication | None, Communication | None] = sent[0] if sent else (None, None)
    gradient = gradients[0] if gradients else None
    yield Row(
        name, forward_ps // _NS, first[0], backward_ps // _NS - weight_ns, first[1], weight_ns, gradient
    )
    for forward, backward in sent[1:]:
        yield Row(name, 0, forward, 0, backward, 0, None)


def _tensor(plan: TrainingPlan) -> list[_Pair]:
    if plan.tp == 1:
        return []
    names = ("reduce_scatter", "all_gather") if plan.sequence_parallel else ("all_reduce",)
    made = [Communication(name, "", plan.activation_bytes) for name in names]
    return list(zip(made, reversed(made), strict=True))


def _experts(plan: TrainingPlan) -> list[_Pair]:
    """Dispatch and combine."""
    if plan.ep == 1 or not plan.token_bytes:
        return []
    there, back = (
        Communication("all_to_all", "_EP", size) for size in (plan.token_bytes, plan.combine_bytes)
    )
    return [(there, back), (back, back)]


def _shared(plan: TrainingPlan, what: str, layers: Iterable[int], each_bytes: int) -> list[Communication]:
    """Over some layers' parameters, and over those of their experts."""
    found, numbers = [], tuple(layers)
    for params, ranks, suffix in (
        (plan.params, plan.dp, ""),
        (plan.expert_params, plan.dp // plan.ep, "_DP_EP"),
    ):
        size = sum(plan.of_layer(params, layer) for layer in numbers) * each_bytes
        if size and ranks > 1:
            found.append(Communication(what, suffix, size))
    return found


def _line(row: Row) -> str:
    def said(each: Communication | None) -> str:
        return f"{_WORDS[each.operation]}{each.suffix} {each.size_bytes}" if each else "NONE 0"

    passes = ((row.forward_ns, row.forward), (row.input_ns, row.input), (row.weight_ns, row.weight))
    return " ".join([row.name, "-1", *(f"{time_ns} {said(each)}" for time_ns, each in passes), "0"])
