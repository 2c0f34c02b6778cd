"""A fabric as rows: switches, hosts, and the cable list with its labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from raddle.topology.model import Accelerators, Fabric, Host
from raddle.topology.views.capacity import TIER_NAMES, cables_of, link_tiers
from raddle.units import format_length, format_rate

Row = dict[str, str]


def switch_rows(fabric: Fabric) -> Iterator[Row]:
    """One row per switch."""
    cabled = Counter(end.device for end in fabric.link_by_port)
    for switch in fabric.switches:
        yield {
            "name": switch.name,
            "role": switch.role,
            "plane": str(switch.plane),
            "pod": str(switch.pod),
            "asn": str(switch.asn),
            "model": switch.model.name,
            "hwsku": switch.model.hwsku,
            "ports": str(len(switch.ports)),
            "cabled": str(cabled[switch.name]),
        }


def host_rows(fabric: Fabric) -> Iterator[Row]:
    """One row per host."""
    owners: dict[int, dict[str, None]] = {}
    for tenant in fabric.tenants:
        for index, _ in tenant.accelerators:
            owners.setdefault(index, {})[tenant.name] = None
    for host in fabric.hosts:
        inside = host.accelerators
        yield {
            "name": host.name,
            "accelerators": _accelerators(host),
            "scale_up": _scale_up(inside) if inside and inside.scale_up_bps else "",
            "ports": str(len(host.nics)),
            "port_speed": format_rate(host.nic_model.speed_bps),
            "tenant": " ".join(owners.get(host.index, ())),
        }


def _accelerators(host: Host) -> str:
    if host.outside:
        return "router outside"
    inside = host.accelerators
    return f"{inside.count} x {inside.kind} {inside.model}".rstrip() if inside else ""


def _scale_up(inside: Accelerators) -> str:
    """`nvlink 3.6T`, with what is unusual of it: `hccs 392G mesh over 2 hosts`."""
    words = [inside.scale_up, format_rate(inside.scale_up_bps)]
    if inside.topology != "crossbar":
        words.append(inside.topology)
    if inside.domain_hosts > 1:
        words.append(f"over {inside.domain_hosts} hosts")
    return " ".join(filter(None, words))


def cable_rows(fabric: Fabric) -> Iterator[Row]:
    """One row per link: what a technician installs, and what LLDP should show.

    `label` is printed on all ends of the cable: the fabric's name and the number of its first link.
    """
    tiers = link_tiers(fabric)
    digits = len(str(max(0, len(fabric.links) - 1)))
    for link, cable in zip(fabric.links, cables_of(fabric), strict=True):
        yield {
            "label": f"{fabric.name}-{cable:0{digits}}",
            "tier": TIER_NAMES[tiers[link.index]],
            "a_device": link.a.device,
            "a_port": link.a.port,
            "b_device": link.b.device,
            "b_port": link.b.port,
            "speed": format_rate(link.speed_bps),
            "length": format_length(link.length_m),
            "medium": link.medium or "",
            "state": ("drained" if link.is_drained else "up") if link.is_up else "down",
        }
