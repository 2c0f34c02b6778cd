"""Entries of a cabled port that are the plan's alone, although their tables are not."""

from __future__ import annotations

from collections.abc import Container, Iterable

from raddle.controller.southbound.sonic.breakout import Tables

PORT_ROWS = ("BUFFER_PG", "BUFFER_QUEUE", "QUEUE")
"""Tables of which a cabled port has what the plan says and no more: another lossless priority group takes
headroom that the others count on, and an entry over the same queues says something else of them."""


def surplus(table: str, entries: Iterable[str], wanted: Tables, foreign: Container[str]) -> set[str]:
    """What the ports that are wanted have in a table of `PORT_ROWS` that is not."""
    if table not in PORT_ROWS:
        return set()
    want = wanted.get(table, {})
    ports = {key.partition("|")[0] for key in want}
    return {
        key
        for key in entries
        if key not in want and key.partition("|")[0] in ports and f"{table}/{key}" not in foreign
    }
