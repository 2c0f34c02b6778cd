"""A step of training: `{training: gpt-13b, tp: 8, pp: 4}`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from raddle.lab.graph.groups import EVERYONE
from raddle.lab.graph.kinds.record import Context, Made, NodeKind, NodeSpec
from raddle.lab.graph.training.plan import Sharding, TrainingPlan
from raddle.lab.graph.training.presets import PRESETS
from raddle.lab.graph.training.step import training_steps
from raddle.topology.yaml.fields import Count, Duration, Name, Params, Size, Switch, Text
from raddle.topology.yaml.reading import did_you_mean

OWN = "own"
"""In place of a preset's name: the file says all that has no default."""

_NEEDED = ("layers", "hidden", "sequence", "layer_params", "micro_batches")
_DEFAULTS = {
    "tp": 1, "cp": 1, "pp": 1, "ep": 1, "chunks": 1, "micro_batch": 1,
    "expert_params": 0, "experts_per_token": 0,
    "bytes_activation": 2, "bytes_gradient": 4, "bytes_parameter": 2, "bytes_dispatch": 2, "sharding": "ddp",
    "reduce_over_cp": True, "overlap": True, "sequence_parallel": False, "bucket": 40_000_000, "tflops": 400,
}  # fmt: skip


class TrainingSpec(NodeSpec):
    """A step of training; what a preset says can be said anew."""

    training: Text
    """gpt-13b, dense-70b, moe-deepseek-v3, or `own`."""
    group: Name = EVERYONE
    """The group whose ranks train, as one."""
    layers: Count | None = None
    """Of the model; a multiple of `pp` times `chunks`."""
    hidden: Count | None = None
    """Width of the hidden state."""
    kv_hidden: Count | None = None
    """Width of the keys that a rank passes on in context parallelism, and of the values [default: hidden]."""
    sequence: Params | None = None
    """Tokens of a sequence."""
    layer_params: Params | None = None
    """Parameters of a layer, experts apart."""
    expert_params: Params | None = None
    """Parameters of all experts of a layer [default: none]."""
    active_params: Params | None = None
    """Parameters of a layer that a token meets [default: layer_params]."""
    experts_per_token: Count | None = None
    """Top k."""
    micro_batch: Count | None = None
    """Sequences of a micro-batch [default: 1]."""
    micro_batches: Count | None = None
    """Of a step, on each data-parallel rank."""
    tp: Count | None = None
    """Tensor-parallel ranks [default: 1]."""
    cp: Count | None = None
    """Context-parallel ranks [default: 1]."""
    pp: Count | None = None
    """Pipeline stages [default: 1]."""
    ep: Count | None = None
    """Expert-parallel ranks, some neighbours of the data-parallel ones [default: 1]."""
    chunks: Count | None = None
    """Parts of the model on each stage: the interleaved schedule [default: 1]."""
    bytes_activation: Count | None = None
    """Of one value of the hidden state [default: 2]."""
    bytes_gradient: Count | None = None
    """Of one gradient [default: 4]."""
    bytes_parameter: Count | None = None
    """Of one parameter that is gathered [default: 2]."""
    bytes_dispatch: Count | None = None
    """Of one value of a token on its way to an expert, forward [default: 2]."""
    sharding: Sharding | None = None
    """ddp, zero1, zero2, or zero3 for FSDP [default: ddp]."""
    reduce_over_cp: Switch | None = None
    """Gradients are reduced over context-parallel ranks too [default: true]."""
    overlap: Switch | None = None
    """Gradients are reduced beside the rest of the last backward pass [default: true]."""
    sequence_parallel: Switch | None = None
    """Reduce-scatter and all-gather for each tensor-parallel all-reduce [default: false]."""
    bucket: Size | None = None
    """Gradients that are reduced together; layers stay whole [default: 40MB]."""
    tflops: Count | None = None
    """TFLOP/s that an accelerator comes to [default: 400, 40 % of an H100's in BF16]."""
    forward: Duration | None = None
    """Computing of a layer of one micro-batch on a rank [default: by tflops]."""
    backward: Duration | None = None
    """The same of the backward pass [default: twice forward]."""


def _make(spec: TrainingSpec, context: Context) -> Made:
    group = context.group(spec.group, "group")
    if len(group.parts) > 1:
        raise context.error(
            "uneven-groups", f"'{spec.group}' is several groups; a step is of one", ("group",)
        )
    plan = training_plan(values_of(spec, context), len(group.ranks), context)
    steps = tuple(
        replace(step, parts=tuple(replace(part, ranks=group.ranks[part.ranks]) for part in step.parts))
        for step in training_steps(plan)
    )
    sizes = {"TP": plan.tp, "CP": plan.cp, "PP": plan.pp, "DP": plan.dp, "EP": plan.ep}
    said = " x ".join(f"{name} {size}" for name, size in sizes.items() if size > 1)
    return Made(steps, f"training step of {spec.training}, {said or 'one rank'}", plan=plan)


def values_of(spec: TrainingSpec, context: Context) -> dict[str, Any]:
    """What the file says, on top of its preset, on top of the defaults.

    Raises:
        InputError: `unknown-model`, or `missing-key`.
    """
    if spec.training != OWN and spec.training not in PRESETS:
        known = (*PRESETS, OWN)
        hint = did_you_mean(spec.training, known, f"there are {', '.join(known)}")
        raise context.error("unknown-model", f"no model '{spec.training}'", ("training",), hint)
    given = {key: value for key, value in spec.model_dump().items() if value is not None}
    values = {**_DEFAULTS, **PRESETS.get(spec.training, {}), **given}
    for key in _NEEDED:
        if key not in values:
            raise context.error("missing-key", f"'{key}' is missing in '{context.name}'", ("training",))
    return values


def training_plan(values: dict[str, Any], ranks: int, context: Context) -> TrainingPlan:
    """The plan of some values on so many ranks.

    Raises:
        InputError: `groups-do-not-cover`, or layers and micro-batches do not fit the stages.
    """
    tp, cp, pp, ep, chunks = (values[key] for key in ("tp", "cp", "pp", "ep", "chunks"))
    layers, micro_batches = values["layers"], values["micro_batches"]
    of_one = tp * cp * pp
    if ranks % of_one:
        message = f"TP {tp} x CP {cp} x PP {pp} = {of_one} ranks do not cover the group's {ranks}"
        raise context.error("groups-do-not-cover", message, ("training",), f"{of_one} must divide {ranks}")
    dp = ranks // of_one
    if dp % ep:
        message = f"expert-parallel groups of {ep} do not cover {dp} data-parallel ranks"
        raise context.error("groups-do-not-cover", message, ("ep",), f"{ep} must divide {dp}")
    if layers % (pp * chunks):
        message = f"{layers} layers do not divide into {pp} stages of {chunks} chunks"
        raise context.error("bad-workload", message, ("training",), f"{pp * chunks} must divide the layers")
    if chunks > 1 and micro_batches % pp:
        message = (
            f"{micro_batches} micro-batches are no multiple of {pp} stages, as the interleaved schedule needs"
        )
        raise context.error("bad-workload", message, ("training",))
    tokens = values["micro_batch"] * values["sequence"] // cp
    state = tokens * values["hidden"]
    forward_ps = values.get("forward") or _forward_ps(values, tokens)
    routed = state * values["experts_per_token"]
    stage_layers = layers // pp
    return TrainingPlan(
        tp=tp,
        cp=cp,
        dp=dp,
        pp=pp,
        ep=ep,
        chunks=chunks,
        layers=layers,
        micro_batches=micro_batches,
        activation_bytes=state * values["bytes_activation"],
        kv_bytes=2 * tokens * values.get("kv_hidden", values["hidden"]) * values["bytes_activation"],
        params=values["layer_params"] * stage_layers // tp,
        expert_params=values["expert_params"] * stage_layers // ep,
        grad_bytes=values["bytes_gradient"],
        param_bytes=values["bytes_parameter"],
        sharding=values["sharding"],
        over_cp=values["reduce_over_cp"],
        forward_ps=forward_ps,
        backward_ps=values.get("backward") or 2 * forward_ps,
        bucket_bytes=values["bucket"],
        overlaps=values["overlap"],
        sequence_parallel=values["sequence_parallel"],
        token_bytes=routed * values["bytes_dispatch"],
        combine_bytes=routed * values["bytes_activation"],
    )


def _forward_ps(values: dict[str, Any], tokens: int) -> int:
    """2 FLOP for each parameter and token, and 2 s h for causal attention (arXiv 2104.04473, appendix)."""
    params = values.get("active_params", values["layer_params"])
    flop = tokens * (2 * params + 2 * values["sequence"] * values["hidden"]) / values["tp"]
    return int(flop / values["tflops"])  # a TFLOP/s is one in a picosecond


TRAINING_KIND = NodeKind("training", TrainingSpec, _make)
