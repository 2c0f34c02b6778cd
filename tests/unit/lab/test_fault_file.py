"""Fault files and --fail: what is read, and what the reader of a bad one sees."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from raddle.errors import InputError
from raddle.lab.run.faults import changes, parse_failure, read_faults
from raddle.sim import NEVER
from raddle.topology import bundled_examples, load
from raddle.topology.model import PortRef

FABRIC = load(bundled_examples()["leaf-spine-16"])
US = 10**6


def test_flap_is_down_for_the_first_half_of_every_period(tmp_path: Path) -> None:
    path = tmp_path / "faults.csv"
    path.write_text("what,where,from,until,value\nflap,host3,10us,40us,20us\n")
    found = [(change.time_ps // US, change.is_start) for change in changes(read_faults(FABRIC, path))]
    assert found == [(10, True), (20, False), (30, True), (40, False)]


def test_failure_names_a_link_by_either_of_its_ports() -> None:
    (fault,) = parse_failure(FABRIC, "leaf0:Ethernet32@20us..1ms")
    assert (fault.port, fault.from_ps, fault.until_ps) == (PortRef("leaf0", "Ethernet32"), 20 * US, 1000 * US)
    assert [each.until_ps for each in parse_failure(FABRIC, "host3@5us")] == [NEVER]


def test_failure_of_a_switch_or_a_host_is_that_of_all_its_links(tmp_path: Path) -> None:
    spine = parse_failure(FABRIC, "spine1@5us..9us")
    assert {fault.port for fault in spine} == {
        port for port in FABRIC.link_by_port if port.device == "spine1"
    }
    assert {(fault.from_ps, fault.until_ps) for fault in spine} == {(5 * US, 9 * US)}
    rails = load(bundled_examples()["rail-256-h100"])
    nics = {str(fault.port) for fault in parse_failure(rails, "host0@5us")}
    assert nics == {f"host0:{endpoint.nic}" for endpoint in rails.endpoints if endpoint.host == 0}
    assert len(nics) == 8
    path = tmp_path / "faults.csv"
    path.write_text("what,where,from,until,value\ndown,host0,1us,,\nup,host0,3us,,\n")
    assert [fault.until_ps for fault in read_faults(rails, path)] == [3 * US] * 8


def test_storm_of_frames_has_a_period_and_quanta(tmp_path: Path) -> None:
    path = tmp_path / "faults.csv"
    rows = ("storm,host3,1us,,4", "storm,host3,2us,,@8kpps", "storm,host3,3us,,4@0.5Mpps*100")
    path.write_text("what,where,from,until,value\n" + "\n".join(rows) + "\n")
    found = [(fault.value, fault.period_ps, fault.quanta) for fault in read_faults(FABRIC, path)]
    assert found == [(4, 0, 0), (3, 125 * US, 65535), (4, 2 * US, 100)]


def test_storm_of_frames_needs_pauses_that_end_by_themselves(tmp_path: Path) -> None:
    held = dataclasses.replace(FABRIC, roce=dataclasses.replace(FABRIC.roce, pause_quanta=0))
    path = tmp_path / "faults.csv"
    path.write_text("what,where,from,until,value\nstorm,host3,1us,,3@6kpps\n")
    with pytest.raises(InputError, match=r"faults.csv:2:1: .*'roce: \{pause_quanta: 0\}' has pauses"):
        read_faults(held, path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "burn,host3,1us,,",
            "'burn' is no fault; down, up, flap, errors, storm, slow, slow-link, straggler are",
        ),
        ("down,leaf0:Ethernet999,1us,,", "'leaf0:Ethernet999' is at no link"),
        ("down,host3,2us,1us,", "it ends at '1us', not after '2us' when it begins"),
        ("flap,host3,2us,,1us", "a flap needs an end"),
        ("storm,host3,2us,,9", "'9' is not a priority from 0 to 7"),
        ("storm,host3,2us,,3@6", "'6' is not a rate of frames from 1pps to 1000Mpps; write it as 6kpps"),
        ("storm,host3,2us,,3@0pps", "'0pps' is not a rate of frames"),
        ("storm,host3,2us,,3@6kpps*65536", "'65536' is not a number of pause quanta from 0 to 65535"),
        ("errors,host3,2us,,2", "'2' is not a bit error ratio from 0 to below 1"),
        ("slow,host3,2us,,", "'slow' needs a value"),
        ("slow,leaf0,2us,,1G", "'leaf0' is no endpoint"),
        ("down,host3", "2 cells, the header has 5"),
        ("down,host3,soon,,", "'soon' is not a time"),
        ("storm,hots3,2us,,", "'hots3' is no endpoint; did you mean 'host3'?"),
    ],
)
def test_bad_row_is_told_with_its_line(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "faults.csv"
    path.write_text(f"what,where,from,until,value\ndown,host0,1us,,\n{row}\n")
    with pytest.raises(InputError) as error:
        read_faults(FABRIC, path)
    first = error.value.diagnostics[0]
    assert f"{first.message}; {first.hint}".startswith(message), first
    assert first.code == "bad-faults"
    assert str(error.value).startswith(f"{path}:3:1: error[bad-faults]")


def test_a_first_line_of_a_spreadsheet_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "faults.csv"
    path.write_text("what;where;from\ndown;host3;1us\n")
    with pytest.raises(
        InputError, match=r"faults.csv:1:5: error\[bad-faults\]: columns are separated by ';'"
    ):
        read_faults(FABRIC, path)
    path.write_text("\ufeffwhat,where,from\ndown,host3,1us\n", "utf-8")
    assert len(read_faults(FABRIC, path)) == 1
