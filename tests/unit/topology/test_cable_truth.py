"""What is plugged in otherwise than the fabric says is told, and only that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle import Fabric, InputError, loads
from raddle.cli.main import app
from raddle.topology.views.cable_truth import compare_cables, read_cables
from raddle.topology.views.rows import cable_rows
from tests.fabrics import SMALL_POD

FABRIC = loads(SMALL_POD + "overrides: {links: [{ends: [leaf1, spine1], state: down}]}\n")
HEADER = "a_device,a_port,b_device,b_port"


def rows(fabric: Fabric, from_both_ends: bool = False) -> list[str]:
    cables = [
        ",".join(row[key] for key in ("a_device", "a_port", "b_device", "b_port"))
        for row in cable_rows(fabric)
    ]
    if from_both_ends:
        cables += [",".join(cable.split(",")[2:] + cable.split(",")[:2]) for cable in cables]
    return cables


def told(tmp_path: Path, cables: list[str]) -> list[tuple[str, str, str]]:
    path = tmp_path / "seen.csv"
    path.write_text("\n".join([HEADER, *cables]) + "\n")
    return [(item.code, item.message, item.hint) for item in compare_cables(FABRIC, read_cables(path))]


@pytest.mark.parametrize("from_both_ends", [False, True])
def test_cables_as_listed_are_right(tmp_path: Path, from_both_ends: bool) -> None:
    assert told(tmp_path, rows(FABRIC, from_both_ends)) == []


def test_two_swapped_cables_are_told_with_where_they_belong(tmp_path: Path) -> None:
    cables = rows(FABRIC)
    cables[0], cables[2] = "host0,eth0,leaf1,Ethernet0", "host2,eth0,leaf0,Ethernet0"
    assert told(tmp_path, cables) == [
        (
            "cable-wrong",
            "host0:eth0 leads to leaf1:Ethernet0; it should lead to leaf0:Ethernet0",
            "move that end to leaf0:Ethernet0",
        ),
        (
            "cable-wrong",
            "host2:eth0 leads to leaf0:Ethernet0; it should lead to leaf1:Ethernet0",
            "move that end to leaf1:Ethernet0",
        ),
    ]


def test_missing_cable_is_told_and_one_of_a_link_that_is_down_is_not(tmp_path: Path) -> None:
    cables = [cable for cable in rows(FABRIC) if "spine1" not in cable]
    assert [message for _, message, _ in told(tmp_path, cables)] == [
        "no cable is seen between leaf0:Ethernet24 and spine1:Ethernet0"
    ]


def test_cables_beyond_the_fabric_are_told(tmp_path: Path) -> None:
    extra = [
        "leaf0,Ethernet80,spine0,Ethernet80",
        "laef0,Ethernet0,host0,eth0",
        "leaf1,Ethernet96,host3,eth0",
    ]
    assert told(tmp_path, [*rows(FABRIC), *extra]) == [
        (
            "cable-unknown",
            "leaf0:Ethernet80 and spine0:Ethernet80 should have no cable",
            "unplug it, or list it",
        ),
        ("cable-unknown", "the fabric has no device 'laef0'", "did you mean 'leaf0'?"),
        (
            "cable-wrong",
            "leaf1:Ethernet96 should have no cable",
            "move it to leaf1:Ethernet8, which host3:eth0 leads to",
        ),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the list of cables has no column 'a_device'"),
        ("device,port\nleaf0,Ethernet0\n", "no column 'a_device'"),
        (f"{HEADER}\nleaf0,Ethernet0,spine0\n", "a cable needs two devices and two ports"),
    ],
)
def test_list_that_cannot_be_read_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "seen.csv"
    path.write_text(text)
    with pytest.raises(InputError, match="bad-cable-list") as caught:
        read_cables(path)
    assert message in str(caught.value)


def test_validate_ends_with_1_and_json_lists_what_is_wrong(tmp_path: Path) -> None:
    seen = tmp_path / "seen.csv"
    listed = CliRunner().invoke(app, ["show", "leaf-spine-16", "cables", "--format", "csv"]).stdout
    seen.write_text(listed)
    assert CliRunner().invoke(app, ["validate", "leaf-spine-16", "--cables", str(seen)]).exit_code == 0
    seen.write_text("\n".join(line for line in listed.splitlines() if "host3" not in line))
    result = CliRunner().invoke(app, ["validate", "leaf-spine-16", "--cables", str(seen), "--json"])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["ok"] is False
    assert [item["code"] for item in document["cables"]] == ["cable-missing"]
