"""How a model is trained: its size, its parallelism, its times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Sharding = Literal["ddp", "zero1", "zero2", "zero3"]


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """One step of training.

    Ranks are numbered with the tensor-parallel index fastest, then context, data and pipeline: Megatron-LM's
    order. Sizes are of one rank where nothing else is said.

    Attributes:
        tp, cp, dp, pp: ranks of a tensor-, context-, data- and pipeline-parallel group.
        ep: ranks of an expert-parallel group, some neighbours of a data-parallel one.
        chunks: parts of the model on each pipeline stage (interleaved schedule above 1).
        layers: of the whole model.
        micro_batches: of a step, on each data-parallel rank.
        activation_bytes: of the hidden state of one micro-batch.
        kv_bytes: of the keys and the values that a context-parallel rank passes on in each layer.
        params: of all layers on a rank, experts apart; expert_params: of its experts, which the ranks that
            hold the same ones reduce among themselves.
        grad_bytes, param_bytes: of one gradient and of one parameter, as sent.
        sharding: what data-parallel ranks share out: `ddp` nothing, `zero1` optimizer states, `zero2`
            gradients too (which sends the same), `zero3` parameters too (FSDP).
        over_cp: whether gradients are reduced over context-parallel ranks too.
        forward_ps, backward_ps: of computing a layer of one micro-batch.
        bucket_bytes: of gradients that are reduced together; layers stay whole.
        overlaps: whether gradients are reduced beside the rest of the last backward pass.
        sequence_parallel: reduce-scatter and all-gather in place of each tensor-parallel all-reduce.
        token_bytes: what a rank sends of a micro-batch's tokens to experts in each layer, wherever they are;
            0 without experts. combine_bytes: what comes back, and what the backward pass sends each way.
    """

    tp: int
    cp: int
    dp: int
    pp: int
    ep: int
    chunks: int
    layers: int
    micro_batches: int
    activation_bytes: int
    kv_bytes: int
    params: int
    expert_params: int
    grad_bytes: int
    param_bytes: int
    sharding: Sharding
    over_cp: bool
    forward_ps: int
    backward_ps: int
    bucket_bytes: int
    overlaps: bool
    sequence_parallel: bool
    token_bytes: int
    combine_bytes: int

    @property
    def ranks(self) -> int:
        return self.tp * self.cp * self.dp * self.pp

    @property
    def layers_of_chunk(self) -> int:
        return self.layers // (self.pp * self.chunks)

    def of_layer(self, params: int, layer: int) -> int:
        """The share of one of a rank's layers in its parameters; those of all add up."""
        count = self.layers // self.pp
        return params * (layer + 1) // count - params * layer // count

    def stage(self, number: int) -> NDArray[np.int64]:
        """The ranks of a pipeline stage, int64[dp, cp, tp]."""
        size = self.ranks // self.pp
        return np.arange(number * size, (number + 1) * size).reshape(self.dp, self.cp, self.tp)
