"""`raddle init`: what it writes loads, holds what was asked for, and is non-blocking."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from raddle import Fabric, InputError, load, loads
from raddle.cli.main import app
from raddle.topology.starter import StarterRequest, starter
from raddle.topology.views.bisection import bisection_bps
from raddle.topology.views.capacity import oversubscription
from raddle.topology.yaml.formatting import format_text


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["init", *arguments])


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(["leaf-spine", "rail-optimized", "fat-tree"]),
    accelerators=st.integers(1, 600),
    per_server=st.sampled_from([1, 2, 4, 8, 16]),
    model=st.sampled_from(["white-box-12.8t", "spectrum3-32x400g"]),
)
def test_starter_is_non_blocking_and_large_enough(
    kind: Literal["leaf-spine", "rail-optimized", "fat-tree"], accelerators: int, per_server: int, model: str
) -> None:
    if kind == "leaf-spine" and accelerators > 512:  # two tiers of radix k hold k * k / 2
        with pytest.raises(InputError, match="does-not-fit"):
            starter(StarterRequest("pod", kind, accelerators, per_server, model))
        return
    text = starter(StarterRequest("pod", kind, accelerators, per_server, model))
    fabric = loads(format_text(text, "pod.yaml"))
    assert sum(host.accelerators.count for host in fabric.hosts if host.accelerators) >= accelerators
    assert oversubscription(fabric) <= 1.0
    host_bps = sum(fabric.links[endpoint.link].speed_bps for endpoint in fabric.endpoints)
    assert bisection_bps(fabric) == host_bps // 2
    assert len(fabric.superspines) > 0 or kind != "fat-tree"
    if kind == "rail-optimized":
        rails_by_leaf = {(each.leaf, each.rail) for each in fabric.endpoints}
        assert len(rails_by_leaf) == len({leaf for leaf, _ in rails_by_leaf})


def test_init_writes_a_formatted_file_with_comments(tmp_path: Path) -> None:
    path = tmp_path / "row3.yaml"
    result = run(str(path), "--kind", "rail-optimized", "--accelerators", "256")
    assert (result.exit_code, result.stdout) == (0, "")
    text = path.read_text()
    assert text.startswith("# 256 accelerators or more, 8 to a server, non-blocking.\n")
    assert format_text(text, "row3.yaml") == text
    fabric = loads(text)
    assert (fabric.name, len(fabric.leaves), len(fabric.endpoints)) == ("row3", 8, 256)


def test_init_asks_nothing_off_a_terminal_and_keeps_a_file_that_exists(tmp_path: Path) -> None:
    assert len(loads(run("-").stdout).endpoints) == 64
    path = tmp_path / "pod.yaml"
    path.write_text("mine\n")
    result = run(str(path))
    assert isinstance(result.exception, InputError)
    assert result.exception.diagnostics[0].code == "file-exists"
    assert path.read_text() == "mine\n"
    assert run(str(path), "--force").exit_code == 0
    assert loads(path.read_text()).name == "pod"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--model", "tomahawk4"], "unknown-model"),
        (["--accelerators", "3000", "--model", "white-box-12.8t"], "does-not-fit"),
        (["--per-server", "64", "--model", "white-box-12.8t"], "does-not-fit"),
    ],
)
def test_what_cannot_be_written_is_told(options: list[str], code: str) -> None:
    result = run("-", *options)
    assert isinstance(result.exception, InputError)
    assert [item.code for item in result.exception.diagnostics] == [code]


def made(*options: str) -> Fabric:
    result = run("-", *options)
    assert result.exception is None, result.exception
    return loads(result.stdout)


def test_64_servers_of_8_with_400G_nics_are_one_rail_group_of_51T_switches() -> None:
    """51.2T is 128 ports of 400G: 64 for the servers of a rail and 64 up, and 8 x 64 / 128 = 4 spines."""
    options = ("--kind", "rail-optimized", "--accelerators", "512", "--per-server", "8")
    fabric = made(*options, "--model", "tomahawk5-64x800g", "--nic-speed", "400G")
    assert (len(fabric.leaves), len(fabric.spines), len(fabric.hosts)) == (8, 4, 64)
    assert {link.speed_bps for link in fabric.links} == {400 * 10**9}
    assert oversubscription(fabric) == 1.0


@settings(max_examples=20, deadline=None)
@given(
    ratio=st.sampled_from(["1:1", "1.5", "2:1", "3:1", "7"]),
    kind=st.sampled_from(["leaf-spine", "rail-optimized", "fat-tree"]),
    accelerators=st.integers(8, 300),
)
def test_oversubscription_is_the_most_that_a_leaf_has(ratio: str, kind: str, accelerators: int) -> None:
    fabric = made("--kind", kind, "--accelerators", str(accelerators), "--oversubscription", ratio)
    assert oversubscription(fabric) <= float(ratio.removesuffix(":1")) + 1e-9
    assert len(fabric.endpoints) >= accelerators


def test_given_leaves_spines_and_breakout_are_what_is_written() -> None:
    options = ("--accelerators", "64", "--per-server", "4", "--leaves", "4", "--spines", "8")
    fabric = made(*options, "--model", "tomahawk4-64x400g", "--breakout", "2x200G")
    assert (len(fabric.leaves), len(fabric.spines), len(fabric.hosts)) == (4, 8, 16)
    assert len(fabric.leaves[0].ports) == 128
    assert {link.speed_bps for link in fabric.links} == {200 * 10**9}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--leaves", "2", "--kind", "fat-tree"], "--leaves is for forms of two tiers"),
        (["--spines", "2", "--kind", "fat-tree"], "--spines is for forms of two tiers"),
        (["--leaves", "3", "--kind", "rail-optimized"], "--leaves 3 is not a multiple of 8"),
        (["--leaves", "1", "--accelerators", "100"], "with 1 leaf, which has at most 64"),
        (["--spines", "7", "--accelerators", "2000"], "7 spines with 5 links to each of 63 leaves"),
        (["--nic-speed", "1T"], "NICs of 1T on ports of 400G"),
        (["--nic-speed", "fast"], "--nic-speed: 'fast' is not a"),
        (["--breakout", "2"], "'2' is not a breakout mode"),
        (["--planes", "3"], "the 8 NIC ports of a server cannot go round 3 planes"),
        (["--tors", "2"], "--tors 2 takes NICs of 2 ports and one plane, not 1 and 1"),
        (["--tors", "2", "--nic-ports", "2", "--planes", "2"], "not 2 and 2"),
        (["--bond", "--nic-ports", "2"], "--bond is of NICs on two leaves"),
        (
            ["--tors", "2", "--nic-ports", "2", "--leaves", "3"],
            "--leaves 3 is not a multiple of 2, the leaves of",
        ),
        (["--storage", "much"], "--storage: 'much' is not a"),
        (["--oversubscription", "1:3"], "'1:3' is not a ratio of 1:1 or more"),
    ],
)
def test_an_option_that_cannot_act_is_refused(options: list[str], says: str) -> None:
    result = run("-", *options)
    assert isinstance(result.exception, InputError)
    assert says in str(result.exception)


def test_a_starter_breaks_out_no_further_than_the_chip_allows() -> None:
    """Of Tomahawk 5's cages two share a pipeline of 10 ports, so that not all can have 8."""
    request = StarterRequest("t", "leaf-spine", 64, 8, "tomahawk5-64x800g", nic_bps=100 * 10**9)
    text = starter(request)
    assert "breakout: 4x200G" in text
    loads(text)
    with pytest.raises(InputError, match="cannot have all its ports as 8x100G"):
        starter(replace(request, breakout=(8, 100 * 10**9)))


@pytest.mark.parametrize(
    ("options", "leaves", "spines", "superspines"),
    [
        ((), 2, 2, 1),  # 8 servers on two leaves of 32 ports down
        (("--planes", "8"), 16, 16, 8),  # a plane has a port of each server
        (("--accelerators", "520"), 18, 32, 16),  # 65 servers fill 17 leaves, and pods are alike
    ],
)
def test_pods_of_a_fat_tree_are_as_large_as_the_accelerators_need(
    options: tuple[str, ...], leaves: int, spines: int, superspines: int
) -> None:
    fabric = made("--kind", "fat-tree", "--accelerators", "64", "--model", "tomahawk4-64x400g", *options)
    found = len(fabric.leaves), len(fabric.spines), len(fabric.superspines)
    assert found == (leaves, spines, superspines)


def test_a_whole_fat_tree_is_written_whole() -> None:
    text = starter(StarterRequest("t", "fat-tree", 65536, 8, "tomahawk4-64x400g"))
    assert "pods: 64\n  leaves: {per_pod: 32," in text
    assert "spines: {per_pod: 32," in text
    assert "superspines: {count: 1024," in text


@pytest.mark.parametrize("kind", ["leaf-spine", "rail-optimized", "fat-tree"])
@pytest.mark.parametrize(
    ("options", "planes", "ports"),
    [
        (("--planes", "4"), 4, 8),
        (("--planes", "2", "--nic-ports", "2", "--nic-speed", "200G"), 2, 16),
        (("--tors", "2", "--nic-ports", "2", "--nic-speed", "200G"), 1, 16),
        (("--tors", "2", "--nic-ports", "2", "--nic-speed", "200G", "--bond"), 1, 16),
    ],
)
def test_planes_dual_tors_and_bonds_are_forms_to_start_from(
    kind: str, options: tuple[str, ...], planes: int, ports: int
) -> None:
    fabric = made("--kind", kind, "--accelerators", "500", *options)
    assert len({switch.plane for switch in fabric.switches}) == planes
    assert len(fabric.endpoints) == len(fabric.hosts) * ports
    assert len(fabric.hosts) * 8 >= 500
    assert oversubscription(fabric) <= 1.0
    assert bool(fabric.endpoints[0].twin) == ("--bond" in options)
    if "--tors" in options:
        assert fabric.endpoints[0].leaf != fabric.endpoints[1].leaf


def test_storage_and_front_end_are_networks_of_the_same_servers(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    options = ("--accelerators", "300", "--kind", "rail-optimized", "--planes", "2")
    assert run(str(path), *options, "--storage", "200G", "--front-end", "100G").exit_code == 0
    assert format_text(path.read_text(), "site.yaml") == path.read_text()
    backend, storage, frontend = (load(f"{path}@{name}") for name in ("backend", "storage", "frontend"))
    names = [host.name for host in backend.hosts]
    assert [host.name for host in storage.hosts] == [host.name for host in frontend.hosts] == names
    assert {link.speed_bps for link in storage.links} == {200 * 10**9}
    assert {link.speed_bps for link in frontend.links} == {100 * 10**9}
    assert (len({switch.plane for switch in backend.switches}), frontend.roce.lossless) == (2, ())


@pytest.mark.parametrize("model", ["spectrum3-32x400g", "tomahawk4-64x400g"])
@pytest.mark.parametrize("kind", ["leaf-spine", "rail-optimized"])
def test_planes_that_a_leaf_holds_have_no_spines_until_it_is_full(kind: str, model: str) -> None:
    ports = 32 if model.startswith("spectrum3") else 64
    options = ("--kind", kind, "--per-server", "4", "--planes", "4", "--model", model)
    full = made(*options, "--accelerators", str(4 * ports))
    assert (len(full.leaves), len(full.spines), len(full.links)) == (4, 0, 4 * ports)
    assert len({switch.plane for switch in full.switches}) == 4
    larger = made(*options, "--accelerators", str(4 * ports + 1))
    assert len(larger.leaves) > 4
    assert len(larger.spines) >= 4
    asked = made(*options, "--accelerators", str(4 * ports // 2), "--spines", "1")
    assert (len(asked.leaves), len(asked.spines)) == (4, 4)


def test_networks_that_a_leaf_holds_have_no_spines_either(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    options = (
        "--accelerators",
        "256",
        "--kind",
        "rail-optimized",
        "--storage",
        "400G",
        "--front-end",
        "100G",
    )
    assert run(str(path), *options).exit_code == 0
    backend, storage, frontend = (load(f"{path}@{name}") for name in ("backend", "storage", "frontend"))
    assert len(backend.spines) > 0
    assert [(len(each.leaves), len(each.spines), len(each.links)) for each in (storage, frontend)] == [
        (1, 0, 32)
    ] * 2


@pytest.mark.parametrize("options", [(), ("--planes", "8"), ("--accelerators", "2000")])
def test_the_override_that_a_starter_shows_names_a_link_that_it_has(options: tuple[str, ...]) -> None:
    text = run("-", *options).stdout
    body, _, override = text.partition("# overrides:")
    shown = loads(body + "overrides:" + override.replace("\n#", "\n"))
    assert not all(link.is_up for link in shown.links)


@pytest.mark.parametrize(
    "options",
    [
        ["--planes", "8"],
        ["--planes", "4", "--nic-ports", "2", "--per-server", "4"],
        ["--planes", "8", "--nic-ports", "8", "--per-server", "1"],
        ["--accelerators", "8"],
        ["--kind", "rail-optimized", "--planes", "4", "--accelerators", "512"],
    ],
)
def test_what_is_written_is_planned_and_its_example_takes_one_link_down(
    options: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "pod.yaml"
    assert run(str(path), *options).exit_code == 0
    planned = CliRunner().invoke(app, ["plan", str(path)])
    assert planned.exception is None, planned.exception
    text = path.read_text()
    fabric = loads(
        text.replace("# overrides:", "overrides:")
        .replace("#   links:", "  links:")
        .replace("#     -", "    -")
    )
    per_pair = 1 if "per_pair" not in text else int(text.partition("per_pair: ")[2].split(",")[0])
    assert sum(not link.is_up for link in fabric.links) == per_pair
