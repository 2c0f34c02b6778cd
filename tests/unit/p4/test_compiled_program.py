"""The compiled form of p4/fabric.p4 belongs to its source."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline, schema_of

P4 = Path(__file__).parents[3] / "p4"


def test_the_digest_in_compiled_is_the_sources() -> None:
    recorded = (P4 / "compiled/fabric.p4.sha256").read_text().splitlines()
    sources = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in P4.glob("*.p4")}
    assert recorded == [f"{digest}  {name}" for name, digest in sorted(sources.items())], (
        "run scripts/compile-p4"
    )


def test_no_table_has_bmv2s_default_size() -> None:
    program = json.loads(fabric_pipeline().p4_device_config)
    sizes = {
        table["name"].rpartition(".")[2]: table["max_size"]
        for pipeline in program["pipelines"]
        for table in pipeline["tables"]
    }
    wanted = {table.alias: table.size for table in schema_of(fabric_pipeline()).tables}
    assert {name: sizes[name] for name in wanted} == wanted
    assert wanted["ipv4_route"] == wanted["pin_dst"] == 65536
    assert [name for name, size in wanted.items() if size == 1024] == ["acl"]


def test_the_selector_hashes_one_number_that_the_program_makes_of_the_five_tuple() -> None:
    """So that BMv2 chooses `crc32(seed, 5-tuple) % members`, as the simulated switches do."""
    program = json.loads(fabric_pipeline().p4_device_config)
    (profile,) = program["pipelines"][0]["action_profiles"]
    assert profile["selector"]["algo"] == "identity"
    assert len(profile["selector"]["input"]) == 1
    keyed = [each for each in program["calculations"] if each["algo"] == "crc32"]
    assert len(keyed) == 4  # IPv4 and IPv6, each with and without the queue pair
