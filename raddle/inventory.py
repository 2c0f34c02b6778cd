"""Where the switches are and how to get in: the file that `raddle up` writes and `apply`, `status` and
`bench` take.

    {"fabric": "pod", "tls": {"ca": "ca.pem", "cert": "me.pem", "key": "me.key"},
     "credentials": "login.json",
     "p4info": "middleblock.p4info.pb.txt",
     "openflow": {"listen": "192.0.2.250:6653", "tls": {"cert": "me.pem", "key": "me.key", "ca": "ca.pem"}},
     "switches": {"leaf0": {"address": "192.0.2.1:8080", "device_id": 1, "election_id": 7, "role": "sdn"},
                  "leaf1": {"datapath_id": "0000020000000001"}}}

A switch with a `datapath_id` speaks OpenFlow: it connects to us, where `openflow` says.
File names are relative to the inventory. A user name and password never stand in it: they come from the
environment (RADDLE_USERNAME, RADDLE_PASSWORD) or from the file that `credentials` names, which nobody else
may read.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from raddle.errors import InputError
from raddle.units import few

SCHEMA_VERSION = 1
DEVICE_ID = 1
_LOOKS_LIKE = 'it looks like {"fabric": "pod", "switches": {"leaf0": {"address": "127.0.0.1:50051"}}}'
"""What P4Runtime calls a switch unless the inventory says otherwise."""

USERNAME_VARIABLE, PASSWORD_VARIABLE = "RADDLE_USERNAME", "RADDLE_PASSWORD"


@dataclass(frozen=True, slots=True)
class ClientTls:
    """PEM bytes: the CA of the servers (None: the system's), and the client's certificate and key."""

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """How to get into a switch: TLS (None: plain text), and user and password where it asks for them."""

    tls: ClientTls | None = None
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class OpenFlowDoor:
    """Where OpenFlow switches find us, and how long they may take for it.

    With `certificate` and `key` (PEM files) connections are TLS; `ca` is that of the switches, which then
    need certificates of their own. `marks_roce`: leaves set the DSCP of RoCEv2 packets that have none.
    Who is no master (`"role": "equal"`) writes beside other controllers.
    """

    host: str = "127.0.0.1"
    port: int = 6653
    wait_s: float = 30.0
    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    marks_roce: bool = False
    is_master: bool = True


@dataclass(frozen=True, slots=True)
class Inventory:
    """Management addresses (`127.0.0.1:50051`) of a fabric's switches, by switch name.

    `device_ids` are what P4Runtime calls the switches, `DEVICE_ID` for those that are missing; `election_ids`
    and `roles` are what we come to them with. `p4info` is the file of those that run SONiC PINS.
    `ca_file` is what a saved inventory names as the CA of switches that serve TLS. `datapaths` are the
    switches that speak OpenFlow, which have no address: datapath id by name.
    """

    fabric: str
    addresses: dict[str, str]
    access: Access = Access()
    device_ids: dict[str, int] = field(default_factory=dict)
    election_ids: dict[str, int] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    p4info: Path | None = None
    ca_file: str = ""
    datapaths: dict[str, int] = field(default_factory=dict)
    openflow: OpenFlowDoor = OpenFlowDoor()

    def require(self, fabric: str, switches: Iterable[str]) -> None:
        """See that this is the inventory of a fabric, and that all its switches answer at an address.

        Raises:
            InputError: `wrong-fabric`; `over-openflow`, a switch speaks only OpenFlow.
        """
        missing = [name for name in switches if name not in self.addresses]
        if self.fabric == fabric and self.datapaths.keys() & set(missing):
            raise InputError.of(
                "over-openflow",
                f"{few(sorted(self.datapaths), 5)} speak OpenFlow, over which they report too little "
                "to simulate or verify them",
                "'raddle drift' compares their tables; without --inventory the plan is simulated",
            )
        if self.fabric != fabric or missing:
            raise InputError.of(
                "wrong-fabric",
                f"the inventory is of fabric '{self.fabric}', not '{fabric}'"
                if self.fabric != fabric
                else f"the inventory has no address for {few(missing, 5)}",
                "give the inventory of this fabric with --inventory; 'raddle up' writes one",
            )

    def text(self) -> str:
        """The file that says where the switches are and which CA they have; keys and logins are not in it."""
        document = {
            **({"tls": {"ca": self.ca_file}} if self.ca_file else {}),
            "schema_version": SCHEMA_VERSION,
            **({"p4info": str(self.p4info.resolve())} if self.p4info else {}),
            "fabric": self.fabric,
            "switches": {name: {"address": address} for name, address in self.addresses.items()},
        }
        return json.dumps(document, indent=2) + "\n"

    def save(self, path: Path) -> None:
        """Write the file whole or not at all.

        Raises:
            InputError: `cannot-write`.
        """
        draft = path.with_name(path.name + ".part")
        try:
            draft.write_text(self.text())
            draft.replace(path)
        except OSError as error:
            raise InputError.of("cannot-write", f"cannot write '{path}': {error.strerror}") from None

    def remove(self, path: Path) -> None:
        """Remove the file, unless others have written theirs over it."""
        if path.exists() and path.read_text() == self.text():
            path.unlink()


def load_inventory(path: Path) -> Inventory:
    """Read an inventory file and what it names.

    Raises:
        InputError: the file is missing, is not JSON, or has no address for a switch; a file that it names
            cannot be read, or holds a password and can be read by others.
    """
    try:
        document = _json_of(path)
        datapaths = _datapaths(document["switches"])
        openflow = _door(document.get("openflow", {}), path.parent)
        addresses = {
            name: entry["address"] for name, entry in document["switches"].items() if name not in datapaths
        }
        _check_addresses(addresses)
        device_ids = {
            name: _device_id(name, entry["device_id"])
            for name, entry in document["switches"].items()
            if "device_id" in entry
        }
        election_ids, roles = _arbitration(document["switches"])
        p4info = path.parent / document["p4info"] if "p4info" in document else None
        fabric = str(document["fabric"])
        tls, credentials = document.get("tls"), document.get("credentials")
        files = (
            {name: path.parent / tls[name] for name in ("ca", "cert", "key") if name in tls} if tls else {}
        )
        login_file = path.parent / credentials if credentials else None
    except FileNotFoundError:
        raise InputError.of(
            "no-inventory", f"no inventory file '{path}'", "start the switches with 'raddle up FABRIC.yaml'"
        ) from None
    except OSError as error:
        raise InputError.unreadable("no-inventory", path, error) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError.of(
            "bad-inventory",
            f"'{path}' is not an inventory: {_said(error)}",
            _LOOKS_LIKE,
        ) from None
    for key in (files.get("key"), openflow.key):
        refuse_open_key(key)
    pem = {name: read_file(file) for name, file in files.items()}
    client = ClientTls(pem.get("ca"), pem.get("cert"), pem.get("key")) if tls is not None else None
    login = read_secrets(login_file) if login_file else {}
    username = os.environ.get(USERNAME_VARIABLE, login.get("username", ""))
    password = os.environ.get(PASSWORD_VARIABLE, login.get("password", ""))
    far = [address for address in addresses.values() if not _is_loopback(address)]
    if password and client is None and far:
        raise InputError.of(
            "open-password",
            f"'{path}' would send a password to {far[0]} in plain text",
            'add "tls": {"ca": "ca.pem"} to the inventory',
        )
    access = Access(client, username, password)
    return Inventory(
        fabric,
        addresses,
        access,
        device_ids,
        election_ids,
        roles,
        p4info,
        datapaths=datapaths,
        openflow=openflow,
    )


def _check_addresses(addresses: dict[str, Any]) -> None:
    """See that gRPC can make something of the addresses.

    Raises:
        ValueError: some are no `HOST:PORT`.
    """
    wrong = [f"of {name}, {address!r}," for name, address in addresses.items() if not _is_address(address)]
    if wrong:
        more = f" and of {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ValueError(
            f"the address {wrong[0]}{more} is not HOST:PORT, as 192.0.2.1:8080 or [2001:db8::1]:8080"
        )


def _device_id(name: str, value: Any) -> int:
    """What P4Runtime calls a switch (`device_id`, 64 bits).

    Raises:
        ValueError: it is no such number.
    """
    if not str(value).isdecimal() or not 0 < int(value) < 2**64:
        raise ValueError(f"the device_id of {name}, {value!r}, is not a number from 1 to 2**64 - 1")
    return int(value)


def _json_of(path: Path) -> Any:
    text = path.read_text()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError.no_json("bad-inventory", text, str(path), error, _LOOKS_LIKE) from None


def _is_address(address: Any) -> bool:
    host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    return _is_host(host) and bool(re.fullmatch("[0-9]{1,5}", port)) and 0 < int(port) < 2**16


def _is_host(host: str) -> bool:
    """An address, IPv6 in brackets, or a name. Source of names: RFC 1123, section 2.1; `_` is in use, too.

    A name never ends in a number, so that a mistyped address is none.
    """
    bracketed = re.fullmatch(r"\[(.+)\]", host)
    *_, last = labels = host.removesuffix(".").split(".")
    try:
        if bracketed:
            return ip_address(bracketed[1]).version == 6
        if re.fullmatch("[0-9]+|0[xX][0-9A-Fa-f]*", last):
            return ip_address(host).version == 4
    except ValueError:
        return False
    label = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    return len(host) <= 253 and all(re.fullmatch(label, each) for each in labels)


def _said(error: Exception) -> str:
    """What is wrong, for who has not read this program."""
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return str(error) if type(error) is ValueError else "its parts are not of the right kind"


def _is_loopback(address: str) -> bool:
    """Nothing that is sent there leaves this machine. A name that only looks like an address is a name."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _datapaths(switches: dict[str, Any]) -> dict[str, int]:
    """Datapath ids of the switches that have one.

    Raises:
        ValueError: one is no number of 64 bits, two are the same, or there is an address beside it.
    """
    found: dict[str, int] = {}
    for name, entry in switches.items():
        if "datapath_id" not in entry:
            continue
        text = entry["datapath_id"]
        number = int(text.replace(":", ""), 16)
        if not 0 < number < 2**64:
            raise ValueError(f"datapath_id '{text}' of {name} is no 16 hexadecimal digits")
        if "address" in entry:
            raise ValueError(f"{name} has an address and a datapath_id; an OpenFlow switch has no address")
        if number in found.values():
            raise ValueError(f"{name} has the datapath_id '{text}' of another switch")
        found[name] = number
    return found


def _arbitration(switches: dict[str, Any]) -> tuple[dict[str, int], dict[str, str]]:
    """Election ids and roles of the switches that have them.

    Raises:
        ValueError: a number that P4Runtime has no bits for, or a role that is no name.
    """
    ids = {name: entry["election_id"] for name, entry in switches.items() if "election_id" in entry}
    roles = {name: entry["role"] for name, entry in switches.items() if "role" in entry}
    for name, number in ids.items():
        if type(number) is not int or not 0 < number < 2**128:
            raise ValueError(f"the election_id of {name}, {number!r}, is not in 1..2^128-1")
    for name, role in roles.items():
        if not (isinstance(role, str) and role):
            raise ValueError(f"the role of {name}, {role!r}, is no name")
    return ids, roles


def _door(document: dict[str, Any], folder: Path) -> OpenFlowDoor:
    host, _, port = str(document.get("listen", "127.0.0.1:6653")).rpartition(":")
    wait_s = float(document.get("wait_s", OpenFlowDoor().wait_s))
    if not (host and 0 < int(port) < 2**16 and wait_s > 0):
        raise ValueError(f"openflow cannot listen at '{host}:{port}' for {wait_s:g} s")
    tls = document.get("tls", {})
    files = {name: folder / tls[name] for name in ("cert", "key", "ca") if name in tls}
    if tls and not {"cert", "key"} <= files.keys():
        raise ValueError("the tls of openflow needs both cert and key")
    role = document.get("role", "master")
    if role not in ("master", "equal"):
        raise ValueError(f"the role of openflow is master or equal, not {role!r}")
    return OpenFlowDoor(
        host.strip("[]"),
        int(port),
        wait_s,
        files.get("cert"),
        files.get("key"),
        files.get("ca"),
        document.get("marks_roce") is True,
        role == "master",
    )


def read_file(path: Path) -> bytes:
    """The bytes of a file that an inventory or option names.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError.unreadable("unreadable-file", path, error) from None


def refuse_open_key(path: Path | None) -> None:
    """Raises InputError: everybody may read a private key; its group may."""
    if path is None or not path.exists():
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IRWXO:
        raise InputError.of(
            "open-secrets", f"'{path}' is a private key and has mode {mode:03o}", f"chmod 600 '{path}'"
        )


def read_secrets(path: Path) -> dict[str, str]:
    """A JSON object of strings from a file that its owner alone can read.

    Raises:
        InputError: others may read it, or it is something else.
    """
    content = read_file(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError.of(
            "open-secrets", f"'{path}' holds a password and has mode {mode:03o}", f"chmod 600 '{path}'"
        )
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        # The content is not quoted: it may hold a password.
        raise InputError.of(
            "bad-secrets", f"'{path}' is not a JSON object of strings", 'write {"user": "password"}'
        )
    return document
