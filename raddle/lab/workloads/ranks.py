"""Which accelerators are the ranks of a job, and the seats that they have there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.errors import InputError, with_hint
from raddle.lab.workloads.placement_file import read_placement
from raddle.topology.host_sets import expand_names
from raddle.topology.model import Fabric
from raddle.topology.views.cut_off import cut_off_endpoints
from raddle.topology.yaml.reading import did_you_mean
from raddle.workload import NOWHERE, Seats

_Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of a fabric runs a job, and in which order.

    Attributes:
        placement: one of `traffic.PLACEMENTS`, or a file; None: the tenant's own order, else `linear`.
        tenant: whose accelerators; None: anybody's.
        hosts: only accelerators of these: `host[0-7]`, several separated by commas.
        ranks: the first so many.
        seed: of a random placement.
    """

    placement: str | None = None
    tenant: str | None = None
    hosts: str | None = None
    ranks: int | None = None
    seed: int = 1

    @property
    def order(self) -> str:
        """The placement, as printed."""
        return self.placement or ("the tenant's" if self.tenant else "linear")


EVERYWHERE = Scope()


def place_ranks(fabric: Fabric, scope: Scope = EVERYWHERE) -> _Ints:
    """The accelerator of each rank, int32; one that no NIC connects any more has none.

    Raises:
        InputError: no such placement, file, tenant or host, or more ranks than accelerators.
    """
    kind = scope.placement
    order = _members(fabric, scope) if kind in (None, *traffic.PLACEMENTS) else _from_file(fabric, scope)
    seats = seats_of(fabric, order)
    first = seats.first_endpoint
    order, first = order[first != NOWHERE], first[first != NOWHERE].tolist()
    if scope.ranks is not None and not 1 <= scope.ranks <= len(order):
        raise InputError.of(
            "bad-ranks",
            f"{scope.ranks} ranks do not fit {len(order)} accelerators, one rank on each",
            "take fewer, or leave --ranks out",
        )
    if kind in traffic.PLACEMENTS:
        assert kind
        groups: dict[int, list[int]] = {}
        for accelerator, port in zip(order.tolist(), first, strict=True):
            endpoint = fabric.endpoints[port]
            groups.setdefault(endpoint.rail if kind == "rail" else endpoint.leaf, []).append(accelerator)
        in_turn = [groups[number] for number in sorted(groups)]
        order = traffic.place(kind, in_turn, None, scope.seed)
    return order[: scope.ranks]


def seats_of(fabric: Fabric, accelerators: _Ints) -> Seats:
    """Seats of ranks on these accelerators, int32[R].

    One whose NICs are all cut off uses those of its nearest neighbour in the host on the same planes: a
    library takes the nearest NIC that it finds. Where there is none, the seat has no port.
    """
    columns = fabric.accelerators
    alive = ~cut_off_endpoints(fabric)
    is_served = np.logical_or.reduceat(alive[columns.endpoints], columns.endpoint_offsets[:-1])
    serving = accelerators.astype(np.int64)
    for place in np.flatnonzero(~is_served[accelerators]).tolist():
        serving[place] = _neighbour(fabric, int(accelerators[place]), is_served)
    starts = columns.endpoint_offsets[serving]
    counts = np.where(serving == NOWHERE, 0, columns.endpoint_offsets[serving + 1] - starts)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Seats(
        accelerator=accelerators,
        endpoint_offsets=offsets,
        endpoints=columns.endpoints[np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)],
        domain=columns.domain[accelerators],
    )


def without_nics(fabric: Fabric) -> _Ints:
    """The accelerators that no NIC connects any more, int32."""
    every = np.arange(fabric.accelerators.count, dtype=np.int32)
    lost: _Ints = every[seats_of(fabric, every).first_endpoint == NOWHERE]
    return lost


def _neighbour(fabric: Fabric, accelerator: int, is_served: NDArray[np.bool_]) -> int:
    """The nearest accelerator of a host that names them with a live NIC on the same planes, or NOWHERE."""
    columns = fabric.accelerators
    host = columns.host[accelerator]
    if fabric.hosts[host].accelerators is None:
        return NOWHERE
    begin, end = np.searchsorted(columns.host, [host, host + 1]).tolist()
    own = _planes(fabric, accelerator)
    near = sorted(range(begin, end), key=lambda other: abs(other - accelerator))
    return next((each for each in near if is_served[each] and _planes(fabric, each) == own), NOWHERE)


def _planes(fabric: Fabric, accelerator: int) -> set[int]:
    columns = fabric.accelerators
    first, last = columns.endpoint_offsets[accelerator : accelerator + 2]
    return {fabric.endpoints[port].plane for port in columns.endpoints[first:last].tolist()}


def shape_of(fabric: Fabric, seats: Seats) -> traffic.Shape:
    """What an algorithm knows of ranks on these seats: flat ones where no scale-up network connects any.

    Ranks whose NICs have one number in their domains share a rail.
    """
    if (seats.domain == NOWHERE).all():
        return traffic.Shape.flat(seats.ranks)
    rail = _rails(fabric, seats)
    hosts = fabric.accelerators.host[seats.accelerator[seats.domain != NOWHERE]]
    inside = [fabric.hosts[host].accelerators for host in np.unique(hosts).tolist()]
    return traffic.Shape(
        domain=seats.domain,
        rail=rail,
        channels=_channels(seats.domain, rail),
        has_in_network=all(each is not None and each.in_network_bps > 0 for each in inside),
        host=fabric.accelerators.host[seats.accelerator],
    )


def _channels(domain: _Ints, rail: _Ints) -> int:
    """As many as the smallest domain has ranks; where domains differ, as there are rails that all have."""
    numbers = np.unique(domain[domain != NOWHERE]).tolist()
    servers = [rail[domain == number] for number in numbers]
    least = min(len(each) for each in servers)
    if all(np.array_equal(servers[0], each) for each in servers):
        return least
    return len(set.intersection(*(set(each.tolist()) for each in servers))) or least


def _rails(fabric: Fabric, seats: Seats) -> _Ints:
    """int32[R], the number of each rank's NIC among those of its domain, whose hosts follow one another."""
    nics = [0] * len(fabric.hosts)
    for endpoint in fabric.endpoints:
        nics[endpoint.host] = endpoint.rail + 1
    before: dict[int, int] = {}
    start = []
    for host, count in zip(fabric.hosts, nics, strict=True):
        start.append(before.get(host.domain, 0) if host.domain != NOWHERE else 0)
        before[host.domain] = start[-1] + count
    own = [fabric.endpoints[port] for port in seats.first_endpoint.tolist()]
    return np.array([start[each.host] + each.rail for each in own], np.int32)


def seat_names(fabric: Fabric, seats: Seats) -> list[str]:
    """Names of ranks' places: those of their accelerators, or the endpoint's."""
    places = zip(accelerator_names(fabric, seats.accelerator), seats.first_endpoint.tolist(), strict=True)
    return [name or fabric.endpoints[port].name for name, port in places]


def accelerator_names(fabric: Fabric, accelerators: NDArray[np.integer[Any]]) -> list[str]:
    """The host's where it has one accelerator, else `host3:1`; empty of none."""
    columns = fabric.accelerators
    counts = np.bincount(columns.host, minlength=len(fabric.hosts))
    names = []
    for accelerator in accelerators.tolist():
        if accelerator == NOWHERE:
            names.append("")
            continue
        host, number = columns.host[accelerator], columns.number[accelerator]
        names.append(f"{fabric.hosts[host].name}:{number}" if counts[host] > 1 else fabric.hosts[host].name)
    return names


def _members(fabric: Fabric, scope: Scope) -> _Ints:
    """The accelerators of a tenant, on some hosts; or all.

    Beside hosts with accelerators those that name none, such as storage, have ranks only if they are named.
    """
    columns = fabric.accelerators
    chosen = np.arange(columns.count, dtype=np.int32)
    has_some = np.array([host.accelerators is not None for host in fabric.hosts])
    if scope.hosts is None and has_some.any():
        chosen = chosen[has_some[columns.host]]
    if scope.tenant is not None:
        chosen = _of_tenant(fabric, scope.tenant)
    if scope.hosts is not None:
        chosen = chosen[np.isin(columns.host[chosen], _host_numbers(fabric, scope.hosts))]
    if not len(chosen):
        whose = "no accelerator" if scope.tenant is None else f"tenant '{scope.tenant}' has no accelerator"
        where = "" if scope.hosts is None else f" on {scope.hosts}"
        raise InputError.of("bad-ranks", whose + where)
    return chosen


def _of_tenant(fabric: Fabric, name: str) -> _Ints:
    columns = fabric.accelerators
    for tenant in fabric.tenants:
        if tenant.name == name:
            first = np.searchsorted(columns.host, np.arange(len(fabric.hosts)))
            return np.array([first[host] + number for host, number in tenant.accelerators], np.int32)
    names = [tenant.name for tenant in fabric.tenants]
    there = f"there is {', '.join(names)}" if names else f"'{fabric.file or fabric.name}' names none"
    raise InputError.of("unknown-tenant", f"no tenant '{name}'; {there}", did_you_mean(name, names))


def _host_numbers(fabric: Fabric, text: str) -> list[int]:
    numbers = {host.name: host.index for host in fabric.hosts}
    found = []
    try:
        for name in expand_names(text):
            if name not in numbers:
                raise InputError.of(
                    "unknown-device", f"--hosts: no host '{name}'", did_you_mean(name, numbers)
                )
            found.append(numbers[name])
    except ValueError as error:
        message, hint = with_hint(error)
        raise InputError.of("bad-hosts", f"--hosts: {message}", hint) from None
    return found


def _from_file(fabric: Fabric, scope: Scope) -> _Ints:
    assert scope.placement
    path = Path(scope.placement)
    if not path.is_file():
        kinds = ", ".join(traffic.PLACEMENTS)
        raise InputError.of(
            "unknown-placement", f"no placement '{path}' and no such file; there is {kinds}, or a file's name"
        )
    if scope.tenant is not None or scope.hosts is not None:
        raise InputError.of(
            "bad-option", f"'{path}' says where the ranks are; --tenant or --hosts would again", "give either"
        )
    return read_placement(fabric, path)
