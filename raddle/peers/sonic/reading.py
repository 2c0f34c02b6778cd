"""What switches hold: config_db.json files, minigraphs, or running switches over gNMI."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raddle.controller.reconcile import read_databases
from raddle.controller.southbound.sonic.tables import Tables
from raddle.errors import Diagnostic, InputError
from raddle.inventory import Inventory
from raddle.peers.sonic.minigraph import read_minigraph
from raddle.topology.yaml.parsers import parse_name

_MOST_BYTES = 64 << 20

QUEUE_PAIR_HASH = "RDMA_BTH_DEST_QP"
"""What orchagent calls the hash over queue pairs."""


@dataclass(frozen=True)
class HeldSwitch:
    """A switch as it stands.

    Attributes:
        name: its host name.
        source: the file that it was read from; of a running switch its name.
        tables: its CONFIG_DB.
        heard: by port what it hears over LLDP: a device, and what that calls its port, most telling first.
        hashing: its SWITCH_TABLE, with the hash's seed and offset; empty where it does not tell.
    """

    name: str
    source: str
    tables: Tables
    heard: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    hashing: dict[str, Any] = field(default_factory=dict)

    @property
    def metadata(self) -> dict[str, Any]:
        return self.row("DEVICE_METADATA", "localhost")

    @property
    def ports(self) -> dict[str, dict[str, Any]]:
        return self.tables.get("PORT", {})

    def row(self, table: str, key: str) -> dict[str, Any]:
        """An entry, empty where there is none."""
        return self.tables.get(table, {}).get(key, {})

    @property
    def hash_fields(self) -> set[str]:
        """What its ECMP hash goes over, in SONiC's words; empty where that is SONiC's default."""
        names = self.row("SWITCH_HASH", "GLOBAL").get("ecmp_hash") or []
        return set(names if isinstance(names, list) else str(names).split(","))

    @property
    def hashes_queue_pairs(self) -> bool:
        return QUEUE_PAIR_HASH in self.hash_fields

    def at(self, table: str, key: str = "") -> str:
        """A place for messages: `leaf0.json: INTERFACE|Ethernet0`."""
        return f"{self.source}: {table}" + (f"|{key}" if key else "")


def read_switch_files(paths: Iterable[Path]) -> list[HeldSwitch]:
    """One switch per file; of a folder all of its config_db.json and minigraph files.

    Raises:
        InputError: `unreadable-file`, `bad-config-db` or `bad-minigraph`, for every file that is none.
    """
    found: list[HeldSwitch] = []
    problems: list[Diagnostic] = []
    for path in _files(paths):
        try:
            tables = read_minigraph(path) if path.suffix == ".xml" else _read_config(path)
            found.append(_named(tables, str(path)))
        except InputError as error:
            problems += error.diagnostics
    if problems:
        raise InputError(problems)
    _refuse_twins(found)
    return found


def read_configs(path: Path) -> dict[Path, Tables]:
    """The config_db.json at a path, or all of a folder. Raises as `read_switch_files` does."""
    return {file: _read_config(file) for file in _files([path]) if file.suffix != ".xml"}


def read_running(inventory: Inventory) -> list[HeldSwitch]:
    """The switches of an inventory, over gNMI.

    Raises:
        UnreachableError: one does not answer.
    """
    found = []
    for name, databases in read_databases(inventory, neighbours=True).items():
        heard = {
            port: (str(entry.get("lldp_rem_sys_name", "")), _port_names(entry))
            for port, entry in databases["APPL_DB"].get("LLDP_ENTRY_TABLE", {}).items()
            if entry.get("lldp_rem_sys_name")
        }
        switch = _named(_clean(databases["CONFIG_DB"]), name)
        if switch.name != name:
            raise InputError.of(
                "wrong-switch",
                f"{name} ({inventory.addresses[name]}) calls itself '{switch.name}'",
                "call it so in the inventory, by which 'raddle apply' finds it",
            )
        hashing = databases["APPL_DB"].get("SWITCH_TABLE", {}).get("switch", {})
        found.append(HeldSwitch(switch.name, switch.source, switch.tables, heard, hashing))
    _refuse_twins(found)
    return found


def _port_names(entry: dict[str, Any]) -> tuple[str, ...]:
    """SONiC tells a port's alias and describes it by name; others may tell a MAC address."""
    said, description = str(entry.get("lldp_rem_port_id", "")), str(entry.get("lldp_rem_port_desc", ""))
    names = (description, said) if said.count(":") == 5 else (said, description)
    return tuple(filter(None, names))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        files = [*path.glob("*.json"), *path.glob("*.xml"), *path.glob("*/config_db.json")]
        found = [each for each in sorted(files) if each.suffix == ".xml" or _is_config(each)]
        if not found:
            raise InputError.of(
                "bad-config-db",
                f"the folder '{path}' has no config_db.json or minigraph",
                "one file for each switch, whatever its name: leaf0.json, leaf0.xml or leaf0/config_db.json",
            )
        yield from found


def _is_config(path: Path) -> bool:
    """Whether a file of a folder is meant: other JSON may lie there, such as an inventory."""
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return True
    return '"PORT"' in text or '"DEVICE_METADATA"' in text


def _read_config(path: Path) -> Tables:
    try:
        if path.exists() and not path.is_file():
            raise InputError.of("unreadable-file", f"cannot read '{path}': it is no file")
        if path.stat().st_size > _MOST_BYTES:
            raise InputError.of("bad-config-db", f"'{path}' has more than {_MOST_BYTES >> 20} MiB")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.unreadable("unreadable-file", path, error) from None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        hint = "'config save' writes one"
        raise InputError.no_json("bad-config-db", text, str(path), error, hint) from None
    if not _is_tables(document) or "PORT" not in document:
        raise InputError.of(
            "bad-config-db",
            f"'{path}' is no config_db.json: it has no {'PORT table' if _is_tables(document) else 'tables'}",
            "a switch writes it with 'sonic-cfggen -d --print-data' or 'config save'",
        )
    return _clean(document)


def _is_tables(document: object) -> bool:
    return isinstance(document, dict) and all(
        isinstance(rows, dict) and all(isinstance(fields, dict) for fields in rows.values())
        for rows in document.values()
    )


def _clean(document: dict[str, Any]) -> Tables:
    """Values as texts, or lists of texts, and without the field that Redis has where there is none."""
    return {
        table: {
            key: {
                name: [str(each) for each in value] if isinstance(value, list) else str(value)
                for name, value in fields.items()
                if (name, value) != ("NULL", "NULL")
            }
            for key, fields in rows.items()
        }
        for table, rows in document.items()
    }


def _named(tables: Tables, source: str) -> HeldSwitch:
    name = str(tables.get("DEVICE_METADATA", {}).get("localhost", {}).get("hostname", ""))
    try:
        parse_name(name)
    except ValueError:
        raise InputError.of(
            "bad-config-db",
            f"{source}: DEVICE_METADATA|localhost: the hostname is '{name}'",
            "a fabric has devices by host name, of up to 63 letters, digits, '.', '-' and '_'",
        ) from None
    return HeldSwitch(name, source, tables)


def _refuse_twins(switches: Iterable[HeldSwitch]) -> None:
    first: dict[str, HeldSwitch] = {}
    for switch in switches:
        other = first.setdefault(switch.name, switch)
        if other is not switch:
            raise InputError.of(
                "bad-config-db",
                f"{other.source} and {switch.source} both have the hostname '{switch.name}'",
                "give one file for each switch",
            )
