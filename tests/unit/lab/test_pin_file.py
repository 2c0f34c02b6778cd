"""PINS.csv: flows take the paths that it gives, and what is wrong with it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.errors import InputError
from raddle.lab.workloads.flow_file import read_flows
from raddle.lab.workloads.pin_carriers import carry_pins, with_pins
from raddle.lab.workloads.pin_file import read_pins
from raddle.topology import find, load, loads
from raddle.topology.model import Fabric, PortRef
from raddle.workload import Workload

ROWS = "id,src,dst,bytes\na,0,9,409600\nb,1,9,409600\nc,2,13,409600\nd,0,1,4096\n"


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return load(find("leaf-spine-16"))


@pytest.fixture
def table(fabric: Fabric, tmp_path: Path) -> Workload:
    path = tmp_path / "flows.csv"
    path.write_text(ROWS)
    return read_flows(fabric, path)


def pin_file(folder: Path, rows: str) -> Path:
    path = folder / "pins.csv"
    path.write_text(rows)
    return path


def test_pinned_flows_take_their_spines(table: Workload, tmp_path: Path) -> None:
    pins = pin_file(
        tmp_path, "flow,path\na,leaf0 spine3 leaf2\nb,leaf0 spine3 leaf2\nc,leaf0 spine1 leaf3\nd,leaf0\n"
    )
    out = tmp_path / "out"
    arguments = ["--flows", str(tmp_path / "flows.csv"), "--pins", str(pins), "-o", str(out)]
    assert (
        CliRunner().invoke(app, ["simulate", "leaf-spine-16", *arguments], catch_exceptions=False).exit_code
        == 0
    )
    frames = {"spine0": 0, "spine1": 0, "spine2": 0, "spine3": 0}
    with (out / "ports.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            switch = row["port"].partition(":")[0]
            if switch in frames and row["port"] in ("spine3:Ethernet16", "spine1:Ethernet24"):
                frames[switch] += int(row["tx_frames"])
    # Data goes down at spine 3 to leaf 2 (two flows of 100 packets) and at spine 1 to leaf 3;
    # acknowledgements come back by a hash.
    assert frames["spine3"] >= 200
    assert frames["spine1"] >= 100


def test_plan_has_a_host_route_for_each_pin(fabric: Fabric, table: Workload, tmp_path: Path) -> None:
    pins = read_pins(fabric, table, pin_file(tmp_path, "flow,path\nc,leaf0 spine1 leaf3\n"))
    before = make_plan(fabric, "ecmp")
    after = with_pins(before, table, pins)
    added = [
        (old.name, route)
        for old, new in zip(before.switches, after.switches, strict=True)
        for route in new.routes
        if route not in old.routes
    ]
    assert {name for name, _ in added} == {"leaf0", "spine1"}
    assert {route.prefix for _, route in added} == {f"{after.endpoints[13][1]}/32"}
    assert all(len(route.next_hops) == 1 and route.origin == "pin" for _, route in added)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("flow;path\n", "pins.csv:1:5: error[bad-header]: columns are separated by ';'"),
        ("flow,path\nx,leaf0\n", "pins.csv:2:1: error[unknown-flow]: flow 'x' is not in the flow file"),
        ("flow,path\na\n", "pins.csv:2:1: error[bad-row]: 1 cells, the header has 2"),
        ("flow,path\na,leaf0 spine9 leaf2\n", "error[unknown-switch]: 'spine9' is no switch"),
        ("flow,path\na,leaf1 spine0 leaf2\n", "path 'leaf1 spine0 leaf2' does not lead from leaf0 to leaf2"),
        ("flow,path\na,leaf0 leaf2\n", "error[bad-path]: no link from 'leaf0' to leaf2"),
        ("flow,path\na,leaf0:Ethernet0 spine0 leaf2\n", "no link from 'leaf0:Ethernet0' to spine0"),
        ("flow,path\na,\n", "does not lead from leaf0 to leaf2"),
        ("flow,path\nd,leaf0\nd,leaf0\n", "pins.csv:3:1: error[duplicate-id]: flow 'd' has two paths"),
        ('flow,path\n"a\n', "error[unreadable-pins]"),
    ],
)
def test_bad_pins_are_named_with_their_line(
    fabric: Fabric, table: Workload, tmp_path: Path, rows: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_pins(fabric, table, pin_file(tmp_path, rows))
    assert message in str(caught.value)


def test_paths_to_one_destination_that_part_are_named_with_their_flows(
    fabric: Fabric, table: Workload, tmp_path: Path
) -> None:
    rows = "flow,path\na,leaf0 spine3 leaf2\nb,leaf0 spine2 leaf2\n"
    pins = read_pins(fabric, table, pin_file(tmp_path, rows))
    with pytest.raises(InputError) as caught:
        with_pins(make_plan(fabric, "ecmp"), table, pins)
    message = str(caught.value)
    assert "pins.csv:3:1: error[pin-conflict]: flow 'b' to host9 would leave leaf0 by" in message
    assert "pins.csv:2:1: the path of flow 'a'" in message


def data_frames_up(fabric: Fabric, out: Path, leaf: str) -> dict[str, int]:
    """Data frames that a leaf sent to each spine; what is less than 50 of them are acknowledgements."""
    with (out / "ports.csv").open(newline="") as file:
        rows = [(row["port"].split(":"), int(row["tx_bytes"]) // 4158) for row in csv.DictReader(file)]
    sent = {PortRef(*end): frames for end, frames in rows if end[0] == leaf and frames > 50}
    return {fabric.link_by_port[port].b.device: frames for port, frames in sent.items()}


@pytest.mark.parametrize("carrier", ["auto", "udp-source-port"])
def test_an_incast_over_two_spines_keeps_its_paths_by_source_ports(tmp_path: Path, carrier: str) -> None:
    pod = tmp_path / "pod.yaml"
    pod.write_text(
        "raddle: 1\nname: pod\nfabric: {leaves: {count: 4}, spines: {count: 4}}\nhosts: {per_leaf: 4}\n"
        f"routing: {{pins: {carrier}}}\n"
    )
    (tmp_path / "flows.csv").write_text(
        "id,src,dst,bytes\na,0,9,409600\nb,1,9,409600\nc,2,9,819200\nd,0,9,409600\n"
    )
    spines = {"a": 3, "b": 1, "c": 2, "d": 0}  # two flows of one pair part, too
    rows = "".join(f"{flow},leaf0 spine{spine} leaf2\n" for flow, spine in spines.items())
    arguments = ["simulate", str(pod), "--flows", str(tmp_path / "flows.csv"), "-o", str(tmp_path / "out")]
    arguments += ["--pins", str(pin_file(tmp_path, f"flow,path\n{rows}"))]
    run = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "4 paths are kept by the UDP source ports" in run.stderr
    up = data_frames_up(load(pod), tmp_path / "out", "leaf0")
    assert up == {"spine3": 100, "spine1": 100, "spine2": 200, "spine0": 100}


def test_the_path_of_one_flow_is_that_of_all_flows_of_its_queue_pair(fabric: Fabric, tmp_path: Path) -> None:
    (tmp_path / "flows.csv").write_text(
        "id,src,dst,bytes,qp\na,0,9,409600,x\nb,0,9,819200,x\nc,1,9,409600,\n"
    )
    table = read_flows(fabric, tmp_path / "flows.csv")
    paths = pin_file(tmp_path, "flow,path\na,leaf0 spine3 leaf2\nc,leaf0 spine1 leaf2\n")
    carried = carry_pins(fabric, make_plan(fabric, "ecmp"), table, read_pins(fabric, table, paths))
    assert carried.carrier == "udp-source-port"
    assert carried.ports is not None
    assert (carried.ports[:, 0] >= 0xC000).all()


@pytest.mark.parametrize(
    "path", ["leaf0 spine3 leaf1 spine2 leaf2", "leaf0 spine0 leaf1 spine1 leaf3 spine2 leaf2"]
)
def test_paths_that_turn_up_again_are_no_matter_of_source_ports(
    table: Workload, tmp_path: Path, path: str
) -> None:
    fabric = loads(
        "raddle: 1\nname: pod\nfabric: {leaves: {count: 4}, spines: {count: 4}}\nhosts: {per_leaf: 4}\n"
        "routing: {pins: udp-source-port}\n"
    )
    pins = read_pins(fabric, table, pin_file(tmp_path, f"flow,path\na,{path}\n"))
    with pytest.raises(InputError, match=r"pins.csv:2:1: error\[bad-path\]: a source port cannot keep it"):
        carry_pins(fabric, make_plan(fabric, "ecmp"), table, pins)


def test_policy_routes_part_flows_to_one_destination_of_two_sources_alone(
    table: Workload, tmp_path: Path
) -> None:
    model = "{ports: 8, port_speed: 400G, buffer: 64MiB, features: [policy-routing]}"
    text = (
        f"raddle: 1\nname: pod\nmodels: {{m: {model}}}\nfabric: {{leaves: {{count: 4, model: m}}, "
        "spines: {count: 4, model: m}}\nhosts: {per_leaf: 4}\nrouting: {pins: policy-route}\n"
    )
    fabric = loads(text)
    pins = read_pins(
        fabric, table, pin_file(tmp_path, "flow,path\na,leaf0 spine3 leaf2\nb,leaf0 spine2 leaf2\n")
    )
    carried = carry_pins(fabric, make_plan(fabric, "ecmp"), table, pins)
    own = {
        each.name: [(p.src, p.dst, p.next_hop.port) for p in each.policies] for each in carried.plan.switches
    }
    assert carried.carrier == "policy-route"
    assert len({port for _, _, port in own["leaf0"]}) == len(own["leaf0"]) == 2
    assert len(own["spine3"]) == len(own["spine2"]) == 1
    bare = loads(text.replace(", features: [policy-routing]", ""))
    with pytest.raises(InputError, match="m does not declare 'policy-routing'"):
        carry_pins(bare, make_plan(bare, "ecmp"), table, pins)


def test_pins_and_pinned_routing_exclude_each_other(table: Workload, tmp_path: Path) -> None:
    pins = pin_file(tmp_path, "flow,path\nd,leaf0\n")
    arguments = ["--flows", str(tmp_path / "flows.csv"), "--pins", str(pins), "--routing", "pinned"]
    with pytest.raises(InputError, match="--pins gives the paths"):
        CliRunner().invoke(
            app, ["simulate", "leaf-spine-16", *arguments, "-o", str(tmp_path)], catch_exceptions=False
        )
