"""Entries that are the plan's alone, although their tables are not: of cabled ports, and buffer pools."""

from __future__ import annotations

from collections.abc import Container, Iterable

from raddle.controller.southbound.sonic.breakout import Tables

PORT_ROWS = ("BUFFER_PG", "BUFFER_QUEUE", "QUEUE")
"""Tables of which a cabled port has what the plan says and no more: another lossless priority group takes
headroom that the others count on, and an entry over the same queues says something else of them."""


POOLS = "BUFFER_POOL"
"""The plan's pools divide the whole buffer: another one takes what they count on."""

ALONE = (*PORT_ROWS, POOLS)


def surplus(table: str, entries: Iterable[str], wanted: Tables, foreign: Container[str]) -> set[str]:
    """What is not wanted beside what is: pools, and in a table of `PORT_ROWS` entries of the same ports."""
    want = wanted.get(table, {})
    if table == POOLS and want:
        return {key for key in entries if key not in want and f"{table}/{key}" not in foreign}
    if table not in PORT_ROWS:
        return set()
    ports = {key.partition("|")[0] for key in want}
    return {
        key
        for key in entries
        if key not in want and key.partition("|")[0] in ports and f"{table}/{key}" not in foreign
    }
