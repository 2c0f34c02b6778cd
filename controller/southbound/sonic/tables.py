"""A switch's plan as SONiC configuration.

Two parts: what must be in config_db.json when the switch boots (ports, buffer pools, QoS; SONiC refuses
to change most of it on a running switch, or flaps the port), and what goes over gNMI afterwards.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from raddle.controller.plan.hashing import DEVICE_TYPES, sonic_hash
from raddle.controller.plan.lossless_check import is_whole_percent
from raddle.controller.plan.model import BgpNeighbor, BufferPlan, NextHop, PortPlan, QosPlan, SwitchPlan
from raddle.controller.plan.weights import equal_weights
from raddle.controller.southbound.sonic.adopted import with_adopted
from raddle.controller.southbound.sonic.ars import adaptive_tables
from raddle.controller.southbound.sonic.breakout import Tables as Tables
from raddle.controller.southbound.sonic.fec import fec_of
from raddle.errors import InputError, Place
from raddle.state import PRIORITIES
from raddle.topology.model import FIVE_TUPLE, Ecn

MAP = "AZURE"
"""SONiC's templates name their one map of each kind so."""

WRED = "AZURE_LOSSLESS"

OWNED_TABLES = (
    *("ARS_INTERFACE", "ARS_OBJECT", "ARS_PROFILE"),
    *("INTERFACE", "LOOPBACK_INTERFACE", "STATIC_ROUTE", "SWITCH_HASH"),
)
"""Tables whose every entry comes from the plan."""

DEFAULT_ECN = (1_048_576, 2_097_152, 5)
"""Minimum and maximum threshold in bytes and probability in percent (sonic-buildimage, qos_config.j2)."""

POLL_INTERVAL_MS = 200
"""PFC watchdog's poll interval; SONiC's default, never above its detection and restoration times."""


_HASH_ALGORITHMS = {"crc32lo": "CRC_32LO", "crc32hi": "CRC_32HI", "crc16": "CRC_CCITT", "xor": "XOR"}
_HASH_FIELDS = {"bth_qp": "RDMA_BTH_DEST_QP"}


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Files a switch boots with: `config_db` is config_db.json, `switch_json` is SONiC's switch.json."""

    config_db: Tables
    switch_json: dict[str, dict[str, str]]


def bootstrap(switch: SwitchPlan, has_own_ecn: bool = False) -> Bootstrap:
    """What the switch must hold before anything is pushed to it.

    ECN thresholds are SONiC's defaults, which a push changes, or from the start the plan's; those of an
    adopted switch are its own.
    """
    adopted = dict(switch.adopted)
    config = with_adopted(_booted(switch, has_own_ecn or bool(adopted)), adopted)
    return Bootstrap(config, {"SWITCH_TABLE:switch": hash_start(switch)})


def _booted(switch: SwitchPlan, has_own_ecn: bool) -> Tables:
    config = {
        "DEVICE_METADATA": {"localhost": _metadata(switch)},
        "PORT": {port.name: _port(port) for port in switch.ports},
        "DEVICE_NEIGHBOR": {port.name: _neighbor(port) for port in _cabled(switch)},
        "CABLE_LENGTH": {MAP: {port.name: f"{_metres(port)}m" for port in switch.ports}},
        "WRED_PROFILE": _planned_wred(switch) if has_own_ecn else _default_wred(switch),
        **_equal_tables(
            switch.qos,
            switch.buffers,
            tuple((port.name, _wred_name(switch.qos, port.speed_bps)) for port in _cabled(switch)),
            tuple(port.name for port in _paused(switch)),
        ),
    }
    return {table: entries for table, entries in config.items() if entries}


@lru_cache(maxsize=16)
def _equal_tables(
    qos: QosPlan, buffers: BufferPlan, cabled: tuple[tuple[str, str], ...], paused: tuple[str, ...]
) -> Tables:
    """Tables that switches of a kind have in common; nobody changes them.

    Args:
        cabled: names of ports and of what marks on their lossless queues; paused: of ports with headroom.
    """
    return {
        **_buffer_tables(qos, buffers, tuple(name for name, _ in cabled)),
        **_map_tables(qos),
        **_port_qos_tables(qos, cabled, paused),
        **_watchdog_table(qos, paused),
    }


def pushed(switch: SwitchPlan) -> Tables:
    """What goes over gNMI: addresses, routes and the plan's ECN thresholds.

    STATIC_ROUTE has no weights: a weighted group becomes one of equal members (see `equal_next_hops`).

    Raises:
        InputError: `carrier-not-supported`, the plan has policy routes.
    """
    return with_adopted(_pushed(switch), dict(switch.adopted), has_extras=False)


def _pushed(switch: SwitchPlan) -> Tables:
    if switch.policies:
        raise InputError.of(
            "carrier-not-supported",
            f"{switch.name} has {len(switch.policies)} policy routes, which cannot be written to SONiC: the"
            " YANG model of ACL_RULE has no redirect target",
            "set 'routing: {pins: udp-source-port}' or 'host-route' for SONiC switches",
            ("routing", "pins"),
        )
    interfaces: dict[str, dict[str, str]] = {}
    loopbacks: dict[str, dict[str, str]] = {}
    for each in switch.interfaces:
        table = loopbacks if each.name.startswith("Loopback") else interfaces
        if each.prefix:
            table |= {each.name: {}, f"{each.name}|{each.prefix}": {}}
        else:
            table[each.name] = {"ipv6_use_link_local_only": "enable"}
    # Routes share their next hops: one tuple for all that go up.
    groups = {id(route.next_hops): route.next_hops for route in switch.routes}
    entries = {each: static_route(next_hops) for each, next_hops in groups.items()}
    routes = {f"default|{route.prefix}": dict(entries[id(route.next_hops)]) for route in switch.routes}
    return {
        "INTERFACE": interfaces,
        "LOOPBACK_INTERFACE": loopbacks,
        "STATIC_ROUTE": routes,
        **({"BGP_NEIGHBOR": dict(map(_bgp_neighbor, switch.bgp))} if switch.bgp else {}),
        **_hash_table(switch),
        **adaptive_tables(switch),
        "WRED_PROFILE": _planned_wred(switch),
    }


def _bgp_neighbor(peer: BgpNeighbor) -> tuple[str, dict[str, str]]:
    fields = {"asn": str(peer.asn), "local_addr": peer.local_address, "name": peer.name}
    return peer.address, {**fields, "admin_status": "up"}


def intended(switch: SwitchPlan) -> Tables:
    """All of CONFIG_DB that comes from the plan: what the switch boots with, then what is pushed."""
    return with_adopted(planned(switch), dict(switch.adopted))


def planned(switch: SwitchPlan) -> Tables:
    """What `intended` is of a switch of which nothing was adopted."""
    pushed_rows = {table: rows for table, rows in _pushed(switch).items() if rows}
    return _booted(switch, has_own_ecn=True) | pushed_rows


def hash_start(switch: SwitchPlan) -> dict[str, str]:
    """SWITCH_TABLE's seed and offset of the ECMP hash, which are in switch.json and in no CONFIG_DB."""
    return {"ecmp_hash_seed": str(switch.hash_seed), "ecmp_hash_offset": str(switch.hash_offset)}


def has_own_hash(switch: SwitchPlan) -> bool:
    """Whether seed and offset are not those that SONiC sets by itself, by the switch's type."""
    kind = str(bootstrap(switch).config_db["DEVICE_METADATA"]["localhost"]["type"])
    return (switch.hash_seed, switch.hash_offset) != sonic_hash(kind)


def switch_json(switch: SwitchPlan) -> str:
    """What `swssconfig` loads to give a switch its hash's seed and offset."""
    document = [{"SWITCH_TABLE:switch": hash_start(switch), "OP": "SET"}]
    return json.dumps(document, indent=4) + "\n"


def _hash_table(switch: SwitchPlan) -> Tables:
    """SWITCH_HASH; nothing of what is SONiC's default anyway."""
    fields: dict[str, str | list[str]] = {}
    if switch.hash_algorithm != "crc32":
        fields["ecmp_hash_algorithm"] = _HASH_ALGORITHMS[switch.hash_algorithm]
    if switch.hash_fields != FIVE_TUPLE:
        fields["ecmp_hash"] = [_HASH_FIELDS.get(name, name.upper()) for name in switch.hash_fields]
    return {"SWITCH_HASH": {"GLOBAL": fields}} if fields else {}


@lru_cache(maxsize=1 << 16)
def equal_next_hops(next_hops: tuple[NextHop, ...]) -> tuple[NextHop, ...]:
    """The next hops that carry a group with the least loss where none can have a weight."""
    if not next_hops:
        return ()
    weights = equal_weights(tuple(hop.weight for hop in next_hops))
    return tuple(hop for hop, weight in zip(next_hops, weights, strict=True) if weight)


def static_route(next_hops: tuple[NextHop, ...]) -> dict[str, str]:
    """An entry of STATIC_ROUTE; one without next hops discards."""
    return hop_fields(equal_next_hops(next_hops)) if next_hops else {"blackhole": "true"}


def hop_fields(hops: tuple[NextHop, ...]) -> dict[str, str]:
    """Next hops as STATIC_ROUTE's fields, with distances where one is in reserve.

    Source: sonic-bgpcfgd managers_static_rt.py gives FRR each next hop with its distance, and FRR uses the
    live ones of the least.
    """
    fields = {"nexthop": ",".join(hop.address for hop in hops), "ifname": ",".join(hop.port for hop in hops)}
    if any(hop.distance > 1 for hop in hops):
        fields["distance"] = ",".join(str(hop.distance) for hop in hops)
    return fields


def _cabled(switch: SwitchPlan) -> tuple[PortPlan, ...]:
    return tuple(port for port in switch.ports if port.peer)


def _paused(switch: SwitchPlan) -> tuple[PortPlan, ...]:
    """Ports with a cable, and those that have headroom for one: not every chip takes a watchdog while it
    runs, and a watchdog is of queues that PFC pauses."""
    kept = {name for profile in switch.buffers.profiles for name in profile.ports}
    return tuple(port for port in switch.ports if port.peer or port.name in kept)


def _metres(port: PortPlan) -> int:
    """Cable length as CABLE_LENGTH has it, in whole metres; 0 without a cable."""
    return max(1, math.ceil(port.cable_m)) if port.peer else 0


def _metadata(switch: SwitchPlan) -> dict[str, str]:
    return {
        **({"bgp_asn": str(switch.asn)} if switch.asn else {}),
        "hostname": switch.name,
        "hwsku": switch.hwsku,
        "platform": switch.platform,
        "mac": switch.mac,
        "type": DEVICE_TYPES[switch.role],
        "resource_type": "ComputeAI",
        "buffer_model": "traditional",
        "default_pfcwd_status": "enable" if switch.qos.pfc and switch.qos.watchdog else "disable",
        "docker_routing_config_mode": "separated",
        "synchronous_mode": "enable",
    }


def _port(port: PortPlan) -> dict[str, str]:
    return {
        "alias": port.alias,
        "index": str(port.index + 1),
        "lanes": ",".join(map(str, port.lanes)),
        "speed": str(port.speed_bps // 10**6),
        "fec": fec_of(port),
        **({"autoneg": port.autoneg} if port.autoneg else {}),
        "mtu": str(port.mtu_bytes),
        "admin_status": "up" if port.is_enabled else "down",
    }


def _neighbor(port: PortPlan) -> dict[str, str]:
    device, _, far_port = port.peer.partition(":")
    return {"name": device, "port": far_port}


def _wred_name(qos: QosPlan, speed_bps: int) -> str:
    """The profile of ports of a speed, with that in Mb/s as in SONiC's names of buffer profiles."""
    has_own = any(speed_bps == speed for speed, _ in qos.ecn_speeds)
    return f"{WRED}_{speed_bps // 10**6}" if has_own else WRED


def _wred_rows(switch: SwitchPlan) -> Iterator[tuple[str, Ecn, Place]]:
    """Name, thresholds and place in the fabric file of each profile that the switch needs."""
    yield WRED, switch.qos.ecn, ("roce", "ecn", "pmax")
    used = {port.speed_bps for port in _cabled(switch)}
    for place, (speed, ecn) in enumerate(switch.qos.ecn_speeds):
        if speed in used:
            yield _wred_name(switch.qos, speed), ecn, ("roce", "ecn", "speeds", place, "pmax")


def _default_wred(switch: SwitchPlan) -> dict[str, dict[str, str]]:
    return {name: _wred(*DEFAULT_ECN) for name, _, _ in _wred_rows(switch)}


def _planned_wred(switch: SwitchPlan) -> dict[str, dict[str, str]]:
    """The plan's thresholds.

    Raises:
        InputError: `ecn-not-held`, a probability is no whole percentage, which is all that SONiC holds.
    """
    rows = {}
    for name, ecn, place in _wred_rows(switch):
        percent = round(ecn.pmax * 100)
        if not is_whole_percent(ecn.pmax):
            raise InputError.of(
                "ecn-not-held",
                f"{switch.name} is to mark with a probability of at most {ecn.pmax * 100:g} %, and SONiC's "
                f"WRED_PROFILE holds whole percents: it would be {percent} %",
                f"set 'pmax: {max(1, percent)}%' there",
                place,
            )
        rows[name] = _wred(ecn.kmin_bytes, ecn.kmax_bytes, percent)
    return rows


def _wred(min_bytes: int, max_bytes: int, percent: int) -> dict[str, str]:
    colours = ("green", "yellow", "red")
    profile = {"ecn": "ecn_all"}
    for colour in colours:
        profile |= {
            f"wred_{colour}_enable": "true",
            f"{colour}_min_threshold": str(min_bytes),
            f"{colour}_max_threshold": str(max_bytes),
            f"{colour}_drop_probability": str(percent),
        }
    return profile


def _buffer_tables(qos: QosPlan, buffers: BufferPlan, cabled: tuple[str, ...]) -> Tables:
    """Pools, profiles and their bindings.

    CORRECTNESS: a lossless packet is admitted or refused at ingress alone. The egress pool is the whole
    buffer and the lossless queues' static threshold is all of it, so that egress never drops what ingress
    let in.
    """
    lossless = qos.lossless if buffers.profiles else ()
    reserved = sum(len(lossless) * len(each.ports) * each.reserved_bytes for each in buffers.profiles)
    reserved += buffers.cnp_reserved_bytes * (buffers.ports or len(cabled))
    whole = str(buffers.shared_bytes + buffers.headroom_pool_bytes + reserved)
    shared = str(buffers.shared_bytes)
    ingress, egress = "ingress_lossless_pool", "egress_lossless_pool"
    profiles = {
        "ingress_lossy_profile": {"pool": ingress, "size": "0", "static_th": shared},
        "egress_lossless_profile": {"pool": egress, "size": "0", "static_th": whole},
        "egress_lossy_profile": {"pool": egress, "size": "0", "dynamic_th": str(buffers.lossy_dynamic_th)},
    }
    if buffers.cnp_reserved_bytes:
        own = {"size": str(buffers.cnp_reserved_bytes)}
        profiles["ingress_cnp_profile"] = profiles["ingress_lossy_profile"] | own
        profiles["egress_cnp_profile"] = profiles["egress_lossy_profile"] | own
    profile_of: dict[str, str] = {}
    for each in buffers.profiles:
        profiles[each.name] = {
            "pool": ingress,
            "size": str(each.reserved_bytes),
            "xon": str(each.reserved_bytes),
            "xon_offset": str(each.xon_offset_bytes),
            "xoff": str(each.headroom_bytes),
            "dynamic_th": str(each.dynamic_th),
        }
        profile_of |= dict.fromkeys(each.ports, each.name)
    pools = {
        ingress: {
            "type": "ingress",
            "mode": "dynamic",
            # SAI counts what PGs reserve in a pool's size; some SDKs count the headroom, too.
            "size": whole if buffers.counts_headroom else str(buffers.shared_bytes + reserved),
            "xoff": str(buffers.headroom_pool_bytes),
        },
        egress: {"type": "egress", "mode": "static", "size": whole},
    }
    kinds = ["lossless" if priority in lossless else "lossy" for priority in range(PRIORITIES)]
    if qos.cnp is not None and buffers.cnp_reserved_bytes:
        kinds[qos.cnp] = "cnp"
    pgs, queues = _buffer_bindings(cabled, kinds, qos.tc_to_pg, profile_of)
    return {"BUFFER_POOL": pools, "BUFFER_PROFILE": profiles, "BUFFER_PG": pgs, "BUFFER_QUEUE": queues}


def _buffer_bindings(
    cabled: tuple[str, ...], kinds: list[str], tc_to_pg: tuple[int, ...], profile_of: dict[str, str]
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """BUFFER_PG and BUFFER_QUEUE; `kinds` are of priorities, `profile_of` names a port's lossless profile."""
    lossy_pgs = {pg for pg in tc_to_pg if kinds[pg] == "lossy"}
    pgs: dict[str, dict[str, str]] = {}
    queues: dict[str, dict[str, str]] = {}
    spans = list(_spans(kinds))
    for port in cabled:
        pgs.update({f"{port}|{pg}": {"profile": "ingress_lossy_profile"} for pg in lossy_pgs})
        for span, kind in spans:
            if kind != "lossy":
                profile = profile_of[port] if kind == "lossless" else "ingress_cnp_profile"
                pgs[f"{port}|{span}"] = {"profile": profile}
            queues[f"{port}|{span}"] = {"profile": f"egress_{kind}_profile"}
    return pgs, queues


def _spans(kinds: list[str]) -> Iterator[tuple[str, str]]:
    """What priorities are, as SONiC's key ranges: `0-2` lossy, `3-4` lossless, `5` lossy, `6` cnp."""
    for kind, group in groupby(range(PRIORITIES), lambda priority: kinds[priority]):
        first, *rest = group
        yield (f"{first}-{rest[-1]}" if rest else str(first)), kind


def _map_tables(qos: QosPlan) -> Tables:
    return {
        "DSCP_TO_TC_MAP": {MAP: _numbered(qos.dscp_to_tc)},
        "TC_TO_QUEUE_MAP": {MAP: _numbered(qos.tc_to_queue)},
        "TC_TO_PRIORITY_GROUP_MAP": {MAP: _numbered(qos.tc_to_pg)},
        "MAP_PFC_PRIORITY_TO_QUEUE": {MAP: _numbered(qos.tc_to_queue)},
    }


def _numbered(values: tuple[int, ...]) -> dict[str, str]:
    return {str(place): str(value) for place, value in enumerate(values)}


def _port_qos_tables(qos: QosPlan, cabled: tuple[tuple[str, str], ...], paused: tuple[str, ...]) -> Tables:
    """PORT_QOS_MAP, SCHEDULER and QUEUE: one scheduler per distinct weight, ECN on the lossless queues."""
    priorities = ",".join(map(str, qos.lossless))
    port_map = {
        "dscp_to_tc_map": MAP,
        "tc_to_queue_map": MAP,
        "tc_to_pg_map": MAP,
        "pfc_to_queue_map": MAP,
    }
    if qos.pfc and qos.lossless:
        port_map["pfc_enable"] = priorities
        if qos.watchdog:
            port_map["pfcwd_sw_enable"] = priorities
    names = {weight: f"scheduler.{place}" for place, weight in enumerate(sorted({*qos.queue_weights} - {0}))}
    schedulers = {name: {"type": "DWRR", "weight": str(weight)} for weight, name in names.items()}
    if 0 in qos.queue_weights:
        names[0] = "scheduler.strict"
        schedulers[names[0]] = {"type": "STRICT"}
    queues: dict[str, dict[str, str]] = {}
    for port, marking in cabled:
        for queue, weight in enumerate(qos.queue_weights):
            queues[f"{port}|{queue}"] = {"scheduler": names[weight]}
            if queue in qos.lossless:
                queues[f"{port}|{queue}"]["wred_profile"] = marking
    return {
        "PORT_QOS_MAP": {"global": {"dscp_to_tc_map": MAP}} | {port: dict(port_map) for port in paused},
        "SCHEDULER": schedulers,
        "QUEUE": queues,
    }


def _watchdog_table(qos: QosPlan, paused: tuple[str, ...]) -> Tables:
    watchdog = qos.watchdog
    if not watchdog or not qos.pfc:
        return {}
    # YANG: detection and restoration times are at least the poll interval.
    poll_ms = min(POLL_INTERVAL_MS, watchdog.detect_ms, watchdog.restore_ms)
    entry = {
        "action": watchdog.action,
        "detection_time": str(watchdog.detect_ms),
        "restoration_time": str(watchdog.restore_ms),
    }
    return {"PFC_WD": {"GLOBAL": {"POLL_INTERVAL": str(poll_ms)}} | {port: dict(entry) for port in paused}}
