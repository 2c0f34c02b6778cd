"""Which ports the Generic Config Updater takes down while it changes CONFIG_DB.

Source: sonic-utilities generic_config_updater/patch_sorter.py (RequiredValueIdentifier): entries of these
tables change only while `admin_status` of their port is down.
"""

from __future__ import annotations

from collections.abc import Collection

from raddle.nos.db.databases import ConfigDb

_TABLES = (
    "BUFFER_PG",
    "BUFFER_QUEUE",
    "BUFFER_PORT_INGRESS_PROFILE_LIST",
    "BUFFER_PORT_EGRESS_PROFILE_LIST",
    "PORT_QOS_MAP",
    "QUEUE",
)


def flapping_ports(config: ConfigDb, target: ConfigDb) -> frozenset[str]:
    """The ports that are up before and after, and down in between."""
    touched: set[str] = set()
    for table in _TABLES:
        old, new = config.get(table, {}), target.get(table, {})
        if old is not new:
            keys = (key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
            touched.update(port for key in keys for port in key.partition("|")[0].split(","))
    return frozenset(port for port in touched if _is_up(config, port) and _is_up(target, port))


def with_admin_status(config: ConfigDb, ports: Collection[str], status: str) -> ConfigDb:
    """CONFIG_DB with these ports up or down, those of them that are there."""
    table = config.get("PORT", {})
    changed = {port: {**table[port], "admin_status": status} for port in ports if port in table}
    return {**config, "PORT": {**table, **changed}} if changed else config


def _is_up(config: ConfigDb, port: str) -> bool:
    return config.get("PORT", {}).get(port, {}).get("admin_status") == "up"
