"""Switches that come up with an old configuration get the plan: by Sets, or by the rendered boot file."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from tests.fabrics import leaf_spine
from tests.unit.controller.service.running import Running, held

POD = leaf_spine(2, 2, 2, "routing: {policy: ecmp}\n")
OTHER = POD + "roce: {ecn: {kmin: 900KB, kmax: 3200KB}}\noverrides: {drain: [spine1]}\n"
KMIN = ("WRED_PROFILE", "AZURE_LOSSLESS", "green_min_threshold")


def boot(running: Running, switch: str, config: dict[str, Any]) -> None:
    """Have a switch start anew with a configuration, and see that the controller loses and finds it."""
    with GnmiClient(switch, running.farm.addresses[switch]) as client:
        client.stage_config(config)
    heard = len(running.events)
    running.farm.switches[switch].shut_down()
    running.wait_for(lambda: "gone" in [e.kind for e in running.events[heard:]], "not missed")
    assert running.farm.switches[switch].start_up() == ""
    running.wait_for(lambda: "connected" in [e.kind for e in running.events[heard:]], "not back")


def settle(running: Running) -> None:
    """Wait until all is as planned, and routes use the links of a switch that is back."""
    running.wait_for(lambda: not running.controller.dead_links, "still led around")
    running.wait_until_in_sync()


def test_a_switch_that_boots_with_what_an_earlier_plan_gave_it_gets_the_plan_of_now(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        old = running.config("leaf0")
        running.write(OTHER)
        assert running.controller.apply("ada", "").result().outcome == "done"
        wanted = running.config("leaf0")
        assert wanted != old
        boot(running, "leaf0", old)
        settle(running)
        assert running.config("leaf0") == wanted
        done = [(each.what, each.why, each.outcome) for each in running.controller.records.audits()]
        assert ("mend leaf0", "not as planned", "done") in done


def test_what_no_set_can_change_is_told_and_the_rendered_boot_file_brings_it(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        wanted = running.config("leaf0")
        old = copy.deepcopy(wanted)
        old["BUFFER_POOL"]["ingress_lossless_pool"]["xoff"] = "1024"
        old["WRED_PROFILE"]["AZURE_LOSSLESS"]["green_min_threshold"] = "1000"
        del old["STATIC_ROUTE"]
        boot(running, "leaf0", old)
        view = running.controller.switches.views["leaf0"]
        running.wait_for(
            lambda: view.text == "needs a new config_db.json for BUFFER_POOL/ingress_lossless_pool",
            "not told",
        )
        # What Sets can bring is there.
        now = running.config("leaf0")
        assert now["STATIC_ROUTE"] == wanted["STATIC_ROUTE"]
        assert now[KMIN[0]][KMIN[1]][KMIN[2]] == wanted[KMIN[0]][KMIN[1]][KMIN[2]]
        inventory = running.controller.settings.inventory
        words = [
            "render",
            str(running.file),
            "--bootstrap",
            "--switch",
            "leaf0",
            "--inventory",
            str(inventory),
        ]
        done = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "boot")])
        assert done.exit_code == 0, done.output
        boot(running, "leaf0", json.loads((tmp_path / "boot/leaf0.json").read_text()))
        settle(running)
        assert running.config("leaf0") == wanted
