"""A small benchmark result to print."""

from dataclasses import replace

import pytest

from raddle.report.model import BenchResult, Collision, LinkUse, PinSummary, SizeRow, UnfinishedFlow

LINK = "leaf0:Ethernet32 -> spine1:Ethernet0"


def row(size_bytes, **changes):
    """A row that ran at 50 GB/s algbw without congestion."""
    fields = {
        "size_bytes": size_bytes,
        "count": size_bytes // 4,
        "datatype": "float",
        "redop": "sum",
        "root": -1,
        "algorithm": "ring",
        "protocol": "",
        "time_ps": size_bytes * 20,
        "algbw_gbs": 50.0,
        "busbw_gbs": 93.75,
        "wrong": 0,
        "in_place_wrong": 0,
        "pfc_pauses": 0,
        "pfc_pause_ps": 0,
        "ecn_marks": 0,
        "drops": (),
        "unfinished": (),
        "diagnosis": (),
    }
    return SizeRow(**(fields | changes))


@pytest.fixture
def clean_result():
    """Two sizes, pinned, nothing went wrong."""
    return BenchResult(
        fabric="leaf-spine-16",
        collective="all_reduce",
        algorithm="ring",
        routing="pinned",
        placement="strided",
        ranks=16,
        seed=1,
        line_rate_gbs=49.0187,
        pins=PinSummary(16, "host-route", 12, 1, 1, 1, 1, "edge colouring"),
        rows=(row(1 << 20), row(1 << 28)),
        links=(
            LinkUse("host0:eth0 -> leaf0:Ethernet0", 510_000_000, 0.5, 1, 0, 0, 4178),
            LinkUse(LINK, 513_000_000, 0.98, 1, 0, 0, 4178),
            LinkUse("leaf3:Ethernet36 -> spine3:Ethernet24", 0, 0.0, 0, 0, 0, 0),
        ),
        collisions=(),
    )


@pytest.fixture
def congested_result(clean_result):
    """The second size met collisions, pauses, marks and drops, and did not finish."""
    unfinished = tuple(
        UnfinishedFlow(f"rank{rank} host{rank} -> rank{rank + 1} host{rank + 1}", 3, "no route on leaf0")
        for rank in range(12)
    )
    bad = row(
        1 << 28,
        time_ps=None,
        algbw_gbs=None,
        busbw_gbs=None,
        wrong=1234,
        in_place_wrong=None,
        pfc_pauses=7,
        pfc_pause_ps=12_500_000,
        ecn_marks=99,
        drops=(("buffer", 4), ("no-route", 31)),
        unfinished=unfinished,
    )
    three = tuple(f"rank{r} host{r} -> rank{r + 1} host{r + 4}" for r in (0, 4, 8))
    collisions = [Collision(LINK, step, three) for step in range(30)]
    collisions += [
        Collision(f"leaf1:Ethernet{port} -> spine0:Ethernet8", 5, ("rank1 host4 -> rank2 host8", three[0]))
        for port in range(12)
    ]
    return replace(
        clean_result,
        routing="ecmp",
        pins=None,
        rows=(clean_result.rows[0], bad),
        collisions=tuple(collisions),
    )
