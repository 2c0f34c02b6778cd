"""bufferorch: pools, profiles, and their bindings to priority groups and queues."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from raddle.nos.db.databases import ConfigDb, ConfigEntry
from raddle.state import PRIORITIES, BufferPool, BufferProfile

Bindings = dict[str, list[int | None]]
"""Port -> for each of the 8 priority groups or queues the index of its profile."""


@dataclass(frozen=True, slots=True)
class BufferState:
    """Pools and profiles sorted by name, and what is bound to priority groups and queues."""

    pools: tuple[BufferPool, ...]
    profiles: tuple[BufferProfile, ...]
    pgs: Bindings
    queues: Bindings


def derive_buffers(config: ConfigDb) -> BufferState:
    """The buffer configuration of a switch. Profiles of a pool without a size are not bound to anything."""
    # A size that buffermgrd would have to make of a percentage is missing: the ASIC gets no such pool.
    pool_table = {name: entry for name, entry in config.get("BUFFER_POOL", {}).items() if "size" in entry}
    profile_table = {
        name: entry
        for name, entry in config.get("BUFFER_PROFILE", {}).items()
        if str(entry["pool"]) in pool_table
    }
    pool_names = sorted(pool_table)
    pools = tuple(
        BufferPool(
            name=name,
            is_ingress=pool_table[name]["type"] != "egress",
            size_bytes=_integer(pool_table[name], "size"),
            xoff_bytes=_integer(pool_table[name], "xoff"),
        )
        for name in pool_names
    )
    profile_names = sorted(profile_table)
    profiles = tuple(_profile(name, profile_table[name], config, pool_names) for name in profile_names)
    index = {name: position for position, name in enumerate(profile_names)}
    return BufferState(
        pools, profiles, _bindings(config, "BUFFER_PG", index), _bindings(config, "BUFFER_QUEUE", index)
    )


def _profile(name: str, entry: ConfigEntry, config: ConfigDb, pool_names: list[str]) -> BufferProfile:
    """A profile; one with both thresholds takes the one that its pool's mode asks for."""
    pool = str(entry["pool"])
    wants_dynamic = config["BUFFER_POOL"][pool]["mode"] == "dynamic"
    is_dynamic = "dynamic_th" in entry and (wants_dynamic or "static_th" not in entry)
    return BufferProfile(
        name=name,
        pool=pool_names.index(pool),
        reserved_bytes=_integer(entry, "size"),
        dynamic_th=_integer(entry, "dynamic_th") if is_dynamic else None,
        static_th_bytes=None if is_dynamic else _integer(entry, "static_th"),
        xon_bytes=_integer(entry, "xon"),
        xon_offset_bytes=_integer(entry, "xon_offset"),
        xoff_bytes=_integer(entry, "xoff"),
    )


def _integer(entry: ConfigEntry, name: str) -> int:
    return int(str(entry.get(name, "0")))


def _bindings(config: ConfigDb, table: str, index: dict[str, int]) -> Bindings:
    bindings: Bindings = {}
    for key, entry in config.get(table, {}).items():
        port, _, numbers = key.partition("|")
        row = bindings.setdefault(port, [None] * PRIORITIES)
        for number in index_range(numbers):
            row[number] = index.get(str(entry.get("profile", "NULL")))
    return bindings


@functools.lru_cache(maxsize=1024)
def index_range(text: str) -> tuple[int, ...]:
    """`3`, `3-4` or `0-2,5` as indices below 8; text that is not of this form, or above, gives nothing.

    SONiC accepts any string as a queue index in CONFIG_DB and its orchs skip what they cannot parse.
    """
    indices: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.partition("-")
        ends = (low, high) if dash else (low, low)
        if all(end.isascii() and end.isdigit() and len(end) <= 3 for end in ends):
            indices.update(range(int(ends[0]), int(ends[1]) + 1))
    return tuple(sorted(number for number in indices if number < PRIORITIES))
