"""What `ignore` names: entries of tables and switches that there are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase

from raddle.errors import Diagnostic
from raddle.sonic_tables import YANG_TABLES
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.schema import FabricFile
from raddle.topology.yaml.source import Place, Source

_TABLES = YANG_TABLES | {"SWITCH_TABLE"}
"""Those of CONFIG_DB, and the one of APPL_DB that a push compares."""

_BY_PORT = {
    "BREAKOUT_CFG": "",
    "BUFFER_PG": "",
    "BUFFER_PORT_EGRESS_PROFILE_LIST": "",
    "BUFFER_PORT_INGRESS_PROFILE_LIST": "",
    "BUFFER_QUEUE": "",
    "INTERFACE": "",
    "PFC_WD": "GLOBAL",
    "PORT": "",
    "PORT_QOS_MAP": "global",
    "QUEUE": "",
}
"""Tables whose keys begin with ports, with the one other key that some have."""

_BY_SYSTEM_PORT = frozenset(("BUFFER_QUEUE", "QUEUE"))
"""Of a chassis with virtual output queues their keys are `host|asic|port|queue`."""

_PORTS = (
    *(f"Ethernet{number}" for number in range(1024)),
    *(f"Ethernet-{kind}{number}" for kind in ("BP", "IB", "Rec") for number in range(512)),
)
"""A switch may have more ports than its model here."""

_BY_PREFIX = frozenset(
    (
        *("BGP_AGGREGATE_ADDRESS", "BGP_GLOBALS_AF_AGGREGATE_ADDR", "BGP_GLOBALS_AF_NETWORK"),
        *("BGP_GLOBALS_LISTEN_PREFIX", "FG_NHG_PREFIX", "INTERFACE", "LOOPBACK_INTERFACE", "MGMT_INTERFACE"),
        *("PORTCHANNEL_INTERFACE", "PREFIX", "PREFIX_LIST", "SAG", "SRV6_MY_SIDS", "STATIC_ROUTE"),
        *("VLAN_INTERFACE", "VLAN_SUB_INTERFACE", "VNET_ROUTE", "VNET_ROUTE_TUNNEL", "VOQ_INBAND_INTERFACE"),
    )
)
"""Tables with addresses and their prefix lengths in keys. No other key has a slash."""

_ADDRESS = re.compile(r"(.*\*|(?=.*[.:?\[]))[][0-9a-fA-F.:?!-]*")
_LENGTHS = tuple(map(str, range(129)))


def check_ignored(spec: FabricFile, source: Source) -> Iterator[Diagnostic]:
    """Patterns that no entry can match, as they name a table or port that there is not, or a field."""
    for number, pattern in enumerate(spec.ignore):
        place: Place = ("ignore", number)
        where, _, key = pattern.partition("/")
        table = where.rpartition(":")[2]
        if not any(fnmatchcase(name, table) for name in _TABLES):
            hint = did_you_mean(table, sorted(_TABLES), "no push touches other tables; leave it out")
            yield source.error("unknown-table", f"SONiC has no table '{table}' in CONFIG_DB", place, hint)
            continue
        entry, field = _split(table, key)
        if field:
            message = f"'{field}' is a field of {table}/{entry}, and entries are left alone as a whole"
            yield source.error("bad-pattern", message, place, f"write '{where}/{entry}'")
        elif table in _BY_PORT and not _is_by_port(table, key):
            message = f"no key of {table} begins with '{key.partition('|')[0]}'"
            yield source.error("bad-pattern", message, place, "ports are called Ethernet0, Ethernet8, ...")


def check_ignored_switches(
    spec: FabricFile, switches: Collection[str], source: Source
) -> Iterator[Diagnostic]:
    """Patterns of switches that there are not; `switches` are the names of all."""
    for number, pattern in enumerate(spec.ignore):
        switch = pattern.partition("/")[0].rpartition(":")[0]
        if switch and not any(fnmatchcase(name, switch) for name in switches):
            hint = did_you_mean(switch, switches, "write SWITCH:TABLE/KEY, with * and ?")
            yield source.error("unknown-device", f"no switch is called '{switch}'", ("ignore", number), hint)


def _split(table: str, key: str) -> tuple[str, str]:
    """An entry's key and what is behind it: a field, empty where the whole can be a key."""
    entry, slash, rest = key.partition("/")
    length, further, field = rest.partition("/")
    if slash and any(fnmatchcase(name, table) for name in _BY_PREFIX) and _is_prefix(entry, length):
        return f"{entry}/{length}", field if further else ""
    return entry, rest


def _is_prefix(address: str, length: str) -> bool:
    """What is before and behind a slash can be an address, behind other parts of the key, and a length."""
    return bool(_ADDRESS.fullmatch(address.rpartition("|")[2])) and any(
        fnmatchcase(each, length.partition("|")[0]) for each in _LENGTHS
    )


def _is_by_port(table: str, key: str) -> bool:
    first, *more = key.split("|")
    first = first.partition("/")[0]
    if first == _BY_PORT[table] or _is_ports(first):
        return True
    return table in _BY_SYSTEM_PORT and len(more) > 1 and _is_ports(more[1])


def _is_ports(pattern: str) -> bool:
    """A port, or ports with commas between them."""
    return _is_port(pattern) or all(map(_is_port, pattern.split(",")))


def _is_port(pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in _PORTS)
