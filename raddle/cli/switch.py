"""`raddle switch NAME show|config|clear ...`: the operator's view of a switch."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, cast

import typer

from raddle.cli.options import DEFAULT_INVENTORY, InventoryOption
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.sets import plan_push
from raddle.errors import InputError
from raddle.inventory import load_inventory
from raddle.lab.switches.cleared import Cleared, read_cleared, write_cleared
from raddle.nos.db.databases import ConfigDb, Databases, HashTable
from raddle.nos.operator import CLEAR_COMMANDS
from raddle.nos.orch.lazy import LazyTables
from raddle.nos.show import UnknownCommandError, parse, show
from raddle.nos.show.cleared import CLEARS, counts_of, since
from raddle.nos.show.system import version

CONFIG_HELP = (
    "config save|reload [FILE], config load|replace|apply-patch FILE, config checkpoint|rollback|"
    "delete-checkpoint NAME, config list-checkpoints, config qos reload|clear, config interface "
    "startup|shutdown PORT, config interface speed PORT MBPS, config interface breakout PORT MODE [-f], "
    "config interface cable-length PORT LENGTH, config ecn -profile NAME -gmin|-gmax|-gdrop N, config buffer "
    "profile add|set|remove NAME, config pfcwd "
    "start_default|stop|interval MS|big_red_switch enable|disable"
)
CONTEXT_SETTINGS = {"ignore_unknown_options": True}
"""SONiC's commands have options of their own (`config ecn -profile AZURE_LOSSLESS -gmin 800000`)."""
RELOAD_S = 60.0
COUNTER_MAPS = (
    *(f"COUNTERS_{kind}_NAME_MAP" for kind in ("PORT", "QUEUE", "PG", "BUFFER_POOL")),
    "ACL_COUNTER_RULE_MAP",
)
COUNTER_TABLES = ("COUNTERS", "RATES", "USER_WATERMARKS", "PERSISTENT_WATERMARKS")
APPL_TABLES = ("PORT_TABLE", "SWITCH_TABLE", "LLDP_ENTRY_TABLE")
STATE_TABLES = ("ACL_TABLE_TABLE", "ACL_RULE_TABLE", "SWITCH_CAPABILITY", "TRANSCEIVER_INFO")


def switch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which switch of the inventory.")],
    words: Annotated[list[str], typer.Argument(metavar="show|config|clear ...", help="SONiC's command.")],
    inventory: InventoryOption = DEFAULT_INVENTORY,
) -> None:
    """Run one of SONiC's show, config or clear commands on a switch, over gNMI.

    show version, show platform summary, show runningconfiguration all|ports|interfaces, show interfaces
    status|counters|alias, show interfaces breakout current-mode, show interfaces transceiver presence, show
    ip|ipv6 interfaces, show pfc counters|priority, show pfcwd config|stats, show queue counters|wredcounters,
    show queue watermark|persistent-watermark unicast, show priority-group watermark|persistent-watermark
    shared|headroom, show priority-group drop counters, show buffer_pool|headroom-pool
    watermark|persistent-watermark, show ecn, show buffer configuration, show switch-hash global, show
    ip|ipv6 route, show lldp table, show acl table|rule|counters;
    clear counters|pfccounters|queuecounters, clear queue wredcounters, clear priority-group drop counters,
    and all watermarks by the words that show them;
    config save|reload [FILE], config load|replace|apply-patch FILE, config
    checkpoint|rollback|delete-checkpoint NAME, config list-checkpoints, config qos reload|clear, config pfcwd
    start_default|stop|interval|big_red_switch, config ecn -profile NAME, config buffer profile
    add|set|remove NAME, config interface startup|shutdown|speed|breakout|cable-length PORT;
    of a simulated switch, cable pull|plug PORT: the cable to another switch.
    """
    where = load_inventory(inventory)
    if name not in where.addresses:
        raise InputError.of(
            "unknown-switch",
            f"the inventory has no switch '{name}'",
            f"switches: {', '.join(where.addresses)}",
        )
    verb, *rest = words
    with GnmiClient(name, where.addresses[name], where.access) as client:
        if verb == "show":
            _show(client, rest)
        elif verb == "config":
            _config(client, rest)
        elif verb == "clear":
            _clear(client, rest)
        elif verb == "cable":
            _cable(client, rest)
        else:
            raise InputError.of(
                "unknown-command", f"there is no '{verb}'", "say show, config, clear or cable"
            )


def _show(client: GnmiClient, words: list[str]) -> None:
    try:
        command, _ = parse(words)
        databases = _read(client)
        clears = {each.shown_by: name for name, each in CLEARS.items()}
        cleared = read_cleared(client.name, client.address).get(clears.get(command, ""))
        note = ""
        if cleared and (later := since(databases, cleared.counts)):
            databases, note = later, f"Last cached time was {cleared.time}\n"
        shown = version(databases, client.read_build()) if command == "version" else show(databases, words)
    except UnknownCommandError as error:
        raise InputError.of("unknown-command", str(error), "see 'raddle switch --help'") from None
    print(note + shown)


def _cable(client: GnmiClient, words: list[str]) -> None:
    """Pull a cable of a simulated switch out, or plug it in again."""
    if len(words) != 2 or words[0] not in ("pull", "plug"):
        raise InputError.of(
            "unknown-command",
            f"there is no 'cable {' '.join(words)}'",
            "say cable pull PORT or cable plug PORT",
        )
    client.run_command(["cable", *words])


def _clear(client: GnmiClient, words: list[str]) -> None:
    name = " ".join(words)
    if name in CLEARS:
        kept = read_cleared(client.name, client.address)
        now = datetime.now().isoformat(" ", "seconds")
        entry = Cleared(now, counts_of(_read(client), CLEARS[name]))
        write_cleared(client.name, client.address, {**kept, name: entry})
        print(CLEARS[name].reply)
    elif name in CLEAR_COMMANDS:
        client.run_command(["clear", *words])
    else:
        near = difflib.get_close_matches(name, [*CLEARS, *CLEAR_COMMANDS], 1, 0.4)
        raise InputError.of(
            "unknown-command",
            f"there is no 'clear {name}'",
            f"did you mean 'clear {near[0]}'?" if near else "see 'raddle switch --help'",
        )


def _read(client: GnmiClient) -> Databases:
    """A switch's databases; each table is read when a command first needs it."""

    def table(database: str, name: str) -> Callable[[], HashTable]:
        return lambda: client.read_tables(database, (name,))[name]

    def hash_of(name: str) -> Callable[[], HashTable]:
        return lambda: {"": cast(dict[str, str], client.read_tables("COUNTERS_DB", (name,))[name])}

    counters = {name: hash_of(name) for name in COUNTER_MAPS}
    counters |= {name: table("COUNTERS_DB", name) for name in COUNTER_TABLES}
    return Databases(
        cast(ConfigDb, client.read_config()),
        appl=LazyTables({name: table("APPL_DB", name) for name in APPL_TABLES}),
        state=LazyTables({name: table("STATE_DB", name) for name in STATE_TABLES}),
        counters=LazyTables(counters),
    )


def _over(held: ConfigDb, document: ConfigDb) -> ConfigDb:
    """Tables of a document over those that are held: entries and fields that it does not name stay."""
    return {
        table: {
            **held.get(table, {}),
            **{key: {**held.get(table, {}).get(key, {}), **fields} for key, fields in rows.items()},
        }
        for table, rows in document.items()
    }


def _config(client: GnmiClient, words: list[str]) -> None:
    match words:
        case ["save", file]:
            text = json.dumps(client.read_config(), indent=4, sort_keys=True)
            try:
                Path(file).write_text(text + "\n")
            except OSError as error:
                raise InputError.of("cannot-save", f"cannot write '{file}': {error.strerror}") from None
        case ["load", file]:
            held = client.read_config()
            push = plan_push(held, _over(held, cast(ConfigDb, _document(file))), ())
            for request in push.requests:
                client.push(request, client.what_it_holds)
            for path in push.bootstrap:
                print(f"not changed: {path} needs 'config reload' with a new boot file", file=sys.stderr)
        case ["reload", *files] if len(files) < 2:
            if files:
                client.stage_config(_document(files[0]))
            client.run_command(["reload"])
            client.wait_until_up(RELOAD_S)
        case ["replace", file]:
            client.replace_config(_document(file))
        case ["save"] | ["qos" | "pfcwd" | "ecn" | "buffer", *_]:
            client.run_command(words)
        case ["interface", "cable-length" | "breakout", *_]:
            client.run_command(words)
        case ["apply-patch", file]:
            print(client.run_command(["apply-patch", _text(file)]))
        case ["checkpoint" | "rollback" | "delete-checkpoint", _] | ["list-checkpoints"]:
            print(client.run_command(words))
        case ["interface", "speed", port, mbps]:
            client.write_field(mbps, "PORT", port, "speed")
        case ["interface", "startup" | "shutdown" as verb, port]:
            client.write_field("up" if verb == "startup" else "down", "PORT", port, "admin_status")
        case _:
            raise InputError.of(
                "unknown-command", f"there is no 'config {' '.join(words)}'", f"say {CONFIG_HELP}"
            )


def _text(file: str) -> str:
    try:
        return Path(file).read_text()
    except OSError as error:
        raise InputError.unreadable("unreadable-file", file, error) from None
    except UnicodeDecodeError:
        raise InputError.of("unreadable-file", f"'{file}' is not text in UTF-8") from None


def _document(file: str) -> dict[str, dict[str, dict[str, str]]]:
    try:
        document = json.loads(text := _text(file))
    except (ValueError, RecursionError) as error:
        raise InputError.no_json("bad-config", text, file, error, "'config save' writes one") from None
    if not isinstance(document, dict) or not all(
        isinstance(rows, dict) and all(isinstance(row, dict) for row in rows.values())
        for rows in document.values()
    ):
        raise InputError.of(
            "bad-config", f"'{file}' is not a config_db.json", "it is TABLE: KEY: FIELD: value"
        )
    return document
