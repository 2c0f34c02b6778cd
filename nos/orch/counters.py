"""flexcounter and pfcwdorch: COUNTERS_DB as SONiC lays it out, over what the ASIC has counted.

Source: sonic-swss orchagent/portsorch.cpp (port_stat_ids, queue_stat_ids, the name maps) and pfcwdorch.cpp.
An object's hash is made when it is read, so that a switch of 64 ports costs its name maps and no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

from raddle.nos.db.databases import ConfigDb, CountersDb
from raddle.nos.orch.acl import read_acl
from raddle.nos.orch.counter_views import Counted, Rates
from raddle.nos.orch.flex_counters import is_watermark
from raddle.nos.orch.ports import front_panel_order
from raddle.nos.orch.watchdog import watched_queues
from raddle.state import PRIORITIES, SwitchCounters

CLOCK_FIELD = "SIMULATED_PS"
"""Of a port's counters, which no real switch has: the simulated instant at which they were what they are."""

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
        *(f"PFC_{priority}_RX_PAUSE_DURATION_US" for priority in range(PRIORITIES)),
        "PAUSE_RX_PKTS",
        "PAUSE_TX_PKTS",
        "IF_IN_FEC_CORRECTABLE_FRAMES",
        "IF_IN_FEC_NOT_CORRECTABLE_FRAMES",
        "IF_IN_FEC_SYMBOL_ERRORS",
        "IN_DROPPED_PKTS",
        "OUT_DROPPED_PKTS",
        "WRED_DROPPED_PACKETS",
        "GREEN_WRED_DROPPED_PACKETS",
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
        "WRED_DROPPED_PACKETS",
        "WRED_DROPPED_BYTES",
        "SHARED_WATERMARK_BYTES",
        "CURR_OCCUPANCY_BYTES",
    )
)
_PG_STATS = tuple(
    f"SAI_INGRESS_PRIORITY_GROUP_STAT_{name}"
    for name in ("SHARED_WATERMARK_BYTES", "XOFF_ROOM_WATERMARK_BYTES", "DROPPED_PACKETS")
)
_POOL_STATS = tuple(
    f"SAI_BUFFER_POOL_STAT_{name}" for name in ("WATERMARK_BYTES", "XOFF_ROOM_WATERMARK_BYTES")
)
_FIRST_PORT, _FIRST_QUEUE, _FIRST_PG, _FIRST_POOL, _FIRST_RULE = (
    0x1000000000002,
    0x15000000000100,
    0x1A000000000100,
    0x18000000000001,
    0x9000000000001,
)

_FIRST_INTERFACE = 0x6000000000001
SWITCH_OID = "oid:0x21000000000000"

IS_STORM = "PFC_WD_IS_STORM"
"""A queue's column in `SwitchCounters`: whether the PFC watchdog holds it in a storm."""

Hash = Mapping[str, str]


class _Place(NamedTuple):
    """What an oid stands for: a port, a queue or priority group of it by number, a buffer pool, or a rule
    of an access list."""

    kind: Literal["port", "queue", "pg", "pool", "rule"]
    name: str
    number: int = 0


@dataclass(frozen=True)
class CounterLayout:
    """Which objects a switch counts for: its name maps, and what each oid stands for.

    It follows from PORT, INTERFACE, BUFFER_POOL and the access lists alone, which a running switch seldom
    changes.
    """

    maps: Mapping[str, Mapping[str, Hash]]
    places: Mapping[str, _Place]

    @cached_property
    def marked(self) -> Mapping[str, _Place]:
        """Those of the places that have watermarks."""
        return {oid: place for oid, place in self.places.items() if place.kind in _MARKED}

    @cached_property
    def ports(self) -> Mapping[str, str]:
        """The names of the ports by oid."""
        return {oid: place.name for oid, place in self.places.items() if place.kind == "port"}


def router_interfaces(config: ConfigDb) -> dict[str, str]:
    """The oids of the routed ports."""
    routed = sorted(key for key in config.get("INTERFACE", {}) if "|" not in key)
    return {name: _oid(_FIRST_INTERFACE + place) for place, name in enumerate(routed)}


def counter_layout(config: ConfigDb) -> CounterLayout:
    """The objects of a switch; their ids follow the front-panel order of its ports."""
    return _layout(
        tuple(front_panel_order(config)),
        tuple(sorted(config.get("BUFFER_POOL", {}))),
        tuple(_counted_rules(config)),
        tuple(router_interfaces(config).items()),
    )


@lru_cache(maxsize=16)
def _layout(
    names: tuple[str, ...],
    pool_names: tuple[str, ...],
    rule_names: tuple[str, ...],
    interface_oids: tuple[tuple[str, str], ...],
) -> CounterLayout:
    """The layout of these ports, buffer pools, rules and interfaces, which switches of a kind share."""
    interfaces = dict(interface_oids)
    slots = [(name, number) for name in names for number in range(PRIORITIES)]
    ports = {name: _oid(_FIRST_PORT + place) for place, name in enumerate(names)}
    queues = {slot: _oid(_FIRST_QUEUE + place) for place, slot in enumerate(slots)}
    groups = {slot: _oid(_FIRST_PG + place) for place, slot in enumerate(slots)}
    pools = {name: _oid(_FIRST_POOL + place) for place, name in enumerate(pool_names)}
    rules = {name: _oid(_FIRST_RULE + place) for place, name in enumerate(rule_names)}
    maps: dict[str, Hash] = {
        "COUNTERS_SWITCH_NAME_MAP": {"ASIC": SWITCH_OID} if names else {},
        "COUNTERS_RIF_NAME_MAP": interfaces,
        "COUNTERS_RIF_TYPE_MAP": dict.fromkeys(interfaces.values(), "SAI_ROUTER_INTERFACE_TYPE_PORT"),
        "COUNTERS_PORT_NAME_MAP": ports,
        "COUNTERS_BUFFER_POOL_NAME_MAP": pools,
        "ACL_COUNTER_RULE_MAP": rules,
        "COUNTERS_QUEUE_TYPE_MAP": dict.fromkeys(queues.values(), "SAI_QUEUE_TYPE_UNICAST"),
    }
    for kind, oids in (("QUEUE", queues), ("PG", groups)):
        maps[f"COUNTERS_{kind}_NAME_MAP"] = {f"{name}:{number}": oid for (name, number), oid in oids.items()}
        maps[f"COUNTERS_{kind}_PORT_MAP"] = {oid: ports[name] for (name, _), oid in oids.items()}
        maps[f"COUNTERS_{kind}_INDEX_MAP"] = {oid: str(number) for (_, number), oid in oids.items()}
    places = {oid: _Place("port", name) for name, oid in ports.items()}
    places |= {oid: _Place("queue", *slot) for slot, oid in queues.items()}
    places |= {oid: _Place("pg", *slot) for slot, oid in groups.items()}
    places |= {oid: _Place("pool", name) for name, oid in pools.items()}
    places |= {oid: _Place("rule", name) for name, oid in rules.items()}
    return CounterLayout({table: {"": entries} for table, entries in maps.items() if entries}, places)


def _counted_rules(config: ConfigDb) -> list[str]:
    """The rules that have a counter, as ACL_COUNTER_RULE_MAP calls them."""
    return sorted(
        f"{table.name}:{rule.name}" for table in read_acl(config) for rule in table.rules if rule.is_counted
    )


def counters_db(
    layout: CounterLayout, config: ConfigDb, counted: Counted, clock: Mapping[str, str] | None = None
) -> CountersDb:
    """COUNTERS_DB of a switch: name maps, counters of ports, queues and priority groups, rates, watermarks.

    Watermarks among the counters are since boot; rates are over the last stretch of simulated time.
    While simulated traffic runs, as the fields of its `clock` say, a port's counters carry their instant.
    """
    is_running = clock is not None and clock.get("is_running") == "true"
    if not layout.places:
        return layout.maps
    tables = counted.watermarks
    return {
        **layout.maps,
        "COUNTERS": _Objects(layout.places, counted.now, counted.at_boot, config, is_running),
        "RATES": Rates(layout.ports, counted),
        "USER_WATERMARKS": _Watermarks(layout.marked, tables.user),
        "PERSISTENT_WATERMARKS": _Watermarks(layout.marked, tables.persistent),
        "PERIODIC_WATERMARKS": _Watermarks(layout.marked, tables.periodic),
    }


class _Objects(Mapping[str, Hash]):
    """oid -> hash of an object's counters, made when it is asked for."""

    def __init__(
        self,
        places: Mapping[str, _Place],
        counters: SwitchCounters,
        zero: SwitchCounters,
        config: ConfigDb,
        is_running: bool,
    ) -> None:
        self._places = places
        self._counters = counters
        self._zero = zero
        self._rows = [_Rows(each) for each in (counters, zero)]
        self._config = config
        self._clock = {CLOCK_FIELD: str(counters.time_ps)} if is_running else {}

    @cached_property
    def _watched(self) -> Mapping[tuple[str, int], Hash]:
        """Most snapshots are not asked for it."""
        return watched_queues(self._config)

    def __getitem__(self, oid: str) -> Hash:
        place = self._places[oid]
        if place.kind == "rule":
            return self._rule(place.name)
        names = _STATS[place.kind]
        stats = _counted(names, self._counters, self._rows[0].of(place), place)
        if (zero := self._rows[1].of(place)) is not None:
            before = _counted(names, self._zero, zero, place)
            stats = [
                count if is_watermark(name) or name == _OCCUPANCY else count - old
                for name, count, old in zip(names, stats, before, strict=True)
            ]
        hash_ = dict(zip(names, map(str, stats), strict=True))
        if place.kind == "port":
            hash_ |= self._clock
        watched = self._watched.get((place.name, place.number)) if place.kind == "queue" else None
        return {**hash_, **watched, **self._storms(place)} if watched else hash_

    def _rule(self, name: str) -> Hash:
        """What a rule has matched since boot, or since it was made if that was later."""
        table, _, rule = name.partition(":")
        counts, before = (each.acl.get((table, rule), (0, 0)) for each in (self._counters, self._zero))
        is_older = counts[0] >= before[0]
        return {
            f"SAI_ACL_COUNTER_ATTR_{what}": str(count - old if is_older else count)
            for what, count, old in zip(("PACKETS", "BYTES"), counts, before, strict=True)
        }

    def _storms(self, place: _Place) -> Hash:
        """What the PFC watchdog has done at a queue."""
        row = self._rows[0].of(place)
        columns = self._counters.queue
        if row is None or IS_STORM not in columns:
            return {}
        stats = tuple(name for name in columns if name.startswith("PFC_WD_QUEUE_STATS_"))
        counts = _counted(stats, self._counters, row, place)
        before = _counted(stats, self._zero, self._rows[1].of(place), place)
        status = "stormed" if columns[IS_STORM][row][place.number] else "operational"
        return {"PFC_WD_STATUS": status} | {
            name: str(count - old) for name, count, old in zip(stats, counts, before, strict=True)
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class _Watermarks(Mapping[str, Hash]):
    """oid -> the watermarks of a queue, priority group or pool."""

    def __init__(self, places: Mapping[str, _Place], marks: SwitchCounters) -> None:
        self._places = places
        self._marks = marks
        self._rows = _Rows(marks)

    def __getitem__(self, oid: str) -> Hash:
        place = self._places[oid]
        names = _MARKS[place.kind]
        marks = _counted(names, self._marks, self._rows.of(place), place)
        return dict(zip(names, map(str, marks), strict=True))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


_STATS = {"port": _PORT_STATS, "queue": _QUEUE_STATS, "pg": _PG_STATS, "pool": _POOL_STATS}
_MARKS = {kind: tuple(filter(is_watermark, names)) for kind, names in _STATS.items()}
_MARKED = ("queue", "pg", "pool")
_OCCUPANCY = "SAI_QUEUE_STAT_CURR_OCCUPANCY_BYTES"


class _Rows:
    """In which row of the columns an object is."""

    def __init__(self, counters: SwitchCounters) -> None:
        self._ports = {name: row for row, name in enumerate(counters.ports)}
        self._pools = {name: row for row, name in enumerate(counters.pools)}

    def of(self, place: _Place) -> int | None:
        return (self._pools if place.kind == "pool" else self._ports).get(place.name)


def _counted(names: tuple[str, ...], counters: SwitchCounters, row: int | None, place: _Place) -> list[int]:
    """What an object has counted, in the order of `names`; 0 for what is not counted."""
    if row is None:
        return [0] * len(names)
    if place.kind in ("port", "pool"):
        columns = counters.port if place.kind == "port" else counters.pool
        return [columns[name][row] if name in columns else 0 for name in names]
    by_number = counters.queue if place.kind == "queue" else counters.pg
    return [by_number[name][row][place.number] if name in by_number else 0 for name in names]


def _oid(number: int) -> str:
    return f"oid:{number:#x}"
