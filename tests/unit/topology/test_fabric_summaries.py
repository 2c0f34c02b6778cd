"""Capacity, warnings and drawings of a fabric, and the commands that print them."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
from typer.testing import CliRunner, Result

from raddle import InputError, load, loads
from raddle.cli.show import show
from raddle.cli.validate import validate
from raddle.topology import Fabric, find
from raddle.topology.views.capacity import (
    cable_kinds,
    capacity_text,
    leaf_oversubscription,
    oversubscription,
    review,
    tier_oversubscription,
    tiers,
)
from raddle.topology.views.drawing import to_dot, to_mermaid
from raddle.topology.views.rows import cable_rows
from raddle.topology.views.svg import to_svg
from raddle.topology.yaml.placing import in_file

POD = """
raddle: 1
name: pod
fabric: {leaves: {count: 2}, spines: {count: 2}, uplinks: {per_pair: 2}}
hosts: {per_leaf: 8}
"""
ONE_DOWN = "overrides: {links: [{ends: ['leaf1:Ethernet64', spine0], state: down}]}\n"


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(validate)
    app.command()(show)
    return CliRunner().invoke(app, arguments)


def test_leaf_with_8_hosts_and_4_uplinks_is_oversubscribed_2_to_1() -> None:
    assert oversubscription(loads(POD)) == 2.0
    assert oversubscription(loads(POD.replace("per_leaf: 8", "per_leaf: 4"))) == 1.0


def test_dead_uplink_counts_against_its_leaf() -> None:
    assert leaf_oversubscription(loads(POD + ONE_DOWN)) == {"leaf0": 2.0, "leaf1": pytest.approx(8 / 3)}


def test_tiers_sum_the_links_that_are_up() -> None:
    hosts, uplinks = tiers(loads(POD + ONE_DOWN))
    assert (hosts.name, hosts.links, hosts.links_up, hosts.up_bps) == ("host-leaf", 16, 16, 6_400_000_000_000)
    assert (uplinks.links, uplinks.links_up, uplinks.up_bps) == (8, 7, 2_800_000_000_000)


def test_cables_are_counted_by_tier_speed_and_length() -> None:
    fabric = loads(POD + "overrides: {links: [{ends: [leaf0, host3], cable: 5m}]}\n")
    kinds = [(kind.tier, kind.length_m, kind.count) for kind in cable_kinds(fabric)]
    assert kinds == [("host-leaf", 3.0, 15), ("host-leaf", 5.0, 1), ("leaf-spine", 30.0, 8)]


def test_sound_fabric_has_no_warnings() -> None:
    assert review(loads(POD.replace("per_leaf: 8", "per_leaf: 4"))) == ()


def test_what_may_not_be_meant_is_a_warning() -> None:
    odd = POD + ONE_DOWN + "roce: {pfc: false, cnp: {priority: 3, dscp: 48}}\n"
    codes = [warning.code for warning in review(loads(odd))]
    assert codes == ["oversubscribed", "link-down", "pfc-off", "cnp-paused"]
    assert {warning.severity for warning in review(loads(odd))} == {"warning"}


def test_retransmission_timeout_within_the_round_trip_is_a_warning() -> None:
    # Payloads of 81.92 ns on 8 wires, 4 x 15 and 4 x 150 ns of cable, 6 pipelines of 800 ns: 6.1 us.
    sound = POD.replace("per_leaf: 8", "per_leaf: 4")
    codes = [
        [
            warning.code
            for warning in review(loads(sound.replace("per_leaf: 4", f"per_leaf: 4, nics: {{rto: {rto}}}")))
        ]
        for rto in ("6us", "7us")
    ]
    assert codes == [["rto-too-short"], []]


def test_a_timeout_must_outlast_the_packets_that_an_acknowledgement_waits_for() -> None:
    # 255 more payloads of 81.92 ns have to come before the receiver answers: 20.9 us more.
    sound = POD.replace("per_leaf: 8", "per_leaf: 4")
    for rto, codes in (("26us", ["rto-too-short"]), ("28us", [])):
        nics = f"per_leaf: 4, nics: {{rto: {rto}, ack_interval: 256}}"
        assert [each.code for each in review(loads(sound.replace("per_leaf: 4", nics)))] == codes


def test_dot_joins_parallel_links_and_dashes_dead_ones() -> None:
    dot = to_dot(loads(POD + ONE_DOWN))
    assert dot.startswith('graph "pod" {')
    assert dot.endswith("}")
    assert '"spine0" -- "leaf0" [label="2 x 400G"];' in dot
    assert '"spine0" -- "leaf1" [label="400G", style=dashed, color=red];' in dot
    assert dot.count(" -- ") == 16 + 4 + 1


def test_mermaid_names_every_device_once() -> None:
    lines = to_mermaid(loads(POD + ONE_DOWN)).splitlines()
    assert lines[0] == "graph TB"
    assert sum(line.endswith('"]') for line in lines) == 4 + 16
    assert sum("---" in line for line in lines) == 16 + 4
    assert sum("-.-" in line for line in lines) == 1


def test_validate_prints_one_line_per_fact_and_ok() -> None:
    result = run("validate", "leaf-spine-16")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert "devices:     4 leaves, 4 spines, 16 hosts" in lines
    assert {"capacity:    non-blocking", "bisection:   3.2T"} <= set(lines)
    assert "lossless:    priority 3 (DSCP 26), PFC; CNPs on priority 6 (DSCP 48)" in lines
    assert lines[-1] == "ok"


def test_validate_json_is_stable_and_numeric() -> None:
    result = run("validate", "leaf-spine-16", "--json")
    document = json.loads(result.stdout)
    assert document["schema_version"] == 1
    assert document["ok"] is True
    assert (document["hosts"], document["links"], document["oversubscription"]) == (16, 32, 1.0)
    assert result.stdout == json.dumps(document, indent=2, sort_keys=True) + "\n"


def test_show_json_lists_switches_by_name() -> None:
    document = json.loads(run("show", "leaf-spine-16", "--json").stdout)
    names = [switch["name"] for switch in document["switches"]]
    assert names == [f"leaf{i}" for i in range(4)] + [f"spine{i}" for i in range(4)]
    assert document["switches"][0]["ports_cabled"] == 8
    assert document["switches"][4]["ports_cabled"] == 4
    assert len(document["links"]) == 32


def test_show_prints_whole_names_and_no_colour_off_a_terminal() -> None:
    result = run("show", "white-box-512")
    assert "DellEMC-Z9332f-O32" in result.stdout
    assert "512 endpoints, non-blocking" in result.stdout
    assert "204.8T" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize(("drawing", "start"), [("dot", 'graph "leaf-spine-16"'), ("mermaid", "graph TB")])
def test_show_draws(drawing: str, start: str) -> None:
    assert run("show", "leaf-spine-16", "--format", drawing).stdout.startswith(start)


@pytest.mark.parametrize("command", ["validate", "show"])
def test_commands_leave_input_errors_to_the_caller(command: str) -> None:
    result = run(command, "nowhere.yaml")
    assert isinstance(result.exception, InputError)
    assert result.stdout == ""


SVG = "{http://www.w3.org/2000/svg}"


def drawn(fabric: Fabric) -> tuple[list[str], list[dict[str, str]]]:
    """The texts of a drawing, and the lines of its links."""
    root = ElementTree.fromstring(to_svg(fabric))
    (links,) = [group for group in root.iter(f"{SVG}g") if group.get("id") == "links"]
    return [each.text or "" for each in root.iter(f"{SVG}text")], [
        line.attrib for line in links.iter(f"{SVG}line")
    ]


def test_svg_draws_what_is_wrong_over_its_bundle_with_counts() -> None:
    texts, lines = drawn(loads(POD + ONE_DOWN))
    assert {"spine0", "leaf1", "host15"} <= set(texts)
    assert "16 hosts, 16 endpoints, 4 switches, 24 links at 400G" in texts
    # 16 hosts, 4 pairs of leaf and spine; one of the two links of a pair is dead, over the other.
    assert len(lines) == 16 + 4 + 1
    (dead,) = [line for line in lines if "stroke-dasharray" in line]
    assert any((line["x1"], line["x2"]) == (dead["x1"], dead["x2"]) for line in lines if line is not dead)
    assert {"1 of 2 down", "23 up", "1 down", "host-leaf: 16 x 400G", "leaf-spine: 8 x 400G"} <= set(texts)


def test_svg_tells_drained_and_slow_links_apart() -> None:
    odd = "overrides: {links: [{ends: [host3, leaf0], speed: 100G}], drain: [spine1]}\n"
    texts, _ = drawn(loads(POD + odd))
    assert {"slow, 100G", "1 slow", "4 drained", "19 up"} <= set(texts)
    assert texts.count("2 of 2 drained") == 2


@pytest.mark.parametrize("name", ["white-box-512", "multi-plane-16384", "rail-256-h100"])
def test_svg_of_a_large_fabric_is_as_wide_as_a_page_and_bunches_devices(name: str) -> None:
    root = ElementTree.fromstring(text := to_svg(load(find(name))))
    assert root.attrib["width"] == "960"
    assert len(text) < 60_000
    widths = [
        float(rect.attrib["x"]) + float(rect.attrib["width"]) for rect in list(root.iter(f"{SVG}rect"))[1:]
    ]
    assert max(widths) <= 960


def test_svg_boxes_do_not_overlap_and_lie_within_the_drawing() -> None:
    root = ElementTree.fromstring(to_svg(load(find("rail-256-h100"))))
    boxes: dict[float, list[tuple[float, float]]] = {}
    for rect in [each for each in root.iter(f"{SVG}rect") if each.get("rx")]:
        start = float(rect.attrib["x"])
        boxes.setdefault(float(rect.attrib["y"]), []).append((start, start + float(rect.attrib["width"])))
    assert len(boxes) == 3
    for row in boxes.values():
        ends = [0.0, *(edge for box in sorted(row) for edge in box), float(root.attrib["width"])]
        assert ends == sorted(ends)


def test_cable_list_has_both_ends_speed_length_and_a_label_per_cable() -> None:
    rows = list(csv.DictReader(io.StringIO(run("show", "mixed-speed", "--format", "csv").stdout)))
    assert len(rows) == 240
    assert rows[0] == {
        "label": "mixed-speed-000",
        "tier": "host-leaf",
        "a_device": "new0",
        "a_port": "eth0",
        "b_device": "leaf0",
        "b_port": "Ethernet0",
        "speed": "400G",
        "length": "3m",
        "medium": "dac",
        "state": "up",
    }
    assert len({row["label"] for row in rows}) == 240


def test_show_lists_switches_and_hosts_with_their_places() -> None:
    switches = list(
        csv.DictReader(io.StringIO(run("show", "dual-tor-1024", "switches", "--format=csv").stdout))
    )
    assert [row["asn"] for row in switches[:2]] == ["4200010000", "4200010001"]
    assert {row["asn"] for row in switches if row["role"] == "spine"} == {"4200000100"}
    hosts = json.loads(run("show", "rail-256-h100", "hosts", "--json").stdout)["hosts"]
    assert hosts[24]["tenant"] == "inference"
    assert hosts[24]["accelerators"] == "8 x gpu h100"
    assert "host31" in run("show", "rail-256-h100", "hosts").stdout


def test_show_json_tells_tenants_and_capacity() -> None:
    document = json.loads(run("show", "rail-256-h100", "--json").stdout)
    assert document["bisection_bps"] == 256 * 400 * 10**9 // 2
    assert document["tenants"][1]["ranks"][:2] == ["host24:eth0", "host25:eth0"]
    assert document["hosts"][0]["accelerators"]["scale_up_bps"] == 3_600_000_000_000


def test_each_tier_that_is_oversubscribed_is_told_at_the_key_of_its_uplinks(tmp_path: Path) -> None:
    text = (
        "raddle: 1\nname: thin\nfabric:\n  kind: fat-tree\n  pods: 2\n  leaves: {per_pod: 2}\n"
        "  spines: {per_pod: 2}\n  superspines: {count: 2}\n  uplinks: {per_pair: 2}\n"
        "  spine_uplinks: {per_pair: 1}\nhosts: {per_leaf: 8}\n"
    )
    (tmp_path / "thin.yaml").write_text(text)
    fabric = load(tmp_path / "thin.yaml")
    told = [
        (each.message.split()[0], each.span.line) for each in in_file(fabric, review(fabric)) if each.span
    ]
    assert told == [("leaf", 9), ("spine", 10)]


def test_uplinks_beyond_a_switchs_next_hop_groups_are_a_warning() -> None:
    wide = (
        "raddle: 1\nname: pod\nmodels: {small: {ports: 8, port_speed: 400G, buffer: 64MiB, "
        "tables: {group_size: 3}}}\nfabric: {leaves: {count: 2, model: small}, spines: {count: 4}}\n"
        "hosts: {per_leaf: 4}\n"
    )
    (warning,) = review(loads(wide))
    assert warning.code == "group-too-large"
    assert warning.message == (
        "'leaf0' has 4 uplinks; a next-hop group of 'small' has 3: each group has a part of them, another "
        "for other leaves"
    )


def test_uplinks_beyond_a_group_that_is_assumed_are_a_warning_too() -> None:
    wide = (
        "raddle: 1\nname: pod\nmodels: {many: {ports: 260, port_speed: 100G, buffer: 64MiB}}\n"
        "fabric: {leaves: {count: 2, model: many}, spines: {count: 130, model: many}}\n"
        "hosts: {per_leaf: 130, nics: {speed: 100G}}\n"
    )
    (warning,) = review(loads(wide))
    assert "a next-hop group of 'many' has 128, as its model does not say" in warning.message
    assert review(loads(wide.replace("64MiB", "64MiB, tables: {group_size: 130}"))) == ()


def test_a_link_slower_than_its_nic_is_a_warning() -> None:
    text = POD + "overrides: {links: [{ends: [host3, leaf0], speed: 100G}]}\n"
    (only,) = [each for each in review(loads(text)) if each.code == "nic-speed"]
    assert "host3:eth0" in only.message
    assert "runs at 100G, its NIC at 400G" in only.message


def test_thresholds_of_a_speed_that_no_link_has_are_a_warning() -> None:
    rows = "speeds: [{speed: 400G, kmin: 1MB, kmax: 2MB}, {speed: 100G, kmin: 1MB, kmax: 2MB}]"
    fabric = loads(POD + f"roce: {{ecn: {{{rows}}}}}\n")
    (only,) = [each for each in review(fabric) if each.code == "ecn-unused"]
    assert only.message == "no link runs at 100G, whose ports are to mark so"
    assert only.place == ("roce", "ecn", "speeds", 1, "speed")


def test_in_a_list_of_devices_a_warning_is_at_the_device(tmp_path: Path) -> None:
    text = (
        "raddle: 1\nname: listed\ndevices:\n  leaf0: {role: leaf}\n  leaf1: {role: leaf}\n"
        "  spine0: {role: spine}\n  h0: {role: host}\n  h1: {role: host}\n"
        "  h2: {role: host}\n  h3: {role: host}\n"
        "links:\n"
        '  - {ends: ["h0:eth0", "leaf0:Ethernet0"]}\n  - {ends: ["h1:eth0", "leaf1:Ethernet0"]}\n'
        '  - {ends: ["h2:eth0", "leaf1:Ethernet8"]}\n'
        '  - {ends: ["h3:eth0", "leaf0:Ethernet8"], speed: 200G}\n'
        '  - {ends: ["leaf0:Ethernet64", "spine0:Ethernet0"]}\n'
        '  - {ends: ["leaf1:Ethernet64", "spine0:Ethernet8"]}\n'
    )
    (tmp_path / "listed.yaml").write_text(text)
    fabric = load(tmp_path / "listed.yaml")
    told = {each.code: each.span.line for each in in_file(fabric, review(fabric)) if each.span}
    assert told == {"oversubscribed": 5, "nic-speed": 10}


def test_storage_beside_servers_may_be_slower() -> None:
    text = (
        "raddle: 1\nname: shared\nfabric: {leaves: {count: 2}, spines: {count: 2}, uplinks: {per_pair: 9}}\n"
        "hosts:\n  - {per_leaf: 8, accelerators: {count: 1}}\n  - {per_leaf: 1, nics: {speed: 200G}}\n"
    )
    assert "nic-speed" not in {each.code for each in review(loads(text))}
    ranks = text.replace("{per_leaf: 1,", "{per_leaf: 1, accelerators: {count: 1},")
    assert "nic-speed" in {each.code for each in review(loads(ranks))}


def hosts_of_two_kinds(slow: int, fast: int) -> str:
    kinds = [("h", "400G", fast), ("s", "200G", slow)]
    lists = [f'{{per_leaf: {n}, name: "{name}{{i}}", nics: {{speed: {speed}}}}}' for name, speed, n in kinds]
    form = "fabric: {leaves: {count: 1}, spines: {count: 1}, uplinks: {per_pair: 9}}"
    return f"raddle: 1\nname: two\n{form}\nhosts: [{', '.join(lists)}]\n"


def test_warnings_of_nics_look_at_each_host_once() -> None:
    """Without accelerators all hosts are ranks; that is found out once, and not again for each NIC."""

    def calls_of_any(hosts: int) -> int:
        fabric, names = loads(POD.replace("per_leaf: 8", f"per_leaf: {hosts}")), []
        sys.setprofile(lambda _frame, event, what: names.append(what) if event == "c_call" else None)
        try:
            found = review(fabric)
        finally:
            sys.setprofile(None)
        assert [each.code for each in found] == (["oversubscribed"] if hosts > 4 else [])
        return names.count(any)

    assert calls_of_any(20) == calls_of_any(4) > 0


def test_one_nic_of_another_speed_among_many_is_a_warning_and_a_second_kind_of_host_is_none() -> None:
    rare = [each.message for each in review(loads(hosts_of_two_kinds(1, 8))) if each.code == "nic-speed"]
    assert len(rare) == 1
    assert "runs at 200G, most NICs at 400G" in rare[0]
    usual = [each.code for each in review(loads(hosts_of_two_kinds(3, 6)))]
    assert "nic-speed" not in usual


def test_what_validate_warns_of_has_its_line_in_the_fabric_file(tmp_path: Path) -> None:
    text = (
        "raddle: 1\nname: told\nfabric:\n  leaves: {count: 2}\n"
        "  spines: {count: 2}\n  uplinks: {per_pair: 1}\n"
        "hosts: {per_leaf: 4, nics: {rto: 5us}}\nroce:\n  pfc: false\n  cnp: {priority: 3, dscp: 48}\n"
        "overrides:\n  links:\n    - {ends: [leaf0, spine1], state: down}\n"
    )
    (tmp_path / "told.yaml").write_text(text)
    fabric = load(tmp_path / "told.yaml")
    lines = {each.code: each.span.line for each in in_file(fabric, review(fabric)) if each.span}
    assert lines == {
        "oversubscribed": 6,
        "link-down": 12,
        "rto-too-short": 7,
        "pfc-off": 9,
        "cnp-paused": 10,
    }


def test_links_that_share_a_cable_are_one_in_the_bill_and_have_one_label() -> None:
    fabric = loads(
        "raddle: 1\nname: t\nfabric: {leaves: {count: 2}, spines: {count: 1}, "
        "uplinks: {per_pair: 3, links_per_cable: 2}}\n"
        "hosts: {per_leaf: 1, nics: {count: 2, ports: 2, links_per_cable: 4}}\n"
    )
    bill = [(kind.tier, kind.speed, kind.count) for kind in cable_kinds(fabric)]
    # Three links of a leaf are two cables; the second carries one.
    assert bill == [("host-leaf", "4 x 400G", 2), ("leaf-spine", "2 x 400G", 4)]
    labels = [row["label"] for row in cable_rows(fabric)]
    assert labels == [f"t-{n:02}" for n in (0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 10, 11, 11, 13)]


def test_one_of_a_kind_is_told_as_one(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(
        "raddle: 1\nname: one\nfabric: {leaves: {count: 1, model: white-box-12.8t}}\nhosts: {per_leaf: 1}\n"
    )
    result = run("validate", str(path))
    assert "devices:     1 leaf, 0 spines, 1 host\n" in result.stdout
    assert "leaf-spine" not in run("show", str(path)).stdout
    tiers = json.loads(run("show", str(path), "--json").stdout)["tiers"]
    assert [each["name"] for each in tiers] == ["host-leaf"]


def test_links_to_the_outside_are_no_bandwidth_of_hosts() -> None:
    """A border leaf with a host of 400G, two uplinks and four links to the outside; and one without hosts."""
    wan = ", ".join(
        f'{{name: wan{i}, port: "leaf{2 + i % 2}:Ethernet{64 + 8 * i}", address: 192.0.2.{4 * i}/31}}'
        for i in range(8)
    )
    text = "raddle: 1\nname: border\nfabric: {leaves: {count: 4}, spines: {count: 2}}\n"
    fabric = loads(f"{text}hosts: {{per_leaf: 1, groups: 0-2}}\nexternal: [{wan}]\n")
    assert leaf_oversubscription(fabric) == {"leaf0": 0.5, "leaf1": 0.5, "leaf2": 0.5}
    assert oversubscription(fabric) == 0.5
    assert review(fabric) == ()


def test_spare_uplinks_of_spines_make_no_leaf_faster() -> None:
    """Rails in three tiers: 8 hosts on 4 uplinks are 2:1, though spines have twice as much above as below."""
    fabric = loads("""
raddle: 1
name: rails
models: {box: {ports: 32, port_speed: 400G, buffer: 64MiB}}
fabric:
  kind: fat-tree
  pods: 2
  rails: 2
  leaves: {per_pod: 2, model: box}
  spines: {per_pod: 2, model: box}
  superspines: {count: 8, model: box}
  uplinks: {mesh: rail, per_pair: 4}
  spine_uplinks: {per_pair: 1}
hosts: {per_leaf: 8, accelerators: {count: 2}, nics: {per_accelerator: 1}}
""")
    assert tier_oversubscription(fabric) == {"leaves": 2.0, "spines": 0.5}
    assert oversubscription(fabric) == 2.0


def test_capacity_is_that_of_parts_where_some_have_no_way_to_others() -> None:
    """A leaf without an uplink switches for its own hosts alone."""
    fabric = loads("""
raddle: 1
name: parts
models: {box: {ports: 32, port_speed: 400G, buffer: 64MiB}}
fabric: {leaves: {count: 3, model: box}, spines: {count: 1, model: box}}
hosts: {per_leaf: 1}
overrides: {links: [{ends: [leaf1, spine0], state: down}]}
""")
    assert capacity_text(fabric) == "non-blocking where there is a way"
