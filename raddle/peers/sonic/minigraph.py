"""A minigraph.xml and its HwSKU's port_config.ini as the tables that SONiC makes of them.

Source: sonic-buildimage src/sonic-config-engine minigraph.py and portconfig.py, the parts that say who is
cabled to whom, and addresses and AS numbers. A minigraph names ports by alias; port_config.ini has the lanes.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raddle.controller.southbound.sonic.tables import Tables
from raddle.errors import Diagnostic, InputError, SourceSpan

PORT_CONFIG = "port_config.ini"

_MANAGEMENT = "Management0"
_NO_CABLES = ("DeviceMgmtLink", "DeviceSerialLink")
"""Kinds of links at other ports than those of the switch's chip."""


def read_minigraph(path: Path) -> Tables:
    """The tables that a minigraph says something of.

    `NAME.port_config.ini` beside it, or `port_config.ini`, has the ports.

    Raises:
        InputError: `unreadable-file` or `bad-minigraph`.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError.of("unreadable-file", f"cannot read '{path}': it is no file")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.unreadable("unreadable-file", path, error) from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError.of("bad-minigraph", f"'{path}' declares entities, which a minigraph does not")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        line, column = error.position
        span = SourceSpan(str(path), line, column + 1, text=(text.splitlines() or [""])[line - 1])
        raise InputError([Diagnostic("bad-minigraph", f"not XML: {error}", span)]) from None
    name = _text(root, "Hostname")
    devices = {_text(each, "Hostname"): each for each in _all(root, "Device")}
    if not name or name not in devices:
        raise InputError.of("bad-minigraph", f"'{path}' says of no device that it is '{name}'")
    ports = _ports(path)
    neighbours = dict(_neighbours(root, name, ports))
    for port in neighbours.keys() & ports.keys():
        ports[port]["admin_status"] = "up"
    tables = {
        "DEVICE_METADATA": {"localhost": _metadata(root, name, devices[name])},
        "PORT": ports,
        "DEVICE_NEIGHBOR": neighbours,
        "DEVICE_NEIGHBOR_METADATA": {
            far: {"type": _type(device), "hwsku": _text(device, "HwSku")}
            for far, device in devices.items()
            if far in {each["name"] for each in neighbours.values()}
        },
        **_addresses(root, ports),
    }
    return {table: rows for table, rows in tables.items() if rows}


def _metadata(root: Any, name: str, device: Any) -> dict[str, Any]:
    asn = next(
        (
            _text(each, "ASN")
            for each in _all(root, "BGPRouterDeclaration")
            if _text(each, "Hostname") == name
        ),
        "",
    )
    fields = {"hostname": name, "hwsku": _text(device, "HwSku"), "type": _type(device), "bgp_asn": asn}
    return {field: value for field, value in fields.items() if value}


def _neighbours(
    root: Any, name: str, ports: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    names = _names(ports)
    for link in _all(root, "DeviceLinkBase"):
        if any(word in _type(link) for word in _NO_CABLES):
            continue
        ends = [(_text(link, f"{end}Device"), _text(link, f"{end}Port")) for end in ("Start", "End")]
        for here, far in (ends, ends[::-1]):
            if here[0] == name and here[1] != _MANAGEMENT:
                yield names.get(here[1], here[1]), {"name": far[0], "port": far[1]}


def _addresses(root: Any, ports: dict[str, dict[str, Any]]) -> Tables:
    names = _names(ports)
    tables: Tables = {"INTERFACE": {}, "PORTCHANNEL_INTERFACE": {}, "VLAN_INTERFACE": {}}
    loopbacks: dict[str, dict[str, Any]] = {}
    for each in _all(root, "IPInterface"):
        said, prefix = _text(each, "AttachTo"), _text(each, "Prefix")
        kind = re.match("(PortChannel|Vlan|)", said)
        if said and prefix and kind:
            port = names.get(said, said)
            tables[f"{kind[1].upper()}{'_' * bool(kind[1])}INTERFACE"] |= {port: {}, f"{port}|{prefix}": {}}
    for each in _all(root, "LoopbackIPInterface"):
        loopback, prefix = _text(each, "AttachTo"), _text(each, "IPPrefix") or _text(each, "PrefixStr")
        if loopback and prefix:
            loopbacks |= {loopback: {}, f"{loopback}|{prefix}": {}}
    return {**tables, "LOOPBACK_INTERFACE": loopbacks}


def _ports(path: Path) -> dict[str, dict[str, Any]]:
    """The PORT table of a port_config.ini: a line of names after `#`, then a line for each port.

    Raises:
        InputError: `bad-minigraph`, it cannot be read, or a port lacks its lanes or speed.
    """
    own = path.with_suffix(f".{PORT_CONFIG}")
    file = own if own.exists() else path.with_name(PORT_CONFIG)
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.of(
            "bad-minigraph",
            f"'{path}' says nothing of lanes, and '{file}' cannot be read ({error})",
            f"copy the {PORT_CONFIG} of its HwSKU beside it, from /usr/share/sonic/device on the switch",
        ) from None
    titles = ["name", "lanes", "alias", "index"]
    ports: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if line.startswith("#"):
            titles = line.lstrip("#").split() if "name" in line else titles
            continue
        if not words:
            continue
        fields = dict(zip(titles, words, strict=False))
        if "name" not in fields or "lanes" not in fields:
            span = SourceSpan(str(file), number, 1, text=line)
            raise InputError([Diagnostic("bad-minigraph", "a port needs a name and lanes", span)])
        if not re.fullmatch("0*[1-9][0-9]{0,8}", fields.get("speed", "")):
            span = SourceSpan(str(file), number, 1, text=line)
            message = f"{fields['name']} has no speed"
            hint = "give the file a column 'speed', in Mb/s, and name it in the line after '#'"
            raise InputError([Diagnostic("bad-minigraph", message, span, hint)])
        ports[fields.pop("name")] = {"admin_status": "down", "mtu": "9100", **fields}
    return ports


def _names(ports: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Port by alias and by name."""
    return {str(fields.get("alias", port)): port for port, fields in ports.items()} | {
        port: port for port in ports
    }


def _type(device: Any) -> str:
    kind = next((value for key, value in device.attrib.items() if key.rpartition("}")[2] == "type"), "")
    return str(kind or _text(device, "ElementType"))


def _all(node: Any, tag: str) -> Iterator[Any]:
    return (each for each in node.iter() if str(each.tag).rpartition("}")[2] == tag)


def _text(node: Any, tag: str) -> str:
    """The text of a child, or of the first of its children that has one (namespaces do not count)."""
    for child in node:
        if str(child.tag).rpartition("}")[2] == tag:
            return (child.text or "").strip()
    for child in node:
        if str(child.tag).rpartition("}")[2] in ("Prefix", "Address") and len(child):
            return _text(child, tag)
    return ""
