"""A certificate of deadlock freedom is refused where it is not the plan's, or says nothing."""

from __future__ import annotations

import copy
import json
import random
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raddle.controller.plan import to_json
from raddle.controller.plan.model import NextHop, PolicyRoute, Route

SCRIPTS = Path(__file__).parents[2] / "scripts"
FORGER = runpy.run_path(str(SCRIPTS / "forge-certificates"))
PROOF = FORGER["PROOF"]
FABRIC, SOUND = FORGER["sound"](4, 2, "p4")
RING = FORGER["ring"](FABRIC, SOUND, random.Random(1))


def honest(plan: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return FORGER["honest"](FABRIC, plan, random.Random(1)), json.loads(to_json(plan))


@pytest.mark.parametrize("part", range(4))
def test_forged_certificates_of_rings_fail_and_altered_sound_ones_hold_only_if_true(part: int) -> None:
    passed = [FORGER["forge"](seed) for seed in range(part * 75, part * 75 + 75)]
    assert not all(passed)


Alter = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (lambda document: document.update(cables=[]), "it has no cables"),
        (lambda document: document.update(endpoints={}), "it has no endpoints"),
        (lambda document: document.update(tables={}), "it has no tables"),
        (lambda document: document.update(policies=3), "it leaves out 3 pins"),
        (lambda document: document["cables"].append(["leaf0:Ethernet0", "host7:eth0"]), "two cables"),
    ],
)
def test_a_certificate_of_nothing_proves_nothing(alter: Alter, reason: str) -> None:
    document, _ = honest(SOUND)
    alter(document)
    with pytest.raises(PROOF["Rejected"], match=reason):
        PROOF["check"](document)


def without_host_cables(document: dict[str, Any]) -> None:
    document["cables"] = [cable for cable in document["cables"] if not cable[0].startswith("host")]


def without_the_ring(document: dict[str, Any]) -> None:
    for table in document["tables"].values():
        for prefix in [each for each in table if each.endswith("/32")]:
            del table[prefix]


def with_a_moved_host(document: dict[str, Any]) -> None:
    document["endpoints"]["host0"]["port"] = "leaf1:Ethernet248"


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (without_host_cables, "the cables are not the plan's"),
        (without_the_ring, "the routes of .* are not the plan's"),
        (with_a_moved_host, "host0 is not on the port"),
        (lambda document: document["endpoints"].pop("host0"), "the endpoints are not the plan's"),
        (lambda document: document.update(fabric="another"), "the plan is of 'forged'"),
    ],
)
def test_what_the_file_speaks_of_must_be_the_plans(alter: Alter, reason: str) -> None:
    document, plan = honest(RING)
    altered = copy.deepcopy(document)
    alter(altered)
    with pytest.raises(PROOF["Rejected"], match=reason):
        PROOF["check_plan"](altered, plan)
    PROOF["check_plan"](document, plan)


def test_a_ring_of_packets_to_the_outside_is_found_without_an_endpoint_there() -> None:
    fabric, sound = FORGER["sound"](4, 2, "sonic", FORGER["OUTSIDE"])
    turned = FORGER["ring_outside"](fabric, sound, random.Random(1))
    assert FORGER["honest"](fabric, sound, random.Random(1))["endpoints"].keys() >= {"wan0", "wan1"}
    assert PROOF["check"](FORGER["honest"](fabric, sound, random.Random(1)))[0] > 0
    document = FORGER["honest"](fabric, turned, random.Random(1))
    document["ranks"] = FORGER["honest"](fabric, sound, random.Random(1))["ranks"]
    with pytest.raises(PROOF["Rejected"], match=r"buffers that wait in a ring: .*leaf.*spine"):
        PROOF["check"](document)


def test_a_route_is_no_network_of_a_link() -> None:
    # A prefix that a leaf and a spine send to each other looks like that of their cable, and is a ring.
    spine, leaf = SOUND.switches[-1], SOUND.switches[0]
    up = next(port for port in leaf.ports if port.peer.startswith(f"{spine.name}:"))
    ways = {leaf.name: up.name, spine.name: up.peer.partition(":")[2]}
    bounced = replace(
        SOUND,
        switches=tuple(
            replace(
                s, routes=(*s.routes, Route("172.16.0.0/12", (NextHop("10.0.0.0", ways[s.name], 1),), "pin"))
            )
            if s.name in ways
            else s
            for s in SOUND.switches
        ),
    )
    document, plan = honest(bounced)
    with pytest.raises(PROOF["Rejected"], match=r"send packets to 172\.16\.0\.0/12 to each other"):
        PROOF["check_plan"](document, plan)


def test_a_plan_with_policy_routes_is_not_proven() -> None:
    document, _ = honest(SOUND)
    spine = SOUND.switches[-1]
    policy = PolicyRoute("10.0.0.1", "10.0.0.2", NextHop("10.0.0.0", spine.ports[0].name))
    pinned = replace(SOUND, switches=(*SOUND.switches[:-1], replace(spine, policies=(policy,))))
    with pytest.raises(PROOF["Rejected"], match="1 pins by more than the destination"):
        PROOF["check_plan"](document, json.loads(to_json(pinned)))
