"""Groups and buckets, which OpenFlow 1.3 has with fields and 1.5 with properties.

Source: OpenFlow 1.5.1, 7.3.4.3 (properties of groups and buckets); Open vSwitch's
include/openflow/netronome-ext.h (the selection method) and ovs-ofctl(8).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from raddle.controller.southbound.openflow.codec import OPENFLOW_15, Wire, of

_WEIGHT, _WATCH_PORT, _WATCH_GROUP = range(3)  # types of bucket properties
_EXPERIMENTER, _NETRONOME, _SELECTION_METHOD = 0xFFFF, 0x0000154D, 1
_L4 = 0
_BY_L4 = (0, *struct.unpack("!4I", b"dp_hash".ljust(16, b"\0")), _L4)
"""The datapath's hash over all of the 5-tuple; what Open vSwitch takes by itself leaves out UDP ports."""


def bucket(
    wire: Wire,
    actions: Sequence[Any],
    weight: int = 0,
    port: int = of.OFPP_ANY,
    group: int = of.OFPG_ANY,
) -> Any:
    """A bucket that watches a port or a group; with a weight one of a select group."""
    if wire is not OPENFLOW_15:
        return wire.parser.OFPBucket(weight, port, group, actions)
    parts = wire.parser
    made = [parts.OFPGroupBucketPropWeight(type_=_WEIGHT, weight=weight)] if weight else []
    for kind, watch in ((_WATCH_PORT, port), (_WATCH_GROUP, group)):
        if watch != of.OFPP_ANY:  # the number of OFPG_ANY, too
            made.append(parts.OFPGroupBucketPropWatch(type_=kind, watch=watch))
    return parts.OFPBucket(actions=actions, properties=made)


def weight_of(each: Any) -> int:
    """A bucket's weight; 0 where it has none."""
    return int(each.weight if hasattr(each, "weight") else _property(each, _WEIGHT, "weight", 0))


def watched(each: Any) -> tuple[int, int]:
    """The port and the group that a bucket watches, as OFPP_ANY and OFPG_ANY where it watches none."""
    if hasattr(each, "watch_port"):
        return each.watch_port, each.watch_group
    return (
        _property(each, _WATCH_PORT, "watch", of.OFPP_ANY),
        _property(each, _WATCH_GROUP, "watch", of.OFPG_ANY),
    )


def _property(each: Any, kind: int, name: str, otherwise: int) -> int:
    return next((getattr(found, name) for found in each.properties if found.type == kind), otherwise)


def group_mod(
    wire: Wire,
    command: int,
    kind: int,
    number: int,
    buckets: Sequence[Any] = (),
    seed: int | None = None,
) -> Any:
    """The message about a group; with a seed, which 1.3 has no place for, of one that hashes the 5-tuple."""
    parser = wire.parser
    if wire is not OPENFLOW_15:
        assert seed is None
        return parser.OFPGroupMod(wire.protocol, command, kind, number, buckets)
    for place, each in enumerate(buckets):
        each.bucket_id = place
    properties = []
    if seed is not None:
        method = parser.OFPGroupPropExperimenter(
            type_=_EXPERIMENTER, experimenter=_NETRONOME, exp_type=_SELECTION_METHOD, data=[*_BY_L4, seed]
        )
        properties = [method]
    return parser.OFPGroupMod(wire.protocol, command, kind, number, buckets=buckets, properties=properties)


def has_known_method(described: Any) -> bool:
    """Whether a group hashes by what the switch likes, or by the 5-tuple and a seed. 1.3 does not tell."""
    properties = getattr(described, "properties", ())
    return not properties or seed_of(described) is not None


def seed_of(described: Any) -> int | None:
    """The seed of a group that hashes the 5-tuple."""
    for each in getattr(described, "properties", ()):
        kind = (each.type, getattr(each, "experimenter", 0), getattr(each, "exp_type", 0))
        if kind == (_EXPERIMENTER, _NETRONOME, _SELECTION_METHOD) and tuple(each.data[:-1]) == _BY_L4:
            return int(each.data[-1])
    return None
