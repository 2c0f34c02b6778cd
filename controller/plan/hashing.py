"""What each switch's ECMP hash is set to."""

from __future__ import annotations

import zlib

from raddle.topology.model import Fabric, Role, Switch

DEVICE_TYPES: dict[Role, str] = {
    "leaf": "BackEndToRRouter",
    "spine": "BackEndLeafRouter",
    "superspine": "BackEndSpineRouter",
}
"""DEVICE_METADATA types of an AI fabric's tiers; with resource_type ComputeAI (qos_config.j2)."""

_BITS_OF_32, _BITS_OF_16 = 8, 5
"""Bits of a hash that each tier has to itself with `offset: per-tier`, by the width of the hash: groups of up
to 256 and 32 members choose independently."""

_TIERS = ("leaf", "spine", "superspine")

_TEMPLATE = (
    ("ToRRouter", 0, 0),
    ("LeafRouter", 10, 10),
    ("SpineRouter", 25, 0),
    ("LowerRegionalHub", 60, 0),
    ("FabricRegionalHub", 70, 0),
    ("UpperRegionalHub", 80, 0),
)
"""What a type has in it, and the seed and offset that follow; the first counts (sonic-buildimage
dockers/docker-orchagent/switch.json.j2 of 2026-08)."""


def sonic_hash(device_type: str) -> tuple[int, int]:
    """Seed and offset that SONiC sets by itself on a switch of a DEVICE_METADATA type."""
    found = ((seed, offset) for part, seed, offset in _TEMPLATE if part in device_type)
    return next(found, (0, 0))


def per_switch_seed(name: str) -> int:
    """The seed that a switch has to itself."""
    return zlib.crc32(name.encode())


def per_tier_offset(tier: int, algorithm: str) -> int:
    """The offset of a tier, counted from the leaves, that has bits of the hash to itself."""
    return tier * (_BITS_OF_32 if algorithm == "crc32" else _BITS_OF_16)


def hash_seed(fabric: Fabric, switch: Switch) -> int:
    """The seed that all switches share, one of the switch's own, or that which SONiC gives it."""
    seed = fabric.routing.hash_seed
    if seed == "sonic":
        return sonic_hash(_device_type(fabric, switch))[0]
    return per_switch_seed(switch.name) if seed is None else seed


def hash_offset(fabric: Fabric, switch: Switch) -> int:
    """How many bits the switch rotates a hash right by before it chooses."""
    offset = fabric.routing.hash_offset
    if offset == "sonic":
        return sonic_hash(_device_type(fabric, switch))[1]
    if offset is None:
        return per_tier_offset(_TIERS.index(switch.role), fabric.routing.hash_algorithm)
    return offset


def _device_type(fabric: Fabric, switch: Switch) -> str:
    """The type of the switch's tier, or that which an adopted switch has."""
    adopted = fabric.record.adopted_by_switch.get(switch.name, {}) if fabric.record else {}
    entry = adopted.get("DEVICE_METADATA|localhost")
    held = entry.held if entry and entry.held else {}
    return str(held.get("type", DEVICE_TYPES[switch.role]))
