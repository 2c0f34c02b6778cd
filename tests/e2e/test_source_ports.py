"""Pins that are UDP source ports: the switches hash, and yet no two flows meet."""

from dataclasses import replace
from typing import Any

from raddle import load
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.workloads.ranks import Scope
from raddle.report.model import BenchResult
from raddle.topology import find


def bench(pins: Any, routing: Any) -> BenchResult:
    fabric = load(find("leaf-spine-16"))
    fabric = replace(fabric, routing=replace(fabric.routing, pins=pins))
    return run_bench(fabric, BenchRequest("all_reduce", "ring", (1 << 20,), routing, (Scope("strided"),)))


def test_chosen_source_ports_take_the_paths_of_host_routes_through_the_switches_own_hash() -> None:
    routes, ports, hashed = (
        bench(*each) for each in (("host-route", "pinned"), ("udp-source-port", "pinned"), ("auto", "ecmp"))
    )
    assert ports.pins
    assert (ports.pins.carrier, ports.pins.pins) == ("udp-source-port", 16)
    assert hashed.collisions
    assert not ports.collisions
    carried = [{link.name: link.tx_bytes for link in run.links} for run in (routes, ports)]
    assert carried[0] == carried[1]
