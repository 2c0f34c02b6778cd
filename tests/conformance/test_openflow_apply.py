"""`raddle apply`, `status` and `drift` with Open vSwitch, which connects to them."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

import raddle
from raddle import traffic
from raddle.cli.apply import apply
from raddle.cli.drift import drift
from raddle.cli.status import status
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan, SourcePort
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.plan.update import Write, peers_of, update_rounds
from raddle.controller.reconcile import apply_plan, check
from raddle.controller.southbound.driver import RouteTable
from raddle.controller.southbound.openflow.driver import OpenFlowController
from raddle.controller.southbound.openflow.routes import routes_in, with_writes
from raddle.controller.southbound.openflow.tables import (
    COOKIE,
    Hop,
    SelectGroup,
    Tables,
    datapath_id,
    port_numbers,
    route_key,
    switch_tables,
)
from raddle.errors import InputError, UnreachableError
from raddle.inventory import Inventory, load_inventory
from raddle.lab.switches.programmed import switch_farm
from raddle.nos.farm import _free_port as free_port
from tests.conformance.open_vswitch import DummySwitches, needs_open_vswitch
from tests.fabrics import SMALL_POD

pytestmark = needs_open_vswitch

APP = typer.Typer()
for command in (apply, status, drift):
    APP.command()(command)

FABRIC = raddle.loads(SMALL_POD)
PLAN = make_plan(FABRIC, "ecmp")
SCHEDULE = traffic.build("all_reduce", "ring", 4, 4096)


def openflow(plan: Plan, port: int, wait_s: float = 10) -> dict[str, object]:
    """An inventory of OpenFlow switches that are known by their MAC addresses."""
    return {
        "fabric": "pod",
        "openflow": {"listen": f"127.0.0.1:{port}", "wait_s": wait_s},
        "switches": {each.name: {"datapath_id": f"{datapath_id(each):016x}"} for each in plan.switches},
    }


class Bench:
    """Open vSwitch, switches of the plan that look for a controller, and the inventory of them."""

    def __init__(self, switches: DummySwitches, folder: Path) -> None:
        self.switches, self.port, self._folder = switches, free_port(), folder
        (folder / "pod.yaml").write_text(SMALL_POD)
        self.write(openflow(PLAN, self.port))
        self._plan, self._target = replace(PLAN, switches=()), ""

    def start(self, plan: Plan = PLAN, scheme: str = "tcp") -> None:
        self._plan, self._target = plan, f"{scheme}:127.0.0.1:{self.port}"
        self.switches.add(plan, self._target)

    def write(self, document: dict[str, object]) -> None:
        self.inventory = self._folder / "inventory.json"
        self.inventory.write_text(json.dumps(document))

    def run(self, verb: str, *options: str) -> Result:
        if self._target:
            self.switches.connect(self._plan, self._target)
        fabric = str(self._folder / "pod.yaml")
        return CliRunner().invoke(
            APP, [verb, fabric, "--inventory", str(self.inventory), "--routing", "ecmp", *options]
        )

    def add_flow(self, switch: str, flow: str) -> None:
        self.switches.add_flow(switch, flow)


@pytest.fixture(scope="module")
def switches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummySwitches]:
    started = DummySwitches(tmp_path_factory.mktemp("ovs"))
    yield started
    started.stop()


@pytest.fixture
def bench(switches: DummySwitches, tmp_path: Path) -> Iterator[Bench]:
    yield Bench(switches, tmp_path)
    switches.remove(PLAN)


def test_groups_of_openflow_1_3_are_told_of_and_made_anew_where_a_switch_speaks_1_5(bench: Bench) -> None:
    bench.start()
    for switch in PLAN.switches:
        bench.switches.vsctl("set", "bridge", switch.name, "protocols=OpenFlow13")
    applied = bench.run("apply")
    assert (applied.exit_code, applied.stdout.count("verified")) == (0, 4)
    assert (
        applied.stderr.count("note: a select group of Open vSwitch hashes no UDP ports over OpenFlow 1.3")
        == 1
    )
    assert "hint: let the bridges speak OpenFlow 1.5" in applied.stderr
    for switch in PLAN.switches:
        bench.switches.vsctl("set", "bridge", switch.name, "protocols=OpenFlow13,OpenFlow15")
    drifted = bench.run("drift")
    assert drifted.exit_code == 1
    seed = f"{PLAN.switches[0].hash_seed:#x}"
    (line,) = [each for each in drifted.stdout.splitlines() if each.startswith("~ leaf0")]
    assert line.endswith(f"by 5-tuple and {seed}")
    assert bench.run("apply").exit_code == 0
    after = bench.run("drift")
    assert (after.exit_code, "note:" in after.stderr) == (0, False)


def test_apply_programs_what_connects_and_status_and_drift_read_it_back(bench: Bench) -> None:
    bench.start()
    before = bench.run("status")
    assert before.exit_code == 1
    # Its MAC without a tag and with one of VLAN 0, then table 1 goes on to table 2; a spine has 2 leaves
    # behind it, 2 cables and 3 addresses of its own.
    first = "table=0,priority=1,eth_dst=02:00:00:00:00:03,vlan_vid=0"
    assert f"spine1       10 differences, the first: {first}" in before.stdout
    applied = bench.run("apply")
    assert (applied.exit_code, applied.stdout.count("verified")) == (0, 4)
    assert "note:" not in applied.stderr

    bench.add_flow("leaf1", f"cookie={COOKIE},table=2,priority=500,udp,tp_dst=4791,actions=drop")
    other = "table=2,idle_timeout=900,priority=33,ip,nw_dst=10.0.0.1,actions=dec_ttl,output:1"
    bench.add_flow("leaf1", f"cookie={COOKIE},{other}")
    drifted = bench.run("drift")
    assert drifted.exit_code == 1
    [first, second, last] = drifted.stdout.splitlines()
    assert first.startswith("- leaf1 table=2,priority=500,eth_type=0x0800,udp_dst=4791  drop")
    assert " ".join(second.split()) == (
        "- leaf1 table=2,priority=33,eth_type=0x0800,ipv4_dst=10.0.0.1/32 "
        "idle_timeout=900 hard_timeout=0 dec_ttl,output:1"
    )
    assert last == "2 changes"
    mended = bench.run("apply").stdout.splitlines()
    assert mended[:2] == [
        "leaf0        0 changes in 0 messages, verified",
        "leaf1        2 changes in 2 messages, verified",
    ]
    assert bench.run("status").stdout.count("in sync") == 4


def test_entries_of_other_applications_stay_and_only_one_in_the_way_is_an_error(bench: Bench) -> None:
    bench.start()
    bench.add_flow("leaf1", "cookie=0x77,table=0,priority=900,arp,actions=normal")
    bench.switches.add_group("leaf1", "group_id=7,type=all,bucket=output:1")
    bench.add_flow("leaf1", "cookie=0x77,table=2,priority=400,ip,nw_dst=10.0.0.9,actions=group:7")
    applied = bench.run("apply")
    assert applied.exit_code == 0, applied.output
    assert "leaf1: 2 entries that raddle never wrote stay, the first cookie=0x77,table=0," in applied.stderr
    assert bench.run("drift").exit_code == 0
    flows = bench.switches.flows("leaf1")
    assert flows.count("cookie=0x77,") == 2
    assert flows.count(f"cookie={COOKIE:#x},") == 13

    bench.add_flow("leaf1", "cookie=0x77,table=2,priority=33,ip,nw_dst=10.0.0.4,actions=drop")
    for verb in ("status", "apply"):
        refused = bench.run(verb)
        assert refused.exit_code == 1
        assert str(refused.exception).startswith(
            "leaf1: an entry of another application (cookie 0x77) is where one of the plan's goes: "
            "table=2,priority=33,eth_type=0x0800,ipv4_dst=10.0.0.4/32\n  hint: remove it there"
        )
    assert bench.switches.flows("leaf1").count("cookie=0x77,") == 3


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(bench: Bench) -> None:
    bench.start()
    first, second = bench.run("apply", "--dry-run"), bench.run("apply", "--dry-run")
    assert first.exit_code == 0
    line = next(each for each in first.stdout.splitlines() if "+ spine0 " in each and "=10.0.0.0/30" in each)
    assert line.startswith("+ spine0 table=2,priority=31,eth_type=0x0800,ipv4_dst=10.0.0.0/30")
    assert line.endswith("select(Ethernet0 to leaf0)")
    assert first.stdout.splitlines()[-1].endswith(" messages")
    assert first.stdout == second.stdout


def test_a_switch_that_does_not_come_stops_no_other_and_is_told_where_to_go(bench: Bench) -> None:
    bench.write(openflow(PLAN, bench.port, wait_s=3))
    bench.start(replace(PLAN, switches=PLAN.switches[:-1]))
    result = bench.run("apply")
    assert result.stdout.splitlines()[-1] == "spine1       unreachable"
    assert result.stdout.count("verified") == 3
    assert isinstance(result.exception, UnreachableError)
    assert str(result.exception) == (
        "spine1: no connection from it within 3 s\n"
        f"  hint: point it at tcp:127.0.0.1:{bench.port} (ovs-vsctl set-controller)"
    )


def test_a_mixed_fabric_has_a_switch_of_each_kind_programmed_by_one_apply(bench: Bench) -> None:
    """leaf0 is a simulated SONiC switch, the others are Open vSwitch."""
    bench.start(replace(PLAN, switches=PLAN.switches[1:]))
    with switch_farm(FABRIC, PLAN) as farm:
        document = openflow(PLAN, bench.port)
        document["switches"] |= {"leaf0": {"address": farm.addresses["leaf0"]}}  # type: ignore[operator]
        bench.write(document)
        results = apply_plan(PLAN, load_inventory(bench.inventory))
        assert [(each.switch, each.protocol) for each in results] == [
            ("leaf0", "gnmi"), ("leaf1", "openflow"), ("spine0", "openflow"), ("spine1", "openflow"),
        ]  # fmt: skip
        assert all(each.is_in_sync and each.sets for each in results)
        assert not any(each.changes for each in check(PLAN, load_inventory(bench.inventory)))


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is missing")
def test_over_tls_both_sides_show_a_certificate_and_plain_text_is_turned_away(
    bench: Bench, tmp_path: Path
) -> None:
    """One certificate, its own authority, serves both sides."""
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    words = f"req -x509 -newkey rsa:2048 -nodes -subj /CN=pod -days 2 -keyout {key} -out {certificate}"
    subprocess.run(["openssl", *words.split()], check=True, capture_output=True, timeout=30)
    document = openflow(PLAN, bench.port, wait_s=4)
    document["openflow"] |= {"tls": {"cert": "cert.pem", "key": "key.pem", "ca": "cert.pem"}}  # type: ignore[operator]
    bench.write(document)
    bench.switches.vsctl("set-ssl", key, certificate, certificate)
    bench.start(scheme="ssl")
    assert bench.run("apply").stdout.count("verified") == 4
    bench.switches.remove(PLAN)
    bench.start(scheme="tcp")
    result = bench.run("status")
    assert result.stdout.count("unreachable") == 4
    said = "leaf0: no connection from it within 4 s (127.0.0.1: no TLS that fits)\n  hint: point it at ssl:"
    assert said in str(result.exception)
    (tmp_path / "key.pem").write_text("no key")
    broken = bench.run("status").exception
    assert isinstance(broken, InputError)
    assert "bad-tls" in str(broken)


def test_another_master_with_a_higher_election_id_is_named(bench: Bench) -> None:
    """OpenFlow 1.3.5, 6.3.4: a role request with an older generation_id is refused as stale."""
    bench.start()
    names = {datapath_id(switch): switch.name for switch in PLAN.switches}

    async def be_master_for_once() -> None:
        async with OpenFlowController(names, port=bench.port, election_id=1 << 20) as rival:
            await rival.connected(10)

    asyncio.run(be_master_for_once())
    result = bench.run("apply")
    assert result.stdout.count("failed") == 4
    assert "leaf0: another controller is its master\n  hint: stop that one, then apply again" in str(
        result.exception
    )


def test_a_port_that_is_taken_is_named_before_anything_is_sent(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", bench.port)):
        result = bench.run("apply")
    assert isinstance(result.exception, UnreachableError)
    assert f"127.0.0.1:{bench.port}: Address already in use\n  hint: stop the" in str(result.exception)


def test_pins_by_the_switches_own_hash_are_refused(bench: Bench) -> None:
    plan = replace(PLAN, source_ports=(SourcePort("host0", "host1", 50000, 50001),))
    with pytest.raises(InputError, match=r"carrier-not-supported.*leaf0 speaks OpenFlow"):
        apply_plan(plan, load_inventory(bench.inventory))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"leaf0": {"datapath_id": "xyz"}}, "invalid literal"),
        ({"leaf0": {"datapath_id": "0"}}, "'0' of leaf0 is no 16 hexadecimal digits"),
        ({"leaf0": {"datapath_id": "1", "address": "127.0.0.1:1"}}, "leaf0 has an address and a datapath_id"),
        (
            {"leaf0": {"datapath_id": "1"}, "leaf1": {"datapath_id": "01"}},
            "leaf1 has the datapath_id",
        ),
    ],
)
def test_a_datapath_id_that_cannot_be_is_told(change: dict[str, object], words: str, tmp_path: Path) -> None:
    file = tmp_path / "inventory.json"
    file.write_text(json.dumps({"fabric": "pod", "switches": change}))
    with pytest.raises(InputError, match=words):
        load_inventory(file)


def test_what_openflow_switches_hold_is_not_simulated(bench: Bench) -> None:
    inventory = load_inventory(bench.inventory)
    with pytest.raises(InputError, match="leaf0, leaf1, spine0, spine1 speak OpenFlow"):
        inventory.require("pod", ["leaf0"])
    with pytest.raises(InputError, match="wrong-fabric"):
        Inventory("other", {}).require("pod", ["leaf0"])


def tables_of(plan: Plan) -> dict[str, Tables]:
    macs = neighbour_macs(plan)
    return {
        switch.name: switch_tables(switch, macs, has_queues=False, has_selection_method=True)
        for switch in plan.switches
    }


def routes_of(tables: dict[str, Tables]) -> dict[str, RouteTable]:
    ports = {
        switch.name: {number: port for port, number in port_numbers(switch).items()}
        for switch in PLAN.switches
    }
    return {name: routes_in(each, ports[name]) for name, each in tables.items()}


def test_on_the_way_a_leaf_uses_a_spine_only_while_the_spine_has_the_route() -> None:
    """spine1 was without routes, and spine0 is to be: at every step all that leaves send to is there."""
    only = {name: without(PLAN, spine) for name, spine in (("before", "spine1"), ("after", "spine0"))}
    held, wanted = tables_of(only["before"]), tables_of(only["after"])
    state = dict(held)
    pushed = []
    for writes in update_rounds(peers_of(PLAN), routes_of(held), routes_of(wanted)):
        pushed.append({write.switch for write in writes})
        for write in writes:
            state[write.switch] = with_writes(state[write.switch], wanted[write.switch], [write])
        for leaf, other in (("leaf0", "10.0.0.4/30"), ("leaf1", "10.0.0.0/30")):
            group = state[leaf].rules[route_key(other)]
            assert isinstance(group, SelectGroup)
            [(hop, _)] = group.buckets
            spine = {f"02:00:00:00:00:0{2 + i}": f"spine{i}" for i in range(2)}[hop.eth_dst]
            assert route_key(other) in state[spine].rules
    assert pushed == [{"spine1"}, {"leaf0", "leaf1"}, {"spine0"}]
    assert routes_of(state) == routes_of(wanted)


def without(plan: Plan, spine: str) -> Plan:
    """The plan with a spine that has no routes and is nobody's next hop."""
    switches = []
    for switch in plan.switches:
        far = {port.name: port.peer.partition(":")[0] for port in switch.ports}
        routes = () if switch.name == spine else tuple(
            replace(route, next_hops=tuple(hop for hop in route.next_hops if far[hop.port] != spine))
            for route in switch.routes
        )  # fmt: skip
        switches.append(replace(switch, routes=routes))
    return replace(plan, switches=tuple(switches))


def test_a_pin_that_goes_leaves_the_route_that_it_covered() -> None:
    tables = tables_of(PLAN)["leaf0"]
    key = route_key("10.0.0.5/32")
    pinned = Tables(tables.mac, {**tables.rules, key: Hop(3, "02:00:00:00:00:02")})
    write = Write("leaf0", "10.0.0.5/32", (), ())
    assert with_writes(pinned, tables, [write]).rules == tables.rules
