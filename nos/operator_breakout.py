"""`config interface breakout`: a cage's ports replaced by others on the same lanes, on the switch itself.

Source: sonic-utilities config/main.py (breakout, _validate_interface_mode, breakout_Ports) and
config/config_mgmt.py (breakOutPort). SONiC has the modes of a cage from platform.json. A simulated switch has
none: a cage is the ports of one `index`, and it takes what its lanes can. New ports get the cage's alias with
a letter, and are down.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from raddle.nos.db.databases import ConfigDb, ConfigEntry, ConfigTable, ConfigValue
from raddle.nos.operator_error import CommandError
from raddle.nos.orch.ports import front_panel_order
from raddle.nos.orch.state_db import supported_speeds

_MODE = re.compile(r"(\d{1,2})x(\d{1,4})G(?:\[[0-9G,]+\])?")
_FORCE = ("-f", "--force-remove-dependencies")
_IGNORED = ("-y", "--yes", "-v", "--verbose")  # nobody is asked here, and nothing more is printed
_INDEPENDENT = ("BREAKOUT_CFG", "STATIC_ROUTE")  # their models refer to no port
_KEPT = ("index", "mtu", "fec")


def break_out(words: Sequence[str], config: ConfigDb) -> ConfigDb:
    """CONFIG_DB after `config interface breakout PORT MODE [-f]`.

    Raises:
        CommandError: the port is no parent port, its cage has no such mode, or something depends on a port
            that goes and `-f` is not given.
    """
    arguments = [word for word in words if not word.startswith("-")]
    options = [word for word in words if word.startswith("-")]
    if len(arguments) != 2 or set(options) - {*_FORCE, *_IGNORED}:
        raise CommandError("say config interface breakout PORT MODE [-f], with a MODE such as 4x100G")
    port, mode = arguments
    cage = _cage(port, config)
    made = _ports_of(port, mode, cage, config)
    ports = config["PORT"]
    gone = [name for name in cage if not _is_same(ports[name], made.get(name))]
    if not gone:
        return config
    others = {name: entry for name, entry in ports.items() if name not in cage}
    if clash := sorted(made.keys() & others.keys()):
        raise CommandError(f"[ERROR] {clash[0]} is a port of another cage")
    rest = {name: table for name, table in config.items() if name != "PORT"}
    freed, dependencies = _without(rest, frozenset(gone))
    if dependencies and not set(options) & set(_FORCE):
        lines = ["Dependencies Exist. No further action will be taken", "*** Printing dependencies ***"]
        raise CommandError("\n".join([*lines, *dependencies]))
    kept = {name: ports[name] if name in cage and name not in gone else entry for name, entry in made.items()}
    broken: ConfigTable = {**config.get("BREAKOUT_CFG", {}), port: {"brkout_mode": mode}}
    return {**freed, "PORT": {**others, **kept}, "BREAKOUT_CFG": broken}


def _cage(port: str, config: ConfigDb) -> list[str]:
    """The ports of a parent port's cage, by their lanes."""
    ports = config.get("PORT", {})
    if port not in ports:
        raise CommandError(f"[ERROR] {port} is not in port_dict")
    index = ports[port].get("index")
    cage = [
        name
        for name in front_panel_order(config)
        if name == port or (index and ports[name].get("index") == index)
    ]
    if cage[0] != port:
        raise CommandError(
            f"[ERROR] {port} is not a Parent port. So, Breakout Mode is not available on this port"
        )
    return cage


def _ports_of(port: str, mode: str, cage: Sequence[str], config: ConfigDb) -> ConfigTable:
    """The ports of a cage in a mode."""
    ports = config["PORT"]
    lanes = [lane for name in cage for lane in str(ports[name]["lanes"]).split(",")]
    found = _MODE.fullmatch(mode)
    count, gbps = (int(found[1]), int(found[2])) if found else (0, 0)
    if not count or len(lanes) % count or gbps * 1000 not in supported_speeds(config, len(lanes) // count):
        raise CommandError(f"[ERROR] Target mode {mode} is not available for the port {port}")
    width = len(lanes) // count
    letters = port.rstrip("0123456789")
    alias = str(ports[port].get("alias", port))
    if len(cage) > 1:
        alias = alias.removesuffix("a")
    made: ConfigTable = {}
    for number in range(count):
        entry: ConfigEntry = {name: ports[port][name] for name in _KEPT if name in ports[port]}
        entry["lanes"] = ",".join(lanes[number * width : (number + 1) * width])
        entry["speed"] = str(gbps * 1000)
        entry["alias"] = f"{alias}{chr(ord('a') + number)}" if count > 1 else alias
        made[f"{letters}{int(port[len(letters) :] or 0) + number * width}"] = entry
    return made


def _is_same(entry: ConfigEntry, made: ConfigEntry | None) -> bool:
    return made is not None and all(entry.get(name) == made[name] for name in ("lanes", "speed"))


def _without(config: ConfigDb, gone: frozenset[str]) -> tuple[ConfigDb, list[str]]:
    """The tables without what names ports that go, and the places that did."""
    found: list[str] = []
    tables: ConfigDb = {}
    for table, entries in config.items():
        if table in _INDEPENDENT:
            tables[table] = entries
            continue
        rows: ConfigTable = {}
        for key, entry in entries.items():
            if gone & set(key.split("|")):
                found.append(f"{table}|{key}")
                continue
            fields = {name: _value_without(value, gone) for name, value in entry.items() if name not in gone}
            if fields != entry:
                found.append(f"{table}|{key}")
            rows[key] = {name: value for name, value in fields.items() if value or not entry[name]}
        if rows or not entries:
            tables[table] = rows
    return tables, found


def _value_without(value: ConfigValue, gone: frozenset[str]) -> ConfigValue:
    if isinstance(value, list):
        return [each for each in value if each not in gone]
    return "" if value in gone else value
