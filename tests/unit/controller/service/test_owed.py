"""What is begun is owed to switches until it is done, also by the next controller; the log has all of it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from raddle.controller.service.gate import StoppedError
from raddle.controller.service.settings import Settings
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from tests.fabrics import leaf_spine
from tests.unit.controller.service.running import Running, controlled, switches

POD = leaf_spine(2, 2, 2, "routing: {policy: ecmp}\n")
UPLINK = "Ethernet16"
MISSED = "they had missed an update or a repair"


def drift(running: Running, switch: str) -> None:
    with GnmiClient(switch, running.farm.addresses[switch]) as client:
        client.write_field("1500", "PORT", "Ethernet0", "mtu")


def has_drifted(running: Running, switch: str) -> bool:
    return bool(running.config(switch)["PORT"]["Ethernet0"]["mtu"] == "1500")


def end(*args: object) -> Any:
    """As if the controller were killed here."""
    raise StoppedError


def lead_around(running: Running) -> None:
    running.farm.plug("leaf0", UPLINK, False)
    running.wait_for(lambda: "repair" in running.kinds(), "no repair")


def test_a_repair_that_is_killed_as_it_begins_is_finished_by_the_next_controller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with switches(POD, tmp_path) as (farm, file, inventory):
        settings = Settings(inventory, drift="tell")
        with controlled(farm, file, settings) as running:
            running.wait_until_in_sync()
            before = running.config("leaf1")["STATIC_ROUTE"]
            lead_around(running)
            monkeypatch.setattr(running.controller._upkeep.pusher, "apply", end)
            farm.plug("leaf0", UPLINK, True)
            running.wait_for(lambda: not running.controller.is_running, "does not end")
            assert running.config("leaf1")["STATIC_ROUTE"] != before
        with controlled(farm, file, settings) as running:
            running.wait_for(lambda: running.config("leaf1")["STATIC_ROUTE"] == before, "forgotten")
            running.wait_for(lambda: "mend" in running.kinds(), "not told")
            audits = running.controller.records.audits()
            assert [(each.what, each.why, each.outcome) for each in audits[-1:]] == [
                ("mend leaf1", MISSED, "done")
            ]
            assert [each.outcome for each in audits if each.what == "repair"][-1].startswith("interrupted")
            assert not running.controller.records.owed


def test_a_link_that_comes_back_while_no_controller_is_there_is_used_again(tmp_path: Path) -> None:
    with switches(POD, tmp_path) as (farm, file, inventory):
        settings = Settings(inventory, drift="tell")
        with controlled(farm, file, settings) as running:
            running.wait_until_in_sync()
            before = running.config("leaf1")["STATIC_ROUTE"]
            lead_around(running)
        farm.plug("leaf0", UPLINK, True)
        with controlled(farm, file, settings) as running:
            running.wait_for(lambda: running.config("leaf1")["STATIC_ROUTE"] == before, "still led around")


@pytest.mark.parametrize("policy", ["mend", "tell"])
def test_what_leads_around_a_dead_link_stays_when_a_controller_starts_anew(
    tmp_path: Path, policy: Any
) -> None:
    with switches(POD, tmp_path) as (farm, file, inventory):
        settings = Settings(inventory, drift=policy)
        with controlled(farm, file, settings) as running:
            running.wait_until_in_sync()
            lead_around(running)
            around = running.config("leaf1")["STATIC_ROUTE"]
        held: list[Collection[str]] = []
        stop = farm.switches["leaf1"].watch(
            lambda: held.append(dict(farm.switches["leaf1"].databases.config["STATIC_ROUTE"]))
        )
        with controlled(farm, file, settings) as running:
            running.wait_until_in_sync()
            assert running.controller.dead_links
            assert running.config("leaf1")["STATIC_ROUTE"] == around
        stop()
        assert [each for each in held if each != around] == []


def test_what_is_only_to_be_told_is_left_when_another_switch_gets_what_it_missed(tmp_path: Path) -> None:
    with (
        switches(POD, tmp_path) as (farm, file, inventory),
        controlled(farm, file, Settings(inventory, drift="tell")) as running,
    ):
        running.wait_until_in_sync()
        farm.switches["leaf1"].shut_down()
        running.wait_for(lambda: "gone" in running.kinds(), "not missed")
        running.write(POD + "roce: {ecn: {kmin: 900KB, kmax: 3200KB}}\n")
        running.controller.apply("ada", "").result()
        drift(running, "spine0")
        running.wait_for(lambda: "drift" in running.kinds(), "not told")
        farm.switches["leaf1"].start_up()
        running.wait_for(lambda: "mend" in running.kinds(), "not mended")
        begun, done = running.controller.records.audits()[-2:]
        assert (begun.what, begun.why, done.outcome, done.diff) == ("mend leaf1", MISSED, "done", ())
        assert {line.split()[0] for line in begun.diff} == {"leaf1"}
        assert has_drifted(running, "spine0")


def test_all_that_get_what_they_missed_stand_in_the_audit_log(tmp_path: Path) -> None:
    with switches(POD, tmp_path) as (farm, file, inventory):
        settings = Settings(inventory, drift="tell")
        names = ("leaf0", "spine0", "spine1")
        with controlled(farm, file, settings) as running:
            running.wait_until_in_sync()
            for name in names:
                drift(running, name)
            running.wait_for(lambda: running.kinds().count("drift") == len(names), "not told")
            last = running.controller.records.next_audit() - 1
            running.controller.records.set_owed(names)
        with controlled(farm, file, settings) as running:
            running.wait_for(lambda: not any(has_drifted(running, name) for name in names), "not mended")
            running.wait_for(lambda: not running.controller.records.left_open(), "no outcome")
            entries = running.controller.records.audits(last)
            lines = [line for each in entries for line in each.diff]
            assert sorted(line.split()[0] for line in lines) == sorted(names)
