"""What half of a fabric's hosts and the other half have between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.topology.model import Fabric
from raddle.topology.views.capacity import down_and_up_bps
from raddle.units import format_rate


def bisection_bps(fabric: Fabric, members: NDArray[np.bool_] | None = None) -> int:
    """What half of a plane's leaves and the others have between them each way, summed over planes.

    Each leaf counts with the lesser of its hosts' and its uplinks' bandwidth, each spine under superspines
    with the lesser of what is above and what such leaves have to it; half of the smaller sum crosses. Spines
    do not count where all leaves with hosts share one, as those of a pod do. A leaf or pod with half of the
    hosts or more lets through no more than its uplinks, and its hosts beyond that half. Of a plane of one
    leaf: half its hosts'.

    Args:
        members: bool[endpoints], those whose bandwidth counts; all where there is none.
    """
    arrays, first = fabric.arrays, len(fabric.hosts)
    _, up = down_and_up_bps(fabric)
    plane_of = np.array([switch.plane for switch in fabric.switches], np.int64)
    chosen = _host_links(fabric, members)
    hosts = np.zeros_like(up)
    np.add.at(hosts, arrays.b[chosen], arrays.speed_bps[chosen])
    total = 0
    for plane in sorted({*plane_of.tolist()}):  # np.unique imports numpy.ma
        leaves = first + np.flatnonzero((plane_of == plane) & (hosts[first:] > 0))
        if len(leaves) < 2:
            total += int(hosts[leaves].sum()) // 2
            continue
        crossing = int(np.minimum(hosts, up)[leaves].sum())
        half_bps = int(hosts[leaves].sum()) // 2
        cuts = [_large_part_bps(hosts[leaves], up[leaves], half_bps)]
        if fabric.superspines and not _share_a_spine(fabric, leaves):
            below = np.zeros_like(up)
            is_used = arrays.carries & np.isin(arrays.a, leaves)
            np.add.at(below, arrays.b[is_used], arrays.speed_bps[is_used])
            crossing = min(crossing, int(np.minimum(below, up).sum()))
            pod_of = _pods(fabric, is_used)
            pod_hosts, pod_up = np.zeros_like(up), np.zeros_like(up)
            np.add.at(pod_hosts, pod_of[leaves], hosts[leaves])
            np.add.at(pod_up, pod_of, np.minimum(below, up))
            cuts.append(_large_part_bps(pod_hosts, pod_up, half_bps))
        total += min(crossing // 2, *cuts)
    return total


def _large_part_bps(hosts: NDArray[np.int64], up: NDArray[np.int64], half_bps: int) -> int:
    """What crosses the cut of a half of the hosts that one part (a leaf, a pod) holds alone: its uplinks, and
    its other hosts. The least of such parts; `half_bps` where no part holds as much."""
    cuts = (up + hosts - half_bps)[(hosts >= half_bps) & (hosts > 0)]
    return min(half_bps, int(cuts.min())) if len(cuts) else half_bps


def _pods(fabric: Fabric, links: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int[devices], the least device that each reaches over the links."""
    a, b = fabric.arrays.a[links], fabric.arrays.b[links]
    least = np.arange(len(fabric.arrays.device_tier))
    while (least[a] != least[b]).any():
        np.minimum.at(least, a, least[b])
        np.minimum.at(least, b, least[a])
    return least


def _host_links(fabric: Fabric, members: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """The links of the members that are servers and that carry traffic."""
    arrays = fabric.arrays
    chosen = np.array([endpoint.link for endpoint in fabric.endpoints], np.int64)
    is_server = np.array([each.host < fabric.servers for each in fabric.endpoints], np.bool_)
    chosen = chosen[is_server if members is None else members & is_server]
    return chosen[arrays.carries[chosen]]


def bisection_is_estimate(fabric: Fabric, members: NDArray[np.bool_] | None = None) -> bool:
    """Whether `bisection_bps` is half of a sum, and no cut.

    It is a cut, of half of the members' leaves against the others, where each plane has an even number of
    them (under superspines: of pods) with the same bandwidth to members, to each switch above and onwards,
    and where no link between switches is down or drained. Of a plane of one leaf: where it has an even number
    of members' links, of one speed.
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


def _is_even(fabric: Fabric, host_links: NDArray[np.int64]) -> bool:
    """Whether every even split of hosts of one plane by leaves, or pods, lets through the same."""
    arrays = fabric.arrays
    _, up = down_and_up_bps(fabric)
    down = np.zeros_like(up)
    np.add.at(down, arrays.b[host_links], arrays.speed_bps[host_links])
    leaves = np.flatnonzero(down)
    if len(leaves) == 1:
        return len(host_links) % 2 == 0 and _are_equal(arrays.speed_bps[host_links])
    links = np.flatnonzero(arrays.carries & np.isin(arrays.a, leaves))
    if not len(links) or not (_are_equal(down[leaves]) and _are_equal(up[leaves])):
        return False
    # Links of one leaf and one spine stand together; np.unique would import numpy.ma.
    pair = arrays.a[links].astype(np.int64) * len(up) + arrays.b[links]
    order = np.argsort(pair, kind="stable")
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    between = np.add.reduceat(arrays.speed_bps[links[order]], starts)
    leaves_of = np.bincount(pair[order][starts] % len(up), minlength=len(up))
    spines = np.flatnonzero(leaves_of)
    if not (_are_equal(between) and _are_equal(leaves_of[spines]) and _are_equal(up[spines])):
        return False
    pods = len(leaves) // int(leaves_of[spines[0]])
    if pods > 1 and not up[spines[0]]:
        return False
    return (pods if pods > 1 else len(leaves)) % 2 == 0


def _are_equal(values: NDArray[np.int64]) -> bool:
    return bool((values == values[0]).all())


def _share_a_spine(fabric: Fabric, leaves: NDArray[np.int64]) -> bool:
    arrays = fabric.arrays
    used = arrays.carries & np.isin(arrays.a, leaves)
    pairs = np.unique(np.stack((arrays.a[used], arrays.b[used])), axis=1)
    return bool((np.bincount(pairs[1]) == len(leaves)).any()) if pairs.size else False
