"""qosorch: classification maps, PFC, schedulers and WRED profiles, port by port."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from raddle.nos.db.databases import ConfigDb, ConfigEntry
from raddle.nos.orch.buffers import index_range
from raddle.state import DSCPS, PRIORITIES, WredProfile

_DEFAULT_WEIGHT = 1  # SAI_SCHEDULER_ATTR_SCHEDULING_WEIGHT of a queue that nothing is bound to.


@dataclass(frozen=True, slots=True)
class PortQos:
    """A port's maps (`raddle.state.PortState` has the shapes), DWRR weights and WRED profiles per queue."""

    dscp_to_tc: tuple[int, ...]
    tc_to_queue: tuple[int, ...]
    tc_to_pg: tuple[int, ...]
    pfc_to_queue: tuple[int, ...]
    pfc_enable: int
    weights: tuple[int, ...]
    wred: tuple[int | None, ...]


def derive_wred(config: ConfigDb) -> tuple[WredProfile, ...]:
    """The WRED profiles sorted by name; green thresholds count, as RoCE packets are green."""
    return tuple(_wred(name, entry) for name, entry in sorted(config.get("WRED_PROFILE", {}).items()))


def _wred(name: str, entry: ConfigEntry) -> WredProfile:
    """A profile acts on green packets where `wred_green_enable` says so; SAI's thresholds count only then.

    One without thresholds does nothing: SAI's default maximum is the whole buffer.
    """
    is_on = entry.get("wred_green_enable") == "true" and "green_max_threshold" in entry
    ecn = str(entry.get("ecn", "ecn_none"))
    return WredProfile(
        name=name,
        marks_ecn=is_on and ("green" in ecn or ecn == "ecn_all"),
        drops=is_on,
        min_bytes=int(str(entry.get("green_min_threshold", "0"))),
        max_bytes=int(str(entry.get("green_max_threshold", "0"))),
        probability=int(str(entry.get("green_drop_probability", "100"))) / 100,
    )


def derive_qos(config: ConfigDb, ports: Sequence[str]) -> dict[str, PortQos]:
    """The QoS state of each port.

    Without a map DSCP goes to TC 0, a TC to the queue of its number and to priority group 0. The port's
    `dscp_to_tc_map` comes before that of PORT_QOS_MAP|global. A TC, queue or priority group above 7 does
    not exist in the ASIC: such an entry of a map is skipped.
    """
    bindings = config.get("PORT_QOS_MAP", {})
    everywhere = bindings.get("global", {}).get("dscp_to_tc_map")
    weights, wred = _queue_bindings(config)
    # Ports share their maps: each is read once.
    read = functools.cache(functools.partial(_map, config))
    state = {}
    for port in ports:
        bound = bindings.get(port, {})
        state[port] = PortQos(
            dscp_to_tc=read("DSCP_TO_TC_MAP", str(bound.get("dscp_to_tc_map", everywhere or ""))),
            tc_to_queue=read("TC_TO_QUEUE_MAP", str(bound.get("tc_to_queue_map", ""))),
            tc_to_pg=read("TC_TO_PRIORITY_GROUP_MAP", str(bound.get("tc_to_pg_map", ""))),
            pfc_to_queue=read("MAP_PFC_PRIORITY_TO_QUEUE", str(bound.get("pfc_to_queue_map", ""))),
            pfc_enable=sum(1 << priority for priority in index_range(str(bound.get("pfc_enable", "")))),
            weights=tuple(weights.get(port, (_DEFAULT_WEIGHT,) * PRIORITIES)),
            wred=tuple(wred.get(port, (None,) * PRIORITIES)),
        )
    return state


_MAP_DEFAULTS = {
    "DSCP_TO_TC_MAP": (0,) * DSCPS,
    "TC_TO_QUEUE_MAP": tuple(range(PRIORITIES)),
    "TC_TO_PRIORITY_GROUP_MAP": (0,) * PRIORITIES,
    "MAP_PFC_PRIORITY_TO_QUEUE": tuple(range(PRIORITIES)),
}


def _map(config: ConfigDb, table: str, name: str) -> tuple[int, ...]:
    """The map `name` as a tuple, with defaults where it says nothing; an empty name is no map at all."""
    result = list(_MAP_DEFAULTS[table])
    for key, value in config.get(table, {}).get(name, {}).items():
        # Both sides may be the empty string in SONiC's patterns.
        if key.isdigit() and isinstance(value, str) and value.isdigit():
            index, target = int(key), int(value)
            if index < len(result) and target < PRIORITIES:
                result[index] = target
    return tuple(result)


def _queue_bindings(config: ConfigDb) -> tuple[dict[str, list[int]], dict[str, list[int | None]]]:
    """DWRR weight (0: strict) and WRED profile of each queue that QUEUE names, by port."""
    schedulers = config.get("SCHEDULER", {})
    wred_index = {name: index for index, name in enumerate(sorted(config.get("WRED_PROFILE", {})))}
    weights: dict[str, list[int]] = {}
    wred: dict[str, list[int | None]] = {}
    for key, entry in config.get("QUEUE", {}).items():
        port, _, numbers = key.partition("|")
        for queue in index_range(numbers):
            if "scheduler" in entry:
                scheduler = schedulers[str(entry["scheduler"])]
                is_strict = scheduler.get("type") == "STRICT"
                weight = 0 if is_strict else int(str(scheduler.get("weight", _DEFAULT_WEIGHT)))
                weights.setdefault(port, [_DEFAULT_WEIGHT] * PRIORITIES)[queue] = weight
            if "wred_profile" in entry:
                wred.setdefault(port, [None] * PRIORITIES)[queue] = wred_index[str(entry["wred_profile"])]
    return weights, wred
