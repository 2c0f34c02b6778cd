"""Logs of faulted fabrics, written by the engine, lead back to the fault and its place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

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


def perftest(folder: Path, pairs: dict[tuple[int, int], float]) -> list[str]:
    """Logs of pairs of hosts of leaf-spine-16, by what each reached in Gb/s."""
    words = []
    for (src, dst), gbps in pairs.items():
        path = folder / f"{src}-{dst}.log"
        gids = [f" GID: {'00:' * 10}255:255:10:00:00:{1 + 2 * host:02d}\n" for host in (src, dst)]
        path.write_text(
            "                    RDMA_Write BW Test\n Number of qps   : 1\n"
            f" local address: LID 0000 QPN 0x0123 PSN 0x1\n{gids[0]}"
            f" remote address: LID 0000 QPN 0x0124 PSN 0x2\n{gids[1]}"
            " #bytes     #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   MsgRate[Mpps]\n"
            f" 1048576    5000           {gbps}              {gbps}                0.0118\n"
        )
        words += ["--log", str(path)]
    return words


def diagnosed(folder: Path, fabric: str, pairs: dict[tuple[int, int], float]) -> dict[str, Any]:
    words = ["expect", fabric, *perftest(folder, pairs), "--json"]
    found: dict[str, Any] = json.loads(CliRunner().invoke(app, words, catch_exceptions=False).stdout)
    return found


TWELVE = {(a, b): 391.8 for a in (0, 1) for b in (4, 5, 8, 9, 12, 13)}


@pytest.mark.parametrize(
    "good", [{(0, 8): 391.8, (4, 8): 391.8}, {**TWELVE, (4, 8): 391.8}], ids=["three logs", "twelve more"]
)
def test_a_pair_whose_nics_others_clear_is_slowed_by_a_link_between_its_leaves(
    good: dict[tuple[int, int], float], tmp_path: Path
) -> None:
    found = diagnosed(tmp_path, "leaf-spine-16", {**good, (0, 4): 98.0})
    (cause,) = found["causes"]
    assert (cause["cause"], cause["what"]) == ("link", "up at 100G, not 400G")
    ends = {tuple(part.split(":")[0] for part in place.split(" - ")) for place in cause["places"]}
    assert ends <= {(leaf, f"spine{n}") for leaf in ("leaf0", "leaf1") for n in range(4)}
    assert "host0 and host4 from host memory: 4.00 times its time" in cause["evidence"][0]
    assert "show interfaces" in found["next_test"]


SINGLE = """\
raddle: 1
name: leaf-spine-16
fabric: {kind: leaf-spine, leaves: {count: 4}, spines: {count: 1}}
hosts: {per_leaf: 4, nics: {speed: 400G}}
"""


def test_what_no_cause_explains_is_never_as_expected(tmp_path: Path) -> None:
    """With one spine, pairs beside the slow one clear the links, too; on one leaf there are none."""
    (tmp_path / "single.yaml").write_text(SINGLE)
    beside = {(0, 8): 391.8, (4, 8): 391.8, (1, 5): 391.8, (0, 4): 98.0}
    on_leaf = {(0, 1): 98.0, (0, 4): 391.8, (1, 4): 391.8}
    for fabric, pairs in ((str(tmp_path / "single.yaml"), beside), ("leaf-spine-16", on_leaf)):
        found = diagnosed(tmp_path, fabric, pairs)
        assert [cause["cause"] for cause in found["causes"]] == ["unexplained"]
        assert "from host memory what was measured" in found["causes"][0]["what"]
        assert found["next_test"].startswith("the same test again")


def test_a_slow_pair_alone_may_be_a_nic_or_a_link(tmp_path: Path) -> None:
    found = diagnosed(tmp_path, "leaf-spine-16", {(0, 4): 98.0})
    assert [cause["cause"] for cause in found["causes"]] == ["nic", "link"]
    assert "for each NIC" in found["next_test"]
