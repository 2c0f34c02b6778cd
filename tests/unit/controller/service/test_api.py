"""The controller's API: its client, its roles, its commands, health and metrics."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from typer.testing import CliRunner, Result

from raddle.cli.main import app
from raddle.controller.api._gen import raddle_controller_pb2 as pb
from raddle.controller.api.client import ControllerClient, ControllerError
from raddle.controller.api.journal import Journal
from raddle.controller.api.monitor import Metrics, Monitor, ill
from raddle.controller.api.roles import NEEDED, Role
from raddle.controller.api.server import ApiServer, ServerTls
from raddle.errors import InputError
from raddle.inventory import ClientTls
from tests.fabrics import leaf_spine
from tests.unit.controller.service.running import Running, held

POD = leaf_spine(2, 2, 2, "routing: {policy: ecmp}\n")
METHODS = pb.DESCRIPTOR.services_by_name["Controller"].methods


def run(server: str, *words: str) -> Result:
    return CliRunner().invoke(app, ["controller", *words, "--server", server])


@contextmanager
def served(folder: Path) -> Iterator[tuple[Running, str]]:
    with held(POD, folder) as running, ApiServer(running.controller, "127.0.0.1:0") as api:
        yield running, api.address


def test_commands_give_orders_and_show_what_came_of_them(tmp_path: Path) -> None:
    with served(tmp_path) as (running, server):
        shown = run(server, "status", "--wait", "20")
        assert shown.exit_code == 0, shown.output
        assert re.search(r"^pod: revision 1 of .*pod\.yaml$", shown.stdout, re.MULTILINE)
        assert "leaf0        in sync" in shown.stdout
        assert run(server, "drain", "spine1", "--why", "optics").stdout == "revision 2, drain spine1: done\n"
        assert "drained: spine1\n" in run(server, "status").stdout
        refused = run(server, "drain", "leaf0")
        assert isinstance(refused.exception, ControllerError)
        assert "error[drain-cuts-off]: without leaf0, spine1 nothing reaches" in str(refused.exception)
        assert run(server, "rollback", "1").stdout == "revision 3, rollback to 1: done\n"
        lines = run(server, "history").stdout.splitlines()
        assert [line.split()[0] for line in lines] == ["3", "2", "1"]
        assert lines[1].endswith("local: drain spine1 (optics): done")
        log = run(server, "history", "--audit").stdout
        assert "local: drain spine1 (optics): begun" in log
        assert re.search(
            r"leaf0 routes/10\.0\.0\.4/30: .*Ethernet16, .* Ethernet24 -> .* Ethernet16$", log, re.M
        )
        document = json.loads(run(server, "history", "--json").stdout)
        assert [each["number"] for each in document["revisions"]] == [3, 2, 1]
        running.write(POD + "roce: {ecn: {kmin: 900KB, kmax: 3200KB}}\n")
        preview = run(server, "apply", "--dry-run").stdout
        assert "leaf0 qos/ecn: kmin_bytes=" in preview
        assert run(server, "pause").stdout == "paused\n"
        assert run(server, "status").exit_code == 1
        assert "error[paused]" in str(run(server, "apply").exception)
        assert run(server, "resume").stdout == "goes on\n"
        assert run(server, "apply").stdout == "revision 4, apply: done\n"
        found = json.loads(run(server, "status", "--json").stdout)["status"]
        assert (found["fabric"], found["revision"], found["is_paused"]) == ("pod", 4, False)
        assert "error[bad-until]" in str(run(server, "drain", "spine0", "--until", "noon").exception)
        past = "2020-01-01T00:00:00+00:00"
        assert f"'{past}' is over" in str(run(server, "drain", "spine0", "--until", past).exception)
        for span, why in (
            ("2weeks", "is no span of time"),
            ("0s", "is over at once"),
            ("99999999999d", "ends behind the year 9999"),
        ):
            assert why in str(run(server, "drain", "spine0", "--for", span).exception)


def test_a_client_hears_what_happens_from_when_watch_returns(tmp_path: Path) -> None:
    with served(tmp_path) as (running, server), ControllerClient(server) as client:
        events = client.watch()
        running.farm.plug("leaf0", "Ethernet16", False)
        kinds = []
        for event in events:
            kinds.append(event.kind)
            if event.kind == "repair":
                break
        assert "link-down" in kinds
        assert event.seconds > 0
        assert client.status().dead_links == ["leaf0:Ethernet16 - spine0:Ethernet0"]


def test_the_service_tells_what_it_is_by_reflection(tmp_path: Path) -> None:
    with served(tmp_path) as (_, server), grpc.insecure_channel(server) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="raddle.controller.v1.Controller"
        )
        [answer] = stub.ServerReflectionInfo(iter([asked]))
        assert b"Rollback" in answer.file_descriptor_response.file_descriptor_proto[0]


def test_every_call_of_the_proto_has_a_role_and_a_method_of_the_client() -> None:
    assert NEEDED.keys() == {method.name for method in METHODS}
    for name in NEEDED:
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower().replace("list_", "")
        assert callable(getattr(ControllerClient, snake))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, and certificates of the server and of four clients."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "vera", "olaf", "ada", "eve"):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", "-extfile", "names",
        )  # fmt: skip
    return folder


def test_a_certificate_has_a_role_and_a_role_has_its_calls(certificates: Path, tmp_path: Path) -> None:
    def read(name: str) -> bytes:
        return (certificates / name).read_bytes()

    tls = ServerTls(read("server.pem"), read("server.key"), read("ca.pem"))
    roles: dict[str, Role] = {"vera": "viewer", "olaf": "operator", "ada": "admin"}
    with held(POD, tmp_path) as running, ApiServer(running.controller, "127.0.0.1:0", tls, roles) as api:

        def client(name: str) -> ControllerClient:
            return ControllerClient(
                api.address, ClientTls(read("ca.pem"), read(f"{name}.pem"), read(f"{name}.key"))
            )

        with client("vera") as vera:
            assert vera.status().revision == 1
            with pytest.raises(
                ControllerError, match="Drain needs the role operator; 'vera' has the role viewer"
            ):
                vera.drain("spine1")
        with client("olaf") as olaf:
            assert olaf.drain("spine1").who == "olaf"
            with pytest.raises(ControllerError, match="Replace needs the role admin"):
                olaf.replace("spine1")
        with client("ada") as ada, pytest.raises(ControllerError, match="no switch 'leaf9'"):
            ada.replace("leaf9")
        with client("eve") as eve, pytest.raises(ControllerError, match="'eve' has no role here"):
            eve.status()
        with ControllerClient(api.address) as nobody, pytest.raises(ControllerError) as refused:
            nobody.status()
        assert refused.value.exit_code == 3


def test_without_tls_no_address_is_served_that_others_reach(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        for address in ("0.0.0.0:0", "192.0.2.1:50580", "[::]:0"):
            with pytest.raises(InputError, match="in plain text"):
                ApiServer(running.controller, address)
            with pytest.raises(InputError, match="in plain text"):
                Monitor(str, str, address)
        for address in ("127.0.0.1", "127.0.0.1:65536", ":0"):
            with pytest.raises(InputError, match=f"--listen: '{address}' is not HOST:PORT"):
                ApiServer(running.controller, address)
            with pytest.raises(InputError, match=f"--metrics: '{address}' is not HOST:PORT"):
                Monitor(str, str, address)


def test_health_and_metrics_count_what_was_told(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        metrics = Metrics(running.controller)
        with Monitor(partial(ill, running.controller), metrics.text, "127.0.0.1:0") as monitor:
            running.controller.drain("ada", "", "spine1").result()
            assert get(monitor, "healthz") == "ok\n"
            text = get(monitor, "metrics")
            assert 'raddle_controller_switches{state="in sync"} 4' in text
            assert "raddle_controller_revision 2" in text
            assert 'raddle_controller_events_total{kind="update"} 2' in text
            assert 'raddle_controller_seconds_count{kind="update"} 1' in text
            assert 'raddle_controller_seconds_bucket{kind="update",le="+Inf"} 1' in text
            assert float(re.findall(r"process_resident_memory_bytes (\d+)", text)[0]) > 1e7
            stopped = running.controller
            stopped.stop()
            running.wait_for(lambda: not stopped.is_running, "does not stop")
            with pytest.raises(urllib.error.HTTPError, match="503"):
                get(monitor, "healthz")


def get(monitor: Monitor, path: str) -> str:
    with urllib.request.urlopen(f"http://{monitor.address}/{path}") as answer:
        return answer.read().decode()


def test_numbers_that_no_message_holds_and_servers_that_are_none_are_refused() -> None:
    most = str(2**32)
    for words in (
        ("rollback", most),
        ("history", "--limit", most),
        ("status", "--wait", "inf"),
        *(
            ("run", "leaf-spine-16", option, value)
            for option in ("--congestion", "--sample", "--sweep", "--confirm")
            for value in ("inf", "1e300", "nan")
        ),
    ):
        refused = run("127.0.0.1:1", *words) if words[0] != "run" else invoke(*words)
        assert "Invalid value" in refused.stderr, words
        assert refused.exit_code == 2
    twice = invoke("run", "leaf-spine-16", "--viewer", "vic", "--admin", "vic")
    assert "--viewer and --admin both name 'vic'" in str(twice.exception)
    for server in ("127.0.0.1:99999", "127.0.0.1:0", "127.0.0.1", "127.0.0.1:x"):
        assert f"'{server}' is not HOST:PORT" in str(run(server, "status").exception)


def test_a_store_in_a_folder_that_is_not_there_creates_none(tmp_path: Path) -> None:
    refused = invoke("run", "leaf-spine-16", "--store", str(tmp_path / "none" / "x.db"))
    assert "error[bad-store]" in str(refused.exception)
    assert not (tmp_path / "none").exists()


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, ["controller", *words])


def test_a_log_of_json_is_an_object_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with held(POD, tmp_path) as running:
        running.controller.bus.hear(Journal("json"))
        running.controller.drain("ada", "", "spine1").result()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["kind"] for line in lines] == ["update", "update"]
    assert lines[1]["text"] == "revision 2: done"
    assert lines[1]["seconds"] > 0


def test_a_store_that_is_none_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_text("this is no database, and long enough to be taken for none of SQLite's")
    result = CliRunner().invoke(app, ["controller", "run", "leaf-spine-16", "--store", str(other)])
    assert "error[bad-store]" in str(result.exception)
