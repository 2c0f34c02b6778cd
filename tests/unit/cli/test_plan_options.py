"""What a plan pins is what its options say is sent."""

from __future__ import annotations

import pytest

from raddle.cli.options import PlanOptions
from raddle.errors import InputError
from raddle.topology import find, load

FABRIC = load(find("leaf-spine-16"))


@pytest.mark.parametrize("root", [0, 5])
def test_pins_of_a_broadcast_are_those_of_its_root(root: int) -> None:
    """Along a chain everybody sends but its end, and everybody receives but the root."""
    demand = PlanOptions(collective="broadcast", root=root).demand(FABRIC)
    assert demand is not None
    assert set(range(16)) - set(demand.dst.tolist()) == {root}
    assert set(range(16)) - set(demand.src.tolist()) == {(root - 1) % 16}


def test_a_root_of_what_has_none_is_refused() -> None:
    with pytest.raises(InputError, match="all_reduce has no root"):
        PlanOptions(routing="pinned", root=1).demand(FABRIC)
