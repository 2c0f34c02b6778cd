"""The `show` commands by their words."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from raddle.nos.db.databases import Databases
from raddle.nos.show import acl, hardware, interfaces, qos, routes, system

Command = Callable[[Databases], str]

COMMANDS: Mapping[str, Command] = {
    "version": system.version,
    "platform summary": system.platform_summary,
    **system.RUNNING,
    "interfaces alias": system.alias,
    "interfaces breakout": hardware.breakout,
    "interfaces breakout current-mode": hardware.breakout_modes,
    "interfaces transceiver eeprom": hardware.transceiver_eeprom,
    "interfaces transceiver presence": hardware.transceiver_presence,
    "ip interfaces": system.ip_interfaces,
    "ipv6 interfaces": partial(system.ip_interfaces, is_ipv6=True),
    "interfaces status": interfaces.status,
    "interfaces counters": interfaces.counters,
    "pfc counters": interfaces.pfc_counters,
    "pfc priority": qos.pfc_priority,
    "pfcwd config": qos.watchdog_config,
    "pfcwd stats": qos.watchdog_stats,
    "queue counters": qos.queue_counters,
    "queue watermark unicast": qos.queue_watermark,
    "queue persistent-watermark unicast": partial(qos.queue_watermark, kind="PERSISTENT"),
    "priority-group watermark shared": qos.shared_watermark,
    "priority-group watermark headroom": qos.headroom_watermark,
    "priority-group persistent-watermark shared": partial(qos.shared_watermark, kind="PERSISTENT"),
    "priority-group persistent-watermark headroom": partial(qos.headroom_watermark, kind="PERSISTENT"),
    "priority-group drop counters": qos.group_drops,
    "queue wredcounters": qos.wred_counters,
    "buffer_pool watermark": qos.pool_watermark,
    "buffer_pool persistent-watermark": partial(qos.pool_watermark, kind="PERSISTENT"),
    "headroom-pool watermark": qos.headroom_pool_watermark,
    "headroom-pool persistent-watermark": partial(qos.headroom_pool_watermark, kind="PERSISTENT"),
    "switch-hash capabilities": hardware.hash_capabilities,
    "switch-hash global": qos.switch_hash,
    "ecn": qos.ecn,
    "buffer configuration": qos.buffer_configuration,
    "ip route": routes.ip_route,
    "ipv6 route": routes.ipv6_route,
    "lldp table": interfaces.lldp_table,
    "acl table": acl.tables,
    "acl rule": acl.rules,
    "acl counters": acl.counters,
}

OF_A_PORT = frozenset(
    (
        *("interfaces status", "interfaces alias", "interfaces breakout current-mode"),
        *("interfaces transceiver eeprom", "interfaces transceiver presence"),
        *("queue counters", "queue wredcounters", "pfc priority"),
    )
)
"""Commands that take the name of a port, as on a switch, and then show that one alone."""


class UnknownCommandError(ValueError):
    """No command has these words; the text names the nearest that there is."""


def show(databases: Databases, words: Sequence[str]) -> str:
    """What `show WORDS` prints on a switch.

    Raises:
        UnknownCommandError: no command has these words, or several have, or the switch has no such port.
    """
    command, port = parse(words)
    return COMMANDS[command](_of_port(databases, port) if port else databases)


def parse(words: Sequence[str]) -> tuple[str, str]:
    """The command of these words, and the port that the last of them names; empty where none does.

    Raises:
        UnknownCommandError: no command has these words, or several have.
    """
    try:
        return find_command(words), ""
    except UnknownCommandError as unknown:
        try:
            command = find_command(words[:-1])
        except UnknownCommandError:
            raise unknown from None
        if command not in OF_A_PORT:
            raise
        return command, words[-1]


def _of_port(databases: Databases, port: str) -> Databases:
    """The switch as if it had one port."""
    if port not in (table := databases.config.get("PORT", {})):
        raise UnknownCommandError(f"invalid interface name {port}")
    return replace(databases, config={**databases.config, "PORT": {port: table[port]}})


def find_command(words: Sequence[str]) -> str:
    """The command that has these words.

    They may be cut short where that leaves one command, as on a switch (`show int status`).

    Raises:
        UnknownCommandError: no command has these words, or several have.
    """
    found = [name for name in COMMANDS if _fits(words, name.split(" "))]
    exact = " ".join(words)
    if exact in COMMANDS:
        return exact
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownCommandError(f"'show {exact}' can be: {', '.join(found)}")
    near = difflib.get_close_matches(exact, COMMANDS, 1, 0.4)
    raise UnknownCommandError(
        f"there is no 'show {exact}'" + (f"; did you mean 'show {near[0]}'?" if near else "")
    )


def _fits(words: Sequence[str], name: Sequence[str]) -> bool:
    return len(words) == len(name) and all(
        part.startswith(word) for word, part in zip(words, name, strict=True)
    )
