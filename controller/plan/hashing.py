"""What each switch's ECMP hash is set to."""

from __future__ import annotations

import zlib

from raddle.topology.model import Fabric, Switch

_BITS_OF_32, _BITS_OF_16 = 8, 5
"""Bits of a hash that each tier has to itself with `offset: per-tier`, by the width of the hash: groups of up
to 256 and 32 members choose independently."""

_TIERS = ("leaf", "spine", "superspine")


def hash_seed(fabric: Fabric, switch: Switch) -> int:
    """The seed that all switches share, or one of the switch's own."""
    seed = fabric.routing.hash_seed
    return zlib.crc32(switch.name.encode()) if seed is None else seed


def hash_offset(fabric: Fabric, switch: Switch) -> int:
    """How many bits the switch rotates a hash right by before it chooses."""
    if fabric.routing.hash_offset is not None:
        return fabric.routing.hash_offset
    bits = _BITS_OF_32 if fabric.routing.hash_algorithm == "crc32" else _BITS_OF_16
    return _TIERS.index(switch.role) * bits
