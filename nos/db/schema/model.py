"""What a table of CONFIG_DB may hold, as data: the vocabulary that the schema modules are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from raddle.nos.db.databases import ConfigEntry, ConfigTables
from raddle.nos.db.schema.types import Check, any_string


class Violation(NamedTuple):
    """What is wrong at a place of CONFIG_DB (`PORT/Ethernet0/mtu`)."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field or a part of a key.

    Attributes:
        check: the type.
        mandatory: the field must be there.
        is_list: a leaf-list; the value is a list and each element is checked.
        is_joined: a leaf-list that CONFIG_DB keeps as one comma-joined string (sonic_yang_ext.py,
            LEAF_LIST_WITH_STRING_VALUE_DICT).
        refs: tables of which one must have the value as a key (a YANG leafref, or a union of such).
        literals: values that are allowed as well (a union with a reference).
        is_union: a value that no table has may conform to `check` instead.
    """

    check: Check = any_string
    mandatory: bool = False
    is_list: bool = False
    is_joined: bool = False
    refs: str | tuple[str, ...] = ()
    literals: frozenset[str] = frozenset()
    is_union: bool = False

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that `refs` names."""
        return (self.refs,) if isinstance(self.refs, str) else self.refs


Must = Callable[[Sequence[str], ConfigEntry, ConfigTables], str | None]
"""A condition over an entry: (parts of its key, its fields, CONFIG_DB) -> None, or what is wrong."""


@dataclass(frozen=True, slots=True)
class EntrySchema:
    """Entries whose key has as many parts as `key`, or, in a singleton, a fixed key.

    `pairs` is for the map tables (`DSCP_TO_TC_MAP`): any number of fields, each checked as (name, value).
    """

    key: tuple[Leaf, ...] = ()
    fields: Mapping[str, Leaf] = field(default_factory=dict)
    pairs: tuple[Leaf, Leaf] | None = None
    musts: tuple[Must, ...] = ()


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table: lists told apart by the number of key parts, or singletons by key.

    `max_entries` is the most that it may hold (YANG max-elements); 0 is no limit.
    """

    entries: tuple[EntrySchema, ...] = ()
    singletons: Mapping[str, EntrySchema] = field(default_factory=dict)
    max_entries: int = 0


def scalar(entry: ConfigEntry, name: str) -> str:
    """The field as a string; empty where it is missing or a list."""
    value = entry.get(name, "")
    return value if isinstance(value, str) else ""


def number(entry: ConfigEntry, name: str) -> int | None:
    """The field as a non-negative integer; None where it is missing or not one (its type check tells)."""
    value = scalar(entry, name)
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 20 else None
