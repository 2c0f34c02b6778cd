"""What a benchmark is asked to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raddle.controller.plan.model import Plan
from raddle.lab.run.settings import DEFAULT_SETTINGS, RunSettings
from raddle.lab.workloads.ranks import EVERYWHERE, Scope
from raddle.traffic import USUAL, Terms


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What to run. `algorithm` None takes the collective's usual one; sizes as `-b`, `-e`, `-f` say.

    Each of `scopes` is a part of the fabric that runs the collective, all at the same time. `settings` are
    those of a run of one size; times in them count from its start. `plan` is used in place of a new one.
    """

    collective: str
    algorithm: str | None
    sizes_bytes: tuple[int, ...]
    routing: Literal["ecmp", "pinned"]
    scopes: tuple[Scope, ...] = (EVERYWHERE,)
    settings: RunSettings = DEFAULT_SETTINGS
    plan: Plan | None = None
    terms: Terms = USUAL
