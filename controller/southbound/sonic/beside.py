"""Routes that somebody else wrote and that packets to the plan's endpoints take."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.southbound.sonic.routes import TABLE, prefix_of


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
