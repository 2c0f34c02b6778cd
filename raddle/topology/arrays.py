"""A fabric's links as numpy columns: what computes over a whole fabric reads these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.topology.devices import Host, Link, Switch


@dataclass(frozen=True, slots=True, eq=False)
class FabricArrays:
    """Columns of `Fabric.links`, in its order.

    Devices are numbered hosts first, in order of `Fabric.hosts`, then switches, in order of
    `Fabric.switches`.

    Attributes:
        a, b: int32, the devices at the lower and the upper end.
        tier: int8, of the lower end: 0 host, 1 leaf, 2 spine.
        speed_bps: int64.
        length_m: float64.
        is_up: bool. `carries`: bool, up and not drained.
        device_tier: int8 per device: 0 host, 1 leaf, 2 spine, 3 superspine.
    """

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    tier: NDArray[np.int8]
    speed_bps: NDArray[np.int64]
    length_m: NDArray[np.float64]
    is_up: NDArray[np.bool_]
    carries: NDArray[np.bool_]
    device_tier: NDArray[np.int8]

    @classmethod
    def of(cls, hosts: Sequence[Host], switches: Sequence[Switch], links: Sequence[Link]) -> FabricArrays:
        ranks = {"leaf": 1, "spine": 2, "superspine": 3}
        number = {host.name: i for i, host in enumerate(hosts)}
        number |= {switch.name: len(hosts) + i for i, switch in enumerate(switches)}
        tiers = [0] * len(hosts) + [ranks[switch.role] for switch in switches]
        device_tier = np.array(tiers, dtype=np.int8)
        a = np.array([number[link.a.device] for link in links], dtype=np.int32)
        return cls(
            a=a,
            b=np.array([number[link.b.device] for link in links], dtype=np.int32),
            tier=device_tier[a],
            speed_bps=np.array([link.speed_bps for link in links], dtype=np.int64),
            length_m=np.array([link.length_m for link in links], dtype=np.float64),
            is_up=np.array([link.is_up for link in links], dtype=np.bool_),
            carries=np.array([link.is_up and not link.is_drained for link in links], dtype=np.bool_),
            device_tier=device_tier,
        )
