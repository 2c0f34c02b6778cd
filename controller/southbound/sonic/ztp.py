"""What SONiC's zero touch provisioning reads: ztp.json, and the DHCP options that lead to it.

Option 67 names ztp.json. Option 239 names a script instead and is ignored beside option 67, so that it is not
given.

Source: sonic-net/SONiC doc/ztp/ztp.md, 3.2 (configdb-json), 3.3.2 (dynamic-url), 3.4 (DHCP options). The
plug-in releases the address that DHCP gave, so that a configuration needs a management address of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from ipaddress import ip_interface
from typing import Any, Literal

from raddle.topology.model import Management

ZTP_JSON = "ztp.json"
SUFFIX = "_config_db.json"

Managed = Mapping[str, Management | None]
"""How switches are managed, by name; None where the fabric file does not say."""


def ztp_json(base_url: str, identifier: Literal["hostname", "serial-number"]) -> str:
    """One ztp.json for all switches: each fetches its own by name or serial number, and saves it."""
    source = {"prefix": base_url, "identifier": identifier, "suffix": SUFFIX}
    section = {"dynamic-url": {"source": source}, "clear-config": True, "save-config": True}
    return json.dumps({"ztp": {"01-configdb-json": section}}, indent=1) + "\n"


def dhcp_files(base_url: str, managed: Managed) -> dict[str, str]:
    """Settings of three DHCP servers, by file name: option 67; name and address of switches with a MAC."""
    known = {name: each for name, each in managed.items() if each and each.mac}
    return {
        "dnsmasq.conf": "\n".join(_dnsmasq(base_url, known)) + "\n",
        "dhcpd.conf": "\n".join(_isc(base_url, known)) + "\n",
        "kea-dhcp4.json": json.dumps(_kea(base_url, known), indent=1) + "\n",
    }


def _address(managed: Management) -> str:
    return str(ip_interface(managed.address).ip)


def _dnsmasq(base_url: str, known: Mapping[str, Management]) -> Iterator[str]:
    # User class (option 77) of switches that are in ZTP.
    yield "dhcp-userclass=set:sonic-ztp,SONiC-ZTP"
    yield f"dhcp-option-force=tag:sonic-ztp,67,{base_url}{ZTP_JSON}"
    for name, each in known.items():
        yield f"dhcp-host={each.mac},{_address(each)},{name}"


def _isc(base_url: str, known: Mapping[str, Management]) -> Iterator[str]:
    yield 'class "sonic-ztp" {'
    yield '  match if option user-class = "SONiC-ZTP";'
    yield f'  option bootfile-name "{base_url}{ZTP_JSON}";'
    yield "}"
    for name, each in known.items():
        yield f"host {name} {{"
        yield f"  hardware ethernet {each.mac};"
        yield f"  fixed-address {_address(each)};"
        yield f'  option host-name "{name}";'
        yield "}"


def _kea(base_url: str, known: Mapping[str, Management]) -> dict[str, Any]:
    """A subnet for each network of management addresses, with its reservations."""
    subnets: dict[str, list[dict[str, str]]] = {}
    for name, each in known.items():
        reservation = {"hw-address": each.mac, "ip-address": _address(each), "hostname": name}
        subnets.setdefault(str(ip_interface(each.address).network), []).append(reservation)
    ztp = {
        "name": "sonic-ztp",
        # Kea has this option as bytes: its `.text` would be in hexadecimal.
        "test": "option[77].hex == 'SONiC-ZTP'",
        "option-data": [{"code": 67, "name": "boot-file-name", "data": f"{base_url}{ZTP_JSON}"}],
    }
    listed = [
        {"id": number, "subnet": subnet, "reservations": found}
        for number, (subnet, found) in enumerate(sorted(subnets.items()), 1)
    ]
    return {"Dhcp4": {"client-classes": [ztp], "subnet4": listed}}
