"""Who may do what: roles as sonic-gnmi reads them, callers without a name, guessed passwords, caps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.nos.server.auth import Caller, identify
from raddle.nos.server.json_text import dump_json, load_json
from raddle.nos.server.passwords import TRIES, TRY_S, Passwords
from raddle.nos.server.paths import RpcError, check_writable, status_text
from raddle.nos.server.query import opened
from raddle.nos.server.work import MAX_PATHS
from raddle.nos.switch import SimulatedSwitch

Served = tuple[SimulatedSwitch, gnmi_pb2_grpc.gNMIStub]


@dataclass
class FakeCall:
    """What `identify` asks of a call."""

    host: str
    names: list[bytes] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)

    def peer(self) -> str:
        return f"ipv6:%5B{self.host}%5D:4711" if ":" in self.host else f"ipv4:{self.host}:4711"

    def auth_context(self) -> dict[str, list[bytes]]:
        return {"x509_common_name": self.names} if self.names else {}

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return list(self.metadata.items())


def caller(config: Any, call: FakeCall, passwords: Passwords | None = None) -> Caller:
    return identify(config, passwords or Passwords(), call)  # type: ignore[arg-type]


def refused(act: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(RpcError) as caught:
        act()
    return caught.value.code, caught.value.message


def db_path(*elems: str, origin: str = "sonic-db") -> gnmi_pb2.Path:
    return gnmi_pb2.Path(origin=origin, elem=[gnmi_pb2.PathElem(name=name) for name in elems])


PORT = db_path("CONFIG_DB", "localhost", "PORT")


@pytest.mark.parametrize(
    ("roles", "reads", "writes"),
    [
        (["gnmi_config_db_readwrite"], True, True),
        (["gnmi_config_db_readonly"], True, False),
        (["gnmi_config_db_noaccess"], False, False),
        # SONiC lets a database be read that no role speaks of, and not be written.
        (["gnmi_readwrite"], True, False),
        (["something_else"], True, False),
        # The first that speaks of the database decides.
        (["gnmi_config_db_readonly", "gnmi_config_db_readwrite"], True, False),
        (["gnmi_readwrite", " gnmi_config_db_noaccess"], False, False),
    ],
)
def test_the_first_role_of_a_database_decides(roles: list[str], reads: bool, writes: bool) -> None:
    known = caller({"GNMI_CLIENT_CERT": {"op": {"role": roles}}}, FakeCall("192.0.2.9", [b"op"]))
    for may, is_write in ((reads, False), (writes, True)):
        if may:
            known.check("gnmi_config_db", writes=is_write)
        else:
            code, text = refused(lambda: known.check("gnmi_config_db", writes=is_write))  # noqa: B023
            assert code == grpc.StatusCode.UNKNOWN
            assert text.startswith("op does not have ")
            assert "target gnmi_config_db" in text


def test_a_set_is_judged_by_the_database_of_its_paths_and_not_by_its_target() -> None:
    walker = Caller("op", ("gnmi_readonly", "gnmi_state_db_readwrite", "gnmi_config_db_noaccess"))
    service = check_writable(gnmi_pb2.Path(target="STATE_DB"), [PORT])
    assert service == "gnmi_config_db"
    assert "role gnmi_config_db_noaccess" in refused(lambda: walker.check(service, writes=True))[1]


@pytest.mark.parametrize(
    ("prefix", "path", "service"),
    [
        (gnmi_pb2.Path(target="STATE_DB"), PORT, "gnmi_config_db"),
        (gnmi_pb2.Path(target="CONFIG_DB"), db_path("PORT", origin=""), "gnmi_config_db"),
        (db_path("CONFIG_DB"), db_path("localhost", "PORT"), "gnmi_config_db"),
        (gnmi_pb2.Path(target="COUNTERS_DB"), db_path("COUNTERS", origin=""), "gnmi_counters_db"),
        (gnmi_pb2.Path(target="OTHERS"), db_path("osversion", origin=""), "gnmi_other"),
        (gnmi_pb2.Path(), db_path("interfaces", origin="openconfig"), "gnmi"),
    ],
)
def test_a_read_is_judged_by_the_database_that_it_opens(
    prefix: gnmi_pb2.Path, path: gnmi_pb2.Path, service: str
) -> None:
    assert opened(prefix, [path]).service == service


def test_a_subscription_meets_the_roles_of_its_database() -> None:
    blind = Caller("op", ("gnmi_config_db_noaccess",))
    assert refused(lambda: blind.check(opened(gnmi_pb2.Path(), [PORT], "gnmi_others").service))
    blind.check(opened(gnmi_pb2.Path(target="STATE_DB"), [db_path("PORT_TABLE", origin="")]).service)


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])
def test_a_caller_without_a_name_from_elsewhere_neither_writes_nor_reads_secrets(host: str) -> None:
    stranger = caller({"GNMI": {"gnmi": {"user_auth": "none"}}}, FakeCall(host))
    stranger.check("gnmi_config_db")
    stranger.check_secrets("CONFIG_DB", ("PORT", "STATIC_ROUTE"))
    stranger.check_secrets("COUNTERS_DB", ("COUNTERS",))
    for service in ("gnmi_config_db", "gnoi"):
        assert refused(lambda: stranger.check(service, writes=True))[0] == grpc.StatusCode.UNAUTHENTICATED  # noqa: B023
    assert refused(lambda: stranger.check_p4rt(writes=True))[0] == grpc.StatusCode.UNAUTHENTICATED
    for table in ("TACPLUS", "TACPLUS_SERVER", "NTP_KEY", "BGP_NEIGHBOR", "A_TABLE_OF_TOMORROW", ""):
        code, text = refused(lambda: stranger.check_secrets("CONFIG_DB", ("PORT", table)))  # noqa: B023
        assert code == grpc.StatusCode.UNAUTHENTICATED
        assert (table or "all of CONFIG_DB") in text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1"])
def test_on_the_machine_itself_nobody_needs_a_name(host: str) -> None:
    local = caller({}, FakeCall(host))
    local.check("gnmi_config_db", writes=True)
    local.check_secrets("CONFIG_DB", ("",))


def test_wrong_passwords_are_braked_by_address_and_come_back_with_time() -> None:
    now = [1000.0]
    passwords = Passwords({"admin": "s3cret"}, lambda: now[0])
    for number in range(TRIES):
        code, _ = refused(lambda: passwords.check("admin", f"guess{number}", "192.0.2.7"))  # noqa: B023
        assert code == grpc.StatusCode.UNAUTHENTICATED
    code, text = refused(lambda: passwords.check("admin", "s3cret", "192.0.2.7"))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert f"try again in {TRY_S:.0f} s" in text
    assert "s3cret" not in text
    passwords.check("admin", "s3cret", "192.0.2.8")
    now[0] += TRY_S
    passwords.check("admin", "s3cret", "192.0.2.7")


def test_one_wrong_password_sent_to_many_switches_is_one_guess() -> None:
    passwords = Passwords({"admin": "s3cret"}, lambda: 5.0)
    for _ in range(200):
        assert refused(lambda: passwords.check("admin", "typo", "::1"))[0] == grpc.StatusCode.UNAUTHENTICATED
    passwords.check("admin", "s3cret", "::1")


def test_an_hour_of_guessing_gets_as_many_tries_as_the_brake_says() -> None:
    now = [0.0]
    passwords = Passwords({"admin": "s3cret"}, lambda: now[0])
    heard = 0
    for number in range(36_000):
        now[0] = number / 10
        code, _ = refused(lambda: passwords.check("admin", str(number), "2001:db8::1"))  # noqa: B023
        heard += code == grpc.StatusCode.UNAUTHENTICATED
    assert heard <= TRIES + 3600 / TRY_S


def test_a_get_of_too_many_paths_is_refused_and_the_switch_goes_on(served: Served) -> None:
    _, stub = served
    with pytest.raises(grpc.RpcError) as caught:
        stub.Get(gnmi_pb2.GetRequest(path=[PORT] * (MAX_PATHS + 1), encoding=gnmi_pb2.JSON_IETF))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    stub.Get(gnmi_pb2.GetRequest(path=[PORT], encoding=gnmi_pb2.JSON_IETF), timeout=10)


@pytest.mark.parametrize("letter", ["x", "ü", "漢", "\ud800"])
def test_a_text_of_any_length_travels_in_a_status(served: Served, letter: str) -> None:
    _, stub = served
    text = status_text(letter * 40_000)
    assert len(text.encode()) < 1600
    name = "x" if letter == "\ud800" else letter  # protobuf takes no lone surrogate
    with pytest.raises(grpc.RpcError) as caught:
        stub.Get(gnmi_pb2.GetRequest(path=[db_path("CONFIG_DB", "localhost", name * 9000)]))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_large_json_is_read_and_written_as_small_is() -> None:
    value = {"A": {f"k{n}": {"x": ["1", "ü\n"], "y": "", "z": {}} for n in range(40_000)}, "B": {}, "C": "s"}
    text = dump_json(value)
    assert len(text) > 2**20
    assert load_json(text) == value
    with pytest.raises(ValueError, match="NaN"):
        load_json(b'{"a": NaN, "b": "' + b"x" * 2**20 + b'"}')
