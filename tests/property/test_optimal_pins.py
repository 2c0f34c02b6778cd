"""Pinned paths load the busiest links as little as any could, by another program in whole numbers."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "optimal-pins"))

STAGES_MISS = (96, 102, 153, 237, 288, 296)
"""Seeds whose best paths no choice of tier after tier finds."""


@pytest.mark.parametrize("seed", [*range(24), *STAGES_MISS])
def test_no_other_paths_have_a_lower_sum_of_busiest_links(seed: int) -> None:
    found = SCRIPT["compare"](seed)
    if found is not None:
        assert found.is_known
        assert found.is_optimal, found
        assert found.says == pytest.approx(found.pinned)
