"""`show pfc priority`, `pfcwd`, `queue`, `priority-group`, `ecn` and `buffer configuration`.

Source: sonic-utilities pfcwd/main.py, scripts/queuestat, scripts/wredstat, scripts/watermarkstat,
scripts/pg-drop, scripts/ecnconfig, scripts/mmuconfig.
"""

from __future__ import annotations

from tabulate import tabulate

from raddle.nos.db.databases import ConfigEntry, Databases
from raddle.nos.orch.watchdog import watched_queues
from raddle.nos.show.objects import (
    Hash,
    count,
    of_group,
    of_pool,
    of_queue,
    per_priority,
    pools,
    ports,
    table,
)
from raddle.state import PRIORITIES

_WATCHDOG_PAIRS = (
    ("DEADLOCK_DETECTED", "DEADLOCK_RESTORED"),
    ("TX_PACKETS", "TX_DROPPED_PACKETS"),
    ("RX_PACKETS", "RX_DROPPED_PACKETS"),
    ("TX_PACKETS_LAST", "TX_DROPPED_PACKETS_LAST"),
    ("RX_PACKETS_LAST", "RX_DROPPED_PACKETS_LAST"),
)
_GROUP_STAT = "SAI_INGRESS_PRIORITY_GROUP_STAT"


def pfc_priority(databases: Databases) -> str:
    """Which priorities of each port PFC may pause."""
    bound = databases.config.get("PORT_QOS_MAP", {})
    rows = [
        (port, str(bound[port]["pfc_enable"]))
        for port in ports(databases)
        if "pfc_enable" in bound.get(port, {})
    ]
    return table(("Interface", "Lossless priorities"), rows)


def watchdog_config(databases: Databases) -> str:
    """The watchdog's times in milliseconds."""
    entries = databases.config.get("PFC_WD", {})
    names = ("action", "detection_time", "restoration_time")
    rows = [
        (
            port,
            *(str(entries[port].get(name, "N/A")) for name in names),
            str(entries[port].get("pfc_stat_history", "disable")),
        )
        for port in ports(databases)
        if port in entries
    ]
    everywhere = entries.get("GLOBAL", {})
    headers = ("PORT", "ACTION", "DETECTION TIME", "RESTORATION TIME", "HISTORY")
    lines = []
    if interval := everywhere.get("POLL_INTERVAL"):
        lines.append(f"Changed polling interval to {interval}ms")
    if mode := everywhere.get("BIG_RED_SWITCH"):
        lines.append(f"BIG_RED_SWITCH status is {mode}")
    return "\n".join([*lines, table(headers, rows)])


def watchdog_stats(databases: Databases) -> str:
    """Storms and what they cost, of the queues that have had one."""
    rows = []
    watched = watched_queues(databases.config)
    for port in ports(databases):
        for queue in (number for number in range(PRIORITIES) if (port, number) in watched):
            entry = of_queue(databases, port, queue)
            pairs = ["/".join(_stat(entry, name) for name in names) for names in _WATCHDOG_PAIRS]
            if all(pair == "0/0" for pair in pairs):
                continue
            rows.append((f"{port}:{queue}", entry.get("PFC_WD_STATUS", "N/A"), *pairs))
    headers = (
        "QUEUE",
        "STATUS",
        "STORM DETECTED/RESTORED",
        "TX OK/DROP",
        "RX OK/DROP",
        "TX LAST OK/DROP",
        "RX LAST OK/DROP",
    )
    return table(headers, rows)


def _stat(entry: Hash, name: str) -> str:
    return entry.get(f"PFC_WD_QUEUE_STATS_{name}", "0")


def queue_counters(databases: Databases) -> str:
    """One block for each port, one line for each queue."""
    names = ("PACKETS", "BYTES", "DROPPED_PACKETS", "DROPPED_BYTES")
    return _queues(databases, names, ("Counter/pkts", "Counter/bytes", "Drop/pkts", "Drop/bytes"))


def wred_counters(databases: Databases) -> str:
    """What RED has dropped and marked, by port and queue."""
    names = ("WRED_DROPPED_PACKETS", "WRED_DROPPED_BYTES", "WRED_ECN_MARKED_PACKETS", "WRED_ECN_MARKED_BYTES")
    headers = ("WredDrp/pkts", "WredDrp/bytes", "EcnMarked/pkts", "EcnMarked/bytes")
    return _queues(databases, names, headers)


def _queues(databases: Databases, names: tuple[str, ...], headers: tuple[str, ...]) -> str:
    blocks = []
    for port in ports(databases):
        rows = []
        for queue in range(PRIORITIES):
            entry = of_queue(databases, port, queue)
            rows.append((port, f"UC{queue}", *(count(entry, f"SAI_QUEUE_STAT_{name}") for name in names)))
        blocks.append(table(("Port", "TxQ", *headers), rows))
    return "\n\n".join(blocks)


def queue_watermark(databases: Databases, kind: str = "USER") -> str:
    """The most that each queue has held; `kind` of watermarks is USER or PERSISTENT."""
    name, where = "SAI_QUEUE_STAT_SHARED_WATERMARK_BYTES", f"{kind}_WATERMARKS"
    rows = [
        (port, [_bytes(of_queue(databases, port, queue, where), name) for queue in range(PRIORITIES)])
        for port in ports(databases)
    ]
    return "Egress shared pool occupancy per unicast queue:\n" + per_priority("Port", "UC", rows)


def shared_watermark(databases: Databases, kind: str = "USER") -> str:
    """The most that each priority group has held of the shared pool."""
    name = f"{_GROUP_STAT}_SHARED_WATERMARK_BYTES"
    return "Ingress shared pool occupancy per PG:\n" + _groups(databases, name, f"{kind}_WATERMARKS")


def headroom_watermark(databases: Databases, kind: str = "USER") -> str:
    """The most that each priority group has held of its headroom."""
    name = f"{_GROUP_STAT}_XOFF_ROOM_WATERMARK_BYTES"
    return "Ingress headroom per PG:\n" + _groups(databases, name, f"{kind}_WATERMARKS")


def group_drops(databases: Databases) -> str:
    """Packets that each priority group has dropped."""
    return "Ingress PG dropped packets:\n" + _groups(databases, f"{_GROUP_STAT}_DROPPED_PACKETS", "COUNTERS")


def _groups(databases: Databases, name: str, where: str) -> str:
    rows = [
        (port, [_bytes(of_group(databases, port, group, where), name) for group in range(PRIORITIES)])
        for port in ports(databases)
    ]
    return per_priority("Port", "PG", rows)


def pool_watermark(databases: Databases, kind: str = "USER") -> str:
    """The most that each buffer pool has held."""
    rows = _pools(databases, "SAI_BUFFER_POOL_STAT_WATERMARK_BYTES", kind)
    return "Shared pool maximum occupancy:\n" + table(("Pool", "Bytes"), rows)


def headroom_pool_watermark(databases: Databases, kind: str = "USER") -> str:
    """The most that the headroom of the lossless ingress pools has held."""
    rows = _pools(databases, "SAI_BUFFER_POOL_STAT_XOFF_ROOM_WATERMARK_BYTES", kind)
    lossless = [row for row in rows if "ingress_lossless" in row[0]]
    return "Headroom pool maximum occupancy:\n" + table(("Pool", "Bytes"), lossless)


def _pools(databases: Databases, name: str, kind: str) -> list[tuple[str, str]]:
    return [(pool, _bytes(of_pool(databases, pool, f"{kind}_WATERMARKS"), name)) for pool in pools(databases)]


def _bytes(entry: Hash, name: str) -> str:
    """A counter as watermarkstat and pg-drop print it, without commas."""
    return entry.get(name, "N/A")


def switch_hash(databases: Databases) -> str:
    """The hash of ECMP and of port channels."""
    entry = databases.config.get("SWITCH_HASH", {}).get("GLOBAL", {})
    if not entry:
        return "No configuration is present in CONFIG DB"
    rows = []
    for title, name in (("ECMP", "ecmp_hash"), ("LAG", "lag_hash")):
        fields = entry.get(name, "N/A")
        shown = fields if isinstance(fields, str) else "\n".join(fields)
        inner = [(shown, str(entry.get(f"{name}_algorithm", "N/A")))]
        rows.append((title, tabulate(inner, ("Hash Field", "Algorithm"), "psql")))
    return tabulate(rows, ("Hash", "Configuration"), "grid")


def ecn(databases: Databases) -> str:
    """The WRED profiles."""
    return _blocks("Profile", databases.config.get("WRED_PROFILE", {}))


def buffer_configuration(databases: Databases) -> str:
    """Pools and profiles."""
    pools = _blocks("Pool", databases.config.get("BUFFER_POOL", {}))
    profiles = _blocks("Profile", databases.config.get("BUFFER_PROFILE", {}))
    return "\n\n".join(filter(None, (pools, profiles)))


def _blocks(kind: str, entries: dict[str, ConfigEntry]) -> str:
    return "\n\n".join(f"{kind}: {name}\n{_two_columns(entry)}" for name, entry in sorted(entries.items()))


def _two_columns(entry: ConfigEntry) -> str:
    """Field and value between two dashed lines, left-aligned."""
    wide = max(map(len, entry), default=0)
    values = {name: value if isinstance(value, str) else ",".join(value) for name, value in entry.items()}
    rule = f"{'-' * wide}  {'-' * max(map(len, values.values()), default=0)}"
    return "\n".join([rule, *(f"{name:<{wide}}  {value}" for name, value in values.items()), rule])
