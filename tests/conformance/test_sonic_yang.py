"""What the SONiC driver writes is valid under SONiC's own YANG models, as libyang judges it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from controller.plan import make_plan
from controller.southbound.sonic import Tables, bootstrap, pushed
from raddle.topology import bundled_examples, load

YANG = Path(__file__).parents[3] / "shared" / "sonic-yang"

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not YANG.is_dir(), reason="SONiC's YANG models are not in ../shared/sonic-yang"),
    pytest.mark.skipif(not shutil.which("yanglint"), reason="yanglint is missing (Debian: libyang2-tools)"),
]

MODULES = {
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

KEYS = {
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

MAPS = {
    "CABLE_LENGTH": ("port", "length"),
    "DSCP_TO_TC_MAP": ("dscp", "tc"),
    "MAP_PFC_PRIORITY_TO_QUEUE": ("pfc_priority", "qindex"),
    "TC_TO_PRIORITY_GROUP_MAP": ("tc", "pg"),
    "TC_TO_QUEUE_MAP": ("tc", "qindex"),
}
"""Tables whose fields are entries of an inner list."""

NUMBERS = {"detection_time", "dynamic_th", "index", "mtu", "POLL_INTERVAL", "restoration_time", "speed", "tc"}
NUMBERS |= {"weight"}
BOOLEANS = {f"wred_{colour}_enable" for colour in ("green", "yellow", "red")}


def typed(field: str, value: str) -> object:
    """A value as RFC 7951 writes it; 64-bit numbers stay strings."""
    if field in NUMBERS:
        return int(value)
    return value == "true" if field in BOOLEANS else value


def to_yang(tables: Tables) -> dict[str, object]:
    """CONFIG_DB as instance data of SONiC's models."""
    document: dict[str, object] = {}
    for table, entries in tables.items():
        lists: dict[str, object] = {}
        for key, fields in entries.items():
            if table == "DEVICE_METADATA":
                lists[key] = fields
                continue
            parts = key.split("|")
            entry: dict[str, object] = dict(zip(KEYS.get(table, ("name",)), parts, strict=False))
            if table in MAPS:
                inner, value = MAPS[table]
                entry[table] = [{inner: typed(inner, k), value: typed(value, v)} for k, v in fields.items()]
            else:
                entry |= {field: typed(field, value) for field, value in fields.items()}
            has_prefix = table.endswith("INTERFACE") and len(parts) == 2
            lists.setdefault(f"{table}_IPPREFIX_LIST" if has_prefix else f"{table}_LIST", []).append(entry)
        module = f"sonic-{MODULES[table]}"
        document[f"{module}:{module}"] = {table: lists}
    return document


def yanglint(tables: Tables, folder: Path) -> str:
    """What yanglint says to a configuration; empty where it is valid."""
    data = folder / "config.json"
    data.write_text(json.dumps(to_yang(tables)))
    models = [str(YANG / "models" / f"sonic-{MODULES[table]}.yang") for table in tables]
    command = ["yanglint", "-p", str(YANG / "models"), "-t", "config", *models, str(data)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return run.stderr + run.stdout if run.returncode else ""


def both_parts(example: str, role: str) -> Tables:
    plan = make_plan(load(bundled_examples()[example]), "ecmp")
    switch = next(each for each in plan.switches if each.role == role)
    return bootstrap(switch).config_db | pushed(switch)


@pytest.mark.parametrize("role", ["leaf", "spine"])
@pytest.mark.parametrize("example", ["leaf-spine-16", "white-box-512"])
def test_configuration_of_bundled_fabrics_is_valid_sonic(example: str, role: str, tmp_path: Path) -> None:
    assert yanglint(both_parts(example, role), tmp_path) == ""


def test_bootstrap_is_valid_before_anything_is_pushed(tmp_path: Path) -> None:
    plan = make_plan(load(bundled_examples()["leaf-spine-16"]), "ecmp")
    assert yanglint(bootstrap(plan.switches[0]).config_db, tmp_path) == ""


def test_a_dangling_buffer_profile_is_caught(tmp_path: Path) -> None:
    tables = both_parts("leaf-spine-16", "leaf")
    tables["BUFFER_PG"]["Ethernet0|3"]["profile"] = "no_such_profile"
    assert "no_such_profile" in yanglint(tables, tmp_path)


def test_an_unknown_field_is_caught(tmp_path: Path) -> None:
    tables = both_parts("leaf-spine-16", "leaf")
    tables["PORT"]["Ethernet0"]["sped"] = "400000"
    assert "sped" in yanglint(tables, tmp_path)
