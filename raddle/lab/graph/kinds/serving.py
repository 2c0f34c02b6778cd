"""Serving a mixture of experts: `{decode: 96, attention: 180us, ...}`, `{prefill: 4096, ...}`, `{kv_cache:
4096, ...}`.

A layer is attention, dispatch, experts, combine. With several micro-batches the messages of one go on beside
the computing of the others. Source of the form: DeepSeek-AI, arXiv 2412.19437, 3.4 (prefilling and decoding
in pools of their own, experts over all of a pool's ranks, two micro-batches).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from raddle.lab.graph.kinds.moe import ExpertsSpec, Sends, experts_of, with_copies
from raddle.lab.graph.kinds.record import Context, Made, NodeKind, StreamSpec, times
from raddle.lab.graph.model import COMPUTE, Ints, Part, Served, Step
from raddle.topology.yaml.fields import Bandwidth, Count, Duration, Name, Size
from raddle.traffic.collectives import direct
from raddle.units import format_size
from raddle.workload import Seats, Workload


class ServingSpec(ExpertsSpec):
    """A pool's layers."""

    attention: Duration
    """Computing of a layer before its experts, of a micro-batch."""
    expert_time: Duration = 0
    """Computing of a layer's experts, of a micro-batch, at least."""
    expert_weights: Size | None = None
    """Of one expert of a layer: a rank reads those of its experts for each micro-batch. With `memory`."""
    memory: Bandwidth | None = None
    """Rate at which it reads them."""
    layers: Count = 61
    """Of the model, all with experts."""
    simulate: Count | None = None
    """So many of the layers, which are all alike; times of a token are those of all [default: all]."""
    micro_batches: Count = 1
    """Parts that a rank's tokens are cut into."""


class DecodeSpec(ServingSpec):
    """Steps that make a token for each request."""

    decode: Count
    """Requests of each rank."""
    steps: Count = 1
    """How many tokens of each."""
    mode: Literal["normal", "low_latency"] = "low_latency"
    """low_latency: straight to each rank; normal: once to each node and on from there."""


class PrefillSpec(ServingSpec):
    """Prompts go through the model once."""

    prefill: Count
    """Tokens of the prompts of each rank."""


class CacheSpec(StreamSpec):
    """Keys and values of prompts go from the pool that read them to the one that goes on."""

    kv_cache: Count
    """Tokens of a prompt."""
    source: Name = Field(alias="from")
    """The group that sends."""
    to: Name
    """The group that receives; requests go round its ranks."""
    requests: Count = 1
    """Of each rank that sends."""
    layers: Count = 61
    """Of the model."""
    bytes: Count = 1152
    """Of a token in a layer [default: DeepSeek-V3's 512 + 64 values in BF16]."""


def _decode(spec: DecodeSpec, context: Context) -> Made:
    return _made(spec, context, "decode", spec.decode, spec.steps)


def _prefill(spec: PrefillSpec, context: Context) -> Made:
    return _made(spec, context, "prefill", spec.prefill, 1)


def _made(spec: ServingSpec, context: Context, key: str, tokens: int, steps: int) -> Made:
    parts, simulated = spec.micro_batches, spec.simulate or spec.layers
    if tokens % parts:
        raise context.error(
            "bad-workload", f"{tokens} tokens are no {parts} equal micro-batches", ("micro_batches",)
        )
    if simulated > spec.layers:
        raise context.error("bad-workload", f"there are {spec.layers} layers, not {simulated}", ("simulate",))
    if (spec.expert_weights is None) != (spec.memory is None):
        here = "memory" if spec.expert_weights is None else "expert_weights"
        message = "'expert_weights' and 'memory' together say how long reading experts takes"
        raise context.error("bad-workload", message, (here,), "give both or neither")
    spec = with_copies(spec, context)
    sends, said = experts_of(spec, context, key)
    group = context.group(spec.group, "group")
    experts_ps = _experts_ps(spec, len(group.parts[0]))
    layer = _Layers(
        group.ranks,
        sends,
        tokens // parts,
        parts,
        spec.attention,
        experts_ps,
        spec.stream or f"moe {spec.group}",
    )
    made = layer.steps(simulated * steps)
    served = Served(
        tokens, steps, spec.layers, simulated, simulated * steps * parts * (spec.attention + experts_ps)
    )
    what = f"{key} of {tokens} tokens, {simulated} of {spec.layers} layers, EP {len(group.parts[0])}{said}"
    return Made(made, what, served=served)


def _experts_ps(spec: ServingSpec, ranks: int) -> int:
    """As long as the experts of a rank take; weights are read whole."""
    if spec.expert_weights is None or spec.memory is None:
        return spec.expert_time
    own = (spec.experts + spec.copies) // ranks
    return max(spec.expert_time, own * spec.expert_weights * 8 * 10**12 // spec.memory)


class _Layers:
    """Steps of layers, one after the other."""

    def __init__(
        self,
        ranks: Ints,
        sends: Sends,
        tokens: int,
        parts: int,
        attention_ps: int,
        experts_ps: int,
        stream: str,
    ) -> None:
        self._ranks, self._parts, self._stream = ranks, parts, stream
        self._times = {"attention": attention_ps, "experts": experts_ps}
        self._messages = {
            "dispatch": sends(False, tokens, "fp8"),
            "combine": sends(True, tokens, "bf16"),
        }

    def steps(self, layers: int) -> tuple[Step, ...]:
        """Micro-batches take turns in each of a layer's four parts, after their own part before."""
        made: list[Step] = []
        for number in range(4 * layers):
            what = ("attention", "dispatch", "experts", "combine")[number % 4]
            for _ in range(self._parts):
                after = (len(made) - self._parts,) if number else ()
                made.append(self._step(what, after))
        return tuple(made)

    def _step(self, what: str, after: tuple[int, ...]) -> Step:
        if what in self._messages:
            return Step(self._messages[what], self._stream, "ep", after)
        computing = Part(self._ranks, time_ps=times(len(self._ranks), self._times[what]))
        return Step((computing,), COMPUTE, COMPUTE, after)


def _cache(spec: CacheSpec, context: Context) -> Made:
    src, dst = context.group(spec.source, "from").ranks, context.group(spec.to, "to").ranks
    size_bytes = spec.kv_cache * spec.layers * spec.bytes
    request = np.arange(len(src) * spec.requests)
    pair = np.stack([np.repeat(src, spec.requests), dst[request % len(dst)]])
    if (pair[0] == pair[1]).any():
        rank = int(pair[0][pair[0] == pair[1]][0])
        raise context.error(
            "uneven-groups", f"rank {rank} would send to itself", ("to",), "take pools of different ranks"
        )
    ranks, number = np.unique(pair, return_inverse=True)
    ends = number.reshape(2, -1)
    sizes = np.full(len(request), size_bytes, np.int64)
    schedule = direct.schedule("kv cache", len(ranks), ends[0], ends[1], request, sizes)
    part = Part(ranks, Workload(schedule, Seats.of_endpoints(np.zeros(0, np.int32))))
    step = Step((part,), spec.stream or f"{spec.source} to {spec.to}", "kv")
    return Made(
        (step,), f"kv cache of {len(request)} requests, {format_size(size_bytes)} each", np.unique(src)
    )


DECODE_KIND = NodeKind("decode", DecodeSpec, _decode)
PREFILL_KIND = NodeKind("prefill", PrefillSpec, _prefill)
CACHE_KIND = NodeKind("kv_cache", CacheSpec, _cache)
