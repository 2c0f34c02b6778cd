"""Incasts at the least buffer of a plan lose no data of a lossless class and no CNP."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path

TRIALS = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "incast-trials"))
FABRICS = 12


def test_incasts_over_several_classes_lose_no_data_and_no_cnp_at_the_least_buffer() -> None:
    total: Counter[str] = Counter()
    for fabric in range(FABRICS):
        for number in range(8):
            total += TRIALS["trial"](fabric * TRIALS["TRIALS_OF_A_FABRIC"] + number)
    assert total["lossless"] == total["cnp"] == 0
    assert total["pauses"] > 1000  # the trials are not easy
    assert total["cnps"] > 1000
    assert total["lossy"] > 1000


def test_cnps_in_the_priority_group_of_lossy_traffic_are_dropped_by_it() -> None:
    lost = sum(
        (
            TRIALS["trial"](fabric * TRIALS["TRIALS_OF_A_FABRIC"] + number, False)
            for fabric in range(FABRICS)
            for number in range(3)
        ),
        Counter(),
    )
    assert lost["cnp"] > 0
    assert lost["lossless"] == 0
