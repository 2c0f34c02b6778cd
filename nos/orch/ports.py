"""portsorch: front-panel ports in order, with their oper state from APPL_DB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raddle.nos.db.databases import ConfigDb, ConfigEntry, HashDb

DEFAULT_MTU_BYTES = 9100
"""portmgrd's default (sonic-swss cfgmgr/portmgr.h, DEFAULT_MTU_STR)."""


@dataclass(frozen=True, slots=True)
class FrontPanelPort:
    """A port's basics. `is_oper_up` is APPL_DB's `oper_status`: admin up and light on the fibre."""

    name: str
    is_admin_up: bool
    is_oper_up: bool
    speed_bps: int
    mtu_bytes: int


def front_panel_order(config: ConfigDb) -> list[str]:
    """Port names by PORT `index` (then by lane), or by lane alone if a port has no index."""
    table = config.get("PORT", {})
    has_index = all("index" in entry for entry in table.values())

    def place(name: str) -> tuple[int, int]:
        index = int(_text(table[name], "index")) if has_index else 0
        return index, int(_text(table[name], "lanes").partition(",")[0])

    return sorted(table, key=place)


def _text(entry: ConfigEntry, name: str, default: str = "") -> str:
    value = entry.get(name, default)
    return value if isinstance(value, str) else default


def derive_ports(config: ConfigDb, appl: HashDb) -> tuple[FrontPanelPort, ...]:
    """The ports of a switch in front-panel order; PORT `speed` is in Mbit/s."""
    oper: Mapping[str, Mapping[str, str]] = appl.get("PORT_TABLE", {})
    ports = []
    for name in front_panel_order(config):
        entry = config["PORT"][name]
        ports.append(
            FrontPanelPort(
                name=name,
                is_admin_up=entry.get("admin_status") == "up",
                is_oper_up=oper.get(name, {}).get("oper_status") == "up",
                speed_bps=int(_text(entry, "speed")) * 10**6,
                mtu_bytes=int(_text(entry, "mtu", str(DEFAULT_MTU_BYTES))),
            )
        )
    return tuple(ports)
