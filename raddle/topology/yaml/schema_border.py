"""The shape of what a fabric file says of the world outside.

Fields have the names of the YAML keys, as in `raddle.topology.yaml.schema_devices`.
"""

from __future__ import annotations

from ipaddress import ip_interface, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from raddle.topology.model import Medium
from raddle.topology.yaml.fields import Asn, Cable, Interface, Name, Rate, State, Text
from raddle.topology.yaml.rules import refuse
from raddle.topology.yaml.schema_devices import FABRIC_CABLE_M, Spec


def _point_to_point(value: str) -> str:
    interface = ip_interface(value)
    if interface.network.prefixlen != interface.max_prefixlen - 1:
        raise refuse(
            "bad-address",
            f"'{value}' is not an address of a link of two, a /31 or a /127",
            "write the switch's address, such as 192.0.2.1/31; the router has the other one",
        )
    return value


def _one_or_two(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _prefix(value: Any) -> Any:
    try:
        return str(ip_network(str(value)))
    except ValueError as error:
        raise refuse("bad-prefix", f"'{value}' is not a prefix: {error}", "write it as 0.0.0.0/0") from None


Prefix = Annotated[str, BeforeValidator(_prefix, json_schema_input_type=str)]


class ExternalSpec(Spec):
    """A link to a router that is no part of the fabric."""

    name: Name
    """What the router's end of the link is called here."""
    port: Text
    """Port of a leaf: `leaf3:Ethernet248`."""
    address: Annotated[
        tuple[Annotated[Interface, AfterValidator(_point_to_point)], ...],
        BeforeValidator(_one_or_two, json_schema_input_type=Interface | list[Interface]),
    ]
    """Of the leaf's port, a /31 or /127, whose other address is the router's; with two families a list."""
    prefixes: tuple[Prefix, ...] = ()
    """What is reached over the link (default: all, 0.0.0.0/0 or ::/0)."""
    as_number: Asn | None = None
    """AS number of the router, for a BGP session with it; none where routes are static."""
    speed: Rate | None = None
    """Speed of the link (default: the port's)."""
    cable: Cable = FABRIC_CABLE_M
    """Cable length."""
    medium: Medium | None = None
    """Kind of cable or optics."""
    state: State = "up"
    """Whether the link carries traffic."""
