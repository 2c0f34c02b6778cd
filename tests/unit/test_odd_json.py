"""JSON that Python's parser cannot take ends in an error that names the file, whoever wrote that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from raddle.controller.ledger import Ledger
from raddle.errors import InputError
from raddle.inventory import load_inventory, read_secrets
from raddle.lab.expect.earlier import read_earlier
from raddle.lab.scenario.baseline import read_baseline
from raddle.nos.db.store import ConfigStore
from raddle.nos.orch.watermarks import read_request
from raddle.peers.sonic.reading import read_configs
from raddle.topology.platform_files import read_cages
from raddle.topology.record import read_record

ODD = {"deep": '{"a":' * 100_000, "long": '{"a":' + "9" * 5000 + "}"}

READERS: dict[str, Callable[[Path], object]] = {
    "the record of what was applied": lambda path: Ledger(path.with_name("x.json")).read("pod"),
    "inventory": load_inventory,
    "passwords": read_secrets,
    "results": lambda path: read_earlier(path, "all_reduce", 8),
    "baseline": read_baseline,
    "config_db.json": read_configs,
    "platform.json": lambda path: read_cages(path, None),
    "the record of what was given": read_record,
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_file_is_refused_by_name(tmp_path: Path, reader: Callable[[Path], object], content: str) -> None:
    path = tmp_path / "x.applied.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(InputError, match=r"x\.applied\.json"):
        reader(path)


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_a_switch_does_not_stumble_over_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config_db.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"nested|digits"):
        ConfigStore(path).load()
    assert read_request(content) is None
