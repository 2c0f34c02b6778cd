from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from raddle.cli.documents import schema_of
from raddle.controller.plan import make_plan
from raddle.errors import InputError
from raddle.lab.emulation.layout import Layout
from raddle.lab.emulation.programs import PACKAGES, need
from raddle.lab.emulation.result import EmulationResult, Failover, Iperf, Ping, Roce, Spread, to_json, to_text
from raddle.lab.emulation.sandbox import enter_sandbox
from raddle.topology import find, load
from raddle.topology.model import AdaptiveRouting, LoadBands
from tests.unit.lab.test_emulation_paths import FABRIC, PINNED


def test_another_user_than_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(
        InputError, match=r"error\[not-root\]: emulation needs root.*\n  hint: run it with sudo"
    ):
        enter_sandbox("pod", is_interactive=False)


def test_each_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError) as caught:
        need(PACKAGES)
    said = str(caught.value)
    assert "emulation needs 'ovs-vswitchd'\n  hint: Debian: apt-get install openvswitch-switch" in said
    assert said.count("error[missing-program]") == len(PACKAGES)


def test_a_fabric_of_thousands_is_refused() -> None:
    fabric = load(find("dual-tor-1024"))
    with pytest.raises(InputError, match=r"emulation-too-large.*1024 endpoints; up to 512 are emulated"):
        Layout(fabric, make_plan(fabric, "ecmp"))


def test_what_is_not_emulated_is_refused() -> None:
    assert PINNED.pins
    ports = replace(PINNED, pins=replace(PINNED.pins, carrier="udp-source-port"))
    with pytest.raises(InputError, match=r"emulation-carrier.*carried as udp-source-port"):
        Layout(FABRIC, ports)
    bands = LoadBands(0, 1000, 16)
    adaptive = AdaptiveRouting(True, 256, 512, 16, bands, bands, bands)
    with pytest.raises(InputError, match=r"adaptive-not-emulated.*software switches do not"):
        Layout(replace(FABRIC, routing=replace(FABRIC.routing, adaptive=adaptive)), PINNED)
    long = "a-switch-of-a-long-name"
    first, *others = FABRIC.switches
    with pytest.raises(InputError, match=rf"name-too-long\]: '{long}' is too long for the name of a bridge"):
        Layout(replace(FABRIC, switches=(replace(first, name=long), *others)), PINNED)


T = Spread(0.01, 0.02)
GOOD = EmulationResult(
    fabric="f", switch="Open vSwitch 3.1.0", switches=2, hosts=4, routing="pinned", divisor=4000,
    fastest_mbps=100.0, messages=5, ping=Ping(("IPv4",), 12, ()),
    iperf=(Iperf("a", "b", "IPv4", 90.0, 100.0),),
    roce=Roce("ring", 8, 8, 8, 1, (), 4, (), True, 6, ()),
    failover=(Failover("link", "l", ("a",), ("b",), 2, T, T, T, T, T, Spread(3, 4), 0.002),),
)  # fmt: skip


def test_anything_wrong_makes_the_result_bad_and_is_shown() -> None:
    assert GOOD.is_good
    assert GOOD.roce
    for wrong, shown in (
        (replace(GOOD, ping=Ping(("IPv4",), 12, ("a -> b",))), "no answer: a -> b"),
        (replace(GOOD, iperf=(Iperf("a", "b", "IPv4", 0.0, 100.0),)), "0.0 of 100 Mbit/s"),
        (replace(GOOD, roce=replace(GOOD.roce, problems=("h got a wrong ICRC",))), "h got a wrong ICRC"),
        (replace(GOOD, roce=replace(GOOD.roce, wrong_paths=("a -> b took x",))), "3 of 4 directions"),
        (replace(GOOD, roce=replace(GOOD.roce, wrong_ports=("p sent 1",))), "5 of 6 switch ports"),
        (
            replace(GOOD, failover=(replace(GOOD.failover[0], problem="none arrived"),)),
            "FAILED: none arrived",
        ),
    ):
        assert not wrong.is_good
        assert shown in to_text(wrong)


@pytest.mark.parametrize("result", [GOOD, replace(GOOD, ping=None, iperf=(), roce=None, failover=())])
def test_its_document_is_as_the_published_schema_says(result: EmulationResult) -> None:
    document = json.loads(to_json(result))
    Draft202012Validator(schema_of("emulate")).validate(document)
    assert document["ok"] is True
    assert json.loads(to_json(replace(result, iperf=(Iperf("a", "b", "IPv4", 0.0, 100.0),))))["ok"] is False


def test_the_output_says_what_emulation_does_not_prove() -> None:
    assert "says nothing of losslessness" in to_text(GOOD)
    assert "links at 1/4000 of their rate" in to_text(GOOD)


def test_the_output_says_that_somebody_had_to_be_asked_again() -> None:
    assert "asked again" not in to_text(GOOD)
    assert "after 2 rounds" in to_text(replace(GOOD, ping=Ping(("IPv4",), 12, (), 2)))


def test_the_output_says_how_the_switches_hash_is_another() -> None:
    assert "hash  " not in to_text(GOOD)
    assert "hash      no UDP ports" in to_text(replace(GOOD, hash_note="no UDP ports"))


def test_failures_are_shown_with_medians_and_the_highest_of_a_hundred() -> None:
    assert Spread.of([]) is None
    assert Spread.of([4, 1, 3]) == Spread(3, 4)
    assert Spread.of(list(range(1, 201))) == Spread(100.5, 198)
    shown = to_text(GOOD)
    assert "failover  link l, 2 cuts (median and p99)" in shown
    assert "first packet on another path after 10.0 and 20.0 ms" in shown
    assert "3 and 4 packets lost" in shown
