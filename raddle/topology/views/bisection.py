"""What half of a fabric's hosts and the other half have between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.topology.model import Fabric
from raddle.topology.views.capacity import down_and_up_bps
from raddle.units import format_rate

Ints = NDArray[np.int64]
Devices = NDArray[np.int64] | NDArray[np.int32]


def bisection_bps(fabric: Fabric, members: NDArray[np.bool_] | None = None) -> int:
    """What half of a plane's hosts and the others have between them each way, summed over planes.

    Hosts of one leaf, of the leaves of one group (two ToRs, rails) or of one pod are on one side. Each leaf
    counts with the lesser of its hosts' and its uplinks' bandwidth, each spine under superspines with the
    lesser of what is above and what such leaves have to it; half of the smaller sum crosses. Spines do not
    count where all hosts are in one pod. A group or pod with half of the hosts or more lets through no more
    than its uplinks, and its hosts beyond that half. Of a plane of one group: half its hosts'.

    Args:
        members: bool[endpoints], those whose bandwidth counts; all where there is none.
    """
    arrays, first = fabric.arrays, len(fabric.hosts)
    _, up = down_and_up_bps(fabric)
    plane_of = np.array([switch.plane for switch in fabric.switches], np.int64)
    chosen = _host_links(fabric, members)
    plane_of_link = plane_of[arrays.b[chosen] - first]
    total = 0
    for plane in sorted({*plane_of_link.tolist()}):  # np.unique imports numpy.ma
        links = chosen[plane_of_link == plane]
        hosts = _sums(arrays.b[links], arrays.speed_bps[links], up)
        leaves = np.flatnonzero(hosts)
        half_bps = int(hosts.sum()) // 2
        group_of = _groups(fabric, links)
        if _count(group_of[leaves]) == 1:
            total += half_bps
            continue
        crossing = int(np.minimum(hosts, up)[leaves].sum())
        own, above = _sums(group_of[leaves], hosts[leaves], up), _sums(group_of[leaves], up[leaves], up)
        cuts = [_large_part_bps(own, above, half_bps)]
        is_used = arrays.carries & np.isin(arrays.a, leaves)
        pod_of = _pods(fabric, is_used, leaves, group_of)
        if fabric.superspines and _count(pod_of[leaves]) > 1:
            through = np.minimum(_sums(arrays.b[is_used], arrays.speed_bps[is_used], up), up)
            crossing = min(crossing, int(through.sum()))
            own, above = _sums(pod_of[leaves], hosts[leaves], up), _sums(pod_of, through, up)
            cuts.append(_large_part_bps(own, above, half_bps))
        total += min(crossing // 2, *cuts)
    return total


def _sums(at: Devices, values: Ints, like: Ints) -> Ints:
    """The values summed by device."""
    found = np.zeros_like(like)
    np.add.at(found, at, values)
    return found


def _count(labels: Ints) -> int:
    return len({*labels.tolist()})


def _large_part_bps(hosts: Ints, up: Ints, half_bps: int) -> int:
    """What crosses the cut of a half of the hosts that one part (a group, a pod) holds alone: its uplinks,
    and its other hosts. The least of such parts; `half_bps` where no part holds as much."""
    cuts = (up + hosts - half_bps)[(hosts >= half_bps) & (hosts > 0)]
    return min(half_bps, int(cuts.min())) if len(cuts) else half_bps


def _groups(fabric: Fabric, host_links: Ints) -> Ints:
    """int[devices], the same number for leaves that hosts have in common, if half of those hosts or more are
    on all of them; other leaves are alone."""
    count = len(fabric.arrays.device_tier)
    host, leaf, _ = _pairs(fabric, host_links)
    part = _joined(host, leaf, count)
    leaves_of = np.bincount(host, minlength=count)
    hosts, leaves = np.flatnonzero(leaves_of), np.flatnonzero(np.bincount(leaf, minlength=count))
    width = np.bincount(part[leaves], minlength=count)
    on_all = hosts[leaves_of[hosts] == width[part[hosts]]]
    is_group = 2 * np.bincount(part[on_all], minlength=count) >= np.bincount(part[hosts], minlength=count)
    return np.where(is_group[part], part, np.arange(count))


def _pods(fabric: Fabric, links: NDArray[np.bool_], leaves: Ints, group_of: Ints) -> Ints:
    """int[devices], the same number for what the links, or hosts of one group, have to do with each other."""
    arrays = fabric.arrays
    lower: Ints = np.concatenate((arrays.a[links].astype(np.int64), group_of[leaves]))
    upper: Ints = np.concatenate((arrays.b[links].astype(np.int64), leaves))
    return _joined(lower, upper, len(arrays.device_tier))


def _joined(a: Devices, b: Devices, count: int) -> Ints:
    """int[devices], the least device that each reaches."""
    least = np.arange(count)
    while (least[a] != least[b]).any():
        np.minimum.at(least, a, least[b])
        np.minimum.at(least, b, least[a])
    return least


def _host_links(fabric: Fabric, members: NDArray[np.bool_] | None) -> Ints:
    """The links of the members that are servers and that carry traffic."""
    arrays = fabric.arrays
    chosen = np.array([endpoint.link for endpoint in fabric.endpoints], np.int64)
    is_server = np.array([each.host < fabric.servers for each in fabric.endpoints], np.bool_)
    chosen = chosen[is_server if members is None else members & is_server]
    return chosen[arrays.carries[chosen]]


def bisection_is_estimate(fabric: Fabric, members: NDArray[np.bool_] | None = None) -> bool:
    """Whether `bisection_bps` is half of a sum, and no cut.

    It is a cut, of half of the members' groups of leaves against the others, where each plane has an even
    number of them (under superspines: of pods), of leaves with the same bandwidth to members, to each switch
    above and onwards, and where no link between switches is down or drained. Of a plane of one group: where
    it has an even number of members' hosts, each with as many links to each leaf, of one speed.
    """
    arrays, first = fabric.arrays, len(fabric.hosts)
    if not arrays.carries[(arrays.a >= first) & (arrays.b >= first)].all():
        return True
    chosen = _host_links(fabric, members)
    plane_of = np.array([switch.plane for switch in fabric.switches], np.int64)[arrays.b[chosen] - first]
    planes = sorted({*plane_of.tolist()})
    return not all(_is_even(fabric, chosen[plane_of == plane]) for plane in planes)


def bisection_text(rate_bps: int, is_estimate: bool) -> str:
    """The rate in words, with `about` where it is no cut."""
    return f"{'about ' if is_estimate else ''}{format_rate(rate_bps)}"


def _is_even(fabric: Fabric, host_links: Ints) -> bool:
    """Whether every even split of hosts of one plane by groups, or pods, lets through the same."""
    arrays = fabric.arrays
    _, up = down_and_up_bps(fabric)
    down = _sums(arrays.b[host_links], arrays.speed_bps[host_links], up)
    leaves = np.flatnonzero(down)
    group_of = _groups(fabric, host_links)
    groups = _count(group_of[leaves])
    if groups == 1:
        return _is_even_inside(fabric, host_links)
    if not _are_equal(np.bincount(group_of[leaves])[group_of[leaves]]):
        return False
    is_used = arrays.carries & np.isin(arrays.a, leaves)
    links = np.flatnonzero(is_used)
    if not len(links) or not (_are_equal(down[leaves]) and _are_equal(up[leaves])):
        return False
    _, spine, between = _pairs(fabric, links)
    leaves_of = np.bincount(spine, minlength=len(up))
    spines = np.flatnonzero(leaves_of)
    if not (_are_equal(between) and _are_equal(leaves_of[spines]) and _are_equal(up[spines])):
        return False
    meshes = _count(_joined(arrays.a[links], arrays.b[links], len(up))[leaves])
    if meshes * int(leaves_of[spines[0]]) != len(leaves):
        return False
    pods = _count(_pods(fabric, is_used, leaves, group_of)[leaves])
    if pods > 1 and not up[spines[0]]:
        return False
    return (pods if pods > 1 else groups) % 2 == 0


def _is_even_inside(fabric: Fabric, host_links: Ints) -> bool:
    """Whether the hosts of one group are an even number, and linked alike to all of its leaves."""
    host, leaf, between = _pairs(fabric, host_links)
    hosts = _count(host)
    return hosts % 2 == 0 and len(host) == hosts * _count(leaf) and _are_equal(between)


def _pairs(fabric: Fabric, links: Ints) -> tuple[Ints, Ints, Ints]:
    """Each two devices that the links join, once: the lower, the upper, the bandwidth between them."""
    arrays, count = fabric.arrays, len(fabric.arrays.device_tier)
    pair = arrays.a[links].astype(np.int64) * count + arrays.b[links]
    order = np.argsort(pair, kind="stable")
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    lower, upper = np.divmod(pair[order][starts], count)
    return lower, upper, np.add.reduceat(arrays.speed_bps[links[order]], starts)


def _are_equal(values: Ints) -> bool:
    return bool((values == values[0]).all())
