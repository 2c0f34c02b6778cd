"""Which flows went over which links, beside what the links' counters say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.run.link_flows import MOST_FLOWS
from raddle.lab.scenario.file import read_scenario
from raddle.lab.scenario.run import run_scenario
from raddle.lab.simulate import SimulateRequest, simulate
from raddle.lab.workloads.flow_file import read_flows
from raddle.report.model import LinkFlows
from raddle.topology import bundled_examples, load

FABRIC = load(bundled_examples()["leaf-spine-16"])
HEADERS = 0.03
"""At most that share of what a link carries is no payload, with frames of 4 KiB of it."""


def of_links(flows: tuple[LinkFlows, ...]) -> dict[str, LinkFlows]:
    return {each.link: each for each in flows}


def test_the_payload_of_a_links_flows_is_what_its_counter_says_without_headers() -> None:
    result = run_bench(FABRIC, BenchRequest("all_reduce", "ring", (1 << 22,), "ecmp"))
    found = of_links(result.link_flows)
    carried = {link.name: link.tx_bytes for link in result.links}
    for name, link in found.items():
        payload = sum(each.bytes for each in link.flows)
        assert payload < carried[name] < payload * (1 + HEADERS) + 100_000, name  # acknowledgements, too
    ring = 2 * 15 * (1 << 22) // 16  # what a rank sends in its 30 steps
    assert [(each.name, each.bytes) for each in found["host3:eth0 -> leaf0:Ethernet24"].flows] == [
        ("rank3 host3 -> rank4 host4", ring)
    ]


def test_flows_of_a_file_keep_their_names_and_a_link_tells_of_those_it_leaves_out(tmp_path: Path) -> None:
    lines = [f"{place},host{place % 12},host15,{1000 + place}" for place in range(20)]
    (tmp_path / "flows.csv").write_text("\n".join(["id,src,dst,bytes", *lines]))
    result = simulate(FABRIC, SimulateRequest(read_flows(FABRIC, tmp_path / "flows.csv"), "ecmp"))
    last = of_links(result.link_flows)["leaf3:Ethernet24 -> host15:eth0"]
    assert (last.count, len(last.flows)) == (20, MOST_FLOWS)
    assert (last.flows[0].name, last.flows[0].bytes) == ("19, host7 -> host15", 1019)


def test_a_scenario_keeps_them_of_its_first_seed_and_samples_it(tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    text = "raddle: 1\nname: trial\nfabric: leaf-spine-16\nseeds: 1-2\n"
    path.write_text(f"{text}jobs: {{a: {{collective: all_reduce, size: 256K}}}}\n")
    result = run_scenario(read_scenario(path), series_ps=5_000_000)
    assert {each.link for each in result.link_flows} <= {link.name for link in result.links}
    assert len(result.link_flows) > 32
    assert max(each.time_ps for each in result.series) < max(ps or 0 for ps in result.jobs[0].times_ps) + 1e9
    page = tmp_path / "run.html"
    words = ["run", str(path), "--html", str(page), "--series", "5us", "--json"]
    document = json.loads(CliRunner().invoke(app, words, catch_exceptions=False).stdout)
    assert "link_flows" not in document["scenarios"][0]
    assert "trial: Fabric leaf-spine-16" in page.read_text()


@pytest.mark.parametrize("command", [["run"], ["workload", "leaf-spine-16"]])
def test_samples_without_a_page_are_refused(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("raddle: 1\nname: a\nfabric: leaf-spine-16\njobs: {}\n")
    words = [command[0], str(tmp_path / "a.yaml"), *command[1:], "--series", "5us"]
    result = CliRunner().invoke(app, words)
    assert "--series is for a page" in str(result.exception)
