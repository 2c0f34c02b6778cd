"""flexcounter and pfcwdorch: COUNTERS_DB as SONiC lays it out, over what the ASIC has counted.

Source: sonic-swss orchagent/portsorch.cpp (port_stat_ids, queue_stat_ids, the name maps) and pfcwdorch.cpp.
An object's hash is made when it is read, so that a switch of 64 ports costs its name maps and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from nos.db.databases import ConfigDb, CountersDb
from nos.orch.ports import front_panel_order
from nos.orch.watchdog import watched_queues
from raddle.state import PRIORITIES, SwitchCounters

_SIZES = "64 65_TO_127 128_TO_255 256_TO_511 512_TO_1023 1024_TO_1518 1519_TO_2047 2048_TO_4095 4096_TO_9216"
_PORT_STATS = tuple(
    f"SAI_PORT_STAT_{name}"
    for name in (
        *(
            f"IF_{way}_{what}"
            for way in ("IN", "OUT")
            for what in (
                "OCTETS",
                "UCAST_PKTS",
                "NON_UCAST_PKTS",
                "MULTICAST_PKTS",
                "BROADCAST_PKTS",
                "DISCARDS",
                "ERRORS",
            )
        ),
        "IF_IN_UNKNOWN_PROTOS",
        "IF_OUT_QLEN",
        "ETHER_RX_OVERSIZE_PKTS",
        "ETHER_TX_OVERSIZE_PKTS",
        *(f"ETHER_{way}_PKTS_{size}_OCTETS" for way in ("IN", "OUT") for size in _SIZES.split()),
        "ETHER_IN_PKTS_9217_TO_16383_OCTETS",
        "ETHER_OUT_PKTS_9217_TO_16383_OCTETS",
        *(f"PFC_{priority}_{way}_PKTS" for priority in range(PRIORITIES) for way in ("RX", "TX")),
        "PAUSE_RX_PKTS",
        "PAUSE_TX_PKTS",
        "IF_IN_FEC_CORRECTABLE_FRAMES",
        "IF_IN_FEC_NOT_CORRECTABLE_FRAMES",
        "IF_IN_FEC_SYMBOL_ERRORS",
        "IN_DROPPED_PKTS",
        "OUT_DROPPED_PKTS",
    )
)
_QUEUE_STATS = tuple(
    f"SAI_QUEUE_STAT_{name}"
    for name in (
        "PACKETS",
        "BYTES",
        "DROPPED_PACKETS",
        "DROPPED_BYTES",
        "WRED_ECN_MARKED_PACKETS",
        "WRED_ECN_MARKED_BYTES",
        "SHARED_WATERMARK_BYTES",
    )
)
_PG_STATS = tuple(
    f"SAI_INGRESS_PRIORITY_GROUP_STAT_{name}"
    for name in ("SHARED_WATERMARK_BYTES", "XOFF_ROOM_WATERMARK_BYTES", "DROPPED_PACKETS")
)
_FIRST_PORT, _FIRST_QUEUE, _FIRST_PG, _FIRST_POOL = (
    0x1000000000002,
    0x15000000000100,
    0x1A000000000100,
    0x18000000000001,
)

Hash = Mapping[str, str]


class _Objects(Mapping[str, Hash]):
    """oid -> hash of an object's counters, made when it is asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], Hash]]) -> None:
        self._makers = makers

    def __getitem__(self, oid: str) -> Hash:
        return self._makers[oid]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def counters_db(config: ConfigDb, counters: SwitchCounters) -> CountersDb:
    """COUNTERS_DB of a switch: name maps, and the counters of its ports, queues and priority groups.

    Object ids follow the front-panel order of the ports, so they stay as long as the ports do.
    """
    names = front_panel_order(config)
    ports = {name: _oid(_FIRST_PORT + place) for place, name in enumerate(names)}
    slots = [(name, number) for name in names for number in range(PRIORITIES)]
    queues = {slot: _oid(_FIRST_QUEUE + place) for place, slot in enumerate(slots)}
    groups = {slot: _oid(_FIRST_PG + place) for place, slot in enumerate(slots)}
    pools = {
        name: _oid(_FIRST_POOL + place) for place, name in enumerate(sorted(config.get("BUFFER_POOL", {})))
    }
    row = {name: place for place, name in enumerate(counters.ports)}
    watched = watched_queues(config)

    def of_port(name: str) -> Hash:
        return {stat: _at(counters.port, stat, row.get(name)) for stat in _PORT_STATS}

    def of_queue(name: str, number: int) -> Hash:
        stats = {stat: _at(counters.queue, stat, row.get(name), number) for stat in _QUEUE_STATS}
        return {**stats, **watched.get((name, number), {})}

    def of_group(name: str, number: int) -> Hash:
        return {stat: _at(counters.pg, stat, row.get(name), number) for stat in _PG_STATS}

    makers: dict[str, Callable[[], Hash]] = {oid: _bind(of_port, name) for name, oid in ports.items()}
    makers |= {oid: _bind(of_queue, *slot) for slot, oid in queues.items()}
    makers |= {oid: _bind(of_group, *slot) for slot, oid in groups.items()}
    maps: dict[str, Hash] = {
        "COUNTERS_PORT_NAME_MAP": ports,
        "COUNTERS_BUFFER_POOL_NAME_MAP": pools,
        "COUNTERS_QUEUE_TYPE_MAP": dict.fromkeys(queues.values(), "SAI_QUEUE_TYPE_UNICAST"),
    }
    for kind, oids in (("QUEUE", queues), ("PG", groups)):
        maps[f"COUNTERS_{kind}_NAME_MAP"] = {f"{name}:{number}": oid for (name, number), oid in oids.items()}
        maps[f"COUNTERS_{kind}_PORT_MAP"] = {oid: ports[name] for (name, _), oid in oids.items()}
        maps[f"COUNTERS_{kind}_INDEX_MAP"] = {oid: str(number) for (_, number), oid in oids.items()}
    tables = {table: {"": entries} for table, entries in maps.items() if entries}
    return {**tables, "COUNTERS": _Objects(makers)} if makers else tables


def _bind(make: Callable[..., Hash], *args: object) -> Callable[[], Hash]:
    return lambda: make(*args)


def _oid(number: int) -> str:
    return f"oid:{number:#x}"


def _at(columns: Mapping[str, object], stat: str, *place: int | None) -> str:
    """A column's value at a row (and number); 0 where the column or the row is missing."""
    value: object = columns.get(stat)
    if value is None or None in place:
        return "0"
    for index in place:
        value = value[index]  # type: ignore[index]  # A column is a sequence, of sequences for queues and PGs.
    return str(value)
