"""`raddle simulate`, from a flow file to the three files it writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app

FABRIC = "leaf-spine-16"


def simulate(folder: Path, rows: str, *options: str) -> int:
    flows = folder / "flows.csv"
    flows.write_text(rows)
    arguments = ["simulate", FABRIC, "--flows", str(flows), "-o", str(folder / "out"), *options]
    return CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code


def read_fct(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "out/fct.csv").open(newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("size_bytes", [0, 1, 4096, 4097, 1_000_000])
def test_lone_flow_has_a_slowdown_of_one(tmp_path: Path, size_bytes: int) -> None:
    assert simulate(tmp_path, f"src,dst,bytes\nhost0,host9,{size_bytes}\n") == 0
    assert read_fct(tmp_path)["1"]["slowdown"] == "1.000000"


def test_dependent_flow_starts_when_the_one_before_has_arrived(tmp_path: Path) -> None:
    rows = "id,src,dst,bytes,after\nfirst,0,8,100000,\nsecond,8,3,100000,first\n"
    assert simulate(tmp_path, rows) == 0
    fct = read_fct(tmp_path)
    assert fct["second"]["start_ps"] == fct["first"]["finish_ps"]


def test_incast_shares_the_receivers_port(tmp_path: Path) -> None:
    rows = "src,dst,bytes\n" + "".join(f"{host},0,2000000\n" for host in (4, 8, 12))
    assert simulate(tmp_path, rows, "--cc", "none") == 0
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["flows"] == {"done": 3}
    assert summary["drops"] == {}
    # The last packet waits for both other flows: 488 packets of 4178 bytes and one of 1234 each, at 400G.
    last_ps = summary["fct_ps"]["max"]
    others_ps = 2 * (488 * 83_560 + 24_680)
    assert last_ps - last_ps / summary["slowdown"]["max"] == pytest.approx(others_ps, rel=1e-9)
    with (tmp_path / "out/ports.csv").open(newline="") as file:
        sent = {(row["port"], row["priority"]): int(row["tx_frames"]) for row in csv.DictReader(file)}
    assert sent["leaf0:Ethernet0", "3"] == 3 * 489  # ceil(2,000,000 / 4096) packets of each sender


def test_equal_runs_write_equal_bytes(tmp_path: Path) -> None:
    rows = "src,dst,bytes\n" + "".join(f"{host},{(host + 5) % 16},300000\n" for host in range(16))
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert simulate(tmp_path / name, rows, "--routing", "ecmp", "--seed", "3") == 0
        written.append([path.read_bytes() for path in sorted((tmp_path / name / "out").iterdir())])
    assert written[0] == written[1]
    assert len(written[0]) == 3
