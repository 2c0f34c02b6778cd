"""A gNMI session with one switch in SONiC's dialect: origin `sonic-db`, values in JSON_IETF.

Source: sonic-net/sonic-gnmi, sonic_data_client/mixed_db_client.go.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

import grpc
from finsy.proto import gnmi, gnmi_ext, gnmi_grpc

from raddle.controller.southbound.channel import (
    Problem,
    connection_problem,
    failure,
    login_of,
    open_channel,
)
from raddle.controller.southbound.sonic.sets import db_path, json_value
from raddle.controller.southbound.sonic.tables import Tables
from raddle.errors import UnreachableError
from raddle.inventory import Access

READ_TIMEOUT_S = 30.0
WRITE_TIMEOUT_S = 660.0
"""A switch may take up to 600 s to check and apply one Set (sonic-host-services, config apply-patch)."""

MAX_MESSAGE_BYTES = 64 * 2**20

APPL_DB_TABLES = ("PORT_TABLE", "SWITCH_TABLE")


_WHAT_WAS_PLANNED = "'raddle apply --dry-run' shows what was to change"


class GnmiClient:
    """A gNMI session with one switch, as a context manager.

    Calls block, so that this works beside any event loop of the process; closing from another thread ends
    a call that is under way. All methods raise UnreachableError that names the switch, its address, the
    gRPC status and a way out.

    Args:
        election_id: what Sets carry as gNMI's master arbitration; 0: none.
    """

    def __init__(self, name: str, address: str, access: Access | None = None, election_id: int = 0) -> None:
        self.name = name
        self._election_id = election_id
        self.address = address
        self._access = access or Access()
        sizes = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
        self._channel = open_channel(address, self._access, sizes)
        self._metadata = login_of(self._access)
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

    def read_entries(self, database: str, table: str, keys: Sequence[str]) -> dict[str, dict[str, str]]:
        """Some entries of a table, in one Get; those that are not there are missing.

        A Get of which one path is not there is refused as a whole; then the table is read.
        """
        paths = [db_path(database, "localhost", table, key) for key in keys]
        request = gnmi.GetRequest(path=paths, encoding=gnmi.JSON_IETF)
        try:
            answer = self._stub.Get(request, timeout=READ_TIMEOUT_S, metadata=self._metadata)
            values = [json.loads(each.update[0].val.json_ietf_val) for each in answer.notification]
            return dict(zip(keys, values, strict=True))
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise self._explain("Get", error) from None
        except (IndexError, ValueError, RecursionError):
            pass
        held = self.read_tables(database, (table,))[table]
        return {key: held[key] for key in keys if key in held}

    def push(self, request: gnmi.SetRequest, hint: str = _WHAT_WAS_PLANNED) -> None:
        """Send one Set; the switch applies all of it or refuses all of it. `hint` is the way out then."""
        try:
            self._set(request, self._election_id)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.PERMISSION_DENIED and self._election_id:
                hint = (
                    f"if another controller leads by now, this one (election id {self._election_id}) must end"
                )
            raise self._explain("Set", error, hint) from None

    def take_lead(self) -> bool:
        """Say with an empty Set who leads; whether the switch will hold off those with lower election ids.

        A switch that does not arbitrate answers a Set of election id 0 like any other that changes nothing.

        Source: openconfig gnmi-master-arbitration.md, section 3.2.
        """
        held_off = False
        for election_id in (self._election_id, 0):
            try:
                self._set(gnmi.SetRequest(), election_id, is_signed=True)
                held_off = False
            except grpc.RpcError as error:
                held_off = error.code() == grpc.StatusCode.PERMISSION_DENIED
                if connection_problem(error.code(), self.address, self._access) or (held_off and election_id):
                    raise self._explain("Set", error, "another controller leads by now") from None
        return held_off

    def _set(self, request: gnmi.SetRequest, election_id: int, is_signed: bool = False) -> None:
        if election_id or is_signed:
            number = gnmi_ext.Uint128(high=election_id >> 64, low=election_id & (1 << 64) - 1)
            master = gnmi_ext.MasterArbitration(election_id=number)
            signed = gnmi.SetRequest(extension=[gnmi_ext.Extension(master_arbitration=master)])
            signed.MergeFrom(request)
            request = signed
        self._stub.Set(request, timeout=WRITE_TIMEOUT_S, metadata=self._metadata)

    def replace_config(self, document: Tables) -> None:
        """Replace the whole CONFIG_DB, as `config replace` does."""
        request = gnmi.SetRequest(
            replace=[gnmi.Update(path=db_path("CONFIG_DB", "localhost"), val=json_value(document))]
        )
        self.push(request, self.what_it_holds)

    def stage_config(self, document: Tables) -> None:
        """Hand over a whole CONFIG_DB that comes into force with the next reboot."""
        whole = db_path("CONFIG_DB", "localhost")
        request = gnmi.SetRequest(delete=[whole], update=[gnmi.Update(path=whole, val=json_value(document))])
        self.push(request, self.what_it_holds)

    def run_command(self, words: Sequence[str]) -> str:
        """Run a config or clear command on a simulated switch itself; hardware has no such service.

        Returns:
            What the command prints.
        """
        call: Any = self._channel.unary_unary("/raddle.Console/Run")
        try:
            answer: bytes = call(
                json.dumps(list(words)).encode(), timeout=READ_TIMEOUT_S, metadata=self._metadata
            )
            return answer.decode()
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                raise UnreachableError(
                    f"{self.name} ({self.address}) takes no commands over gRPC\n"
                    f"  hint: log in to it and run '{_sonic_command(words)}'"
                ) from None
            raise self._explain("command", error, self.what_it_holds) from None

    def wait_until_up(self, timeout_s: float) -> None:
        """Return once the switch answers again after a reboot."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._stub.Capabilities(
                    gnmi.CapabilityRequest(), timeout=READ_TIMEOUT_S, metadata=self._metadata
                )
                return
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                    raise self._explain("Capabilities", error) from None
            time.sleep(0.2)

    def write_field(self, value: str, *elems: str) -> None:
        """Set one field of CONFIG_DB."""
        path = db_path("CONFIG_DB", "localhost", *elems)
        request = gnmi.SetRequest(update=[gnmi.Update(path=path, val=json_value(value))])
        self.push(request, self.what_it_holds)

    @property
    def what_it_holds(self) -> str:
        """The way out of a refusal of what an operator, and no plan, has asked for."""
        return (
            f"nothing was changed; 'raddle switch {self.name} show runningconfiguration all' is what it holds"
        )

    def read_counters(self, *elems: str) -> dict[str, dict[str, str]]:
        """Counters at a virtual path (`COUNTERS`, `Ethernet*`, `Pfcwd`); empty where there are none."""
        where = gnmi.Path(elem=[gnmi.PathElem(name=name) for name in elems])
        prefix = gnmi.Path(target="COUNTERS_DB")
        request = gnmi.GetRequest(prefix=prefix, path=[where], encoding=gnmi.JSON_IETF)
        counters: dict[str, dict[str, str]] = self._ask(request, *elems)
        return counters

    def read_build(self) -> str:
        """What SONiC calls its build; `N/A` where it does not tell."""
        where = gnmi.Path(elem=[gnmi.PathElem(name=name) for name in ("osversion", "build")])
        request = gnmi.GetRequest(prefix=gnmi.Path(target="OTHERS"), path=[where], encoding=gnmi.JSON_IETF)
        return str(self._ask(request, "osversion", "build").get("build_version", "N/A"))

    def _get(self, *elems: str) -> Any:
        where = db_path(elems[0], "localhost", *elems[1:])
        return self._ask(gnmi.GetRequest(path=[where], encoding=gnmi.JSON_IETF), *elems)

    def _ask(self, request: gnmi.GetRequest, *elems: str) -> Any:
        try:
            response = self._stub.Get(request, timeout=READ_TIMEOUT_S, metadata=self._metadata)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND and len(elems) > 1:
                return {}
            raise self._explain("Get", error) from None
        try:
            value = json.loads(response.notification[0].update[0].val.json_ietf_val)
        except (IndexError, ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise UnreachableError(
                f"{self.name} ({self.address}): the answer to a Get of {'/'.join(elems)} is not JSON_IETF\n"
                "  hint: is this address a SONiC gNMI server?"
            )
        return value

    def _explain(self, call: str, error: grpc.RpcError, hint: str = _WHAT_WAS_PLANNED) -> UnreachableError:
        refusal = Problem(f"refused a {call}", hint)
        return failure(self.name, self.address, self._access, error, refusal)


def _sonic_command(words: Sequence[str]) -> str:
    """What an operator types on a switch."""
    return " ".join(("sonic-clear", *words[1:]) if words[0] == "clear" else ("config", *words))
