"""Which ports of bonds are used: those on leaves without a way up are shut, and hosts send by the other.

As the uplink tracking of switches does: the leaf itself would take packets for which it has no route.
"""

from __future__ import annotations

from dataclasses import replace

from raddle.topology.model import Endpoint, Fabric


def ports_without_uplinks(fabric: Fabric) -> list[int]:
    """Links of bonds' ports whose leaf has no live uplink, while the other port is up at a leaf that has one.

    Links between switches that are drained lead nowhere, either.
    """
    bonded = [each for each in fabric.endpoints if each.twin is not None]
    if not bonded:
        return []
    arrays, first = fabric.arrays, len(fabric.hosts)
    climbs = {int(device) - first for device in arrays.a[arrays.carries & (arrays.tier > 0)]}
    return [
        each.link
        for each in bonded
        if each.leaf not in climbs
        and each.twin is not None
        and fabric.endpoints[each.twin].leaf in climbs
        and fabric.links[fabric.endpoints[each.twin].link].is_up
    ]


def half_bonds(fabric: Fabric) -> list[Endpoint]:
    """The live ports of bonds whose other port is dead at a leaf with a way up, which is still sent to."""
    unused = set(ports_without_uplinks(fabric))
    others = ((each, fabric.endpoints[each.twin].link) for each in fabric.endpoints if each.twin is not None)
    return [
        each
        for each, other in others
        if fabric.links[each.link].is_up and not fabric.links[other].is_up and other not in unused
    ]


def with_tracked_uplinks(fabric: Fabric) -> Fabric:
    """The fabric with those links down."""
    shut = set(ports_without_uplinks(fabric))
    if not shut:
        return fabric
    links = tuple(replace(link, is_up=False) if link.index in shut else link for link in fabric.links)
    return replace(fabric, links=links)
