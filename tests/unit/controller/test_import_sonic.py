"""Switches that run already are adopted as they stand: a first dry run changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

import raddle
from raddle.cli.documents import schema_of
from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.controller.southbound.sonic.tables import hash_start, intended
from raddle.errors import InputError
from raddle.inventory import Inventory
from raddle.peers.sonic.adoption import adopt_switches
from raddle.peers.sonic.reading import HeldSwitch
from tests.unit.controller.fake_switch import FakeSwitch, serving

Configs = dict[str, dict[str, Any]]

ORIGIN = """
raddle: 1
name: origin
fabric:
  leaves: {count: 2, model: tomahawk5-64x800g, name: "ams-tor-{i}", breakout: [{ports: 0-1, mode: 2x400G}]}
  spines: {count: 2, model: tomahawk5-64x800g, name: "ams-agg-{i}"}
  uplinks: {per_pair: 1, cable: 47m}
hosts: {per_leaf: 2, name: "node{i:02}", nics: {count: 2, speed: 400G, cable: 4m}}
roce:
  lossless: [{priority: 3, dscp: 24}, {priority: 4, dscp: 32}]
  ecn: {kmin: 611KB, kmax: 2444KB, pmax: 7%}
  watchdog: {detect: 300ms, restore: 600ms, action: forward}
routing: {policy: ecmp, as_numbers: {leaves: 64900, spines: 64800, superspines: 64700}}
addressing: {hosts: 10.77.0.0/20, loopbacks: 10.78.9.0/24, underlay: 10.79.0.0/18}
"""
LEAF, SPINE = "ams-tor-0", "ams-agg-1"


def origin(text: str = ORIGIN) -> Configs:
    plan = make_plan(raddle.loads(text), "ecmp")
    configs: Configs = json.loads(json.dumps({switch.name: intended(switch) for switch in plan.switches}))
    return configs


def noted(hall: Hall) -> list[str]:
    return [each["place"] for each in json.loads(hall.adopt("--json").stdout)["findings"]]


def renamed(table: dict[str, Any], old: str, new: str) -> None:
    table[new] = table.pop(old)


def lived_in(configs: Configs) -> None:
    """What years of operation leave: other aliases, lanes, names, pools, queues, and much besides."""
    for number, config in enumerate(configs.values()):
        for place, fields in enumerate(config["PORT"].values()):
            fields |= {"alias": f"Eth1/{place + 1}", "lanes": fields["lanes"], "autoneg": "off"}
        config["DEVICE_METADATA"]["localhost"] |= {
            "mac": f"9c:69:ed:00:00:{number:02x}",
            "type": "LeafRouter",
            "timezone": "UTC",
        }
        del config["DEVICE_METADATA"]["localhost"]["resource_type"]
        config |= {
            "MGMT_INTERFACE": {f"eth0|192.0.2.{number + 10}/24": {"gwaddr": "192.0.2.1"}},
            "NTP_SERVER": {"192.0.2.5": {}},
            "SNMP_COMMUNITY": {"watch": {"TYPE": "RO"}},
            "AAA": {"authentication": {"login": "tacacs+,local"}},
            "BANNER_MESSAGE": {"global": {"state": "enabled"}},
        }
    leaf = configs[LEAF]
    renamed(leaf["WRED_PROFILE"], "AZURE_LOSSLESS", "ROCE")
    renamed(leaf["CABLE_LENGTH"], "AZURE", "HALL")
    for fields in leaf["QUEUE"].values():
        if "wred_profile" in fields:
            fields["wred_profile"] = "ROCE"
    leaf["BUFFER_POOL"]["ingress_lossless_pool"] |= {"size": "87654321", "xoff": "7654321"}
    leaf["BUFFER_PROFILE"]["vendor"] = {"pool": "ingress_lossless_pool", "size": "1", "dynamic_th": "1"}
    for key in [key for key in leaf["BUFFER_PG"] if key.endswith("|3-4")]:
        del leaf["BUFFER_PG"][key]
        port = key.partition("|")[0]
        leaf["BUFFER_PG"] |= {f"{port}|{each}": {"profile": "vendor"} for each in (3, 4)}
    leaf["INTERFACE"] |= {"Ethernet504": {}, "Ethernet504|198.51.100.0/31": {}}
    leaf["STATIC_ROUTE"]["default|0.0.0.0/0"] = {"nexthop": "198.51.100.1", "ifname": "Ethernet504"}
    leaf["PORT"]["Ethernet504"]["admin_status"] = "up"
    spine = configs[SPINE]
    spine["DEVICE_METADATA"]["localhost"]["bgp_asn"] = "64811"
    del spine["DEVICE_NEIGHBOR"]
    spine["PFC_WD"]["GLOBAL"]["POLL_INTERVAL"] = "100"


class Hall:
    """Running switches, and a folder with what they hold."""

    def __init__(self, folder: Path, stack: ExitStack, configs: Configs, name: str = "hall") -> None:
        self.folder, self.file, self.inventory = (
            folder / "cfg",
            folder / f"{name}.yaml",
            folder / "where.json",
        )
        self.folder.mkdir()
        self.switches = {each: FakeSwitch(config) for each, config in configs.items()}
        for each, config in configs.items():
            (self.folder / f"{each}.json").write_text(json.dumps(config, indent=1))
        addresses = {each: stack.enter_context(serving(switch)) for each, switch in self.switches.items()}
        Inventory(name, addresses).save(self.inventory)

    def adopt(self, *options: str) -> Result:
        done = run("import", "sonic", str(self.folder), "-o", str(self.file), *options)
        assert done.exit_code == 0, done.output + str(done.exception)
        return done

    def changes(self) -> dict[str, list[str]]:
        """What a first apply would change, by switch."""
        done = run("apply", str(self.file), "--inventory", str(self.inventory), "--dry-run", "--json")
        document = json.loads(done.stdout)
        assert not any(switch["error"] for switch in document["switches"])
        return {
            switch["switch"]: [change["path"] for change in switch["changes"]]
            for switch in document["switches"]
            if switch["changes"]
        }

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def hall_of(tmp_path: Path) -> Iterator[Callable[[Configs], Hall]]:
    with ExitStack() as stack:
        yield lambda configs: Hall(tmp_path, stack, configs)


@pytest.fixture
def hall(hall_of: Callable[[Configs], Hall]) -> Hall:
    configs = origin()
    lived_in(configs)
    return hall_of(configs)


def test_switches_of_another_plan_are_adopted_with_one_note_of_the_hash_that_no_file_has(
    hall_of: Callable[[Configs], Hall],
) -> None:
    plain = hall_of(origin())
    assert noted(plain) == ["SWITCH_TABLE"]
    assert plain.changes() == {}
    fabric = raddle.load(plain.file)
    assert {switch.name: switch.asn for switch in fabric.switches if switch.role == "leaf"} == {
        "ams-tor-0": 64900,
        "ams-tor-1": 64901,
    }
    assert (fabric.roce.ecn.kmin_bytes, fabric.roce.ecn.pmax) == (611_000, 0.07)
    assert [each.priority for each in fabric.roce.lossless] == [3, 4]
    assert {link.length_m for link in fabric.links} == {4.0, 47.0}


def test_the_first_dry_run_on_switches_that_have_been_lived_in_is_empty(hall: Hall) -> None:
    shown = hall.adopt().stdout
    assert "adopted 4 switches, 4 hosts and 12 cables" in shown
    assert hall.changes() == {}
    ports = {port.name: port.alias for port in raddle.load(hall.file).switch_by_name[LEAF].ports}
    assert ports["Ethernet8"] == "Eth1/3"
    assert {each.name: each.asn for each in raddle.load(hall.file).spines} == {
        "ams-agg-0": 64800,
        SPINE: 64811,
    }


def test_what_is_not_adopted_is_listed_with_its_file_table_and_key(hall: Hall) -> None:
    document = json.loads(hall.adopt("--json").stdout)
    Draft202012Validator(schema_of("import")).validate(document)
    findings = document["findings"]
    places = {(each["kind"], each["place"].rpartition("/")[2]): each["text"] for each in findings}
    assert (
        "not of the plan"
        in places["left alone", f"{LEAF}.json: STATIC_ROUTE|default|0.0.0.0/0".rpartition("/")[2]]
    )
    assert places["left alone", f"{SPINE}.json: NTP_SERVER"] == "1 entry of no concern to raddle"
    assert places["recorded", f"{LEAF}.json: BUFFER_PG|Ethernet0|3-4"] == "not there"
    assert (
        "size is '87654321', not '" in places["recorded", f"{LEAF}.json: BUFFER_POOL|ingress_lossless_pool"]
    )
    assert "called 'ROCE' there" in places["recorded", f"{LEAF}.json: WRED_PROFILE|AZURE_LOSSLESS"]


def test_one_changed_key_changes_just_that_under_the_names_of_the_switch(hall: Hall) -> None:
    hall.adopt()
    hall.edit("kmin: 611000B", "kmin: 500KB")
    changes = hall.changes()
    assert changes.pop(LEAF) == ["WRED_PROFILE/ROCE"]
    assert set(map(tuple, changes.values())) == {("WRED_PROFILE/AZURE_LOSSLESS",)}


def test_a_drained_spine_changes_routes_alone(hall: Hall) -> None:
    hall.adopt()
    with hall.file.open("a") as file:
        file.write(f"overrides: {{drain: [{SPINE}]}}\n")
    changes = hall.changes()
    assert changes
    assert all(path.startswith("STATIC_ROUTE/") for paths in changes.values() for path in paths)
    assert not any("0.0.0.0" in path for paths in changes.values() for path in paths)


def test_the_lower_end_may_have_the_even_address(hall_of: Callable[[Configs], Hall]) -> None:
    configs = origin()
    flip = {}
    for config in configs.values():
        for key in [key for key in config["INTERFACE"] if "|10.79." in key]:
            port, _, prefix = key.partition("|")
            head, _, last = prefix.removesuffix("/31").rpartition(".")
            flip[f"{head}.{last}"] = f"{head}.{int(last) ^ 1}"
            renamed(config["INTERFACE"], key, f"{port}|{flip[f'{head}.{last}']}/31")
    for config in configs.values():
        for fields in config["STATIC_ROUTE"].values():
            hops = sorted(
                (flip.get(hop, hop), port)
                for hop, port in zip(fields["nexthop"].split(","), fields["ifname"].split(","), strict=True)
            )
            fields |= {
                "nexthop": ",".join(hop for hop, _ in hops),
                "ifname": ",".join(port for _, port in hops),
            }
    turned = hall_of(configs)
    assert noted(turned) == ["SWITCH_TABLE"]
    assert turned.changes() == {}


def test_routes_that_bgp_gives_are_left_to_it(hall_of: Callable[[Configs], Hall]) -> None:
    configs = origin()
    for config in configs.values():
        del config["STATIC_ROUTE"]
        config["BGP_NEIGHBOR"] = {"10.79.0.1": {"asn": "64800"}}
    fabric = hall_of(configs)
    shown = fabric.adopt().stdout
    assert "BGP gives them" in shown
    assert fabric.changes() == {}
    fabric.edit('ignore:\n  - "STATIC_ROUTE/*"\n', "")
    assert {path.partition("/")[0] for paths in fabric.changes().values() for path in paths} == {
        "STATIC_ROUTE"
    }
    bench = run("verify", str(fabric.file))
    assert bench.exit_code == 0, bench.output + str(bench.exception)


def test_addresses_that_are_no_pair_stay_and_take_routes_with_them(
    hall_of: Callable[[Configs], Hall],
) -> None:
    configs = origin()
    interfaces = configs[LEAF]["INTERFACE"]
    key = next(key for key in interfaces if key.startswith("Ethernet0|"))
    renamed(interfaces, key, "Ethernet0|192.168.7.1/24")
    fabric = hall_of(configs)
    shown = fabric.adopt().stdout
    assert f"{LEAF}.json: INTERFACE|Ethernet0: {LEAF}:Ethernet0 has 192.168.7.1/24: raddle gives" in shown
    assert fabric.changes() == {}


def test_running_switches_are_adopted_over_gnmi_and_their_cables_by_lldp(hall: Hall) -> None:
    for switch in hall.switches.values():
        neighbours = switch.config.pop("DEVICE_NEIGHBOR", {})
        for port, fields in neighbours.items():
            far = hall.switches.get(fields["name"])
            said = far.config["PORT"][fields["port"]]["alias"] if far else fields["port"]
            system = f"{fields['name'].upper()}.example.net" if far else fields["name"]
            switch.heard[port] = {"lldp_rem_sys_name": system, "lldp_rem_port_id": said}
    done = run("import", "sonic", "--inventory", str(hall.inventory), "-o", str(hall.file))
    assert "adopted 4 switches, 4 hosts and 12 cables" in done.stdout, done.output + str(done.exception)
    assert hall.changes() == {}


def test_a_list_of_cables_counts_before_what_switches_say(hall_of: Callable[[Configs], Hall]) -> None:
    fabric = hall_of(origin())
    listed = fabric.folder.parent / "cables.csv"
    listed.write_text(f"a_device,a_port,b_device,b_port\n{LEAF},etp1a,gpu-a,eth0\n")
    shown = fabric.adopt("--cables", str(listed)).stdout
    assert "Sources disagree" in shown
    assert f"{LEAF}:Ethernet0 leads to node00:eth0" in shown
    assert "gpu-a" in {host.name for host in raddle.load(fabric.file).hosts}


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ("{", "bad-config-db", "not JSON"),
        ('{"PORT": 3}', "bad-config-db", "no tables"),
        ('{"VLAN": {}}', "bad-config-db", "no PORT table"),
        ('{"PORT": {"Ethernet0": {}}}', "bad-config-db", "the hostname is ''"),
    ],
)
def test_files_that_are_no_configuration_are_refused(
    tmp_path: Path, content: str, code: str, message: str
) -> None:
    path = tmp_path / "one.json"
    path.write_text(content)
    refused = run("import", "sonic", str(path), "-o", str(tmp_path / "hall.yaml")).exception
    assert isinstance(refused, InputError)
    assert refused.diagnostics[0].code == code
    assert message in str(refused)


def test_neighbours_that_are_all_outside_of_what_was_read_are_named(
    hall_of: Callable[[Configs], Hall],
) -> None:
    name, leaf = next(iter(origin().items()))
    leaf["DEVICE_NEIGHBOR"] = {"Ethernet0": {"name": "far-spine", "port": "Ethernet8"}}
    leaf["DEVICE_NEIGHBOR_METADATA"] = {"far-spine": {"type": "SpineRouter"}}
    del leaf["INTERFACE"]
    fabric = hall_of({name: leaf})
    refused = run("import", "sonic", str(fabric.folder), "-o", str(fabric.file)).exception
    assert isinstance(refused, InputError)
    assert refused.diagnostics[0].code == "no-cables"
    assert "leads to 'far-spine', a SpineRouter" in str(refused)


def test_a_fabric_without_any_known_cable_is_refused(hall_of: Callable[[Configs], Hall]) -> None:
    configs = origin()
    for config in configs.values():
        del config["DEVICE_NEIGHBOR"], config["INTERFACE"]
    fabric = hall_of(configs)
    refused = run("import", "sonic", str(fabric.folder), "-o", str(fabric.file)).exception
    assert isinstance(refused, InputError)
    assert refused.diagnostics[0].code in ("no-cables", "not-in-tiers")
    assert "--cables" in str(refused)


SWITCHES = "leaves: {count: 2}, spines: {count: 2}"
FORMS = {
    "three tiers, both families": """
fabric:
  {kind: fat-tree, pods: 2, leaves: {per_pod: 2}, spines: {per_pod: 2}, superspines: {count: 4}}
hosts: {per_leaf: 2}
addressing: {families: dual, hosts: 10.1.0.0/16, loopbacks: 10.3.0.0/24, underlay: 10.2.0.0/18}
""",
    "IPv6 and another hash": f"""
fabric: {{{SWITCHES}}}
hosts: {{per_leaf: 3}}
addressing: {{families: ipv6}}
routing: {{policy: ecmp, hash: {{algorithm: crc16, fields: [src_ip, dst_ip, l4_src_port]}}}}
""",
    "unnumbered": f"""
fabric: {{{SWITCHES}}}
hosts: {{per_leaf: 3}}
addressing: {{families: dual, links: unnumbered}}
""",
    "planes without PFC": """
fabric: {kind: rail-optimized, planes: 2, leaves: {count: 4}, spines: {count: 2}}
hosts: {per_leaf: 2, nics: {count: 8}, accelerators: {count: 8}}
roce: {pfc: false, watchdog: none}
""",
    "two leaves for each NIC, and a link that is down": """
fabric: {tors: 2, leaves: {count: 4}, spines: {count: 2}, uplinks: {per_pair: 2, speed: 200G}}
hosts: {per_leaf: 2, nics: {count: 2, ports: 2}}
overrides: {links: [{ends: [leaf0, spine0], number: 0, state: down}]}
""",
    "ports of unequal parts, and shared headroom": """
fabric:
  leaves: {count: 2, breakout: [{ports: 0, mode: "1x200G(4)+2x100G(4)"}]}
  spines: {count: 2}
hosts: {per_leaf: 3, nics: {speed: 100G}}
roce: {headroom: {over_subscribe_ratio: 2}}
""",
    "a pool of headroom": f"""
fabric: {{{SWITCHES}}}
hosts: {{per_leaf: 3}}
roce: {{headroom: {{pool: 600KiB}}}}
""",
    "ports of two speeds": """
fabric:
  leaves: {count: 2, model: spectrum3-32x400g}
  spines: {count: 2, model: spectrum4-64x800g, breakout: 2x400G}
hosts: {per_leaf: 3, nics: {speed: 100G}}
""",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_comes_back_from_its_own_switches(form: str, tmp_path: Path) -> None:
    routing = "" if "routing" in FORMS[form] else "routing: {policy: ecmp}\n"
    text = f"raddle: 1\nname: origin{FORMS[form]}{routing}"
    configs, first = origin(text), make_plan(raddle.loads(text), "ecmp")
    held = [
        HeldSwitch(switch.name, f"{switch.name}.json", configs[switch.name], hashing=hash_start(switch))
        for switch in first.switches
    ]
    adoption = adopt_switches("back", "back.record.json", held)
    assert adoption.findings == ()
    (tmp_path / "back.yaml").write_text(adoption.fabric)
    (tmp_path / "back.record.json").write_text(adoption.record)
    plan = make_plan(raddle.load(tmp_path / "back.yaml"), "ecmp")
    assert {switch.name: json.loads(json.dumps(intended(switch))) for switch in plan.switches} == configs
    assert [hash_start(switch) for switch in plan.switches] == [
        hash_start(switch) for switch in first.switches
    ]


@pytest.mark.parametrize(
    ("told", "line", "kinds"),
    [
        ({}, "seed: sonic", ["assumed"]),
        ({"BackEndToRRouter": "0 0", "BackEndLeafRouter": "10 10"}, "seed: sonic", []),
        ({"BackEndToRRouter": "10 10", "BackEndLeafRouter": "10 10"}, "seed: 10", []),
        ({"BackEndToRRouter": "1 0", "BackEndLeafRouter": "2 0"}, "seed: sonic", ["not adopted"]),
    ],
)
def test_the_hash_that_switches_tell_is_adopted_or_that_of_sonic_assumed(
    told: dict[str, str], line: str, kinds: list[str], tmp_path: Path
) -> None:
    held = []
    for name, config in origin().items():
        kind = config["DEVICE_METADATA"]["localhost"]["type"]
        seed, _, offset = told.get(kind, "").partition(" ")
        start = {"ecmp_hash_seed": seed, "ecmp_hash_offset": offset} if seed else {}
        held.append(HeldSwitch(name, f"{name}.json", config, hashing=start))
    adoption = adopt_switches("back", "back.record.json", held)
    assert line in adoption.fabric
    assert [each.kind for each in adoption.findings if each.place == "SWITCH_TABLE"] == kinds
    assert ("SWITCH_TABLE/*" in adoption.fabric) == ("not adopted" in kinds)


def test_an_adopted_switch_hashes_by_its_own_type(tmp_path: Path) -> None:
    configs = origin()
    name = next(iter(configs))
    configs[name]["DEVICE_METADATA"]["localhost"]["type"] = "SpineRouter"
    held = [HeldSwitch(each, f"{each}.json", config) for each, config in configs.items()]
    adoption = adopt_switches("back", "back.record.json", held)
    (tmp_path / "back.yaml").write_text(adoption.fabric)
    (tmp_path / "back.record.json").write_text(adoption.record)
    plan = make_plan(raddle.load(tmp_path / "back.yaml"), "ecmp")
    found = {switch.name: (switch.hash_seed, switch.hash_offset) for switch in plan.switches}
    assert found.pop(name) == (25, 0)
    assert set(found.values()) == {(0, 0), (10, 10)}


def test_planning_again_keeps_what_was_adopted(hall: Hall) -> None:
    hall.adopt()
    record = hall.file.with_suffix(".record.json")
    before = json.loads(record.read_text())["adopted"]
    done = run("plan", str(hall.file))
    assert done.exit_code == 0, done.output + str(done.exception)
    assert json.loads(record.read_text())["adopted"] == before
    assert hall.changes() == {}


def test_proofs_are_about_the_buffers_that_the_switch_has(hall: Hall) -> None:
    hall.adopt()
    verified = run("verify", str(hall.file))
    assert verified.exit_code == 1
    assert (
        "error[no-headroom]: ams-tor-0:Ethernet0 and 5 more: priority group 3 has no headroom"
        in verified.output
    )
    assert "ams-tor-1" not in verified.output.partition("findings")[2]


def test_the_path_mtu_fits_the_ports(hall_of: Callable[[Configs], Hall]) -> None:
    configs = origin()
    for config in configs.values():
        for fields in config["PORT"].values():
            fields["mtu"] = "1500"
    fabric = hall_of(configs)
    fabric.adopt()
    roce = raddle.load(fabric.file).roce
    assert (roce.mtu_bytes, roce.port_mtu_bytes) == (1024, 1500)


def test_a_leaf_that_refuses_in_the_middle_of_a_drain_gets_the_rest_from_the_next_apply(hall: Hall) -> None:
    hall.adopt()
    at = ("apply", str(hall.file), "--inventory", str(hall.inventory), "--confirm", "0")
    before = json.loads(json.dumps({name: switch.config for name, switch in hall.switches.items()}))
    text = hall.file.read_text()
    hall.file.write_text(text + f"overrides: {{drain: [{SPINE}]}}\n")
    hall.switches[LEAF].refusal = "not today"
    assert run(*at).exit_code != 0
    assert hall.switches[LEAF].config == before[LEAF]
    assert hall.switches[SPINE].config == before[SPINE]  # the leaf may still send there
    hall.switches[LEAF].refusal = ""
    assert run(*at).exit_code == 0
    assert hall.changes() == {}
    hall.file.write_text(text)
    assert run(*at).exit_code == 0
    assert {name: switch.config for name, switch in hall.switches.items()} == before


PAIRED = ORIGIN.replace("policy: ecmp, ", "policy: ecmp, hash: {algorithm: crc16}, ")
FIVE = ["SRC_IP", "DST_IP", "IP_PROTOCOL", "L4_SRC_PORT", "L4_DST_PORT"]


def test_a_hash_over_queue_pairs_is_adopted_where_all_switches_have_it(
    hall_of: Callable[[Configs], Hall],
) -> None:
    configs = origin(PAIRED)
    for config in configs.values():
        config["SWITCH_HASH"]["GLOBAL"]["ecmp_hash"] = [*FIVE, "RDMA_BTH_DEST_QP"]
    hall = hall_of(configs)
    assert "SWITCH_HASH" not in " ".join(noted(hall))
    assert hall.changes() == {}
    fabric = raddle.load(hall.file)
    assert set(fabric.routing.hash_fields) == {*(name.lower() for name in FIVE), "bth_qp"}
    assert fabric.routing.hash_algorithm == "crc16"
    assert all("hash-on-qp" in switch.model.features for switch in fabric.switches)


def test_a_hash_over_queue_pairs_on_some_switches_stays_and_is_told(
    hall_of: Callable[[Configs], Hall],
) -> None:
    configs = origin(PAIRED)
    configs[LEAF]["SWITCH_HASH"]["GLOBAL"]["ecmp_hash"] = [*FIVE, "RDMA_BTH_DEST_QP"]
    hall = hall_of(configs)
    assert f"{LEAF}.json: SWITCH_HASH|GLOBAL" in {each.rpartition("/")[2] for each in noted(hall)}
    assert hall.changes() == {}


def test_a_push_says_what_it_watched_and_one_without_changes_that_it_watched_nothing(
    hall_of: Callable[[Configs], Hall],
) -> None:
    hall = hall_of(origin())
    hall.adopt()
    words = ("apply", str(hall.file), "--inventory", str(hall.inventory), "--confirm", "0.1")
    assert "watched no switch, as none was sent anything" in run(*words).stderr
    hall.edit("pmax: 7%", "pmax: 9%")
    assert "watched 4 switches for up to 0." in (told := run(*words).stderr)
    assert "s: links, routes in CONFIG_DB and APPL_DB, buffer profiles, PFC watchdog" in told
