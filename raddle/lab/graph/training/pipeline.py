"""In which order a pipeline stage runs its micro-batches: 1F1B, plain and interleaved.

Source: Narayanan et al., "Efficient large-scale language model training on GPU clusters using Megatron-LM",
SC 2021 (arXiv 2104.04473), section 2.2, and Megatron-LM's schedules.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pass:
    """A micro-batch going forward or backward through a chunk of the model."""

    is_forward: bool
    chunk: int
    micro_batch: int


def passes(stage: int, stages: int, chunks: int, micro_batches: int) -> Iterator[Pass]:
    """The passes of a stage, in order: some forward, then one of each in turn, then the rest backward."""
    total = micro_batches * chunks
    if chunks == 1:
        warm_up = min(stages - stage - 1, total)
    else:
        warm_up = min((stages - stage - 1) * 2 + (chunks - 1) * stages, total)
    for k in range(warm_up):
        yield _nth(k, True, stages, chunks)
    for k in range(total - warm_up):
        yield _nth(warm_up + k, True, stages, chunks)
        yield _nth(k, False, stages, chunks)
    for k in range(total - warm_up, total):
        yield _nth(k, False, stages, chunks)


def _nth(k: int, is_forward: bool, stages: int, chunks: int) -> Pass:
    """As many micro-batches as there are stages go through one chunk, then through the next."""
    if chunks == 1:
        return Pass(is_forward, 0, k)
    group, place = divmod(k, stages * chunks)
    chunk = place // stages
    return Pass(is_forward, chunk if is_forward else chunks - 1 - chunk, group * stages + k % stages)
