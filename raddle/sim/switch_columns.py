"""SwitchState -> the columns that the engine takes."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from raddle._core import NONE, ArsConfig, ArsLoad, ArsObject, QosMap, Watchdog, WatchdogAction
from raddle._core import BufferPool as BufferPool
from raddle._core import BufferProfile as BufferProfile
from raddle._core import WredProfile as WredProfile
from raddle.ecmp_hash import hash_width, rotated, seed_mask
from raddle.sim.policy_match import PacketHeaders
from raddle.state import PolicyState, RouteState, SwitchState, WatchdogState


class NextHopGroup(NamedTuple):
    """A next-hop group as the chip holds it: ports, and see `RouteState` for the rest."""

    ports: tuple[int, ...]
    ars: int | None = None
    alternatives: tuple[int, ...] = ()


def switch_columns(
    state: SwitchState, addresses: tuple[int, ...], headers: PacketHeaders, is_ipv6: bool = False
) -> dict[str, Any]:
    """The keyword arguments of `_core.Simulation.set_switch` for one switch.

    Args:
        state: what the switch forwards with.
        addresses: address of every endpoint, of the family that `is_ipv6` says.
        headers: of the packets, which the policies go by.
    """
    routes = tuple(route for route in state.routes if route.is_ipv6 == is_ipv6)
    fib, groups = find_groups(routes, addresses, 128 if is_ipv6 else 32)
    group_offsets, group_ports = group_columns(groups)
    policies = [policy for policy in state.policies if policy.is_ipv6 == is_ipv6]
    matched = _policy_groups(policies, headers, len(group_offsets) - 1)
    maps: dict[tuple[tuple[int, ...], ...], int] = {}
    port_qos = []
    for port in state.ports:
        row = (port.dscp_to_tc, port.tc_to_queue, port.tc_to_pg, port.pfc_to_queue)
        port_qos.append(maps.setdefault(row, len(maps)))
    return {
        **hash_columns(state, is_ipv6),
        "fib": fib,
        "policies": matched,
        **_appended(group_offsets, group_ports, policies if len(matched) else []),
        "port_up": np.array([port.is_admin_up for port in state.ports], np.uint8),
        "pfc_enable": np.array([port.pfc_enable for port in state.ports], np.uint8),
        "port_qos": np.array(port_qos, np.uint32),
        "pg_profile": _indices([port.pgs for port in state.ports]),
        "queue_profile": _indices([tuple(q.buffer for q in port.queues) for port in state.ports]),
        "queue_wred": _indices([tuple(q.wred for q in port.queues) for port in state.ports]),
        "queue_weight": np.array([[q.weight for q in port.queues] for port in state.ports], np.uint32),
        "qos": [qos_map(*row) for row in maps],
        "port_mtu": np.array([port.mtu_bytes for port in state.ports], np.uint32),
        "watchdogs": _watchdogs(state),
        "ars": ars_config(state, groups, policies if len(matched) else []),
        **_buffer_columns(state),
    }


def hash_columns(state: SwitchState, is_ipv6: bool) -> dict[str, int]:
    """What the seed flips, and the offset in 32 bits; shorter hashes come rotated from HashClasses."""
    mask = seed_mask(state.hash_seed, state.hash_algorithm, state.hash_fields, 16 if is_ipv6 else 4)
    if hash_width(state.hash_algorithm) == 32:
        return {"hash_seed": mask, "hash_offset": state.hash_offset % 32}
    return {"hash_seed": int(rotated(np.array(mask, np.uint32), state.hash_offset, 16)), "hash_offset": 0}


def _policy_groups(policies: list[PolicyState], headers: PacketHeaders, first: int) -> NDArray[np.uint32]:
    """The group of each queue pair's data and acknowledgements, NONE where a route decides; empty if all do.

    The group of policy i is `first` + i.
    """
    places = headers.match(policies) if policies else np.empty(0, np.int64)
    if (places < 0).all():
        return np.empty(0, np.uint32)
    return np.where(places < 0, NONE, places + first).astype(np.uint32)


def _appended(
    offsets: NDArray[np.uint32], ports: NDArray[np.uint32], policies: list[PolicyState]
) -> dict[str, NDArray[np.uint32]]:
    """The groups' ports with those of the policies behind the routes'."""
    groups = [policy.ports for policy in policies]
    ends = offsets[-1] + np.cumsum([len(group) for group in groups], dtype=np.uint32)
    members = np.array([port for group in groups for port in group], np.uint32)
    return {
        "group_offsets": np.append(offsets, ends.astype(np.uint32)),
        "group_ports": np.append(ports, members),
    }


def qos_map(
    dscp_to_tc: Sequence[int],
    tc_to_queue: Sequence[int],
    tc_to_pg: Sequence[int],
    pfc_to_queue: Sequence[int],
) -> QosMap:
    """The engine's row of a port's maps."""
    return QosMap(
        dscp_to_tc=np.array(dscp_to_tc, np.uint8),
        tc_to_queue=np.array(tc_to_queue, np.uint8),
        tc_to_pg=np.array(tc_to_pg, np.uint8),
        pfc_to_queue=np.array(pfc_to_queue, np.uint8),
    )


def _watchdogs(state: SwitchState) -> list[Watchdog]:
    """Of every port; none where no port has one."""
    if all(port.watchdog is None for port in state.ports):
        return []
    none = WatchdogState(0, 0, 0, "drop")
    return [
        Watchdog(
            queues=dog.queues,
            detect_ps=dog.detect_ps,
            restore_ps=dog.restore_ps,
            poll_ps=dog.poll_ps,
            action=WatchdogAction[dog.action],
        )
        for dog in (port.watchdog or none for port in state.ports)
    ]


def ars_config(
    state: SwitchState, groups: tuple[NextHopGroup, ...], policies: list[PolicyState]
) -> ArsConfig | None:
    """Which groups are adaptive, and how; None where none is. Those of the policies follow and hash."""
    ars = state.ars
    if ars is None or all(group.ars is None for group in groups):
        return None
    objects = [
        ArsObject(
            is_per_packet=o.is_per_packet,
            idle_ps=o.idle_ps,
            max_flows=o.max_flows,
            primary_path_threshold=o.primary_path_threshold,
            alternative_path_cost=o.alternative_path_cost,
        )
        for o in ars.objects
    ]
    chosen = [NONE if group.ars is None else group.ars for group in groups]
    alternative = [port in group.alternatives for group in groups for port in group.ports]
    alternative += [False for policy in policies for _ in policy.ports]
    past, future, current = (
        ArsLoad(min=load.min_value, max=load.max_value, weight=load.weight)
        for load in (ars.past, ars.future, ars.current)
    )
    return ArsConfig(
        sampling_interval_ps=ars.sampling_interval_ps,
        past=past,
        future=future,
        current=current,
        objects=objects,
        group_object=np.array([*chosen, *[NONE] * len(policies)], np.uint32),
        is_alternative=np.array(alternative if any(alternative) else [], np.uint8),
        nominal_bps=np.array(ars.nominal_bps, np.int64),
    )


def _indices(rows: list[tuple[int | None, ...]]) -> NDArray[np.uint32]:
    return np.array([[NONE if cell is None else cell for cell in row] for row in rows], np.uint32)


def _buffer_columns(state: SwitchState) -> dict[str, Any]:
    """Pools without what their priority groups have reserved: SAI counts reserved bytes in a pool's size."""
    reserved = [0] * len(state.buffer_pools)
    for port in state.ports:
        for index in port.pgs:
            if index is not None:
                profile = state.buffer_profiles[index]
                reserved[profile.pool] += profile.reserved_bytes
    pools = [
        BufferPool(size_bytes=max(pool.size_bytes - reserved[i], 0), headroom_bytes=pool.xoff_bytes)
        for i, pool in enumerate(state.buffer_pools)
    ]
    profiles = [
        BufferProfile(
            pool=profile.pool,
            reserved_bytes=profile.reserved_bytes,
            is_dynamic=profile.dynamic_th is not None,
            dynamic_th=profile.dynamic_th or 0,
            static_th_bytes=profile.static_th_bytes or 0,
            xon_bytes=profile.xon_bytes,
            xon_offset_bytes=profile.xon_offset_bytes,
            headroom_bytes=profile.xoff_bytes,
        )
        for profile in state.buffer_profiles
    ]
    wred = [
        # Every packet of a queue pair is ECN-capable: a profile that marks never drops one.
        WredProfile(
            min_bytes=w.min_bytes,
            max_bytes=w.max_bytes,
            probability=w.probability,
            marks=w.marks_ecn,
            drops=w.drops and not w.marks_ecn,
        )
        for w in state.wred_profiles
    ]
    return {"pools": pools, "profiles": profiles, "wred": wred}


def find_groups(
    routes: tuple[RouteState, ...], addresses: tuple[int, ...], bits: int = 32
) -> tuple[NDArray[np.uint32], tuple[NextHopGroup, ...]]:
    """Longest-prefix match of every endpoint's address, done once per change instead of once per packet.

    Args:
        bits: of an address, 32 or 128.

    Returns:
        The group of each endpoint (NONE: no route), and the groups.
    """
    order, ascending = _sorted(addresses)
    groups: dict[NextHopGroup, int] = {}
    by_address = np.full(len(addresses), NONE, np.uint32)
    for route in sorted(routes, key=lambda route: route.length):
        first = bisect_left(ascending, route.prefix)
        end = bisect_left(ascending, route.prefix + (1 << bits - route.length), first)
        if first < end:
            group = NextHopGroup(_members(route), route.ars, route.alternatives)
            by_address[first:end] = groups.setdefault(group, len(groups))
    fib = np.empty_like(by_address)
    fib[order] = by_address
    return fib, tuple(groups)


def group_columns(groups: tuple[NextHopGroup, ...]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The groups' ports as offsets and members."""
    offsets = np.cumsum([0, *(len(group.ports) for group in groups)]).astype(np.uint32)
    return offsets, np.array([port for group in groups for port in group.ports], np.uint32)


@lru_cache(maxsize=4)
def _sorted(addresses: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """The places of addresses in ascending order, and the addresses in that order."""
    order = sorted(range(len(addresses)), key=addresses.__getitem__)
    return order, [addresses[place] for place in order]


def _members(route: RouteState) -> tuple[int, ...]:
    """A route's next-hop group as the chip holds it: ports, repeated by their weights in lowest terms."""
    if not route.weights:
        return route.ports
    least = math.gcd(*route.weights)
    pairs = zip(route.ports, route.weights, strict=True)
    return tuple(port for port, weight in pairs for _ in range(weight // least))
