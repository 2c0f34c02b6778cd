"""What scenarios measure beside times: fairness, convergence, the closed form; and streams beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from raddle.errors import InputError
from raddle.lab.run.rates import Rates, jain
from raddle.lab.scenario.file import read_scenario
from raddle.lab.scenario.run import run_scenario
from raddle.report.scenario import ScenarioResult

US = 10**6
POD = "raddle: 1\nname: pod\nfabric: {leaves: {count: 2}, spines: {count: 4}}\nhosts: {per_leaf: 4}\n"
HEAD = "raddle: 1\nname: trial\nfabric: pod.yaml\nrouting: pinned\ncongestion_control: none\n"


def scenario(folder: Path, text: str) -> Path:
    (folder / "pod.yaml").write_text(POD)
    path = folder / "scenario.yaml"
    path.write_text(HEAD + text)
    return path


def judged(folder: Path, text: str) -> ScenarioResult:
    return run_scenario(read_scenario(scenario(folder, text)))


def values(result: ScenarioResult) -> dict[str, float | None]:
    return {each.measured: each.values[0] for each in result.verdicts}


class Receiving:
    """Two queue pairs that receive 10 packets in each look: one nine of them, from 500 us on five."""

    now_ps = 0

    def received_packets(self) -> NDArray[np.uint64]:
        looks = self.now_ps // (10 * US)
        early = min(looks, 50)
        late = looks - early
        return np.array([9 * early + 5 * late, early + 5 * late], np.uint64)


def test_rates_converge_when_the_last_window_of_uneven_ones_is_over() -> None:
    simulation = Receiving()
    rates = Rates(simulation, 2)  # type: ignore[arg-type]
    while rates.next_ps <= 1000 * US:
        simulation.now_ps = rates.next_ps
        rates.take()
    both = np.array([0, 1], np.int32)
    assert rates.converged_ps(both, 0, 1000 * US, 0.95) == 500 * US
    assert rates.converged_ps(both, 500 * US, 1000 * US, 0.95) == 0
    assert rates.converged_ps(both, 0, 400 * US, 0.95) is None
    assert rates.converged_ps(both, 0, 1000 * US, 0.5) == 0


def test_jain_is_one_of_equal_rates_and_one_nth_where_one_has_all() -> None:
    assert jain(np.array([[3.0, 3.0, 3.0, 3.0], [8.0, 0.0, 0.0, 0.0], [0.0] * 4])).tolist() == [1, 0.25, 1]


def test_a_ring_takes_the_time_of_its_closed_form_and_loads_all_uplinks_alike(tmp_path: Path) -> None:
    text = (
        "jobs:\n  train: {collective: all_reduce, algorithm: ring, size: 16M, placement: strided}\n"
        "expect: [train.ideal_ratio <= 1.05, train.ideal_ratio >= 0.95, link_jain >= 0.99, sent_again == 0,"
        " cnps == 0]\n"
    )
    result = judged(tmp_path, text)
    assert result.ok, result.verdicts


def test_one_flow_over_one_of_many_links_has_the_jain_index_of_that(tmp_path: Path) -> None:
    """16 directions between switches, of which data and its acknowledgements go over two each."""
    text = (
        "jobs:\n  one: {collective: send_recv, algorithm: direct, size: 4M, hosts: 'host[0,4]'}\n"
        "expect: [link_jain >= 0]\n"
    )
    index = values(judged(tmp_path, text))["link_jain"]
    assert index
    assert 2 / 16 <= index <= 4 / 16


def test_a_stream_sends_at_its_rate_and_takes_that_much_of_a_link(tmp_path: Path) -> None:
    """40G of payload both ways for 400 us at 400G: 4178 of 4096 bytes with headers, and acknowledgements."""
    text = (
        "jobs:\n"
        "  other: {stream: 40G, size: 16K, from: 'host[0,1]', to: 'host[4,5]', for: 400us, both_ways: true}\n"
        "expect: [max_link_load <= 12%, max_link_load >= 10%, other.time >= 390us, other.time <= 410us]\n"
    )
    result = judged(tmp_path, text)
    assert result.ok, result.verdicts
    assert result.jobs[0].ranks == 4


def test_a_scenario_takes_variables_for_itself_and_its_fabric(tmp_path: Path) -> None:
    text = (
        "variables: {size: 1M, spines: 2}\nfabric_variables: {spines: '${spines}'}\n"
        "jobs: {train: {collective: all_reduce, size: '${size}'}}\n"
    )
    path = scenario(tmp_path, text)
    pod = POD.replace("name: pod\n", "name: pod\nvariables: {spines: 4}\n")
    (tmp_path / "pod.yaml").write_text(pod.replace("spines: {count: 4}", "spines: {count: '${spines}'}"))
    assert len(read_scenario(path).fabric.spines) == 2
    other = read_scenario(path, {"spines": "3", "size": "2M"})
    assert len(other.fabric.spines) == 3
    assert other.digest != read_scenario(path).digest
    with pytest.raises(InputError, match="unknown-variable"):
        read_scenario(path, {"leaves": "3"})


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("{stream: 40G, size: 16K, from: host0, to: host4}", "'for' is missing"),
        ("{stream: 40G, size: 16K, from: host0, to: 'host[4,5]', for: 1ms}", "1 accelerators send to 2"),
        (
            "{stream: 900G, size: 16K, from: host0, to: host4, for: 1us}",
            "900G is more than host0 sends, 400G",
        ),
        ("{stream: 40G, size: 16K, from: host0, to: host0, for: 1us}", "share a NIC"),
        ("{stream: 40G, size: 0, from: host0, to: host4, for: 1ms}", "messages of a stream are not empty"),
        ("{stream: 40G, size: 1K, from: host0, to: host4, for: 1s}", "is more than 1000000"),
        (
            "{stream: 40G, size: 1K, from: host0, to: host4, for: 1ms, root: 1}",
            "'root' says nothing of a",
        ),
        ("{collective: all_reduce, size: 1M, to: host4}", "'to' says nothing of a collective"),
        ("{collective: all_reduce, size: 1M, stream: 40G}", "one of 'collective', 'workload' and 'stream'"),
    ],
)
def test_what_is_wrong_with_a_stream_is_told_with_its_place(tmp_path: Path, job: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        read_scenario(scenario(tmp_path, f"jobs:\n  other: {job}\n"))
    assert words in str(raised.value)
    assert "scenario.yaml:7:" in str(raised.value)


def test_links_between_switches_are_not_judged_where_there_are_none(tmp_path: Path) -> None:
    path = scenario(tmp_path, "jobs: {a: {collective: all_reduce, size: 1M}}\nexpect: link_jain >= 0.9\n")
    (tmp_path / "pod.yaml").write_text(
        "raddle: 1\nname: pod\nfabric: {leaves: {count: 1}}\nhosts: {per_leaf: 4}\n"
    )
    with pytest.raises(InputError, match="is of links between switches, and there are none"):
        read_scenario(path)
