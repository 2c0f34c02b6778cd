"""The least and the most of everything: a result, or an error that says what is wrong."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.errors import InputError

NS_PER_M = 5


def simulate(
    folder: Path,
    flow: str = "0,1,100000",
    speed: str = "400G",
    buffer: str = "64MB",
    cable: str = "3m",
    leaves: int = 2,
    roce: str = "pfc: true",
) -> tuple[int, str, dict[str, str]]:
    """Exit code, messages and the flow's row of a run over two leaves and a spine."""
    (folder / "fabric.yaml").write_text(f"""\
raddle: 1
name: extreme
models:
  m: {{hwsku: M, platform: m, ports: 8, port_speed: {speed}, lanes_per_port: 8, buffer: {buffer}, cell: 256B,
      latency: 700ns, source: a test}}
fabric: {{leaves: {{count: {leaves}, model: m}}, spines: {{count: 1, model: m}},
          uplinks: {{speed: {speed}, cable: {cable}}}}}
hosts: {{per_leaf: 1, nics: {{speed: {speed}, cable: {cable}}}}}
roce: {{{roce}}}
""")
    (folder / "flows.csv").write_text(f"src,dst,bytes\n{flow}\n")
    paths = [str(folder / name) for name in ("fabric.yaml", "flows.csv", "out")]
    arguments = ["simulate", paths[0], "--flows", paths[1], "--routing", "ecmp", "-o", paths[2]]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    with (folder / "out/fct.csv").open(newline="") as file:
        return done.exit_code, done.stderr, next(csv.DictReader(file))


@pytest.mark.parametrize("roce", ["dynamic_th: -8", "dynamic_th: 7", "pfc: false"])
def test_lone_flow_has_a_slowdown_of_one_with_any_threshold(tmp_path: Path, roce: str) -> None:
    code, _, flow = simulate(tmp_path, roce=roce)
    assert (code, flow["slowdown"]) == (0, "1.000000")


def test_2_km_of_cable_add_5_ns_a_metre_on_each_of_four_links(tmp_path: Path) -> None:
    near, far = (int(simulate(tmp_path, cable=cable)[2]["fct_ps"]) for cable in ("3m", "2km"))
    assert far - near == 4 * (2000 - 3) * NS_PER_M * 1000


@pytest.mark.parametrize("roce", ["pfc: true", "pfc: false"])
def test_1600G_carries_a_flow(tmp_path: Path, roce: str) -> None:
    code, _, flow = simulate(tmp_path, speed="1.6T", roce=roce)
    assert (code, flow["slowdown"]) == (0, "1.000000")


def test_buffer_smaller_than_a_frame_fails_the_flow_and_says_why(tmp_path: Path) -> None:
    code, says, flow = simulate(tmp_path, buffer="256B", roce="pfc: false")
    assert (code, flow["status"]) == (1, "failed")
    assert "dropped at leaf0" in says


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"speed": "3.2T"}, "no PFC reaction time is known for a port of 3.2T"),
        ({"cable": "0m"}, "'0m' is not a cable length"),
        ({"buffer": "0B"}, "'0B' is not a size"),
        ({"buffer": "256B"}, "lossless headroom leaves no shared buffer"),
        ({"leaves": 1, "flow": "0,0,1"}, "'0' sends to itself"),
        ({"flow": "0,1,-1"}, "'-1' is not a whole number"),
        ({"flow": "0,1,10000000000000000"}, "is not a whole number from 0 to 1000000000000000"),
    ],
)
def test_what_cannot_be_run_is_refused(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    with pytest.raises(InputError) as caught:
        simulate(tmp_path, **changes)  # type: ignore[arg-type]
    assert says in str(caught.value)
