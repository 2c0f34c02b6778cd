"""Configurations judged by SONiC's own YANG models, with libyang's yanglint.

CONFIG_DB is turned into instance data as sonic-yang-mgmt does it: a table is a container, its entries are
elements of the list that has as many keys as the entry's key has parts, and maps are inner lists.

Source: sonic-buildimage src/sonic-yang-mgmt; RFC 7951 for the encoding of values.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from controller.southbound.sonic import Tables
from raddle.errors import Diagnostic, InputError

TIMEOUT_S = 300

_MODULES = {
    "BUFFER_PG": "buffer-pg",
    "BUFFER_POOL": "buffer-pool",
    "BUFFER_PROFILE": "buffer-profile",
    "BUFFER_QUEUE": "buffer-queue",
    "CABLE_LENGTH": "cable-length",
    "DEVICE_METADATA": "device_metadata",
    "DEVICE_NEIGHBOR": "device_neighbor",
    "DSCP_TO_TC_MAP": "dscp-tc-map",
    "INTERFACE": "interface",
    "LOOPBACK_INTERFACE": "loopback-interface",
    "MAP_PFC_PRIORITY_TO_QUEUE": "pfc-priority-queue-map",
    "PFC_WD": "pfcwd",
    "PORT": "port",
    "PORT_QOS_MAP": "port-qos-map",
    "QUEUE": "queue",
    "SCHEDULER": "scheduler",
    "STATIC_ROUTE": "static-route",
    "TC_TO_PRIORITY_GROUP_MAP": "tc-priority-group-map",
    "TC_TO_QUEUE_MAP": "tc-queue-map",
    "WRED_PROFILE": "wred-profile",
}
_KEYS = {
    "BUFFER_PG": ("port", "pg_num"),
    "BUFFER_QUEUE": ("port", "qindex"),
    "DEVICE_NEIGHBOR": ("peer_name",),
    "INTERFACE": ("name", "ip-prefix"),
    "LOOPBACK_INTERFACE": ("name", "ip-prefix"),
    "PFC_WD": ("ifname",),
    "PORT_QOS_MAP": ("ifname",),
    "QUEUE": ("ifname", "qindex"),
    "STATIC_ROUTE": ("vrf_name", "prefix"),
}
"""YANG keys of each table's list where it is not `name` alone."""

_MAPS = {
    "CABLE_LENGTH": ("port", "length"),
    "DSCP_TO_TC_MAP": ("dscp", "tc"),
    "MAP_PFC_PRIORITY_TO_QUEUE": ("pfc_priority", "qindex"),
    "TC_TO_PRIORITY_GROUP_MAP": ("tc", "pg"),
    "TC_TO_QUEUE_MAP": ("tc", "qindex"),
}
"""Tables whose fields are entries of an inner list."""

_NUMBERS = frozenset(
    (
        *("bgp_asn", "cbs", "deployment_id", "detection_time", "dhcp_rate_limit", "dynamic_th", "index"),
        *("laser_freq", "max_cores", "mtu", "nat_zone", "pbs", "POLL_INTERVAL", "priority"),
        *("restoration_time", "speed", "subport", "switch_id", "tc", "weight"),
    )
)
"""Fields of up to 32 bits, which RFC 7951 writes as JSON numbers; those of 64 bits stay strings."""

_BOOLEANS = frozenset(
    (
        *("bfd", "bgp_adv_lo_prefix_as_128", "create_only_config_db_buffers", "fast_linkup", "mux_cable"),
        *("frr_mgmt_framework_config", "ring_thread_enabled", "storage_device"),
        *(f"wred_{colour}_enable" for colour in ("green", "yellow", "red")),
    )
)


def check_yang(configs: Mapping[str, Tables], models: Path) -> None:
    """Validate the configurations of switches, by name, against the models in a folder.

    Raises:
        InputError: yanglint or the models are missing; or a configuration is invalid, with what libyang says
            of it. A table that the models do not have is invalid too, which libyang alone lets pass.
    """
    folder = models / "models" if (models / "models").is_dir() else models
    if not any(folder.glob("sonic-*.yang")):
        raise InputError.of(
            "no-yang-models",
            f"'{models}' has no SONiC YANG models (sonic-*.yang)",
            "they are in sonic-buildimage, src/sonic-yang-models/yang-models",
        )
    if not shutil.which("yanglint"):
        raise InputError.of(
            "no-yanglint", "yanglint is not installed", "apt-get install libyang2-tools (or yang-tools)"
        )
    problems = [
        Diagnostic("sonic-yang", f"{switch}: {message}")
        for switch, tables in configs.items()
        for message in _problems(tables, folder)
    ]
    if problems:
        raise InputError(problems)


def _problems(tables: Tables, folder: Path) -> Iterator[str]:
    unknown = sorted(tables.keys() - _MODULES.keys())
    yield from (f"table {table} has no YANG model" for table in unknown)
    known = {table: entries for table, entries in tables.items() if table in _MODULES}
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "config.json"
        data.write_text(json.dumps(_instance(known)))
        names = sorted(f"sonic-{_MODULES[table]}.yang" for table in known)
        command = ["yanglint", "-p", str(folder), "-t", "config", *(str(folder / name) for name in names)]
        run = subprocess.run(
            [*command, str(data)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    if run.returncode:
        yield " ".join((run.stderr or run.stdout).split())


def _instance(tables: Tables) -> dict[str, object]:
    document: dict[str, object] = {}
    for table, entries in tables.items():
        module = f"sonic-{_MODULES[table]}"
        document[f"{module}:{module}"] = {table: _lists(table, entries)}
    return document


def _lists(table: str, entries: Mapping[str, Mapping[str, str]]) -> dict[str, object]:
    if table == "DEVICE_METADATA":
        return {
            key: {field: _typed(field, value) for field, value in row.items()} for key, row in entries.items()
        }
    lists: dict[str, list[object]] = {}
    for key, fields in entries.items():
        parts = key.split("|")
        entry: dict[str, object] = dict(zip(_KEYS.get(table, ("name",)), parts, strict=False))
        if table in _MAPS:
            inner, value = _MAPS[table]
            entry[table] = [{inner: _typed(inner, k), value: _typed(value, v)} for k, v in fields.items()]
        else:
            entry |= {field: _typed(field, value) for field, value in fields.items()}
        has_prefix = table.endswith("INTERFACE") and len(parts) == 2
        lists.setdefault(f"{table}_IPPREFIX_LIST" if has_prefix else f"{table}_LIST", []).append(entry)
    return dict(lists)


def _typed(field: str, value: str) -> object:
    """A value as RFC 7951 writes it; 64-bit numbers stay strings, and so does what is no number."""
    if field in _NUMBERS and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    return value == "true" if field in _BOOLEANS and value in ("true", "false") else value
