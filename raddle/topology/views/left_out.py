"""What a fabric says and a simulation of it leaves out, for the outputs that it falsifies."""

from __future__ import annotations

from collections.abc import Iterator

from raddle.topology.model import Fabric


def not_simulated(fabric: Fabric) -> tuple[str, ...]:
    """What the file says and the run of a collective does as if it were not there."""
    return tuple(_left_out(fabric))


def _left_out(fabric: Fabric) -> Iterator[str]:
    if any(
        host.nic_model.bus_bps or (host.accelerators and host.accelerators.bus_bps) for host in fabric.hosts
    ):
        yield "limits of the hosts' buses ('bus'): NICs carry what their links do"
