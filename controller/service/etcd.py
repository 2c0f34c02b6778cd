"""State in etcd, and who leads: of several controllers one, which alone can write.

The leader holds a key with a lease that it keeps alive; every write is a transaction that asks whether the
key is still its own (its create revision, which etcd never gives twice). So a controller that was held up, or
cut off from etcd, writes nothing more, however late it comes.

Source: etcd v3 API over its JSON gateway (etcd.io, "gRPC gateway"); leases and transactions are used as in
    etcd's own concurrency.Election.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from raddle.controller.service.store import StoreError
from raddle.errors import InputError

LEASE_S = 3
"""How long a leader that is gone counts as one, in seconds."""

MAX_BYTES = 1_400_000
"""Of one transaction: etcd takes 1.5 MiB unless it is started with another --max-request-bytes."""

_CALL_S = 2.0
_LEADER = "leader"


@dataclass(frozen=True, slots=True)
class EtcdTls:
    """PEM files: the CA of the servers, and the client's certificate and key."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class EtcdStore:
    """A part of an etcd, `etcd://HOST:PORT[,HOST:PORT...]/PREFIX`.

    Raises:
        InputError: `bad-store`, the text is no such address, or would go to another machine in plain text.
    """

    def __init__(self, address: str, tls: EtcdTls | None = None) -> None:
        self._hosts, self._prefix = _parsed(address, tls)
        self.shared_as = f"etcd://{','.join(sorted(self._hosts))}/{self._prefix}"
        self._scheme = "https" if tls else "http"
        self._context = _context(tls) if tls else None
        self._at = 0
        self.term = 0
        """Create revision of the key that says that this controller leads; 0 while it does not."""

    def get(self, key: str) -> bytes | None:
        found = self._range(key).get("kvs", ())
        return _bytes(found[0].get("value", "")) if found else None

    def keys(self, prefix: str) -> list[str]:
        found = self._call(
            "kv/range",
            key=self._name(prefix),
            range_end=_text(_after(f"{self._prefix}{prefix}".encode())),
            keys_only=True,
            sort_order="ASCEND",
            sort_target="KEY",
        )
        start = len(self._prefix)
        return [_bytes(each["key"]).decode()[start:] for each in found.get("kvs", ())]

    def commit(self, values: Mapping[str, bytes | None]) -> None:
        size_bytes = sum(len(value) for value in values.values() if value)
        if size_bytes > MAX_BYTES:
            raise StoreError(
                f"{size_bytes} bytes are more than etcd takes at once ({MAX_BYTES})\n"
                "  hint: a fabric of this size needs the SQLite store"
            )
        operations = [
            {"request_delete_range": {"key": self._name(key)}}
            if value is None
            else {"request_put": {"key": self._name(key), "value": _text(value)}}
            for key, value in values.items()
        ]
        if not self._transact(self._is_mine(), operations):
            raise StoreError("another controller leads\n  hint: this one becomes a standby again")

    def close(self) -> None:
        """There is no connection to close."""

    def campaign(self, who: str, lease: str) -> bool:
        """Become the leader, if there is none."""
        is_free = {"key": self._name(_LEADER), "target": "CREATE", "create_revision": "0"}
        put = {"request_put": {"key": self._name(_LEADER), "value": _text(who.encode()), "lease": lease}}
        if not self._transact(is_free, [put]):
            return False
        self.term = int(self._range(_LEADER)["kvs"][0]["create_revision"])
        return True

    def leader(self) -> str:
        """Who leads; empty where nobody does."""
        return (self.get(_LEADER) or b"").decode()

    def grant(self) -> str:
        """A new lease."""
        return str(self._call("lease/grant", TTL=str(LEASE_S))["ID"])

    def keep_alive(self, lease: str) -> bool:
        """Whether the lease is still there."""
        answer = self._call("lease/keepalive", ID=lease)
        return int(answer.get("result", answer).get("TTL", "0")) > 0

    def revoke(self, lease: str) -> None:
        """Give a lease back, and with it the lead."""
        self._call("lease/revoke", ID=lease)

    def _is_mine(self) -> dict[str, str]:
        return {"key": self._name(_LEADER), "target": "CREATE", "create_revision": str(self.term or -1)}

    def _transact(self, condition: Mapping[str, str], operations: list[dict[str, Any]]) -> bool:
        answer = self._call("kv/txn", compare=[{**condition, "result": "EQUAL"}], success=operations)
        return bool(answer.get("succeeded"))

    def _range(self, key: str) -> dict[str, Any]:
        return self._call("kv/range", key=self._name(key))

    def _name(self, key: str) -> str:
        return _text(f"{self._prefix}{key}".encode())

    def _call(self, path: str, **body: Any) -> dict[str, Any]:
        """A call at the first server that answers, the one of last time first."""
        reason: object = ""
        for turn in range(len(self._hosts)):
            place = (self._at + turn) % len(self._hosts)
            url = f"{self._scheme}://{self._hosts[place]}/v3/{path}"
            request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
            try:
                with urllib.request.urlopen(request, timeout=_CALL_S, context=self._context) as answer:
                    self._at = place
                    return dict(json.loads(answer.read()))
            except urllib.error.HTTPError as error:
                reason = error.read(200).decode(errors="replace") or error
            except (OSError, ValueError, RecursionError) as error:
                reason = getattr(error, "reason", error)
        raise StoreError(
            f"etcd at {', '.join(self._hosts)} does not answer: {reason}\n  hint: is it running?"
        )


class Leadership:
    """The lead of one controller, kept alive while the context is open.

    Attributes:
        problem: why nobody can tell who leads, or why it could not; empty while the store answers.

    Args:
        lost: called, in a thread, when it is another's or nobody's any more.
    """

    def __init__(self, store: EtcdStore, who: str, lost: Callable[[], None]) -> None:
        self._store, self._who, self._lost = store, who, lost
        self._over = threading.Event()
        self._lease = ""
        self.problem = "the store has not answered yet"
        self._thread = threading.Thread(target=self._keep, name="leadership", daemon=True)

    def wait(
        self,
        is_over: Callable[[], bool],
        tell: Callable[[str], None],
        hindrance: Callable[[], str] = lambda: "",
    ) -> bool:
        """Stand by until it leads; False if it is over before.

        Args:
            hindrance: why this controller could not lead, so that others are to; empty where it could.
        """
        said = ""
        while not is_over():
            try:
                if reason := hindrance():
                    text = self.problem = f"cannot lead: {reason}"
                elif self._campaign():
                    self.problem = ""
                    return True
                else:
                    text, self.problem = f"stands by; {self._store.leader() or 'nobody'} leads", ""
            except StoreError as error:
                text = self.problem = str(error).partition("\n")[0]
            if text != said:
                tell(text)
            said = text
            time.sleep(LEASE_S / 6)
        return False

    def _campaign(self) -> bool:
        self._lease = self._lease or self._store.grant()
        if not self._store.keep_alive(self._lease):
            self._lease = self._store.grant()
        return self._store.campaign(self._who, self._lease)

    def __enter__(self) -> Leadership:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join(LEASE_S)
        self._store.term = 0
        try:
            self._store.revoke(self._lease)
        except StoreError:
            return  # it runs out

    def _keep(self) -> None:
        kept_s = time.monotonic()
        while not self._over.wait(LEASE_S / 3):
            try:
                is_kept = self._store.keep_alive(self._lease)
            except StoreError as error:
                self.problem = str(error).partition("\n")[0]
                is_kept = time.monotonic() - kept_s < LEASE_S
                if is_kept:
                    continue
            if not is_kept:
                self._lost()
                return
            kept_s, self.problem = time.monotonic(), ""


def _parsed(address: str, tls: EtcdTls | None) -> tuple[list[str], str]:
    parts = urlsplit(address)
    hosts = [host for host in parts.netloc.split(",") if host]
    if parts.scheme != "etcd" or not hosts or not all(host.rpartition(":")[2].isdecimal() for host in hosts):
        hint = "write etcd://127.0.0.1:2379/raddle; several servers are HOST:PORT,HOST:PORT"
        raise InputError.of("bad-store", f"'{address}' is no etcd", hint)
    for host in hosts:
        name = host.rpartition(":")[0].strip("[]")
        try:
            is_here = name == "localhost" or ip_address(name).is_loopback
        except ValueError:
            is_here = False
        if tls is None and not is_here:
            hint = "give --store-ca, and --store-cert and --store-key where it asks for them"
            raise InputError.of("bad-store", f"the state would go to '{host}' in plain text", hint)
    return hosts, f"{parts.path.strip('/') or 'raddle'}/"


def _context(tls: EtcdTls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(tls.ca) if tls.ca else None)
        if tls.certificate:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise InputError.of("bad-store", f"the TLS files of etcd cannot be used: {error}") from None
    return context


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def _after(prefix: bytes) -> bytes:
    """The first key behind all with a prefix (etcd API, "Key ranges")."""
    return prefix[:-1] + bytes([prefix[-1] + 1])
