"""What a fabric file says and no run of a collective has is named."""

from __future__ import annotations

import pytest

from raddle.topology import loads
from raddle.topology.views.left_out import not_simulated

FORM = "raddle: 1\nname: t\nfabric: {leaves: {count: 2}, spines: {count: 2}}\n"


def test_a_fabric_without_such_things_leaves_nothing_out() -> None:
    assert not_simulated(loads(FORM + "hosts: {per_leaf: 2}\n")) == ()


@pytest.mark.parametrize(
    ("hosts", "says"),
    [
        ("hosts: {per_leaf: 2, nics: {bus: 48.5GBps}}\n", "limits of the hosts' buses"),
    ],
)
def test_each_thing_that_a_run_leaves_out_is_named(hosts: str, says: str) -> None:
    (only,) = not_simulated(loads(FORM + hosts))
    assert only.startswith(says)
