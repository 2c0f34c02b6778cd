"""A training step as steps of a graph.

Sources: Megatron-LM (Shoeybi et al., arXiv 1909.08053; Narayanan et al., arXiv 2104.04473), sequence
parallelism (Korthikanti et al., arXiv 2205.05198), ZeRO (Rajbhandari et al., arXiv 1910.02054), ring
attention (Liu et al., arXiv 2310.01889), GShard (Lepikhin et al., arXiv 2006.16668).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from raddle.lab.graph.model import COMPUTE, Part, Step
from raddle.lab.graph.training.messages import Messages
from raddle.lab.graph.training.pipeline import Pass, passes
from raddle.lab.graph.training.plan import TrainingPlan


@dataclass(frozen=True, slots=True)
class _Draft:
    """A step whose predecessors still have names."""

    name: Hashable
    parts: tuple[Part, ...]
    stream: str
    label: str
    after: tuple[Hashable, ...]


def training_steps(plan: TrainingPlan) -> tuple[Step, ...]:
    """The steps of all stages; ranks are 0 to `plan.ranks` - 1."""
    messages = Messages()
    drafts = [draft for stage in range(plan.pp) for draft in _Stage(plan, stage, messages).drafts()]
    number = {draft.name: place for place, draft in enumerate(drafts)}
    return tuple(
        Step(
            draft.parts,
            draft.stream,
            draft.label,
            tuple(number[name] for name in draft.after if name in number),
        )
        for draft in drafts
    )


class _Stage:
    """The steps of one pipeline stage, in the order of its streams."""

    def __init__(self, plan: TrainingPlan, stage: int, messages: Messages) -> None:
        self._plan, self._stage, self._messages = plan, stage, messages
        grid = plan.stage(stage)
        self._ranks = grid.reshape(-1)
        self._tp = grid.reshape(-1, plan.tp)
        self._cp = grid.transpose(0, 2, 1).reshape(-1, plan.cp)
        by_data = grid.transpose(1, 2, 0)
        self._ep = by_data.reshape(-1, plan.ep)
        self._dp = (
            grid.transpose(2, 0, 1).reshape(plan.tp, -1) if plan.over_cp else by_data.reshape(-1, plan.dp)
        )
        self._replicas = (
            by_data.reshape(plan.cp, plan.tp, -1, plan.ep).swapaxes(2, 3).reshape(-1, plan.dp // plan.ep)
        )
        self._waiting: list[int] = []
        self._waiting_bytes = 0
        self._last: Hashable = None
        self._gathers_after: Hashable = None

    def drafts(self) -> Iterator[_Draft]:
        plan = self._plan
        for each in passes(self._stage, plan.pp, plan.chunks, plan.micro_batches):
            yield from self._pass(each)
        if not plan.overlaps and plan.sharding != "zero3":
            yield from self._reductions(range(plan.layers // plan.pp), self._last, is_end=True)

    def _pass(self, each: Pass) -> Iterator[_Draft]:
        """A pass through the layers of a chunk: after what came, layer by layer, and on to the next chunk."""
        here = ("pass", self._stage, each)
        self._last = ("came", self._stage, each)
        layers = self._layers(each.chunk)
        for layer in layers if each.is_forward else layers[::-1]:
            yield from self._layer(here, each, layer)
        yield from self._send_on(each)

    def _layers(self, chunk: int) -> list[int]:
        count = self._plan.layers_of_chunk
        return list(range(chunk * count, (chunk + 1) * count))

    def _layer(self, here: Hashable, each: Pass, layer: int) -> Iterator[_Draft]:
        """Half of a layer is attention, the other half its MLP or experts."""
        plan, time_ps = self._plan, self._plan.forward_ps if each.is_forward else self._plan.backward_ps
        gathered: tuple[Hashable, ...] = ()
        if plan.sharding == "zero3":
            gathered = (("gathered", here, layer), ("gathered", here, layer, "experts"))
            yield from self._gather(here, layer)
        yield from self._attention(here, each, layer, time_ps // 2, gathered)
        yield from self._tensor(here, layer, "attention")
        yield from self._experts(
            here, layer, "dispatch", plan.token_bytes if each.is_forward else plan.combine_bytes
        )
        yield self._compute((here, layer, "mlp"), time_ps - time_ps // 2)
        yield from self._experts(here, layer, "combine", plan.combine_bytes)
        yield from self._tensor(here, layer, "mlp")
        is_last = each.micro_batch == plan.micro_batches - 1
        if not each.is_forward and plan.sharding == "zero3":
            yield from self._reductions([layer], (here, layer, "mlp", "computed"), is_end=False)
        elif not each.is_forward and is_last and plan.overlaps:
            yield from self._bucket(layer, (here, layer, "mlp", "computed"))

    def _attention(
        self, here: Hashable, each: Pass, layer: int, time_ps: int, after: tuple[Hashable, ...]
    ) -> Iterator[_Draft]:
        """Blocks of keys and values go round beside it; gradients of both go back with them."""
        plan, before, name = self._plan, self._last, (here, layer, "attention")
        if plan.cp > 1:
            size = plan.kv_bytes * (1 if each.is_forward else 2)
            yield _Draft(
                (*name, "kv"), self._messages.passed_on(self._cp, size), "cp", "cp", (before, *after)
            )
        yield self._compute(name, time_ps, after)
        if plan.cp > 1:
            # What comes next waits for both.
            yield self._compute((*name, "both"), 0, ((*name, "kv"),))

    def _compute(self, name: tuple[Hashable, ...], time_ps: int, after: tuple[Hashable, ...] = ()) -> _Draft:
        done = (*name, "computed")
        part = Part(self._ranks, time_ps=np.full(len(self._ranks), time_ps, np.int64))
        draft = _Draft(done, (part,), COMPUTE, COMPUTE, (self._last, *after))
        self._last = done
        return draft

    def _tensor(self, here: Hashable, layer: int, half: str) -> Iterator[_Draft]:
        """Once in each half of a layer, forward and backward."""
        plan = self._plan
        if plan.tp == 1:
            return
        whats = ("reduce_scatter", "all_gather") if plan.sequence_parallel else ("all_reduce",)
        for what in whats:
            name = (here, layer, half, what)
            parts = self._messages.ring(what, self._tp, plan.activation_bytes)
            yield _Draft(name, parts, "tp", "tp", (self._last,))
            self._last = name

    def _experts(self, here: Hashable, layer: int, what: str, size_bytes: int) -> Iterator[_Draft]:
        if self._plan.ep == 1 or not size_bytes:
            return
        name = (here, layer, what)
        yield _Draft(name, self._messages.all_to_all(self._ep, size_bytes), "ep", "ep", (self._last,))
        self._last = name

    def _gather(self, here: Hashable, layer: int) -> Iterator[_Draft]:
        """A layer's parameters are gathered while the one before is computed, and freed behind it."""
        name, before = ("gathered", here, layer), self._gathers_after
        self._gathers_after = self._last
        yield from self._shared("all_gather", name, [layer], self._plan.param_bytes, "gather", (before,))

    def _bucket(self, layer: int, done: Hashable) -> Iterator[_Draft]:
        """Gradients wait until they fill a bucket, or nothing more comes."""
        plan = self._plan
        self._waiting.append(layer)
        self._waiting_bytes += plan.of_layer(plan.params, layer) * plan.grad_bytes
        is_end = layer == 0
        if self._waiting_bytes >= plan.bucket_bytes or is_end:
            yield from self._reductions(self._waiting, done, is_end)
            self._waiting, self._waiting_bytes = [], 0

    def _reductions(self, layers: Iterable[int], done: Hashable, is_end: bool) -> Iterator[_Draft]:
        """The gradients of some layers together; with sharded states, parameters come back at the end."""
        plan, numbers = self._plan, tuple(layers)
        what = "all_reduce" if plan.sharding == "ddp" else "reduce_scatter"
        name = ("reduced", self._stage, done)
        yield from self._shared(what, name, numbers, plan.grad_bytes, "dp", (done,))
        if is_end and plan.sharding in ("zero1", "zero2"):
            every, after = range(plan.layers // plan.pp), (name, (*name, "experts"))
            yield from self._shared(
                "all_gather", ("updated", self._stage), every, plan.param_bytes, "dp", after
            )

    def _shared(
        self,
        what: str,
        name: tuple[Hashable, ...],
        layers: Iterable[int],
        each_bytes: int,
        stream: str,
        after: tuple[Hashable, ...],
    ) -> Iterator[_Draft]:
        """A collective over some layers' parameters, and one over their experts'."""
        plan, numbers = self._plan, tuple(layers)
        for params, groups, also in (
            (plan.params, self._dp, ()),
            (plan.expert_params, self._replicas, ("experts",)),
        ):
            size = sum(plan.of_layer(params, layer) for layer in numbers) * each_bytes
            if size and groups.shape[1] > 1:
                parts = self._messages.ring(what, groups, size)
                yield _Draft((*name, *also), parts, " ".join((stream, *also)), "dp", after)

    def _send_on(self, each: Pass) -> Iterator[_Draft]:
        """The hidden state goes to the stage of the next chunk, its gradient to that of the one before."""
        plan = self._plan
        virtual = each.chunk * plan.pp + self._stage
        target = virtual + (1 if each.is_forward else -1)
        if not 0 <= target < plan.pp * plan.chunks or plan.pp == 1:
            return
        chunk, stage = divmod(target, plan.pp)
        parts = self._messages.send(plan.stage(self._stage), plan.stage(stage), plan.activation_bytes)
        name = ("came", stage, Pass(each.is_forward, chunk, each.micro_batch))
        way = "forward" if each.is_forward else "backward"
        yield _Draft(name, parts, f"{way} from {self._stage}", "pp", (self._last,))
