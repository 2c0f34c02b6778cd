"""What `verify` prints of random fabrics is what a slow checker that shares no code with it finds."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

CHECKER = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "verify-random"))


@pytest.mark.parametrize("seed", range(60))
def test_every_number_of_a_random_fabric_is_that_of_the_slow_checker(seed: int) -> None:
    assert CHECKER["compare"](seed) > 50
