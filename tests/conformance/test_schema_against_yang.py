"""The switch's own schema takes and refuses what SONiC's YANG models take and refuse, as libyang judges."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raddle.controller.plan import make_plan
from raddle.controller.southbound.sonic.tables import intended
from raddle.controller.southbound.sonic.yang import check_yang
from raddle.errors import InputError
from raddle.nos.db.schema import TABLES, read_config, validate
from raddle.topology import bundled_examples, load

YANG = Path(__file__).parents[3] / "shared" / "sonic-yang"

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not YANG.is_dir(), reason="SONiC's YANG models are not in ../shared/sonic-yang"),
    pytest.mark.skipif(
        not shutil.which("yanglint"), reason="yanglint is missing (Debian: libyang2-tools or libyang3-tools)"
    ),
]

PLANNED: dict[str, Any] = intended(make_plan(load(bundled_examples()["leaf-spine-16"]), "ecmp").switches[0])
SWITCH = PLANNED | json.loads((Path(__file__).parent / "held_tables.json").read_text())
"""A leaf as planned, with an entry of every table that a switch holds without acting on it."""

STRICTER = {
    ("BUFFER_PROFILE", "static_th"),
    ("BUFFER_PROFILE", "dynamic_th"),
    ("PORT", "lanes"),
}
"""Where this switch asks for more than the models: it has no buffermgrd to fill in thresholds, and its lanes
are numbers of at most five digits."""

VALUES = st.sampled_from(
    (
        *("", "0", "1", "7", "8", "15", "64", "99", "100", "101", "200", "5001", "9216", "9217", "400000"),
        *(
            "-1",
            "-8",
            "-9",
            "frogs",
            "up",
            "down",
            "true",
            "false",
            "rs",
            "none",
            "drop",
            "forward",
            "ecn_all",
        ),
        *(
            "Ethernet0",
            "Ethernet99",
            "AZURE",
            "AZURE_LOSSLESS",
            "scheduler.0",
            "egress_lossless_pool",
            "NULL",
        ),
        *(
            "10.0.0.1",
            "10.0.0.1,10.0.0.2",
            "5m",
            "5km",
            "STRICT",
            "DWRR",
            "ToRRouter",
            "LeafSwitch",
            "dynamic",
        ),
    )
)


@st.composite
def changed_switches(draw: st.DrawFn) -> dict[str, Any]:
    """A leaf's configuration with one field of one entry given another value, taken away or added."""
    config = copy.deepcopy(SWITCH)
    table = draw(st.sampled_from(sorted(config)))
    key = draw(st.sampled_from(sorted(config[table])))
    entry = config[table][key]
    known = {
        name
        for schema in (*TABLES[table].entries, *TABLES[table].singletons.values())
        for name, leaf in schema.fields.items()
        if not leaf.is_list
    }
    fields = sorted((known | set(entry)) - {name for other, name in STRICTER if other == table})
    name = draw(st.sampled_from([*fields, "sped"]))
    if name in entry and draw(st.booleans()):
        del entry[name]
    else:
        entry[name] = draw(VALUES)
    return config


def libyang_takes(config: dict[str, Any]) -> bool:
    try:
        check_yang({"leaf0": config}, YANG)
    except InputError:
        return False
    return True


@settings(deadline=None, max_examples=60, derandomize=True)
@given(config=changed_switches())
def test_schema_and_yang_models_agree_on_a_changed_field(config: dict[str, Any]) -> None:
    read, malformed = read_config(config)
    violations = malformed or validate(read)
    assert libyang_takes(config) == (not violations), violations


def test_an_unchanged_switch_is_valid_to_both() -> None:
    assert validate(read_config(SWITCH)[0]) == []
    assert libyang_takes(SWITCH)
