"""Entries of somebody else beside which the plan's do not do what they say.

Routes that packets to the plan's endpoints take, rules that drop packets, and lossless priority groups of
ports outside the fabric that count on the same headroom. `raddle verify --running` names the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.southbound.sonic.routes import TABLE, prefix_of
from raddle.controller.southbound.sonic.tables import Tables


def routes_beside(plan: Plan, switch: SwitchPlan, foreign: Iterable[str]) -> tuple[str, ...]:
    """Of entries that raddle never wrote (`TABLE/KEY`), routes that win over the plan's for some endpoint.

    The switch does not do what the plan says then, although all of it is there. A shorter prefix counts only
    where the plan's route has no link left, so that a default route is none of these.
    """
    prefixes = {
        path: prefix_of(key) for path in foreign for table, _, key in [path.partition("/")] if table == TABLE
    }
    if not any(prefixes.values()):
        return ()
    texts = (*(each.prefix for each in switch.routes), *(each.prefix for each in switch.interfaces))
    planned = [ip_network(text, strict=False) for text in texts if text]
    addresses = [ip_address(address) for _, address in plan.endpoints]

    def wins(network: IPv4Network | IPv6Network) -> bool:
        inside = [address for address in addresses if address in network]
        longer = [
            each for each in planned if each.version == network.version and each.prefixlen > network.prefixlen
        ]
        return any(not any(address in each for each in longer) for address in inside)

    return tuple(sorted(path for path, prefix in prefixes.items() if prefix and wins(ip_network(prefix))))


_IP_ETHER_TYPES = ("0x0800", "0x86dd", "2048", "34525")


def entries_beside(switch: SwitchPlan, held: Tables) -> tuple[str, ...]:
    """Entries (`TABLE/KEY`) that drop packets, or take headroom that the plan's priority groups count on.

    Nobody but who wrote them removes them: access lists are none of the plan's, nor are ports without its
    cables.
    """
    return (*_dropping(held), *_in_headroom(switch, held))


def _dropping(held: Tables) -> Iterator[str]:
    """Rules that drop IP packets, of tables that are bound to ports; those for the switch itself do not."""
    tables = held.get("ACL_TABLE", {})
    for key, rule in held.get("ACL_RULE", {}).items():
        table = tables.get(key.partition("|")[0], {})
        is_for_ip = str(rule.get("ETHER_TYPE", _IP_ETHER_TYPES[0])).lower() in _IP_ETHER_TYPES
        drops = str(rule.get("PACKET_ACTION", "")).upper() == "DROP"
        if drops and is_for_ip and table.get("ports") and table.get("type") != "CTRLPLANE":
            yield f"ACL_RULE/{key}"


def _in_headroom(switch: SwitchPlan, held: Tables) -> Iterator[str]:
    """Groups of ports without a cable of the plan, where a pool has less than all its groups count on."""
    cabled = {port.name for port in switch.ports if port.peer}
    profiles, pools = held.get("BUFFER_PROFILE", {}), held.get("BUFFER_POOL", {})
    needs: dict[str, int] = defaultdict(int)
    others: dict[str, list[str]] = defaultdict(list)
    for key, fields in held.get("BUFFER_PG", {}).items():
        profile = profiles.get(str(fields.get("profile", "")), {})
        pool, xoff_bytes = str(profile.get("pool", "")), _number(profile.get("xoff"))
        port, _, groups = key.partition("|")
        first, _, last = groups.partition("-")
        needs[pool] += xoff_bytes * (1 + _number(last or first) - _number(first))
        if xoff_bytes and port not in cabled:
            others[pool].append(f"BUFFER_PG/{key}")
    for pool, paths in others.items():
        if 0 < _number(pools.get(pool, {}).get("xoff")) < needs[pool]:
            yield from paths


def _number(text: object) -> int:
    return int(str(text)) if str(text).isdecimal() else 0
