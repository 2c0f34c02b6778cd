"""`raddle explain`: numbers are those of the plan, and inputs stand at the lines that say them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from raddle.cli.documents import schema_of
from raddle.cli.main import app
from raddle.controller.plan.make import make_plan
from raddle.errors import InputError
from raddle.topology import load

POD = """\
raddle: 1
name: pod
fabric:
  leaves: {count: 2}
  spines: {count: 4}
  uplinks: {speed: 400G, cable: 30m}
hosts:
  per_leaf: 4
  nics: {speed: 400G, cable: 3m}
overrides:
  links:
    - {ends: [leaf0, spine1], cable: 250m}
roce: {port_mtu: 9216, ecn: {kmin: 1MB, kmax: 2MB, pmax: 10%}}
"""


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explain") / "pod.yaml"
    path.write_text(POD)
    return path


def explained(path: Path, *words: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["explain", str(path), *words, "--json"], catch_exceptions=False)
    document: dict[str, Any] = json.loads(result.stdout)
    Draft202012Validator(schema_of("explain")).validate(document)
    return document


def line_of(document: dict[str, Any], name: str) -> str:
    (found,) = [each["where"] for each in document["inputs"] if each["name"] == name]
    return str(found)


def test_headroom_is_the_plans_and_a_sum_of_its_steps(pod: Path) -> None:
    fabric = load(pod)
    plan = make_plan(fabric, "ecmp")
    for port in ("Ethernet0", "Ethernet40"):
        found = explained(pod, "headroom", f"leaf0:{port}")
        (profile,) = [each for each in plan.switches[0].buffers.profiles if port in each.ports]
        assert found["value"] == f"{profile.headroom_bytes} bytes"
        steps = {name: text.split(" ")[0] for name, text in found["steps"]}
        delays = [
            "frame that the peer has begun", "cable, both ways", "MAC and PHY", "peer's reaction",
            "from MAC to buffer", "pipeline and FEC",
        ]  # fmt: skip
        occupancy = float(steps["occupancy"].rstrip(":"))
        total = float(steps["packet in the pause's way"]) + occupancy * sum(
            float(steps[each]) for each in delays
        )
        assert int(steps["packet + occupancy x the rest"]) == pytest.approx(total, abs=1024 + 4 * 6)


@pytest.mark.parametrize(
    ("words", "name", "line"),
    [
        (("headroom", "leaf0:Ethernet0"), "speed", "9:17"),
        (("headroom", "leaf0:Ethernet0"), "cable", "9:30"),
        (("headroom", "leaf0:Ethernet32"), "cable", "6:33"),
        (("headroom", "leaf0:Ethernet40"), "cable", "12:38"),
        (("headroom", "leaf0:Ethernet0"), "port MTU", "13:18"),
        (("kmax",), "kmax", "13:47"),
        (("busbw", "--size", "1M"), "NIC port", "9:17"),
        (("busbw", "--size", "1M"), "link between switches", "6:20"),
    ],
)
def test_inputs_stand_at_the_lines_that_say_them(
    pod: Path, words: tuple[str, ...], name: str, line: str
) -> None:
    assert line_of(explained(pod, *words), name) == f"{pod}:{line}"


def test_what_nobody_says_is_a_default_or_the_models(pod: Path) -> None:
    found = explained(pod, "headroom", "leaf0:Ethernet0")
    assert line_of(found, "share of small packets") == "default"
    assert line_of(found, "cell").startswith("model ")


def test_a_path_goes_where_the_hash_that_is_shown_says(pod: Path) -> None:
    ways = set()
    for seed in range(1, 9):
        found = explained(pod, "path", "host0", "host5", "--routing", "ecmp", "--seed", str(seed))
        (hop,) = [(port, text) for port, text in found["steps"] if "hash" in text]
        member = int(hop[1].rsplit("= ", 1)[1])
        bits = int(hop[1].split("hash ")[1].split(" ")[0], 16)
        assert member == bits % 4
        assert hop[0] == f"leaf0:Ethernet{32 + 8 * member}"
        assert f"{hop[0]} -> spine{member}:" in found["value"]
        ways.add(member)
    assert len(ways) > 1


def test_a_pinned_path_is_the_pin(pod: Path) -> None:
    found = explained(pod, "path", "host0", "host4", "--routing", "pinned", "--placement", "strided")
    assert any("(pin): its only next hop" in text for _, text in found["steps"])


def test_weights_are_those_of_the_route(pod: Path) -> None:
    assert explained(pod, "weight", "leaf0", "host5")["value"] == "1:1:1:1"


def test_weights_say_where_a_group_cannot_hold_all_uplinks(tmp_path: Path) -> None:
    path = tmp_path / "wide.yaml"
    path.write_text(
        "raddle: 1\nname: wide\nmodels:\n  small: {ports: 8, port_speed: 400G, buffer: 64MiB,\n"
        "    tables: {group_size: 2}}\nfabric: {leaves: {count: 3, model: small}, spines: {count: 4}}\n"
        "hosts: {per_leaf: 2}\n"
    )
    found = explained(path, "weight", "leaf0", "host2", "--routing", "ecmp")
    assert found["value"] == "1:1"
    assert line_of(found, "most of a group").endswith("wide.yaml:5:26")


def test_thresholds_alone_in_the_pool_follow_from_alpha(pod: Path) -> None:
    pool = make_plan(load(pod), "ecmp").switches[0].buffers.shared_bytes
    assert explained(pod, "xoff", "leaf0:Ethernet0")["value"] == f"{pool // 2} bytes"
    xon = int(explained(pod, "xon", "leaf0:Ethernet0")["value"].split()[0])
    assert 0 < pool // 2 - xon < 9216 + 254


def test_busbw_is_what_expect_prints(pod: Path) -> None:
    options = ["expect", str(pod), "-b", "8M", "-e", "8M", "--draws", "0", "--json", "--routing", "ecmp"]
    (row,) = json.loads(CliRunner().invoke(app, options, catch_exceptions=False).stdout)["rows"]
    assert (
        explained(pod, "busbw", "--size", "8M", "--routing", "ecmp")["value"]
        == f"{row['busbw_gbs']:.2f} GB/s"
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("headroom",), "bad-option", "'headroom' is of 1 names, not 0"),
        (("headroom", "leaf0:Ethernet9"), "no-such-part", "is no cabled port of a switch"),
        (("path", "host0", "host0"), "no-such-part", "between two endpoints"),
        (("path", "host0", "host99"), "no-such-part", "'host99' is no endpoint"),
        (("weight", "leaf9", "host0"), "no-such-part", "'leaf9' is no switch"),
        (("busbw", "--size", "much"), "bad-option", "--size"),
    ],
)
def test_what_there_is_not_is_told(pod: Path, words: tuple[str, ...], code: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        explained(pod, *words)
    (found,) = raised.value.diagnostics
    assert found.code == code
    assert message in found.message
