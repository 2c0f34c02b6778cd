"""A front panel by SONiC's platform.json and hwsku.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.southbound.sonic.tables import bootstrap
from raddle.errors import InputError

FABRIC = """
raddle: 1
name: files
models: {{box: {{platform_json: platform.json, buffer: 64MB{more}}}}}
fabric:
  leaves: {{count: 2, model: box{breakout}}}
  spines: {{count: 1, model: box}}
  uplinks: {{speed: 100G}}
hosts: {{per_leaf: 2, nics: {{speed: 100G, medium: dac}}}}
{end}
"""
MODES = {
    "1x400G[200G,100G]": ["swp{}"],
    "2x200G[100G]": ["swp{}s0", "swp{}s1"],
    "4x100G": ["swp{}s0", "swp{}s1", "swp{}s2", "swp{}s3"],
    "1x200G(4)+4x50G(4)[25G]": ["swp{}s0", "swp{}s1", "swp{}s2", "swp{}s3", "swp{}s4"],
}


def cage(number: int, index: int) -> dict[str, Any]:
    """A cage of eight lanes, which the chip counts from above."""
    lanes = range(100 - 8 * number, 108 - 8 * number)
    return {
        "index": ",".join([str(index)] * 8),
        "lanes": ",".join(map(str, lanes)),
        "breakout_modes": {mode: [name.format(index) for name in names] for mode, names in MODES.items()},
    }


PLATFORM: dict[str, Any] = {
    "chassis": {"name": "box"},
    "interfaces": {
        **{f"Ethernet{8 * number}": cage(number, number) for number in range(6)},
        "Ethernet48": {"index": "6", "lanes": "200", "breakout_modes": {"1x10G": ["swp6"]}},
    },
}
HWSKU: dict[str, Any] = {
    "interfaces": {
        **{f"Ethernet{8 * number}": {"default_brkout_mode": "1x400G[100G,200G]"} for number in range(5)},
        "Ethernet8": {"default_brkout_mode": "2x200G[100G]", "autoneg": "on"},
    }
}


def loaded(
    folder: Path,
    platform: object = PLATFORM,
    hwsku: object = None,
    breakout: str = "",
    more: str = "",
    end: str = "",
) -> raddle.Fabric:
    (folder / "platform.json").write_text(json.dumps(platform, indent=1))
    if hwsku is not None:
        (folder / "hwsku.json").write_text(json.dumps(hwsku, indent=1))
        more += ", hwsku_json: hwsku.json"
    (folder / "fabric.yaml").write_text(FABRIC.format(breakout=breakout, more=more, end=end))
    return raddle.load(folder / "fabric.yaml")


def of_one(modes: dict[str, list[str]]) -> dict[str, Any]:
    """A front panel of one cage of two lanes."""
    return {"interfaces": {"Ethernet0": {"lanes": "1,2", "index": "1", "breakout_modes": modes}}}


def ports_of(fabric: raddle.Fabric) -> dict[str, dict[str, Any]]:
    """PORT of the first leaf's config_db.json."""
    return bootstrap(make_plan(fabric, "ecmp").switches[0]).config_db["PORT"]


def test_names_lanes_aliases_and_indices_are_the_vendors(tmp_path: Path) -> None:
    ports = ports_of(loaded(tmp_path, breakout=", breakout: [{ports: 3, mode: 1x200G(4)+4x50G(4)}]"))
    assert {name: (each["alias"], each["lanes"], each["index"]) for name, each in ports.items()} == {
        "Ethernet0": ("swp0", "100,101,102,103,104,105,106,107", "0"),
        "Ethernet8": ("swp1", "92,93,94,95,96,97,98,99", "1"),
        "Ethernet16": ("swp2", "84,85,86,87,88,89,90,91", "2"),
        "Ethernet24": ("swp3s0", "76,77,78,79", "3"),
        "Ethernet28": ("swp3s1", "80", "3"),
        "Ethernet29": ("swp3s2", "81", "3"),
        "Ethernet30": ("swp3s3", "82", "3"),
        "Ethernet31": ("swp3s4", "83", "3"),
        "Ethernet32": ("swp4", "68,69,70,71,72,73,74,75", "4"),
        "Ethernet40": ("swp5", "60,61,62,63,64,65,66,67", "5"),
        "Ethernet48": ("swp6", "200", "6"),
    }


def test_hwsku_says_which_ports_there_are_and_how_they_are_broken_out(tmp_path: Path) -> None:
    ports = ports_of(loaded(tmp_path, hwsku=HWSKU))
    assert [*ports] == [f"Ethernet{number}" for number in (0, 8, 12, 16, 24, 32)]
    assert [(ports[name].get("autoneg"), ports[name]["alias"]) for name in ("Ethernet0", "Ethernet12")] == [
        (None, "swp0"),
        ("on", "swp1s1"),
    ]


def test_a_mode_at_another_of_its_speeds_is_that_mode(tmp_path: Path) -> None:
    ports = ports_of(loaded(tmp_path, breakout=", breakout: [{ports: 5, mode: 2x100G}]"))
    assert (ports["Ethernet44"]["alias"], ports["Ethernet44"]["speed"]) == ("swp5s1", "100000")


def test_autoneg_goes_by_the_kind_of_cable_where_the_fabric_says_so(tmp_path: Path) -> None:
    said = ports_of(loaded(tmp_path, hwsku=HWSKU, end="phy: {autoneg: [dac, aec]}"))
    # Two hosts on copper, then the spine on a cable of no kind, then a free port.
    assert [said[name].get("autoneg") for name in ("Ethernet0", "Ethernet8", "Ethernet12", "Ethernet16")] == [
        "on",
        "on",
        "off",
        None,
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"breakout": ", breakout: 8x50G"}, r"port 0 of 'box' \(Ethernet0\) has no breakout 8x50G"),
        ({"breakout": ", breakout: [{ports: 6, mode: 2x200G}]"}, r"port 6 .*it has 1x10G"),
        ({"breakout": ", breakout: [{ports: 7, mode: 1x10G}]"}, "beyond 'box', which has 7"),
        ({"more": ", ports: 6, breakouts: [2x200G]"}, r"key-conflict.*'breakouts', 'ports' beside"),
        ({"platform": []}, r"platform.json:1:1: error\[bad-platform-file\].*no 'interfaces'"),
        ({"platform": {"interfaces": {"Management0": {}}}}, "platform.json:3:1: .*no name of a port"),
        ({"platform": of_one({"3x10G": ["a", "b", "c"]})}, "'3x10G' is none of 2 lanes"),
        ({"platform": of_one({"1x10G": []})}, "fewer than 1 aliases"),
        (
            {"platform": {"interfaces": {name: cage(0, 0) for name in ("Ethernet0", "Ethernet8")}}},
            "Ethernet8: its lane 100 is one of Ethernet0, too",
        ),
        (
            {"hwsku": {"interfaces": {"Ethernet0": {"default_brkout_mode": "8x50G"}}}},
            r"hwsku.json:3:1: .*'8x50G' is none of 1x400G, 2x200G",
        ),
        ({"hwsku": {"interfaces": {"Ethernet1": {}}}}, "none of the interfaces of"),
    ],
)  # fmt: skip
def test_what_the_files_do_not_give_is_refused_with_its_line(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=f"(?s){words}"):
        loaded(tmp_path, **change)


def test_a_model_has_files_or_numbers(tmp_path: Path) -> None:
    (tmp_path / "fabric.yaml").write_text(FABRIC.replace("platform_json: platform.json, ", "").format(
        breakout="", more=", hwsku_json: hwsku.json", end=""))  # fmt: skip
    with pytest.raises(InputError, match="'platform_json' is missing"):
        raddle.load(tmp_path / "fabric.yaml")
