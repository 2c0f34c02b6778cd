"""A leaf as a software switch, programmed by raddle and then tested by PTF with what `raddle render` wrote.

Usage: ptf_session.py FOLDER PTF FABRIC.yaml [TEST...]; prints what PTF says. The switch is an Open vSwitch,
with SWITCH=bmv2 in the environment a BMv2. With BREAK an entry of another application steals a pin's packets
before PTF looks. With LISTS a BMv2 has an operator's access lists; with LISTS=gone they have gone by then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finsy import Action, Match, P4TableEntry
from finsy.proto import p4r

import raddle
from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.ptf.access_lists import AccessLists
from raddle.controller.ptf.suite import suite
from raddle.controller.southbound.p4runtime.driver import push_p4, read_entities
from raddle.controller.southbound.p4runtime.target import p4_target
from raddle.lab.workloads.collective import collective_demand
from raddle.nos.orch.p4_acl import listed_p4_acl
from raddle.nos.p4rt.entity_tables import EntityTables
from raddle.nos.p4rt.pipeline import Pipeline

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.conformance.bmv2_switch import bmv2_switch
from tests.conformance.ovs_leaf import program, run, start_switch

LISTS = (
    P4TableEntry(
        "acl",
        match=Match(protocol=(6, 0xFF), dst_port=(22, 0xFFFF)),
        priority=20,
        action=Action("drop"),
    ),
    P4TableEntry(
        "acl",
        match=Match(in_port=(1, 0x1FF), dscp=(26, 0x3F)),
        priority=15,
        action=Action("NoAction"),
    ),
    P4TableEntry(
        "acl",
        match=Match(in_port=(1, 0x1FF), ether_type=(0x86DD, 0xFFFF)),
        priority=10,
        action=Action("drop"),
    ),
)
"""TCP port 22 is dropped, and IPv6 from the first port but for the lossless class."""


def main() -> None:
    folder, ptf, file = (Path(word) for word in sys.argv[1:4])
    fabric = raddle.load(file)
    plan = make_plan(fabric, "pinned", collective_demand(fabric, "all_reduce", None))
    leaf = plan.switches[0]
    app(["render", str(file), "--switch", leaf.name, "--format", "ptf", "-o", str(folder / "suite")],
        standalone_mode=False)  # fmt: skip
    started = on_bmv2 if os.environ.get("SWITCH") == "bmv2" else on_open_vswitch
    with started(plan, leaf, folder) as interfaces:
        words = [str(ptf), "--test-dir", str(folder / "suite"), "--platform", "eth"]
        for number, name in interfaces.items():
            words += ["--interface", f"{number}@{name}"]
        words += sys.argv[4:]
        words += ["--test-params", f"suite='{folder}/suite/{leaf.name}.json';patience=5.0"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        print(done.stdout, done.stderr)
        sys.exit(done.returncode)


@contextmanager
def on_open_vswitch(plan: Plan, leaf: SwitchPlan, folder: Path) -> Iterator[dict[int, str]]:
    """The far ends of the switch's cables, by port number, once it is programmed."""
    daemons = start_switch(leaf, folder)
    try:
        assert program(plan, leaf) == "openflow, in sync"
        if stolen := os.environ.get("BREAK"):
            run(f"ovs-ofctl -O OpenFlow13 add-flow {leaf.name} '{stolen}'")
        numbers = [number for number, port in enumerate(leaf.ports, 1) if port.peer]
        yield {number: f"h{place}" for place, number in enumerate(numbers)}
    finally:
        for daemon in daemons:
            daemon.kill()
            daemon.wait()


@contextmanager
def on_bmv2(plan: Plan, leaf: SwitchPlan, folder: Path) -> Iterator[dict[int, str]]:
    """As `on_open_vswitch`; in a mount namespace of its own, as BMv2 looks for its interfaces in /sys."""
    run("ip link set lo up; mount -t sysfs none /sys")
    with bmv2_switch(len(leaf.ports), folder) as switch:
        target = p4_target(leaf, neighbour_macs(plan))
        push_p4(switch.session, target)
        if lists := os.environ.get("LISTS"):
            entries = [each.encode(target.schema) for each in LISTS]
            switch.session.write([p4r.Update(type=p4r.Update.INSERT, entity=each) for each in entries])
            entities = read_entities(switch.session, target.schema).values()
            ports = tuple(port.name for port in leaf.ports)
            tables = listed_p4_acl(EntityTables.of(Pipeline(target.config), entities), ports)
            held = AccessLists(tables, ports, absent_port=0)
            (folder / f"suite/{leaf.name}.json").write_text(json.dumps(suite(plan, leaf.name, held)))
            if lists == "gone":
                switch.session.write([p4r.Update(type=p4r.Update.DELETE, entity=each) for each in entries])
        yield {number: switch.far_end(number) for number, port in enumerate(leaf.ports, 1) if port.peer}


main()
