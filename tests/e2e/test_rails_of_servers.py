"""Servers on rails: what stays inside, what stays on its rail, and what a dead part costs."""

from __future__ import annotations

import pytest

from raddle import loads
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.workloads.ranks import EVERYWHERE, Scope
from raddle.report.model import BenchResult
from raddle.report.table import to_table

MIB = 1 << 20
LINE_GBS = 50 * 4096 / 4178
"""Payload of a NIC of 400G, 4096 bytes with 82 around them."""

RAILS = """
raddle: 1
name: rails
fabric: {kind: rail-optimized, leaves: {count: 4}, spines: {count: 2}, uplinks: {per_pair: 2}}
hosts:
  per_leaf: 4
  accelerators: {count: 4, scale_up: {kind: nvlink, bandwidth: 400GBps}}
  nics: {per_accelerator: 1}
"""
UPLINK_DOWN = "overrides: {links: [{ends: [leaf1, spine0], number: 0, state: down}]}\n"
NO_CC = "roce: {congestion_control: none}\n"
NIC_DOWN = "overrides: {links: [{ends: ['host1:eth1', leaf1], state: down}]}\n"


def bench(
    text: str, collective: str, algorithm: str, scope: Scope = EVERYWHERE, mib: int = 16
) -> BenchResult:
    request = BenchRequest(collective, algorithm, (mib * MIB,), "pinned", (scope,))
    result = run_bench(loads(text), request)
    assert result.rows[0].wrong == 0
    return result


def time_ps(result: BenchResult) -> int:
    assert result.rows[0].time_ps
    return result.rows[0].time_ps


def test_one_server_loads_no_link_of_the_network() -> None:
    result = bench(RAILS, "all_reduce", "ring", Scope(hosts="host1"), mib=64)
    assert result.links == ()
    busbw = result.rows[0].busbw_gbs
    assert busbw
    assert 0.95 * 400 < busbw <= 400
    # 4 accelerators, each way; of a ring 2 (n-1)/n of the buffer goes through each port.
    assert {port.sent_bytes for port in result.scale_up} == {2 * 3 * 64 * MIB // 4}
    assert {port.name for port in result.scale_up} == {
        name for n in range(4) for name in (f"host1:{n} -> nvlink", f"nvlink -> host1:{n}")
    }
    # The run ends when the last acknowledgement is there, a microsecond after the last byte.
    assert result.scale_up[0].utilisation == pytest.approx(busbw / 400, rel=0.005)
    text = to_table(result)
    assert "# No link of the network carried anything" in text
    assert "# Busiest scale-up ports of 8 in use" in text


def test_a_ring_stays_on_its_rails_so_that_a_dead_uplink_costs_nothing() -> None:
    whole, broken = bench(RAILS, "all_reduce", "ring"), bench(RAILS + UPLINK_DOWN, "all_reduce", "ring")
    assert not [link.name for result in (whole, broken) for link in result.links if "spine" in link.name]
    assert time_ps(broken) == pytest.approx(time_ps(whole), rel=0.001)


def test_a_dead_nic_takes_its_rail_from_all_rings() -> None:
    """Three of four rails are left, of which each carries a third."""
    whole, broken = (bench(RAILS + more, "all_reduce", "ring", mib=64) for more in ("", NIC_DOWN))
    assert time_ps(broken) / time_ps(whole) == pytest.approx(4 / 3, rel=0.05)
    assert not [link for link in broken.links if link.name.startswith("host1:eth1 ")]


def test_direct_all_to_all_is_bound_by_what_leaves_the_server() -> None:
    """12 of 16 blocks of each buffer leave their server; latency and pxn's hop inside take a few per cent."""
    bound_us = 64 * MIB * 12 / 16 / LINE_GBS / 1e3
    for algorithm in ("direct", "pxn"):
        took_us = time_ps(bench(RAILS, "all_to_all", algorithm, mib=64)) / 1e6
        assert bound_us < took_us < 1.08 * bound_us


def test_accelerators_that_share_nics_share_what_they_carry() -> None:
    """Four servers whose ranks share two NICs by pairs: both NICs of a server carry all that leaves it."""
    shared = """
raddle: 1
name: shared
fabric: {leaves: {count: 2}, spines: {count: 2}}
hosts:
  per_leaf: 2
  accelerators: {count: 4, scale_up: {bandwidth: 400GBps}}
  nics: {accelerators_per_nic: 2}
"""
    busbw = bench(shared, "all_reduce", "ring", mib=64).rows[0].busbw_gbs
    assert busbw
    assert 0.93 * 2 * LINE_GBS < busbw <= 2 * LINE_GBS


@pytest.mark.parametrize(
    ("collective", "share"), [("send_recv", 1), ("scatter", 3 / 16), ("gather", 12 / 16)]
)
def test_sends_of_a_library_stay_on_the_receivers_rail(collective: str, share: float) -> None:
    """Of a scatter every NIC of the root's server takes a share in four, of a gather the root's takes all.

    Without congestion control: DCQCN answers a gather's incast with less than the link carries.
    """
    result = bench(RAILS + NO_CC, collective, "auto", mib=64)
    assert result.rows[0].algorithm == "pxn"
    assert not [link.name for link in result.links if "spine" in link.name]
    bound_us = share * 64 * MIB / LINE_GBS / 1e3
    assert bound_us < time_ps(result) / 1e6 < 1.08 * bound_us
