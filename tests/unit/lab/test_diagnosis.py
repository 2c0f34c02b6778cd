"""Logs of faulted fabrics, written by the engine, lead back to the fault and its place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.causes import Faulted, draw, fabric_of, logs_of, read_set
from raddle.cli.main import app
from raddle.lab.expect.cases import Assumed
from raddle.lab.expect.diagnose import diagnose


@pytest.mark.parametrize("kind", ["nic", "straggler", "oversubscription", "host-bus"])
def test_a_set_of_logs_names_the_cause_and_where_it_is(kind: str, tmp_path: Path) -> None:
    faulted, place = draw(kind, 7)
    logs = read_set(logs_of(faulted), tmp_path)
    best = diagnose(fabric_of(), list(logs.values()), Assumed()).causes[0]
    assert best.cause == kind
    # What slows a host or the uplinks of a leaf slows the other host of the leaf, too: a tie is named.
    places = re.split(", | or ", best.where)
    assert place in places if kind in ("straggler", "oversubscription") else places == [place]


def test_logs_of_a_sound_fabric_are_as_expected(tmp_path: Path) -> None:
    logs = read_set(logs_of(Faulted(fabric_of())), tmp_path)
    assert [cause.cause for cause in diagnose(fabric_of(), list(logs.values()), Assumed()).causes] == [
        "as-expected"
    ]


def test_the_command_prints_causes_their_evidence_and_the_next_test(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(
        "raddle: 1\nname: pod\nfabric: {leaves: {count: 2}, spines: {count: 2}}\n"
        "hosts: {per_leaf: 2, nics: {speed: 400G}}\nrouting: {policy: pinned}\n"
    )
    ranks = "".join(f"#  Rank {n} Group  0 Pid  1 on host{n} device  0 [0x00] H100\n" for n in range(4))
    row = "  268435456   67108864  float  sum  -1   32900.0   8.16   12.24  0   32900.0   8.16   12.24  0\n"
    head = "#  size  count  type  redop  root  time  algbw  busbw  #wrong  time  algbw  busbw  #wrong\n"
    (tmp_path / "run.log").write_text(f"# Collective test starting: all_reduce_perf\n{ranks}{head}{row}")
    words = ["expect", str(tmp_path / "pod.yaml"), "--log", str(tmp_path / "run.log")]
    text = CliRunner().invoke(app, words, catch_exceptions=False).stdout
    assert "  268435456      12.24      " in text
    assert (
        "- NIC, rail or port slow or missing, host0:eth0, host1:eth0, host2:eth0 or host3:eth0: up at" in text
    )
    assert "next: " in text
    document = json.loads(CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False).stdout)
    assert document["causes"][0]["cause"] == "nic"
    assert document["logs"][0]["expected_gbs"] == pytest.approx(400 / 8 * 4096 / (4178 + 86), rel=0.01)
    assert {cause["cause"] for cause in document["causes"]} >= {"nic", "host-bus"}
    refused = CliRunner().invoke(app, [*words, "-b", "1M"])
    assert "the logs say what ran, and -b would say it again" in str(refused.exception)
