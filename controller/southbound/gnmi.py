"""gNMI to a switch in SONiC's dialect (origin `sonic-db`).

SONiC differs from plain gNMI: an update *replaces* the node at its path; a node can only be added below
one that exists, so a missing table is created by updating the whole table; a table may not be left empty,
so it is deleted as a table. Values are JSON_IETF.

Source: sonic-net/sonic-gnmi, sonic_data_client/mixed_db_client.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

import grpc
from finsy.proto import gnmi, gnmi_grpc

from controller.plan.diff import Change
from controller.southbound.sonic import Tables
from raddle.errors import UnreachableError

READ_TIMEOUT_S = 30.0
WRITE_TIMEOUT_S = 660.0
"""A switch may take up to 600 s to check and apply one Set (sonic-host-services, config apply-patch)."""

MAX_MESSAGE_BYTES = 64 * 2**20

APPL_DB_TABLES = ("PORT_TABLE", "SWITCH_TABLE")


class GnmiClient:
    """A gNMI session with one switch, as a context manager.

    Calls block, so that this works beside any event loop of the process; closing from another thread ends
    a call that is under way. All methods raise UnreachableError that names the switch, its address, the
    gRPC status and a way out.
    """

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        sizes = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
        self._channel = grpc.insecure_channel(address, options=sizes)
        self._stub = gnmi_grpc.gNMIStub(self._channel)

    def __enter__(self) -> GnmiClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def read_config(self) -> Tables:
        """The whole CONFIG_DB in one Get."""
        tables: Tables = self._get("CONFIG_DB")
        return tables

    def read_tables(self, database: str, tables: Iterable[str]) -> Tables:
        """Some tables of a database, one Get each; a table that is not there is empty."""
        return {table: self._get(database, table) for table in tables}

    def push(self, request: gnmi.SetRequest) -> None:
        """Send one Set; the switch applies all of it or refuses all of it."""
        try:
            self._stub.Set(request, timeout=WRITE_TIMEOUT_S)
        except grpc.RpcError as error:
            raise self._explain("Set", error) from None

    def _get(self, *elems: str) -> Any:
        where = _path(elems[0], "localhost", *elems[1:])
        request = gnmi.GetRequest(path=[where], encoding=gnmi.JSON_IETF)
        try:
            response = self._stub.Get(request, timeout=READ_TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND and len(elems) > 1:
                return {}
            raise self._explain("Get", error) from None
        try:
            value = json.loads(response.notification[0].update[0].val.json_ietf_val)
        except (IndexError, ValueError):
            value = None
        if not isinstance(value, dict):
            raise UnreachableError(
                f"{self.name} ({self.address}): the answer to a Get of {'/'.join(elems)} is not JSON_IETF\n"
                "  hint: is this address a SONiC gNMI server?"
            )
        return value

    def _explain(self, call: str, error: grpc.RpcError) -> UnreachableError:
        code, details = error.code(), error.details() or "no details"
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            what, hint = (
                "cannot be reached",
                "is it running? 'raddle up FABRIC.yaml' starts simulated switches",
            )
        else:
            what, hint = f"refused a {call}", "'raddle apply --dry-run' shows what was to change"
        return UnreachableError(
            f"{self.name} ({self.address}) {what}: gRPC {code.name}: {details}\n  hint: {hint}"
        )


def set_request(current: Tables, wanted: Tables, owned_tables: Iterable[str]) -> gnmi.SetRequest | None:
    """The smallest Set that takes a switch from `current` to `wanted`; None where nothing differs.

    Every entry of an owned table is the plan's, so what is not wanted there is deleted, except what
    belongs to the management VRF. Of other tables only the wanted entries are touched.
    """
    request = gnmi.SetRequest()
    owned = set(owned_tables)
    for table in sorted(wanted.keys() | owned):
        have, want = current.get(table, {}), wanted.get(table, {})
        ours = have.keys() - want.keys() - _foreign(have) if table in owned else set()
        if have and not want and len(ours) == len(have):
            request.delete.append(_path("CONFIG_DB", "localhost", table))
            continue
        if want and not have:
            request.update.append(_update(want, table))
            continue
        request.delete.extend(_path("CONFIG_DB", "localhost", table, key) for key in sorted(ours))
        request.update.extend(
            _update(fields, table, key) for key, fields in sorted(want.items()) if have.get(key) != fields
        )
    return request if request.delete or request.update else None


def differences(
    switch: str, current: Tables, wanted: Tables, owned_tables: Iterable[str]
) -> Iterator[Change]:
    """What `set_request` would change, entry by entry (`STATIC_ROUTE/default|10.0.1.0/27`)."""
    owned = set(owned_tables)
    for table in sorted(wanted.keys() | owned):
        have, want = current.get(table, {}), wanted.get(table, {})
        for key in sorted(want.keys() | (have.keys() - _foreign(have) if table in owned else set())):
            if have.get(key) != want.get(key):
                yield Change(switch, f"{table}/{key}", _print(have.get(key)), _print(want.get(key)))


def _foreign(entries: Iterable[str]) -> set[str]:
    """Entries that are the operator's even in an owned table: routes of the management VRF."""
    return {key for key in entries if key.startswith("mgmt|")}


def _print(fields: dict[str, str] | None) -> str:
    """An entry as one line; an entry without fields is `{}`, an absent one empty."""
    if fields is None:
        return ""
    return " ".join(f"{name}={value}" for name, value in sorted(fields.items())) or "{}"


def _path(*elems: str) -> gnmi.Path:
    """A path; SONiC joins the elements to a JSON pointer, so `~` and `/` are escaped (RFC 6901)."""
    escaped = (elem.replace("~", "~0").replace("/", "~1") for elem in elems)
    return gnmi.Path(origin="sonic-db", elem=[gnmi.PathElem(name=name) for name in escaped])


def _update(value: object, *elems: str) -> gnmi.Update:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return gnmi.Update(
        path=_path("CONFIG_DB", "localhost", *elems), val=gnmi.TypedValue(json_ietf_val=text.encode())
    )
