"""No run ends without saying why: deadlocks, storms, runs that are too long."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from tests.fabrics import TWO_PLANES

FABRIC = """\
raddle: 1
name: ring
models: {m: {ports: 16, port_speed: 400G, buffer: 8MiB}}
fabric:
  kind: leaf-spine
  leaves: {count: 3, model: m}
  spines: {count: 3, model: m}
  uplinks: {per_pair: 1, speed: 400G, cable: 30m}
hosts: {per_leaf: 2}
roce: {congestion_control: none, watchdog: none}
"""

RING = """\
id,src,dst,bytes
a,host0,host4,20000000
a2,host1,host5,20000000
b,host2,host0,20000000
b2,host3,host1,20000000
c,host4,host2,20000000
c2,host5,host3,20000000
"""

BOUNCES = """\
flow,path
a,leaf0 spine0 leaf1 spine1 leaf2
a2,leaf0 spine0 leaf1 spine1 leaf2
b,leaf1 spine1 leaf2 spine2 leaf0
b2,leaf1 spine1 leaf2 spine2 leaf0
c,leaf2 spine2 leaf0 spine0 leaf1
c2,leaf2 spine2 leaf0 spine0 leaf1
"""


def simulate(folder: Path, flows: str, *options: str, **files: str) -> tuple[int, str, dict[str, Any]]:
    """Exit code, stderr and summary.json; `files` become options that name a file of that content."""
    (folder / "fabric.yaml").write_text(FABRIC)
    (folder / "flows.csv").write_text(flows)
    arguments = ["simulate", str(folder / "fabric.yaml"), "--flows", str(folder / "flows.csv"), *options]
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
        arguments += [f"--{name}", str(folder / f"{name}.csv")]
    done = CliRunner().invoke(app, [*arguments, "-o", str(folder / "out")], catch_exceptions=False)
    return done.exit_code, done.stderr, json.loads((folder / "out/summary.json").read_text())


@pytest.mark.parametrize("options", [(), ("--series", "1ms")], ids=["", "sampled"])
def test_flows_that_hold_each_other_are_deadlocked_and_the_cycle_is_told(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    code, stderr, summary = simulate(tmp_path, RING, *options, pins=BOUNCES)
    assert (code, summary["flows"], summary["is_stalled"]) == (1, {"deadlocked": 6}, True)
    cycle, *_ = summary["diagnosis"]
    assert cycle.startswith("deadlock of 6 queues, each paused by the next: ")
    assert all(f"{switch}:" in cycle for switch in ("leaf0", "spine0", "leaf1", "spine1", "leaf2", "spine2"))
    assert "flow a is deadlocked: held at spine1:Ethernet16: paused by leaf2:Ethernet24" in stderr
    assert cycle in stderr
    # No timer can help after twice the retransmission timeout of 67 ms.
    assert summary["time_ps"] < 10**12


def test_storm_without_watchdog_blocks_its_flow_and_the_pause_is_named(tmp_path: Path) -> None:
    code, stderr, summary = simulate(
        tmp_path, "src,dst,bytes\n0,4,20000000\n1,2,100000\n", faults="what,where,from\nstorm,host4,10us\n"
    )
    assert (code, summary["flows"]) == (1, {"blocked": 1, "done": 1})
    assert "flow 1 is blocked: held at leaf2:Ethernet0: paused by host4" in stderr


def test_storm_that_ends_late_is_waited_for(tmp_path: Path) -> None:
    faults = "what,where,from,until\nstorm,host4,10us,300ms\n"
    code, _, summary = simulate(tmp_path, "src,dst,bytes\n0,4,1000000\n", faults=faults)
    assert (code, summary["flows"], summary["is_stalled"]) == (0, {"done": 1}, False)


def test_100_TB_say_how_long_they_take_and_end_when_they_are_told_to(tmp_path: Path) -> None:
    code, stderr, summary = simulate(
        tmp_path, "src,dst,bytes\n0,4,100000000000000\n1,5,1000\n", "--until", "1ms"
    )
    # 1e14 bytes in 4096-byte payloads with 82 bytes around each at 400G: 2040 s.
    assert "34 min of simulated time or more; --until TIME ends it sooner" in stderr
    assert (code, summary["flows"], summary["time_ps"]) == (1, {"active": 1, "done": 1}, 10**9)
    with (tmp_path / "out/ports.csv").open(newline="") as file:
        sent = next(int(row["tx_bytes"]) for row in csv.DictReader(file) if row["port"] == "host0:eth0")
    # A frame of 4158 bytes every 4178 bytes' time, from time 0 on.
    assert sent == -(-(10**9) // (4178 * 20)) * 4158


def test_until_behind_the_end_changes_nothing(tmp_path: Path) -> None:
    flows = "src,dst,bytes\n0,4,100000\n"
    ended = simulate(tmp_path, flows, "--until", "1s")
    shutil.rmtree(tmp_path / "out")
    assert ended == simulate(tmp_path, flows)


def test_a_flow_to_another_plane_is_dropped_where_no_route_leads(tmp_path: Path) -> None:
    (tmp_path / "fabric.yaml").write_text(TWO_PLANES)
    (tmp_path / "flows.csv").write_text(
        "src,dst,bytes\nhost0:eth0,host3:eth1,4096\nhost0:eth1,host3:eth1,4096\n"
    )
    arguments = ["--flows", str(tmp_path / "flows.csv"), "-o", str(tmp_path / "out"), "--until", "100us"]
    done = CliRunner().invoke(app, ["simulate", str(tmp_path / "fabric.yaml"), *arguments])
    assert done.exit_code == 1
    assert "packets dropped at p0-leaf0:Ethernet0: no route" in done.stderr
    flows = list(csv.DictReader((tmp_path / "out/fct.csv").read_text().splitlines()))
    assert [flow["status"] == "done" for flow in flows] == [False, True]


def test_a_link_is_in_use_for_no_longer_than_the_run(tmp_path: Path) -> None:
    """900 ns are 11 frames of 4096 bytes at 400G, of which the last ends later."""
    _, _, summary = simulate(tmp_path, RING, "--until", "900ns")
    assert summary["busiest_link"]["utilisation"] == 1.0
    assert summary["busiest_link"]["tx_bytes"] * 8 / 400e9 > 900e-9
