"""The controller that stays: it holds switches at what is wanted, and tells and remembers what it does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from typer.testing import CliRunner

import raddle
from raddle.cli.desired_state import FileSource
from raddle.cli.main import app
from raddle.cli.options import PlanOptions
from raddle.controller.api.monitor import Metrics
from raddle.controller.api.server import ApiServer
from raddle.controller.locks import lock_switches
from raddle.controller.plan import make_plan
from raddle.controller.plan.held import HeldPlan
from raddle.controller.service.desired import Desired, bearable_drains, without_links
from raddle.controller.service.records import BEGUN, Drain
from raddle.controller.service.settings import Settings
from raddle.controller.service.switches import Switches
from raddle.controller.service.watch.notice import Notice
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.errors import InputError
from raddle.inventory import Inventory, load_inventory
from raddle.nos.db.patch import PatchError
from tests.fabrics import leaf_spine
from tests.unit.controller.service.running import Running, controlled, held, switches, write

POD = leaf_spine(2, 2, 2, "routing: {policy: ecmp}\n")
LEAF0_TO_SPINE0, LEAF0_TO_SPINE1 = "Ethernet16", "Ethernet24"


def shut(running: Running, switch: str, port: str) -> None:
    with GnmiClient(switch, running.farm.addresses[switch]) as client:
        client.write_field("down", "PORT", port, "admin_status")


def audit(running: Running) -> list[tuple[str, str, str]]:
    return [(each.who, each.what, each.outcome) for each in running.controller.records.audits()]


def test_a_first_start_programs_all_switches_and_a_second_has_nothing_to_do(tmp_path: Path) -> None:
    with switches(POD, tmp_path) as (farm, file, inventory):
        for _ in range(2):
            with controlled(farm, file, Settings(inventory)) as running:
                running.wait_until_in_sync()
                [revision] = running.controller.records.revisions()
                assert (revision.number, revision.what, revision.outcome) == (1, "apply", "done")
                assert audit(running) == [("controller", "apply", BEGUN), ("controller", "apply", "done")]
                assert running.next_hop_ports("leaf0") == {LEAF0_TO_SPINE0, LEAF0_TO_SPINE1}


def test_what_nobody_planned_is_mended_at_once_and_the_entry_is_in_the_audit_log(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        shut(running, "leaf0", "Ethernet0")
        running.wait_for(lambda: "mend" in running.kinds(), "not mended")
        assert running.config("leaf0")["PORT"]["Ethernet0"]["admin_status"] == "up"
        assert audit(running)[-1] == ("controller", "mend leaf0", "done")
        assert "PORT/Ethernet0" in running.controller.records.audits()[-2].diff[0]


def test_with_drift_tell_it_is_told_and_left(tmp_path: Path) -> None:
    with held(POD, tmp_path, drift="tell") as running:
        shut(running, "leaf0", "Ethernet0")
        running.wait_for(lambda: "drift" in running.kinds(), "not told")
        view = running.controller.switches.views["leaf0"]
        assert (view.state, view.changes) == ("changes", 1)
        assert running.config("leaf0")["PORT"]["Ethernet0"]["admin_status"] == "down"


def test_a_pulled_cable_is_led_around_and_used_again_when_it_has_stayed(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        before = running.config("leaf1")["STATIC_ROUTE"]
        running.farm.plug("leaf0", LEAF0_TO_SPINE0, False)
        running.wait_for(lambda: "repair" in running.kinds(), "no repair")
        # leaf1 must not send to spine0 what is for hosts of leaf0, and leaf0 drops the dead member itself.
        [changed] = [
            (before[key], row)
            for key, row in running.config("leaf1")["STATIC_ROUTE"].items()
            if row != before[key]
        ]
        assert (changed[0]["ifname"], changed[1]["ifname"]) == (
            f"{LEAF0_TO_SPINE0},{LEAF0_TO_SPINE1}",
            LEAF0_TO_SPINE1,
        )
        assert running.controller.dead_links == ("leaf0:Ethernet16 - spine0:Ethernet0",)
        running.farm.plug("leaf0", LEAF0_TO_SPINE0, True)
        running.wait_for(lambda: not running.controller.dead_links, "still led around")
        running.wait_for(lambda: running.kinds().count("repair") == 2, "no second repair")
        assert running.config("leaf1")["STATIC_ROUTE"] == before


def test_without_repair_a_pulled_cable_is_only_told(tmp_path: Path) -> None:
    with held(POD, tmp_path, repairs=False) as running:
        before = running.config("leaf1")
        running.farm.plug("leaf0", LEAF0_TO_SPINE0, False)
        running.wait_for(lambda: running.kinds().count("link-down") == 2, "not told")
        assert running.config("leaf1") == before


def test_a_drain_ends_by_itself_and_no_rollback_brings_it_back(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        until = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
        done = running.controller.drain("ada", "new optics", "spine1", until).result()
        assert (done.what, done.why, done.outcome) == (
            f"drain spine1 until {until}",
            "new optics",
            "done",
        )
        assert running.next_hop_ports("leaf0") == {LEAF0_TO_SPINE0}
        running.wait_for(lambda: running.controller.revision.number == 3, "not undrained")
        assert running.controller.revision.who == "controller"
        assert running.next_hop_ports("leaf0") == {LEAF0_TO_SPINE0, LEAF0_TO_SPINE1}
        back = running.controller.rollback("ada", "", 2).result()
        assert (back.number, back.what) == (4, "rollback to 2")
        # But for its drain, whose time is over.
        assert back.drains == ()
        assert running.next_hop_ports("leaf0") == {LEAF0_TO_SPINE0, LEAF0_TO_SPINE1}


def test_a_rollback_to_a_drain_that_would_cut_hosts_off_now_is_refused(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        one = running.controller
        one.drain("ada", "", "spine1").result()
        one.undrain("ada", "", "spine1").result()
        running.farm.plug("leaf0", LEAF0_TO_SPINE0, False)
        running.wait_for(lambda: one.dead_links, "not led around")
        with pytest.raises(InputError, match=r"drain-cuts-off.*without spine1 nothing reaches host0"):
            one.rollback("ada", "", 2).result()
        assert one.revision.number == 3
        assert running.next_hop_ports("leaf0") >= {LEAF0_TO_SPINE1}


def test_a_drain_is_lifted_where_dead_links_leave_hosts_no_other_way(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        one = running.controller
        one.drain("ada", "", "spine0").result()
        running.farm.plug("leaf0", LEAF0_TO_SPINE1, False)
        running.wait_for(lambda: one.revision.number == 3, "not lifted")
        lifted = one.revision
        assert (lifted.who, lifted.what, lifted.drains) == ("controller", "undrain spine0", ())
        assert lifted.why == "host0, host1: no other way leads there"
        running.wait_for(lambda: not one.cut_off.names, "still cut off")
        assert LEAF0_TO_SPINE0 in running.next_hop_ports("leaf0")
        told = [event.text for event in running.events if event.kind == "cut-off"]
        assert told == ["host0, host1: no way leads there", "host0, host1: a way leads there again"]


def test_a_host_whose_own_cable_is_dead_is_cut_off_and_lifts_no_drain(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        one = running.controller
        one.drain("ada", "", "spine0").result()
        one._notice(Notice("leaf0", "ports", down=frozenset({"Ethernet0"})))
        running.wait_for(lambda: one.cut_off.names, "not found")
        assert one.cut_off.endpoints == ("host0",)
        one._notice(Notice("leaf0", "ports", down=frozenset({"Ethernet0", LEAF0_TO_SPINE1})))
        running.wait_for(lambda: one.revision.number == 3, "not lifted")
        assert one.revision.why == "host1: no other way leads there"
        one._notice(Notice("leaf0", "ports"))
        running.wait_for(lambda: not one.cut_off.names, "still cut off")


def test_drains_and_repairs_are_no_change_of_the_fabric_file(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        where = ["status", str(running.file), "--inventory", str(running.controller.settings.inventory)]
        running.controller.drain("ada", "", "spine0").result()
        drained = CliRunner().invoke(app, where)
        assert (drained.exit_code, "has changed since" in drained.stderr) == (0, False)
        running.controller.undrain("ada", "", "spine0").result()
        running.farm.plug("leaf0", LEAF0_TO_SPINE0, False)
        running.wait_for(lambda: "repair" in running.kinds(), "no repair")
        running.wait_until_in_sync()
        assert "has changed since" not in CliRunner().invoke(app, where).stderr
        running.write(POD + "roce: {ecn: {kmin: 900KB, kmax: 3200KB}}\n")
        assert "has changed since" in CliRunner().invoke(app, where).stderr


def test_hosts_without_any_way_are_named_until_there_is_one(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running, ApiServer(running.controller, "127.0.0.1:0") as api:
        one, counted = running.controller, Metrics(running.controller)
        for port in (LEAF0_TO_SPINE0, LEAF0_TO_SPINE1):
            running.farm.plug("leaf0", port, False)
        running.wait_for(lambda: one.cut_off.names, "not found")
        assert one.cut_off.endpoints == ("host0", "host1")
        running.wait_until_in_sync()
        shown = CliRunner().invoke(app, ["controller", "status", "--server", api.address])
        assert shown.exit_code == 1
        assert "cut off: host0, host1\n" in shown.stdout
        assert "raddle_controller_cut_off_endpoints 2" in counted.text()
        running.farm.plug("leaf0", LEAF0_TO_SPINE0, True)
        running.wait_for(lambda: not one.cut_off.names, "still cut off")


def test_leaves_that_no_spine_connects_any_more_are_told_though_each_has_an_uplink(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running, ApiServer(running.controller, "127.0.0.1:0") as api:
        one, counted = running.controller, Metrics(running.controller)
        running.farm.plug("leaf0", LEAF0_TO_SPINE0, False)
        running.farm.plug("leaf1", LEAF0_TO_SPINE1, False)  # the same port
        running.wait_for(lambda: one.cut_off.names, "not found")
        assert (one.cut_off.endpoints, one.cut_off.leaves) == ((), ("leaf0 - leaf1",))
        shown = CliRunner().invoke(app, ["controller", "status", "--server", api.address])
        assert shown.exit_code == 1
        assert "no way between hosts of leaf0 - leaf1\n" in shown.stdout
        assert "raddle_controller_leaves_apart 1" in counted.text()
        running.farm.plug("leaf1", LEAF0_TO_SPINE1, True)
        running.wait_for(lambda: not one.cut_off.names, "still apart")
        told = [event.text for event in running.events if event.kind == "cut-off"]
        assert told == [
            "leaf0 - leaf1: no way leads from one to the other",
            "leaf0 - leaf1: a way leads from one to the other again",
        ]


def test_the_latest_drains_are_those_that_are_lifted() -> None:
    fabric = raddle.loads(leaf_spine(2, 3, 2, "routing: {policy: ecmp}\n"))
    drains = [Drain("spine0"), Drain("spine1")]
    assert bearable_drains(fabric, drains) == tuple(drains)
    dead = [name for name in Desired(fabric, HeldPlan(make_plan(fabric, "ecmp"))).links if "spine2" in name]
    assert bearable_drains(without_links(fabric, dead), drains) == (Drain("spine0"),)


def test_a_link_has_one_name_whichever_of_its_ends_is_drained(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        one = running.controller
        ends = f"leaf0:{LEAF0_TO_SPINE0}", "spine0:Ethernet0"
        for end in ends:
            done = one.drain("ada", "", end).result()
            assert [each.switch for each in done.drains] == [ends[0]]
        assert one.undrain("ada", "", ends[1]).result().drains == ()


def test_what_waits_for_a_switch_is_mended_once_that_one_is_as_planned() -> None:
    known = Switches()
    known.keep(make_plan(raddle.loads(POD), "ecmp").switches, {})
    known.views["leaf0"].waits_for = frozenset({"spine1"})
    known.mark_waiting(1.0)
    assert not known.views["leaf0"].is_due
    known.views["spine1"].become("in sync")
    known.mark_waiting(2.0)
    assert known.views["leaf0"].is_due


@pytest.mark.parametrize("drift", ["mend", "tell"])
def test_what_waited_for_a_switch_is_mended_by_the_next_controller_too(
    tmp_path: Path, drift: Literal["mend", "tell"]
) -> None:
    """A spine that does not answer holds up a leaf that is to use it again; the controller starts anew."""
    drained = f'{POD}overrides: {{drain: ["leaf1:{LEAF0_TO_SPINE1}"]}}\n'
    with switches(drained, tmp_path) as (farm, file, inventory):
        settings = Settings(inventory, drift=drift)
        with controlled(farm, file, settings) as running:
            running.wait_until_in_sync()
            assert running.next_hop_ports("leaf0") == {LEAF0_TO_SPINE0}
        write(POD, file)
        Inventory("pod", {**farm.addresses, "spine1": "127.0.0.1:9"}).save(inventory)
        with controlled(farm, file, settings) as running:
            done = running.controller.apply("ada", "").result()
            assert done.outcome == "done but for leaf0 held back; spine1 unreachable"
            assert running.controller.switches.views["leaf0"].waits_for == {"spine1"}
            assert running.next_hop_ports("leaf0") == {LEAF0_TO_SPINE0}
        Inventory("pod", farm.addresses).save(inventory)
        with controlled(farm, file, settings) as running:
            running.wait_until_in_sync()
            assert running.next_hop_ports("leaf0") == {LEAF0_TO_SPINE0, LEAF0_TO_SPINE1}


def test_orders_that_cannot_be_carried_out_say_why_and_change_nothing(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        one = running.controller
        for order, code in (
            (lambda: one.drain("ada", "", "leaf0").result(), "drain-cuts-off"),
            (lambda: one.drain("ada", "", "leaf7").result(), "unknown-device"),
            (lambda: one.undrain("ada", "", "spine0").result(), "not-drained"),
            (lambda: one.rollback("ada", "", 9).result(), "no-such-revision"),
            (lambda: one.replace("ada", "", "leaf7").result(), "unknown-device"),
            (lambda: one.abort("ada"), "nothing-to-abort"),
        ):
            with pytest.raises(InputError) as refused:
                order()
            assert refused.value.diagnostics[0].code == code
        running.write("raddle: 1\nname: pod\nfabric: {}\n")
        with pytest.raises(InputError):
            one.apply("ada", "").result()
        assert len(one.records.revisions()) == 1


def test_an_apply_reads_the_file_again_and_a_rollback_is_the_old_file(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        before = running.config("leaf0")
        running.write(POD + "roce: {ecn: {kmin: 900KB, kmax: 3200KB}}\n")
        assert any("qos/ecn" in line for line in running.controller.preview().result())
        assert running.controller.apply("ada", "later marking").result().outcome == "done"
        assert running.config("leaf0") != before
        assert running.controller.rollback("ada", "", 1).result().outcome == "done"
        assert running.config("leaf0") == before


def test_a_pause_holds_an_update_in_the_middle_and_an_abort_takes_it_back(tmp_path: Path) -> None:
    with held(POD, tmp_path, at_once=1) as running:
        one, before = running.controller, running.config("leaf0")["STATIC_ROUTE"]
        wrote = threading.Event()

        def pause_once() -> None:
            if (
                not wrote.is_set()
                and running.farm.switches["leaf0"].databases.config["STATIC_ROUTE"] != before
            ):
                wrote.set()
                one.pause("ada", "wait", True)

        stop_watching = running.farm.switches["leaf0"].watch(pause_once)
        update = one.drain("ada", "", "spine1")
        assert wrote.wait(20)
        running.wait_for(lambda: one.records.work is not None, "no update under way")
        assert not update.done()
        stop_watching()
        one.pause("ada", "", False)
        one.abort("ada", "wrong file")
        done = update.result(30)
        assert done.outcome == "taken back (aborted by ada: wrong file): revision 1 is back, done"
        assert running.config("leaf0")["STATIC_ROUTE"] == before
        assert one.revision.number == 1


def test_a_switch_that_missed_an_update_gets_it_when_it_is_back(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        running.farm.switches["leaf1"].shut_down()
        running.wait_for(lambda: "gone" in running.kinds(), "not missed")
        running.write(POD + "roce: {ecn: {kmin: 900KB, kmax: 3200KB}}\n")
        done = running.controller.apply("ada", "").result()
        assert done.outcome == "done but for leaf1 unreachable"
        running.farm.switches["leaf1"].start_up()
        running.wait_for(lambda: "mend" in running.kinds(), "not mended")
        running.wait_until_in_sync()
        kmin = running.config("leaf1")["WRED_PROFILE"]["AZURE_LOSSLESS"]["green_min_threshold"]
        assert kmin == "900000"
        whys = [each.why for each in running.controller.records.audits()]
        assert "they had missed an update or a repair" in whys


def test_another_box_is_programmed_after_replace_alone_and_only_if_it_fits(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        ledger = running.controller._upkeep.pusher.ledger
        known = ledger.read("pod")
        other = replace(known.switches["leaf0"], identity={"mac": "9c:00:5e:ff:ff:ff"})
        ledger._put(known.held, {**known.switches, "leaf0": other})
        shut(running, "leaf0", "Ethernet0")
        running.wait_for(lambda: "stranger" in running.kinds(), "not told")
        assert "at the last apply it was 9c:00:5e:ff:ff:ff" in running.controller.switches.views["leaf0"].text
        assert running.config("leaf0")["PORT"]["Ethernet0"]["admin_status"] == "down"
        assert running.controller.replace("ada", "new box", "leaf0").result() == "done"
        assert running.config("leaf0")["PORT"]["Ethernet0"]["admin_status"] == "up"
        assert audit(running)[-1] == ("ada", "replace leaf0", "done")


def test_a_box_that_does_not_fit_or_does_not_answer_replaces_nothing(tmp_path: Path) -> None:
    with held(POD, tmp_path, drift="tell") as running:
        one, inventory = running.controller, running.controller._upkeep.pusher.inventory
        inventory.addresses["leaf0"] = inventory.addresses["leaf1"]
        with pytest.raises(InputError, match=r"does-not-fit.*its hostname is 'leaf1', not 'leaf0'"):
            one.replace("ada", "", "leaf0").result()
        running.farm.switches["spine1"].shut_down()
        with pytest.raises(InputError, match=r"not-there.*spine1 does not answer"):
            one.replace("ada", "", "spine1").result()
        one.pause("ada", "", True)
        with pytest.raises(InputError, match="paused"):
            one.replace("ada", "", "leaf0").result()


def test_what_one_switch_refuses_is_taken_back_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(POD, tmp_path) as running:
        before = {name: running.config(name) for name in running.farm.switches}
        refusing = running.farm.switches["leaf1"]
        monkeypatch.setattr(refusing, "begin", refuse)
        running.write(POD + "roce: {ecn: {kmin: 900KB, kmax: 3200KB}}\n")
        done = running.controller.apply("ada", "").result()
        assert done.outcome.startswith("taken back (leaf1 (127.0.0.1:")
        assert "revision 1 is back" in done.outcome
        assert running.controller.revision.number == 1
        assert {name: running.config(name) for name in before} == before


def refuse(*args: object) -> None:
    raise PatchError("out of memory")


def test_the_switches_are_locked_for_others_while_a_controller_holds_them(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        inventory = running.controller.settings.inventory
        copy = shutil.copy(inventory, tmp_path / "copy.json")
        for file, holds in ((inventory, "is held"), (copy, "and 3 more switches are held")):
            done = subprocess.run(
                [sys.executable, "-m", "raddle", "apply", str(running.file), "--inventory", str(file)],
                capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 2
            assert f"{holds} by 'raddle controller run'" in done.stderr
        own = [
            "--inventory",
            str(inventory),
            "--store",
            str(tmp_path / "other.db"),
            "--listen",
            "127.0.0.1:0",
            "--metrics",
            "127.0.0.1:0",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "raddle", "controller", "run", str(running.file), *own],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 2
        assert "error[locked]" in done.stderr
        assert "API at" not in done.stderr
        assert running.controller.is_running


def test_a_controller_takes_up_no_switch_that_somebody_else_changes(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        file = running.controller.settings.inventory
        before = load_inventory(file)
        more = replace(before, addresses={**before.addresses, "leaf9": "192.0.2.9:8080"})
        with lock_switches(Inventory("other", {"other": "192.0.2.9:8080"}), "apply other"):
            more.save(file)
            with pytest.raises(InputError, match=r"leaf9 \(.*\) is held by 'raddle apply other'"):
                running.controller.apply("ada", "").result(60)
        running.controller.apply("ada", "").result(60)
        with pytest.raises(InputError, match="raddle controller run"), lock_switches(more, "apply"):
            pass
        before.save(file)
        running.controller.apply("ada", "").result(60)
        with lock_switches(Inventory("other", {"other": "192.0.2.9:8080"}), "apply other"):
            assert running.controller.is_running


def test_a_git_checkout_is_named_with_its_commit_and_a_folder_of_two_fabrics_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "desired"
    folder.mkdir()
    source = FileSource(str(folder), PlanOptions())
    write("include: parts/base.yaml\nraddle: 1\nname: pod\n", folder / "top.yaml")
    (folder / "parts").mkdir()
    write(POD.replace("name: pod\n", "").replace("raddle: 1\n", ""), folder / "parts" / "base.yaml")
    git("init", "-q", at=folder)
    git("add", ".", at=folder)
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", at=folder)
    material = source.read()
    commit = git("rev-parse", "--short=12", "HEAD", at=folder)
    assert material.origin == f"{folder / 'top.yaml'} at commit {commit}"
    assert material.files.keys() == {"top.yaml", "parts/base.yaml"}
    if os.geteuid() == 0:
        # A service user reads what root has checked out; git would refuse.
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        assert source.read().origin == material.origin
        monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    write("include: parts/base.yaml\nraddle: 1\nname: pod  # other\n", folder / "top.yaml")
    assert source.read().origin.endswith(f"{commit}, changed")
    # What was read is planned the same when the folder is gone.
    (folder / "top.yaml").unlink()
    fabric, demand = source.fabric(material)
    assert source.plan(material, fabric, None).plan == make_plan(raddle.loads(POD), "ecmp", demand)
    write(POD, folder / "a.yaml")
    write(POD, folder / "b.yaml")
    with pytest.raises(InputError, match=r"which-fabric.*must have one fabric file .* has a\.yaml, b\.yaml"):
        source.read()


def git(*words: str, at: Path) -> str:
    done = subprocess.run(["git", *words], cwd=at, check=True, capture_output=True, text=True)
    return done.stdout.strip()


P4_POD = """
raddle: 1
name: pod
models: {a-switch: {ports: 8, port_speed: 400G, buffer: 64MB, nos: p4}}
fabric: {leaves: {count: 2, model: a-switch}, spines: {count: 2, model: a-switch}}
hosts: {per_leaf: 2}
"""


def test_switches_that_run_p4_are_held_as_well(tmp_path: Path) -> None:
    with held(P4_POD, tmp_path) as running:
        down = next(link for link in raddle.loads(P4_POD).links if link.b.device == "spine0")
        running.farm.plug(down.a.device, down.a.port, False)
        running.wait_for(lambda: "repair" in running.kinds(), "no repair")
        assert running.controller.dead_links == (f"{down.a} - {down.b}",)
        with pytest.raises(InputError, match=r"drain-cuts-off.*without spine1 nothing reaches"):
            running.controller.drain("ada", "", "spine1").result()
        running.farm.plug(down.a.device, down.a.port, True)
        running.wait_for(lambda: running.kinds().count("repair") == 2, "not back")
        assert running.controller.drain("ada", "", "spine1").result().outcome == "done"
        # Next hops of leaf0 to the other leaf's hosts: one spine is left.
        assert max(len(route.ports) for route in running.farm.switches["leaf0"].state().routes) == 1


def test_an_order_to_a_controller_that_has_ended_is_answered(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        running.controller.stop()
        running.wait_for(lambda: not running.controller.is_running, "does not end")
        with pytest.raises(InputError, match="stopped"):
            running.controller.drain("ada", "", "spine1").result(10)


def test_a_reload_of_a_bad_file_is_told_and_changes_nothing(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        running.write("raddle: 1\nname: pod\nfabric: {}\n")
        running.controller.reload()
        running.wait_for(lambda: "problem" in running.kinds(), "not told")
        assert running.events[-1].text.startswith("reload: ")
        assert running.controller.revision.number == 1


def test_a_spine_that_dies_is_led_around_and_is_owed_what_it_missed(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        running.farm.switches["spine0"].shut_down()
        running.wait_for(lambda: len(running.controller.dead_links) == 2, "not led around")
        running.wait_for(lambda: "repair" in running.kinds(), "no repair")
        view = running.controller.switches.views["spine0"]
        running.wait_for(lambda: view.state == "unreachable", "not gone")
        running.farm.switches["spine0"].start_up()
        running.wait_for(lambda: not running.controller.dead_links, "not back")
        both = {LEAF0_TO_SPINE0, LEAF0_TO_SPINE1}
        running.wait_for(lambda: running.next_hop_ports("leaf0") == both, "spine0 is not used again")
        running.wait_until_in_sync()


def test_the_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    with held(POD, tmp_path):
        files = list(tmp_path.glob("store.db*"))
        assert {file.name for file in files} >= {"store.db", "store.db-wal"}
        assert {file.stat().st_mode & 0o077 for file in files} == {0}


def test_all_that_a_fabric_is_read_from_is_kept_and_one_of_its_networks_can_be_meant(tmp_path: Path) -> None:
    vendor = tmp_path / "vendor"
    vendor.mkdir()
    write("400000 40m 1248 2288 500001 0\n", vendor / "pg_profile_lookup.ini")
    two = """
raddle: 1
name: pod
models: {own: {ports: 32, port_speed: 400G, buffer: 64MB, pg_profiles: vendor/pg_profile_lookup.ini}}
networks:
  compute: {fabric: {leaves: {count: 2}, spines: {count: 2}}, hosts: {per_leaf: 2}}
  storage: {fabric: {leaves: {count: 1}, spines: {count: 1}}, hosts: {per_leaf: 2}}
"""
    file = write(two, tmp_path / "pod.yaml")
    source = FileSource(f"{file}@storage", PlanOptions())
    material = source.read()
    assert material.main == "pod.yaml@storage"
    assert material.files.keys() == {"pod.yaml", "vendor/pg_profile_lookup.ini"}
    assert len(source.fabric(material)[0].switches) == 2


def test_what_repairs_have_changed_is_put_by_when_they_are_over(tmp_path: Path) -> None:
    with held(POD, tmp_path) as running:
        upkeep = running.controller._upkeep
        running.farm.plug("leaf0", LEAF0_TO_SPINE0, False)
        running.wait_for(lambda: "repair" in running.kinds(), "no repair")

        def is_put_by() -> bool:
            applied = upkeep.pusher.ledger.read("pod")
            return bool(applied and upkeep.target and applied.held.plan == upkeep.target.held.plan)

        running.wait_for(is_put_by, "the record is that of before")
        assert upkeep.target is not upkeep.desired
