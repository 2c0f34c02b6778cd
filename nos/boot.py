"""What a switch boots from, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raddle.errors import InputError
from raddle.nos.db.databases import ConfigDb
from raddle.nos.db.schema import TABLES, TableSchema, Violation, read_config, validate
from raddle.nos.db.store import ConfigStore

_SWITCH_KEY = "SWITCH_TABLE:switch"
_SWITCH_FIELDS = ("ecmp_hash_seed", "ecmp_hash_offset", "lag_hash_seed", "lag_hash_offset", "fdb_aging_time")


@dataclass(frozen=True, slots=True)
class P4Boot:
    """A switch whose forwarding is programmed over P4Runtime. `is_pins`: it behaves as SONiC PINS does."""

    device_id: int
    is_pins: bool = False


@dataclass(frozen=True, slots=True)
class BootConfig:
    """What a switch boots from.

    `config_db` is a config_db.json document, `switch` what SONiC keeps in switch.json:
    `{"SWITCH_TABLE:switch": {"ecmp_hash_seed": "10"}}`. With `p4` its routes come over P4Runtime. `features`
    are what its model can do beyond upstream SONiC: `hash-on-qp`, `adaptive-routing`.
    """

    config_db: Mapping[str, object]
    switch: Mapping[str, object]
    p4: P4Boot | None = None
    features: tuple[str, ...] = ()


def read_boot_config(
    document: object, tables: Mapping[str, TableSchema] = TABLES
) -> tuple[ConfigDb, list[Violation]]:
    """CONFIG_DB of a boot file, and all in it that a switch could not act on.

    As on SONiC it is not judged by YANG: what the switch knows nothing of it holds. A table without entries
    is none: a switch loads its file into Redis, which has keys alone.
    """
    held, violations = read_config(document)
    config = {table: rows for table, rows in held.items() if rows}
    return config, violations or validate(config, tables, boots=True)


def load_saved(name: str, store: ConfigStore | None) -> dict[str, object] | None:
    """What a switch has saved; None if nothing.

    Raises:
        InputError: `bad-saved-config`.
    """
    if store is None:
        return None
    try:
        return store.load()
    except (OSError, ValueError) as error:
        raise InputError.of(
            "bad-saved-config", f"{name}: cannot boot from '{store.path}': {error}", "mend or remove the file"
        ) from None


def read_switch_table(document: Mapping[str, object]) -> tuple[dict[str, str], list[Violation]]:
    """APPL_DB's SWITCH_TABLE from a switch.json document, and what is wrong with it."""
    fields: dict[str, str] = {"ecmp_hash_seed": "0"}
    violations = [
        Violation(str(key), f"unknown key in switch.json; expected '{_SWITCH_KEY}'")
        for key in document
        if key != _SWITCH_KEY
    ]
    entry = document.get(_SWITCH_KEY, {})
    if not isinstance(entry, Mapping):
        return fields, [*violations, Violation(_SWITCH_KEY, "an entry is a JSON object")]
    for name, value in entry.items():
        text = str(value)
        if name not in _SWITCH_FIELDS:
            violations.append(Violation(f"{_SWITCH_KEY}/{name}", "unknown field"))
        elif not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**32):
            violations.append(Violation(f"{_SWITCH_KEY}/{name}", f"'{text}' is not an integer below 2**32"))
        else:
            fields[name] = text
    return fields, violations
