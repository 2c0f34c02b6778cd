"""The measurement that tells causes apart: what each shows, and how to run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Test:
    """`shows` are the causes that make it slow; others leave it as expected."""

    command: str
    shows: frozenset[str]


_TESTS = (
    _Test(
        "ib_write_bw -d DEVICE --report_gbits -F HOST, for each NIC with one on another leaf",
        frozenset({"nic"}),
    ),
    _Test(
        "ib_write_bw --use_cuda=N -d DEVICE --report_gbits -F HOST, for each NIC: its accelerator's memory",
        frozenset({"nic", "host-bus"}),
    ),
    _Test(
        "the same test with NCCL_IB_QPS_PER_CONNECTION=8 NCCL_IB_SPLIT_DATA_ON_QPS=1: collisions even out",
        frozenset({"nic", "host-bus", "oversubscription", "algorithm", "latency", "straggler", "pfc-ecn"}),
    ),
    _Test(
        "the same test on the hosts of one leaf, leaf by leaf: nothing crosses an uplink",
        frozenset({"nic", "host-bus", "algorithm", "latency", "straggler"}),
    ),
    _Test("ib_write_lat -d DEVICE HOST, between two leaves", frozenset({"latency"})),
    _Test(
        "the same test on each half of the hosts, and again on halves of the slow one",
        frozenset({"algorithm", "latency", "pfc-ecn"}),
    ),
    _Test(
        "the same test with NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=INIT,TUNING: algorithm, protocol and channels",
        frozenset({"algorithm"}),
    ),
    _Test(
        "gather_perf over the same hosts, and 'show pfc counters' and 'show queue watermark' on the leaves",
        frozenset({"pfc-ecn"}),
    ),
    _Test("all_reduce_perf -b 8 -e 64K: what is late is so there", frozenset({"straggler", "latency"})),
)


_PLACE = {
    "link": "ib_write_bw -d DEVICE -q 16 --report_gbits -F HOST between those hosts, and"
    " 'show interfaces status' and 'show interfaces counters' of the ports named: speed, errors,"
    " and which carries less",
    "unexplained": "the same test again, and the slow one between other hosts of the same leaves",
}
"""What finds the place of a cause that is the only one."""


def next_test(causes: Sequence[str]) -> str:
    """The test that splits these causes most evenly, of equal ones the first; of one cause alone what finds
    its place, empty where that is known."""
    if len(causes) < 2:
        return _PLACE.get(causes[0], "")
    best = max(_TESTS, key=lambda test: _split(test, causes))
    return best.command if _split(best, causes) else ""


def _split(test: _Test, causes: Sequence[str]) -> int:
    shown = sum(cause in test.shows for cause in causes)
    return min(shown, len(causes) - shown)
