"""`roce:` and the hash of a fabric file, from what most of the fabric's ports have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from raddle.controller.plan.hashing import per_switch_seed, per_tier_offset, sonic_hash
from raddle.peers.sonic.reading import QUEUE_PAIR_HASH, HeldSwitch
from raddle.topology.forms.checks import ROCE_HEADER_BYTES
from raddle.topology.model import PortRef
from raddle.topology.yaml.schema_policy import EcnSpec, RoceSpec

T = TypeVar("T")
_PATH_MTUS = (256, 512, 1024, 2048, 4096)
_HASH_ALGORITHMS = {
    "CRC": "crc32",
    "CRC_32LO": "crc32lo",
    "CRC_32HI": "crc32hi",
    "CRC_CCITT": "crc16",
    "XOR": "xor",
}
_HASH_FIELDS = {"SRC_IP", "DST_IP", "IP_PROTOCOL", "L4_SRC_PORT", "L4_DST_PORT"}
_USUAL_DSCPS = {3: 26, 4: 28, 6: 48}
"""What NIC vendors' RoCE guides have, where several DSCPs are of one class."""


def roce_lines(switches: Sequence[HeldSwitch], ports: Sequence[PortRef]) -> Iterator[str]:
    """Lossless classes, CNPs, ECN, watchdog and MTU of most ports of the fabric."""
    held = {switch.name: switch for switch in switches}
    numbered = {name: _numbered(switch) for name, switch in held.items()}
    views = [_PortView(held[end.device], end.port, numbered[end.device]) for end in ports]
    default = RoceSpec()
    paused = _most(view.lossless for view in views) or ()
    lossless = paused or _most(view.marked for view in views) or ()
    dscps = _most(tuple(view.dscps) for view in views) or ()
    yield "roce:"
    port_mtu = _most(view.mtu for view in views) or default.port_mtu
    yield f"  port_mtu: {port_mtu}"
    if port_mtu < default.mtu + ROCE_HEADER_BYTES:
        fitting = [mtu for mtu in _PATH_MTUS if mtu + ROCE_HEADER_BYTES <= port_mtu]
        yield f"  mtu: {max(fitting, default=_PATH_MTUS[0])}"
    classes = [(each, dscp) for each in lossless if (dscp := _dscp(each, dscps)) is not None]
    listed = ", ".join(f"{{priority: {each}, dscp: {dscp}}}" for each, dscp in classes)
    yield f"  lossless: [{listed}]"
    yield f"  pfc: {'true' if paused and classes else 'false'}"
    strict = [each for each in _most(view.strict for view in views) or () if each not in lossless]
    cnp = next(((each, _dscp(each, dscps)) for each in reversed(strict)), (6, 48))
    if cnp[1] is not None and cnp != (default.cnp.priority, default.cnp.dscp):
        yield f"  cnp: {{priority: {cnp[0]}, dscp: {cnp[1]}}}"
    threshold = _most(view.dynamic_th for view in views if view.dynamic_th)
    if threshold:
        yield f"  dynamic_th: {threshold}"
    if shared := _shared_headroom(switches, numbered):
        yield f"  headroom: {{{shared}}}"
    ecn = _most(view.ecn for view in views if view.ecn)
    if ecn and ecn != (EcnSpec().kmin, EcnSpec().kmax, 20):
        yield f"  ecn: {{kmin: {ecn[0]}B, kmax: {ecn[1]}B, pmax: {ecn[2]}%}}"
    watchdog = _most(view.watchdog for view in views)
    if watchdog:
        yield "  watchdog: {{detect: {}ms, restore: {}ms, action: {}}}".format(*watchdog)
    else:
        yield "  watchdog: none"


def _shared_headroom(switches: Sequence[HeldSwitch], numbered: Mapping[str, Numbered]) -> str:
    """How priority groups share the headroom of their pool, where it is less than they count on in all.

    One size where all such pools have it, else the ratio of the scarcest.
    """
    found: list[tuple[int, int]] = []
    for switch in switches:
        rows = switch.tables.get("BUFFER_PROFILE", {})
        profiles = [
            rows.get(str(entry.get("profile", "")), {})
            for entry in numbered[switch.name]["BUFFER_PG"].values()
        ]
        needs: Counter[str] = Counter()
        for profile in profiles:
            needs[str(profile.get("pool", ""))] += _whole(profile.get("xoff", ""), 1, 2**40) or 0
        pools = switch.tables.get("BUFFER_POOL", {})
        sizes = {name: _whole(row.get("xoff", ""), 1, 2**40) for name, row in pools.items()}
        found += [(needs[name], size) for name, size in sizes.items() if size and needs[name] > size]
    if not found:
        return ""
    if len({size for _, size in found}) == 1:
        return f"pool: {found[0][1]}B"
    return f"over_subscribe_ratio: {max(-(-need // size) for need, size in found)}"


def hash_line(switches: Sequence[HeldSwitch], tiers: Mapping[str, int]) -> str:
    """`hash: {...}` of SWITCH_HASH, where it is not SONiC's default and the fabric file can say it, with the
    seed and offset that the switches tell, or that SONiC sets by itself."""
    with_pairs = all(switch.hashes_queue_pairs for switch in switches)
    entry = dict(_most(tuple(sorted(_hash(switch, with_pairs).items())) for switch in switches) or ())
    entry |= hash_start(switches, tiers) or {"seed": "sonic", "offset": "sonic"}
    return "hash: {" + ", ".join(f"{name}: {value}" for name, value in sorted(entry.items())) + "}"


def hash_start(switches: Sequence[HeldSwitch], tiers: Mapping[str, int]) -> dict[str, str]:
    """`seed` and `offset` by which a file says what all switches that tell have; empty if none does."""
    told = [switch for switch in switches if "ecmp_hash_seed" in switch.hashing]
    if not told:
        return {}
    algorithm = _hash(told[0]).get("algorithm", "crc32")
    first = told[0].hashing
    seeds: dict[str, Callable[[HeldSwitch], int]] = {
        "sonic": lambda switch: sonic_hash(str(switch.metadata.get("type", "")))[0],
        "per-switch": lambda switch: per_switch_seed(switch.name),
        str(first["ecmp_hash_seed"]): lambda switch: int(first["ecmp_hash_seed"]),
    }
    offset = str(first.get("ecmp_hash_offset", "0"))
    offsets: dict[str, Callable[[HeldSwitch], int]] = {
        "sonic": lambda switch: sonic_hash(str(switch.metadata.get("type", "")))[1],
        "per-tier": lambda switch: per_tier_offset(tiers[switch.name], algorithm),
        offset: lambda switch: int(offset),
    }
    found = {}
    for key, choices in (("seed", seeds), ("offset", offsets)):
        field = f"ecmp_hash_{key}"
        for word, of in choices.items():
            if all(str(of(switch)) == str(switch.hashing.get(field, "0")) for switch in told):
                found[key] = word
                break
    return found if len(found) == len(("seed", "offset")) else {}


def _hash(switch: HeldSwitch, with_pairs: bool = False) -> dict[str, str]:
    """What is not SONiC's default of a hash; queue pairs where all models of the fabric have them."""
    found = {}
    algorithm = _HASH_ALGORITHMS.get(
        str(switch.row("SWITCH_HASH", "GLOBAL").get("ecmp_hash_algorithm", "CRC")), "crc32"
    )
    if algorithm != "crc32":
        found["algorithm"] = algorithm
    names = switch.hash_fields
    words = sorted(name.lower() for name in names & _HASH_FIELDS)
    words += ["bth_qp"] * (with_pairs and QUEUE_PAIR_HASH in names)
    if len(words) == len(names) > 0 and names != _HASH_FIELDS:
        found["fields"] = f"[{', '.join(words)}]"
    return found


Numbered = Mapping[str, Mapping[tuple[str, int], Mapping[str, Any]]]
"""By table: entries by port and number of the queue or priority group."""


def _numbered(switch: HeldSwitch) -> Numbered:
    found: dict[str, dict[tuple[str, int], Mapping[str, Any]]] = {"QUEUE": {}, "BUFFER_PG": {}}
    for table, entries in found.items():
        for key, fields in switch.tables.get(table, {}).items():
            port, _, span = key.partition("|")
            first, _, last = span.partition("-")
            if first.isdecimal() and (last or first).isdecimal() and len(span) < 8:
                entries |= {(port, number): fields for number in range(int(first), int(last or first) + 1)}
    return found


class _PortView:
    """What CONFIG_DB says of the classes of one port."""

    def __init__(self, switch: HeldSwitch, port: str, numbered: Numbered) -> None:
        self._tables, self._port, self._numbered = switch.tables, port, numbered
        self._qos = self._row("PORT_QOS_MAP", port)
        self.lossless = tuple(_numbers(self._qos.get("pfc_enable", "")))
        self.mtu = _whole(self._row("PORT", port).get("mtu", ""), 68, 9216)

    def _row(self, table: str, key: str) -> Mapping[str, Any]:
        return self._tables.get(table, {}).get(key, {})

    def _of_port(self, table: str, number: int) -> Mapping[str, Any]:
        """The entry of a queue or priority group, alone or in a range."""
        return self._numbered[table].get((self._port, number), {})

    @property
    def dscps(self) -> Iterator[tuple[int, int]]:
        """(DSCP, traffic class) in order."""
        row = self._row("DSCP_TO_TC_MAP", str(self._qos.get("dscp_to_tc_map", "")))
        pairs = ((_whole(dscp, 0, 63), _whole(tc, 0, 7)) for dscp, tc in row.items())
        return iter(sorted((dscp, tc) for dscp, tc in pairs if dscp is not None and tc is not None))

    @property
    def strict(self) -> tuple[int, ...]:
        """Queues of strict priority."""
        names = {queue: str(self._of_port("QUEUE", queue).get("scheduler", "")) for queue in range(8)}
        return tuple(q for q, name in names.items() if self._row("SCHEDULER", name).get("type") == "STRICT")

    @property
    def marked(self) -> tuple[int, ...]:
        """Queues that mark."""
        return tuple(queue for queue in range(8) if "wred_profile" in self._of_port("QUEUE", queue))

    @property
    def dynamic_th(self) -> int | None:
        if not self.lossless:
            return None
        profile = str(self._of_port("BUFFER_PG", self.lossless[0]).get("profile", ""))
        return _whole(self._row("BUFFER_PROFILE", profile).get("dynamic_th", ""), -8, 7)

    @property
    def ecn(self) -> tuple[int, int, int] | None:
        if not (queues := self.lossless or self.marked):
            return None
        name = str(self._of_port("QUEUE", queues[0]).get("wred_profile", ""))
        row = self._row("WRED_PROFILE", name)
        ends = ("green_min_threshold", "green_max_threshold", "green_drop_probability")
        low, high, chance = (_whole(row.get(field, ""), 1, 2**40) for field in ends)
        return (low, high, chance) if low and high and chance and low <= high and chance <= 100 else None

    @property
    def watchdog(self) -> tuple[int, int, str] | None:
        row = self._row("PFC_WD", self._port)
        times = (
            _whole(row.get("detection_time", ""), 100, 5000),
            _whole(row.get("restoration_time", ""), 100, 60000),
        )
        action = str(row.get("action", "drop"))
        if times[0] is None or times[1] is None or action not in ("drop", "forward", "alert"):
            return None
        return times[0], times[1], action


def _dscp(tc: int, dscps: Iterable[tuple[int, int]]) -> int | None:
    own = [dscp for dscp, each in dscps if each == tc]
    usual = _USUAL_DSCPS.get(tc)
    return usual if usual in own else min(own, default=None)


def _most(values: Iterable[T]) -> T | None:
    """The most frequent value; the first of several."""
    counts = Counter(values)
    return max(counts, key=lambda value: counts[value]) if counts else None


def _numbers(text: object) -> Iterator[int]:
    return (int(each) for each in str(text).split(",") if each.isdecimal() and int(each) < 8)


def _whole(text: object, low: int, high: int) -> int | None:
    digits = str(text)
    is_whole = digits.removeprefix("-").isdecimal() and digits.isascii()
    return int(digits) if is_whole and low <= int(digits) <= high else None
