"""`raddle serve` beside running switches: page, metrics, alerts, and who may see them."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

pytest.importorskip("uvicorn", reason="uvicorn is missing")
pytest.importorskip("starlette", reason="starlette is missing")

from raddle.controller.plan import make_plan
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import switch_farm
from raddle.nos.farm import SwitchFarm
from raddle.topology import bundled_examples, load

ROOT = Path(__file__).parents[2]
FABRIC = load(bundled_examples()["leaf-spine-16"])
PORT = "Ethernet32"  # of leaf0, to spine0


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SwitchFarm, Path]]:
    folder = tmp_path_factory.mktemp("serve")
    plan = make_plan(FABRIC, "ecmp")
    with switch_farm(FABRIC, plan) as switches:
        inventory = Inventory(FABRIC.name, dict(switches.addresses))
        inventory.save(folder / "raddle-inventory.json")
        apply = [sys.executable, "-m", "raddle", "apply", "leaf-spine-16"]
        subprocess.run(apply, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        yield switches, folder


@contextmanager
def served(folder: Path, *words: str, **environment: str) -> Iterator[str]:
    """Its address, while it runs."""
    command = [sys.executable, "-m", "raddle", "serve", "leaf-spine-16", "--listen", "127.0.0.1:0", *words]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def address(farm: tuple[SwitchFarm, Path]) -> Iterator[str]:
    with served(farm[1]) as found:
        wait(lambda: "raddle_switch_differences" in get(f"{found}metrics"))
        yield found


def get(url: str, **headers: str) -> str:
    request = urllib.request.Request(url, headers={k.replace("_", "-"): v for k, v in headers.items()})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


def refused(url: str, **headers: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as error:
        get(url, **headers)
    error.value.close()
    return error.value.code


def wait(what: Callable[[], object], seconds: float = 40) -> None:
    end_s = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end_s
        time.sleep(0.2)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_a_link_that_dies_is_dark_in_the_metrics_and_light_again(
    farm: tuple[SwitchFarm, Path], address: str
) -> None:
    dark = f'raddle_port_up{{switch="leaf0",port="{PORT}",peer="spine0:Ethernet0"}} 0'
    farm[0].plug("leaf0", PORT, False)
    try:
        wait(lambda: dark in get(f"{address}metrics"))
        assert "raddle_dead_links 1" in get(f"{address}metrics")
    finally:
        farm[0].plug("leaf0", PORT, True)
    wait(lambda: "raddle_dead_links 0" in get(f"{address}metrics"))


def test_only_callers_of_loopback_names_are_answered_without_a_token(address: str) -> None:
    assert refused(address, Host="evil.example:80") == 403
    assert "leaf-spine-16 now" in get(address, Host="localhost:1")


def test_a_bench_is_not_started_by_a_page_of_elsewhere(address: str) -> None:
    request = urllib.request.Request(f"{address}benches", b"{}", {"Content-Type": "text/plain"})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    error.value.close()
    assert error.value.code == 403


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"collective": "none", "size": "1M"}, "error[bad-bench]: no collective 'none' to bench"),
        ({"collective": "all_reduce", "size": "-b"}, "error[bad-bench]: size: "),
        ({"collective": "all_reduce"}, 'the body is {"collective"'),
    ],
)
def test_a_bench_that_cannot_be_is_refused_in_words(address: str, asked: dict[str, str], says: str) -> None:
    request = urllib.request.Request(f"{address}benches", json.dumps(asked).encode(), {"X-Raddle": "1"})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    assert error.value.read().decode().startswith(says)
    error.value.close()


def test_with_a_token_nobody_sees_anything_without_it(farm: tuple[SwitchFarm, Path]) -> None:
    token = "0123456789abcdef"
    with served(farm[1], RADDLE_SERVE_TOKEN=token) as address:
        assert refused(address) == refused(f"{address}metrics", Authorization="Bearer wrong") == 401
        assert "raddle_switch_up" in get(f"{address}metrics", Authorization=f"Bearer {token}")
        basic = base64.b64encode(f"me:{token}".encode()).decode()
        assert "leaf-spine-16 now" in get(address, Authorization=f"Basic {basic}")
        assert get(f"{address}healthz") == "ok\n"


@pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is missing (Debian: prometheus)")
def test_prometheus_scrapes_it_and_knows_every_name_that_rules_and_dashboard_ask_for(
    address: str, tmp_path: Path
) -> None:
    port, target = free_port(), address.split("/")[2]
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "raddle", "static_configs": [{"targets": [target]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    words = ["--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    words += [f"--web.listen-address=127.0.0.1:{port}"]
    with subprocess.Popen(["prometheus", *words], cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        try:
            names: set[str] = set()

            def scraped() -> bool:
                try:
                    told = get(f"http://127.0.0.1:{port}/api/v1/label/__name__/values")
                except OSError:
                    return False
                names.update(json.loads(told)["data"])
                return "raddle_port_longest_queue_bytes" in names

            wait(scraped)
        finally:
            process.terminate()
    rules = (ROOT / "deploy/prometheus/raddle-rules.yml").read_text()
    board = (ROOT / "deploy/grafana/raddle.json").read_text()
    asked = set(re.findall(r"\braddle_[a-z_]+", rules + board))
    assert len(asked) > 8
    assert asked <= names


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is missing (Debian: prometheus)")
def test_promtool_finds_nothing_wrong_with_metrics_rules_and_their_tests(address: str) -> None:
    folder = ROOT / "deploy/prometheus"
    for words in ("check config prometheus.yml", "test rules raddle-rules-test.yml"):
        done = subprocess.run(["promtool", *words.split()], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    metrics = get(f"{address}metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_dashboard_is_what_grafanas_own_types_hold() -> None:
    board = json.loads((ROOT / "deploy/grafana/raddle.json").read_text())
    register_default_plugins()
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))
    assert lost_of(board, read) == []
    board["panels"][0]["titel"] = "no such key"
    assert lost_of(board, read) == [".panels[0].titel"]


def lost_of(sent: object, read: object, path: str = "") -> list[str]:
    """Where `read` lacks a key or has another value than `sent`."""
    if isinstance(sent, dict) and isinstance(read, dict):
        keys = [(f"{path}.{key}", value, read.get(key, ...)) for key, value in sent.items()]
    elif isinstance(sent, list) and isinstance(read, list) and len(sent) == len(read):
        keys = [(f"{path}[{at}]", *pair) for at, pair in enumerate(zip(sent, read, strict=True))]
    else:
        return [] if sent == read else [path]
    return [each for where, left, right in keys for each in lost_of(left, right, where)]


def test_every_panel_of_the_dashboard_has_a_query_and_a_place_of_its_own(tmp_path: Path) -> None:
    board = json.loads((ROOT / "deploy/grafana/raddle.json").read_text())
    panels = board["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
    seats = [
        (x, y)
        for each in panels
        for x in range(each["gridPos"]["x"], each["gridPos"]["x"] + each["gridPos"]["w"])
        for y in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"])
    ]
    assert len(set(seats)) == len(seats)
    assert max(x for x, _ in seats) < 24
    assert all(each["targets"][0]["expr"] for each in panels)
    if shutil.which("promtool"):
        queries = [each["targets"][0]["expr"].replace("$__rate_interval", "1m") for each in panels]
        rules = [{"record": f"r:{at}", "expr": query} for at, query in enumerate(queries)]
        (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
        words = ["promtool", "check", "rules", str(tmp_path / "rules.yml")]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
