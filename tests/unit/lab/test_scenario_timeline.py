"""The timeline of `raddle run`: what goes wrong, what the controller does about it, and recovery."""

from __future__ import annotations

from pathlib import Path

import pytest

from raddle.cli.run_options import RunOptions
from raddle.errors import InputError
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.scenario.file import read_scenario
from raddle.lab.scenario.run import run_scenario
from raddle.lab.workloads.ranks import Scope
from raddle.topology import load

HEAD = (
    "raddle: 1\nname: trial\nfabric: pod.yaml\nrouting: pinned\ncongestion_control: none\ndetection: 50us\n"
)
POD = "raddle: 1\nname: pod\nfabric: {leaves: {count: 2}, spines: {count: 4}}\nhosts: {per_leaf: 4}\n"
RING = "jobs:\n  train: {collective: all_reduce, algorithm: ring, size: 4M, placement: strided}\n"
PAIR = "jobs:\n  train: {collective: send_recv, algorithm: direct, size: 4M, hosts: 'host[0,4]'}\n"
STEPS = 2 * (8 - 1)
SOON = "{notification: 0us, computation: 0us, push: 10us, hardware: 0us}"


def measured(folder: Path, text: str, *of: str, pod: str = POD) -> dict[str, float | None]:
    """What the run of a scenario comes to."""
    (folder / "pod.yaml").write_text(pod)
    path = folder / "scenario.yaml"
    lines = "".join(f"  - {each} >= 0{UNITS.get(each, '')}\n" for each in of)
    path.write_text(text + (f"expect:\n{lines}" if of else ""))
    result = run_scenario(read_scenario(path))
    return {each.measured: each.values[0] for each in result.verdicts}


UNITS = {"train.time": "s", "train.recovery": "s", "recovery": "s", "a.time": "s", "b.time": "s"}


@pytest.mark.parametrize("fidelity", ["packet", "fluid"])
def test_a_slow_link_is_as_one_that_the_fabric_has_at_that_speed(tmp_path: Path, fidelity: str) -> None:
    head = f"fidelity: {fidelity}\n{HEAD}{PAIR}"
    slowed = measured(
        tmp_path, head + "timeline: {what: slow-link, where: host4, from: 0s, value: 100G}\n", "train.time"
    )
    built = measured(
        tmp_path, head, "train.time", pod=POD + "overrides: {links: [{ends: [leaf1, host4], speed: 100G}]}\n"
    )
    # Pauses come elsewhere: the buffers of a port that was planned for 100G are others.
    assert slowed["train.time"] == pytest.approx(built["train.time"], rel=2e-3 if fidelity == "packet" else 0)
    whole = measured(tmp_path, head, "train.time")["train.time"]
    assert whole
    assert slowed["train.time"] == pytest.approx(4 * whole, rel=0.03)


def test_a_slow_link_is_as_fast_as_before_once_that_ends(tmp_path: Path) -> None:
    half = "timeline: {what: slow-link, where: host4, from: 0s, until: 40us, value: 100G}\n"
    whole = measured(tmp_path, HEAD + PAIR, "train.time")["train.time"]
    found = measured(tmp_path, HEAD + PAIR + half, "train.time")["train.time"]
    assert whole
    assert found == pytest.approx(whole + 0.75 * 40e6, rel=0.01)  # it sent a quarter meanwhile


def test_every_message_of_a_straggler_is_late_and_a_chunk_passes_it_twice(tmp_path: Path) -> None:
    late = "timeline: {what: straggler, where: host3, from: 0s, value: 50us}\n"
    usual = measured(tmp_path, HEAD + RING, "train.time")["train.time"]
    found = measured(tmp_path, HEAD + RING + late, "train.time")["train.time"]
    assert usual
    assert STEPS // 8 + 1 == 2
    assert found == pytest.approx(usual + 2 * 50e6, abs=3e6)


def test_the_first_messages_of_a_straggler_are_late_too(tmp_path: Path) -> None:
    late = "timeline: {what: straggler, where: host0, from: 0s, value: 50us}\n"
    usual = measured(tmp_path, HEAD + PAIR, "train.time")["train.time"]
    found = measured(tmp_path, HEAD + PAIR + late, "train.time")["train.time"]
    assert usual
    assert found == pytest.approx(usual + 50e6, abs=2e6)  # acknowledgements no longer meet data


def test_a_drain_by_the_controller_loses_nothing_and_empties_the_switch(tmp_path: Path) -> None:
    drain = f"controller: {SOON}\ntimeline: {{what: drain, where: spine1, from: 50us}}\n"
    found = measured(tmp_path, HEAD + RING + drain, "drops", "train.recovery", "train.jct_ratio")
    assert found["drops"] == 0
    assert found["train.jct_ratio"]
    assert 1.0 < found["train.jct_ratio"] < 2.2  # 4 flows of a leaf over 3 spines: two share a link
    later = drain.replace("{what: drain", "\n  - {what: drain").rstrip() + "\n"
    cut = later + "  - {what: down, where: spine1, from: 150us}\n"
    assert measured(tmp_path, HEAD + RING + cut, "drops")["drops"] == 0


def test_a_cut_that_pins_lead_over_ends_when_the_controller_has_planned_anew(tmp_path: Path) -> None:
    """No timeout, as acknowledgements come back: what is sent again goes the new way at once."""
    cut = "timeline: {what: down, where: 'leaf0:spine1', from: 50us}\n"
    alone = measured(tmp_path, "until: 5ms\n" + HEAD + RING + cut, "train.recovery")
    assert alone == {"train.recovery": None, "train.done": pytest.approx(alone["train.done"])}
    assert alone["train.done"] != 1.0
    control = "controller: {notification: 100us, computation: 200us, push: 10us, hardware: 5us}\n"
    found = measured(tmp_path, HEAD + RING + control + cut, "train.recovery", "drops")
    assert found["train.done"] == 1.0
    assert found["drops"]
    assert found["train.recovery"]
    assert found["train.recovery"] >= 350e6  # detection, hearing, planning


def test_recovery_is_from_the_cut_to_the_detour(tmp_path: Path) -> None:
    """A flap shorter than the timeout: data that is lost is asked for as soon as later packets arrive."""
    dark = "timeline: {what: down, where: 'host4', from: 20us, until: 50us}\n"
    found = measured(tmp_path, HEAD + PAIR + dark, "train.recovery", "train.time")
    assert found["train.recovery"]
    assert 30e6 <= found["train.recovery"] <= 40e6  # dark, a NAK there, and what was lost here
    undisturbed = measured(tmp_path, HEAD + PAIR + "timeline: {what: replan, from: 20us}\n", "recovery")
    assert undisturbed["recovery"] is not None
    assert undisturbed["recovery"] <= 2e6  # two looks, of a microsecond each


def test_up_ends_the_cut_of_every_link_of_a_switch(tmp_path: Path) -> None:
    head = HEAD + RING
    twice = (
        "timeline:\n  - {what: down, where: spine1, from: 50us}\n  - {what: up, where: spine1, from: 90us}\n"
    )
    once = "timeline: {what: down, where: spine1, from: 50us, until: 90us}\n"
    found = [measured(tmp_path, head + each, "train.time", "drops") for each in (twice, once)]
    assert found[0] == found[1]
    assert found[0]["drops"]


def test_a_tenant_that_is_added_does_not_slow_the_one_that_is_there(tmp_path: Path) -> None:
    pod = (
        POD + "tenants:\n  - {name: blue, hosts: 'host[0,1,4,5]'}\n  - {name: red, hosts: 'host[2,3,6,7]'}\n"
    )
    ring = "collective: all_reduce, algorithm: ring, placement: strided"
    jobs = f"jobs:\n  a: {{{ring}, tenant: blue, size: 8M}}\n  b: {{{ring}, tenant: red, size: 2M}}\n"
    added = f"controller: {SOON}\ntimeline: {{what: tenant, where: red, from: 50us}}\n"
    found = measured(tmp_path, HEAD + jobs + added, "a.jct_ratio", "b.jct_ratio", "drops", pod=pod)
    assert found["a.jct_ratio"] == pytest.approx(1, abs=0.01)
    assert found["b.jct_ratio"] == pytest.approx(1, abs=0.01)
    late = (HEAD + jobs).replace("tenant: blue", "tenant: red")
    with pytest.raises(InputError, match="every job is of a tenant that is added later"):
        measured(tmp_path, late + added, "drops", pod=pod)


def test_a_scenario_and_the_controller_option_have_the_same_controller(tmp_path: Path) -> None:
    """Of a cut both make the same repair at the same instants, and the job ends at the same picosecond."""
    (tmp_path / "pod.yaml").write_text(POD)
    path = tmp_path / "scenario.yaml"
    path.write_text(
        HEAD.replace("pinned", "ecmp")
        + "controller: {notification: 40us, computation: 30us, push: 20us, hardware: 10us}\n"
        "seeds: 3\n" + RING + "timeline: {what: down, where: 'leaf0:spine1', from: 50us}\n"
    )
    result = run_scenario(read_scenario(path))
    fabric = load(tmp_path / "pod.yaml")
    options = RunOptions(
        routing="ecmp", cc="none", seed=3, detection="50us", fail=["leaf0:spine1@50us"], controller=True,
        controller_delay=["notification=40us", "computation=30us", "push=20us", "hardware=10us"],
        fidelity="packet",
    )  # fmt: skip
    model = options.fabric_of(fabric)
    request = BenchRequest(
        "all_reduce", "ring", (4 << 20,), "ecmp", (Scope("strided", seed=3),), options.settings(model)
    )
    (row,) = run_bench(model, request).rows
    assert result.repairs == row.repairs
    assert result.jobs[0].times_ps == (row.time_ps,)
    assert [(each.heard_ps, each.done_ps) for each in result.repairs] == [(140_000_000, 200_000_000)]


def test_orders_alone_lead_around_dead_links_only_when_they_are_given(tmp_path: Path) -> None:
    """The stages of an order: computation, a push for each round, hardware."""
    (tmp_path / "pod.yaml").write_text(POD)
    path = tmp_path / "scenario.yaml"
    text = (
        HEAD
        + "controller: {repairs: false, notification: 1us, computation: 7us, push: 20us, hardware: 3us}\n"
        + RING
    )
    cut = "timeline:\n  - {what: down, where: 'leaf0:spine1', from: 50us}\n"
    path.write_text(text + "until: 5ms\n" + cut)
    stuck = run_scenario(read_scenario(path))
    assert (stuck.repairs, stuck.jobs[0].times_ps) == ((), (None,))
    path.write_text(text + cut + "  - {what: replan, from: 300us}\n")
    (order,) = run_scenario(read_scenario(path)).repairs
    assert (order.told, order.lost) == (("replan",), ("leaf0:Ethernet40 - spine1:Ethernet0",))
    assert order.heard_ps == 300_000_000
    rounds, rest = divmod(order.done_ps - order.heard_ps - 10_000_000, 20_000_000)
    assert rounds >= 1
    assert rest == 0
    assert order.routes > 0


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("what: up, where: spine1, from: 1ms", "no 'down' above has cut spine1:"),
        ("what: down, from: 1ms", "'where' is missing"),
        ("what: down, where: spine1, from: 1ms, value: 3", "a cut has no value"),
        ("what: drain, where: spine9, from: 1ms", "'spine9' is no endpoint"),
        ("what: drain, where: spine1, from: 1ms, until: 1us", "it ends at '1us'"),
        ("what: drain, where: leaf1, from: 1ms", "without leaf1 nothing reaches host4 and 3 more"),
        ("what: replan, where: spine1, from: 1ms", "'where' says nothing of a 'replan'"),
        ("what: replan, from: 1ms, until: 2ms", "'until' says nothing of a 'replan'"),
        ("what: tenant, where: red, from: 1ms", "the fabric has no tenant 'red'"),
        ("what: slow-link, where: host3, from: 0s, value: 800G", "800G is no less than"),
        ("what: slow-link, where: host3, from: 0s, value: 400G", "400G is no less than"),
        ("what: slow, where: host0, from: 0s, value: 800G", "800G is no less than host0:eth0 -"),
        (
            "what: drain, where: host0, from: 1ms",
            "'host0:eth0' leads to a host, and no route leads around it",
        ),
        ("what: drain, where: 'leaf0:Ethernet0', from: 1ms", "leads to a host"),
        ("what: straggler, where: host33, from: 0s, value: 1us", "'host33' is no host"),
        ("what: straggler, where: host3, from: 0s", "'straggler' needs a value"),
    ],
)
def test_what_is_wrong_with_an_event_is_told_with_its_place(tmp_path: Path, event: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        measured(tmp_path, f"{HEAD}{RING}timeline:\n  - {{{event}}}\n")
    (found,) = raised.value.diagnostics
    assert (found.code, str(found.span)) == ("bad-faults", f"{tmp_path}/scenario.yaml:10:5")
    assert words in found.message
