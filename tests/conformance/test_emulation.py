"""`raddle emulate` with real packets through Open vSwitch; whatever ends it, nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raddle.errors import InputError
from raddle.lab.emulation.programs import need

pytestmark = pytest.mark.system

FABRIC = """\
raddle: 1
name: tiny
fabric:
  kind: leaf-spine
  leaves: {count: 2, model: white-box-12.8t}
  spines: {count: 2, model: white-box-12.8t}
  uplinks: {per_pair: 1, speed: 400G, cable: 30m}
hosts: {per_leaf: 2, nics: {count: 1, speed: 400G, cable: 3m}}
roce: {lossless: {priority: 3, dscp: 26}}
routing: {policy: pinned}
"""

SIX = FABRIC.replace("tiny", "six") + "addressing: {families: ipv6, links: unnumbered}\n"
"""Nothing has an IPv4 address, and links between switches have none but link-local ones."""

DEAD_LINK = (
    FABRIC.replace("tiny", "dead-link").replace("per_pair: 1", "per_pair: 2")
    + 'overrides: {links: [{ends: ["leaf0:Ethernet16", spine0], state: down}]}\n'
)
"""So leaf1's group to leaf0 has weights."""

MARK = "RADDLE_TEST_MARK"


def why_not() -> str:
    if os.geteuid() != 0:
        return "emulation needs root"
    try:
        need(("mnexec", "ip", "tc", "ethtool", "ping", "iperf3", "ovs-vswitchd"))
    except InputError as error:
        return f"{error.diagnostics[0].message}; {error.diagnostics[0].hint}"
    allowed = subprocess.run(["unshare", "-n", "-p", "-m", "-f", "true"], capture_output=True, check=False)
    return "" if allowed.returncode == 0 else f"no namespaces here: {allowed.stderr.decode()}"


@pytest.fixture(scope="module", autouse=True)
def can_emulate() -> None:
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("emulation")
    (made / "tiny.yaml").write_text(FABRIC)
    (made / "six.yaml").write_text(SIX)
    (made / "dead-link.yaml").write_text(DEAD_LINK)
    (made / "dual.yaml").write_text(FABRIC.replace("tiny", "dual") + "addressing: {families: dual}\n")
    return made


def emulate(folder: Path, fabric: str, *options: str, mark: str = "") -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "raddle", "emulate", f"{fabric}.yaml", *options]
    return subprocess.Popen(
        words, cwd=folder, env=os.environ | {MARK: mark}, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, Any]:
    """Two emulations at the same time, of IPv4 and of IPv6: what each has printed."""
    tests = "ping,iperf,roce,failover"
    kept = ("--pcap", "pcap", "--json", "--logs", "logs")
    full = emulate(folder, "tiny", "--test", tests, "--cuts", "2", *kept)
    six = emulate(folder, "six", "--test", tests, "--cuts", "1", "--pcap", "pcap6", "--json")
    printed = {}
    for name, process in (("full", full), ("six", six)):
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, f"{out}\n{err}"
        printed[name] = json.loads(out)
    return printed


def test_two_at_once_both_work(runs: dict[str, Any]) -> None:
    for name, family in (("full", "IPv4"), ("six", "IPv6")):
        assert reached(runs[name]) == {"failed": [], "families": [family], "pairs": 12}


def reached(run: dict[str, Any]) -> dict[str, Any]:
    """Of the pings all but how often somebody was asked, which depends on how busy the machine is."""
    return {name: value for name, value in run["ping"].items() if name != "attempts"}


def test_the_logs_of_the_switches_programs_are_kept(runs: dict[str, Any], folder: Path) -> None:
    assert runs
    assert {path.name for path in (folder / "logs").iterdir()} == {"ovs-vswitchd.log", "ovsdb-server.log"}
    assert (folder / "logs/ovs-vswitchd.log").stat().st_size


def test_a_folder_for_logs_that_cannot_be_is_said_before_anything_starts(folder: Path) -> None:
    process = emulate(folder, "tiny", "--logs", "tiny.yaml/logs")
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("", 2)
    assert "error[cannot-write]: cannot write 'tiny.yaml/logs': Not a directory" in err


def test_hosts_with_both_families_reach_each_other_over_both(folder: Path) -> None:
    process = emulate(folder, "dual", "--test", "ping", "--routing", "ecmp", "--json")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, f"{out}\n{err}"
    run = json.loads(out)
    assert reached(run) == {"failed": [], "families": ["IPv4", "IPv6"], "pairs": 24}


def test_links_are_slowed_by_one_stated_factor(runs: dict[str, Any]) -> None:
    """400G at 1/4000 are 100 Mbit/s, which TCP does not exceed."""
    assert (runs["full"]["divisor"], runs["full"]["fastest_mbps"]) == (4000, 100)
    for name, family in (("full", "IPv4"), ("six", "IPv6")):
        rows = runs[name]["iperf"]
        assert [(row["src"], row["dst"]) for row in rows] == [("host0", "host1"), ("host0", "host3")]
        assert all(row["family"] == family and 0 < row["mbps"] <= 100 for row in rows)


@pytest.mark.parametrize("name", ["full", "six"])
def test_every_pinned_flow_crosses_the_planned_links_and_is_counted_as_in_the_simulator(
    runs: dict[str, Any], name: str
) -> None:
    """A ring of 4 ranks: 2 * 3 steps of 4 flows of 2 packets, each acknowledged (ack interval 1)."""
    roce = runs[name]["roce"]
    assert (roce["flows"], roce["data_packets"], roce["acknowledgements"]) == (24, 48, 48)
    assert roce["problems"] == roce["wrong_paths"] == roce["wrong_ports"] == []
    assert (roce["paths"], roce["is_counted"]) == (8, True)
    assert roce["ports"] >= 8


@pytest.mark.parametrize("name", ["full", "six"])
def test_traffic_survives_a_link_a_remote_link_and_a_spine(runs: dict[str, Any], name: str) -> None:
    found = runs[name]["failover"]
    kinds = ["link", "link shut", "remote link", "remote link shut", "switch"]
    cuts = 2 if name == "full" else 1
    assert [(each["kind"], each["cuts"]) for each in found] == [(kind, cuts) for kind in kinds]
    for each in found:
        assert each["problem"] == ""
        for at in ("median", "p99"):
            assert 0 < each["other_s"][at] <= each["backup_s"][at]
            parts = sum(each[part][at] for part in ("detect_s", "plan_s", "push_s"))
            assert all(each[part][at] > 0 for part in ("detect_s", "plan_s", "push_s"))
        assert parts < each["backup_s"]["p99"] + 1
        assert each["after"] != each["before"]
        # Two spines: what does not go over the one goes over the other.
        assert {each["before"][1].split(":")[0], each["after"][1].split(":")[0]} == {"spine0", "spine1"}


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is missing (Debian: tshark)")
@pytest.mark.parametrize("name", ["full", "six"])
def test_wireshark_reads_the_packets_and_complains_of_none(
    runs: dict[str, Any], name: str, folder: Path
) -> None:
    files = runs[name]["pcaps"]
    assert files
    opcodes = set()
    for file in files[:2]:
        # Expert information is there for malformed packets, and for wrong lengths and checksums too.
        fields = ["-T", "fields", "-e", "infiniband.bth.opcode", "-e", "_ws.malformed", "-e", "_ws.expert"]
        rows = subprocess.run(
            ["tshark", "-r", file, *fields],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.splitlines()
        assert rows
        for row in rows:
            opcode, malformed, complaints = row.split("\t")
            assert not malformed
            assert not complaints
            opcodes.add(int(opcode))
    assert opcodes == {0x06, 0x08, 0x11}  # RDMA WRITE First and Last, Acknowledge


def test_one_that_is_detached_takes_programs_from_another_shell_until_it_is_stopped(folder: Path) -> None:
    def raddle(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "raddle", *words],
            cwd=folder, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    started = raddle("emulate", "tiny.yaml", "--detach")
    assert started.returncode == 0, started.stderr
    assert "12 of 12 pairs" in started.stdout
    try:
        pinged = raddle("exec", "--emulation", "tiny", "host0", "ping", "-c1", "-W5", "10.0.0.5")
        assert "1 received" in pinged.stdout
        assert "spine1" in raddle("exec", "--emulation", "tiny", "leaf0", "ovs-vsctl", "list-br").stdout
        assert raddle("exec", "--emulation", "tiny", "host1", "sh", "-c", "exit 7").returncode == 7
        assert raddle("exec", "--emulation", "tiny", "host1", "no-such-program").returncode == 127
        wrong = raddle("exec", "--emulation", "tiny", "host9", "ls")
        assert wrong.returncode == 2
        assert "error[unknown-node]: emulation 'tiny' has no host or switch 'host9'" in wrong.stderr
        assert "error[no-emulation]: no emulation 'other' runs" in (
            raddle("exec", "--emulation", "other", "host0", "ls").stderr
        )
    finally:
        stopped = raddle("emulate", "tiny.yaml", "--stop")
    assert stopped.returncode == 0, stopped.stderr
    assert raddle("exec", "--emulation", "tiny", "host0", "ls").returncode == 2


def test_iperf_at_the_prompt_ends(folder: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "raddle", "emulate", "tiny.yaml", "--keep"],
        cwd=folder, input="iperf host0 host3\niperf host9 host0\niperfudp\nexit\n", text=True,
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    rate = re.search(r"host0 -> host3: ([0-9.]+) Mbit/s", process.stdout)
    assert rate
    assert 0 < float(rate[1]) <= 100
    assert "no host 'host9'" in process.stdout
    assert "there is no UDP test" in process.stdout


def marked(mark: str) -> dict[int, str]:
    """Network namespace by process, of those that have the mark in their environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"{MARK}={mark}".encode() in (entry / "environ").read_bytes():
                found[int(entry.name)] = os.readlink(entry / "ns/net")
        except OSError:
            continue  # it has ended
    return found


def namespaces() -> Iterator[str]:
    for entry in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            yield os.readlink(entry)
        except OSError:
            continue


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda s: s.name)
def test_nothing_is_left_when_it_is_killed_midway(number: signal.Signals, folder: Path) -> None:
    mark = uuid.uuid4().hex
    interfaces = set(os.listdir("/sys/class/net"))
    files = {str(path) for path in Path("/run").iterdir()}
    process = emulate(folder, "tiny", "--test", "ping,failover", "--cuts", "3", mark=mark)
    deadline = time.monotonic() + 60
    while len(running := marked(mark)) < 8:  # ours, Open vSwitch's and the hosts' shells
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"only {len(running)} processes came up"
        time.sleep(0.05)
    own = {namespace for namespace in running.values() if namespace != os.readlink("/proc/self/ns/net")}
    assert own
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert out == ""
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    deadline = time.monotonic() + 10
    while marked(mark):
        assert time.monotonic() < deadline, f"left: {marked(mark)}"
        time.sleep(0.05)
    assert not own & set(namespaces())
    assert set(os.listdir("/sys/class/net")) == interfaces
    assert {str(path) for path in Path("/run").iterdir()} == files


needs_bmv2 = pytest.mark.skipif(
    not shutil.which("simple_switch_grpc"),
    reason="simple_switch_grpc is not on PATH (docs/p4.md says how to get it)",
)


@needs_bmv2
@pytest.mark.parametrize("fabric", ["tiny", "six"])
def test_bmv2_hashes_as_the_simulator_and_survives_the_same_failures(folder: Path, fabric: str) -> None:
    run = on_bmv2(folder, fabric, "ping,roce,failover", "--cuts", "1")
    assert run["ping"]["failed"] == run["roce"]["wrong_paths"] == run["roce"]["wrong_ports"] == []
    assert run["roce"]["is_counted"]
    assert [each["problem"] for each in run["failover"]] == ["", "", ""]


@needs_bmv2
def test_a_bmv2_switch_with_a_dead_port_hears_its_others_and_keeps_to_its_weights(folder: Path) -> None:
    """A group's copies of a member have no known order: paths are planned ones, counters not compared."""
    run = on_bmv2(folder, "dead-link", "ping,roce")
    assert run["ping"]["failed"] == run["roce"]["wrong_paths"] == []
    assert not run["roce"]["is_counted"]


def on_bmv2(folder: Path, fabric: str, tests: str, *options: str) -> dict[str, Any]:
    words = ("--switch", "bmv2", "--routing", "ecmp", "--test", tests, "--json", *options)
    process = emulate(folder, fabric, *words)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, f"{out}\n{err}"
    run: dict[str, Any] = json.loads(out)
    return run
