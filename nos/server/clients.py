"""Who is at the other end of a connection: the address, and whom it stands for."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import unquote

_IPV6_SITE_BITS = 64  # Whoever has one IPv6 address has its whole subnet.


def host_of(peer: str) -> str:
    """`ipv4:127.0.0.1:4000`, `ipv6:%5B::1%5D:4000` -> the address; anything else as it is."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else peer


def site_of(host: str) -> str:
    """All the addresses that a client has who has this one."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.ip_network((address, _IPV6_SITE_BITS), strict=False))


@lru_cache(maxsize=10_000)
def client_of(peer: str) -> str:
    """The client that a connection is of."""
    return site_of(host_of(peer))
