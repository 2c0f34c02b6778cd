"""What is judged on its own: the planes, the tenants and the rails of a fabric.

Planes share no switch, so that all pairs are within planes. A tenant is all endpoints that serve its
accelerators, a rail the NICs of one number in all hosts; of both only pairs within a plane count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from raddle.controller.verify.failures import judge
from raddle.controller.verify.load import busiest_link
from raddle.controller.verify.network import Bools, Ints, Network
from raddle.controller.verify.reach import cut_off_pairs, pairs_of
from raddle.controller.verify.tables import Tables
from raddle.topology.model import Fabric
from raddle.topology.views.bisection import bisection_bps, bisection_is_estimate

Kind = Literal["plane", "tenant", "rail"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a fabric as it stands. Pairs are ordered pairs of its endpoints within one plane.

    Attributes:
        pairs: all of them; `cut_off` have no way up and down, `lost` have one and are not delivered.
        busiest: load and port of the busiest fabric link when its endpoints alone send to each other alike.
        bisection_bps: what an even split of it lets through each way; half of a sum where
            `bisection_is_estimate`.
    """

    kind: Kind
    name: str
    endpoints: int
    pairs: int
    cut_off: int
    lost: int
    busiest: tuple[float, str]
    bisection_bps: int
    bisection_is_estimate: bool


def judge_parts(
    fabric: Fabric, network: Network, tables: Tables, speed_bps: Ints, is_sound: bool
) -> tuple[Part, ...]:
    """The parts of a fabric on the links that are up; none of a kind that the fabric has one of.

    Args:
        speed_bps: int[links], of the fabric's links.
        is_sound: nothing of the whole fabric is lost, so nothing of a part is.
    """
    links = network.is_up
    rank = np.zeros(len(network.out), np.int64)
    return tuple(
        Part(
            kind,
            name,
            endpoints=int(members.sum()),
            pairs=pairs_of(network, members),
            cut_off=cut_off_pairs(network, links, members),
            lost=0 if is_sound else judge(network, tables, links, rank, members).lost,
            busiest=busiest_link(network, tables, links, speed_bps, members),
            bisection_bps=bisection_bps(fabric, ports),
            bisection_is_estimate=bisection_is_estimate(fabric, ports),
        )
        for kind, name, ports in _members(fabric)
        for members in (network.places(ports),)
    )


def _members(fabric: Fabric) -> Iterator[tuple[Kind, str, Bools]]:
    """Kind, name and endpoints (bool[endpoints]) of every part."""
    is_server = np.array([each.host < fabric.servers for each in fabric.endpoints])
    planes = np.array([each.plane for each in fabric.endpoints])
    rails = np.array([each.rail for each in fabric.endpoints])
    numbered: list[tuple[Kind, Ints]] = [("plane", planes), ("rail", rails)]
    for kind, number in numbered:
        found = np.unique(number).tolist()
        for each in found if len(found) > 1 else ():
            yield kind, str(each), (number == each) & is_server
    for tenant in fabric.tenants:
        own = set(tenant.endpoints) | {
            each.index
            for each in fabric.endpoints
            if (each.host, each.accelerator) in set(tenant.accelerators)
        }
        members = np.zeros(len(fabric.endpoints), np.bool_)
        members[sorted(own)] = True
        yield "tenant", tenant.name, members
