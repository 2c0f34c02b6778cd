"""Configurations judged by SONiC's own YANG models, with libyang's yanglint.

CONFIG_DB is turned into instance data as sonic-yang-mgmt does it: a table is a container, its entries are
elements of the list that has as many keys as the entry's key has parts, and maps are inner lists.

Source: sonic-buildimage src/sonic-yang-mgmt; RFC 7951 for the encoding of values.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from raddle.controller.southbound.sonic.tables import Tables
from raddle.controller.southbound.sonic.yang_models import (
    TIMEOUT_S,
    YangList,
    YangTable,
    is_number,
    read_tables,
)
from raddle.errors import Diagnostic, InputError

Judge = Callable[[Tables], tuple[str, ...]]
"""What is wrong with a configuration, in libyang's words."""


def check_yang(configs: Mapping[str, Tables], models: Path) -> None:
    """Validate the configurations of switches, by name, against the models in a folder.

    Raises:
        InputError: as `yang_judge`; or a configuration is invalid.
    """
    judge = yang_judge(models)
    problems = [
        Diagnostic("sonic-yang", f"{switch}: {message}")
        for switch, tables in configs.items()
        for message in judge(tables)
    ]
    if problems:
        raise InputError(problems)


def yang_judge(models: Path) -> Judge:
    """What judges configurations by the models in a folder.

    A table that the models do not have is wrong too, which libyang alone lets pass.

    Raises:
        InputError: yanglint or the models are missing.
    """
    folder = models / "models" if (models / "models").is_dir() else models
    if not any(folder.glob("sonic-*.yang")):
        raise InputError.of(
            "no-yang-models",
            f"'{models}' has no SONiC YANG models (sonic-*.yang)",
            "they are in sonic-buildimage, src/sonic-yang-models/yang-models",
        )
    if not shutil.which("yanglint"):
        raise InputError.of(
            "no-yanglint",
            "yanglint is not installed",
            "apt-get install libyang2-tools (newer systems: libyang3-tools)",
        )
    models_of = read_tables(folder)
    return lambda tables: tuple(_problems(tables, folder, models_of))


def _problems(tables: Tables, folder: Path, models: Mapping[str, YangTable]) -> Iterator[str]:
    unknown = sorted(tables.keys() - models.keys())
    yield from (f"table {table} has no YANG model" for table in unknown)
    known = {table: entries for table, entries in tables.items() if table in models}
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "config.json"
        data.write_text(json.dumps(_instance(known, models)))
        # All of them, so that no condition goes unchecked because the model that it speaks of is not there.
        files = sorted(map(str, folder.glob("sonic-*.yang")))
        run = subprocess.run(
            ["yanglint", "-p", str(folder), "-t", "config", *files, str(data)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    if run.returncode:
        yield " ".join((_errors_of(run.stderr) or run.stderr or run.stdout).split())


def _errors_of(told: str) -> str:
    """What libyang says without its warnings, which may go over several lines, and the scratch file."""
    parts = re.split(r"^(?=libyang (?:err|warn)|YANGLINT)", told, flags=re.MULTILINE)
    return " ".join(part for part in parts if part.startswith("libyang err"))


def _instance(tables: Tables, models: Mapping[str, YangTable]) -> dict[str, dict[str, object]]:
    document: dict[str, dict[str, object]] = {}
    for table, entries in tables.items():
        model = models[table]
        document.setdefault(f"{model.module}:{model.top}", {})[table] = _lists(model, entries)
    return document


def _lists(model: YangTable, entries: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    lists: dict[str, object] = {}
    for key, fields in entries.items():
        owner, parts = _list_of(model, key, fields)
        entry: dict[str, object] = {
            name: _typed(owner, name, part) for name, part in zip(owner.keys, parts, strict=False)
        }
        if (inner := owner.inner) and (value := inner.value):
            entry[inner.name] = [
                {inner.keys[0]: _typed(inner, inner.keys[0], k), value: _typed(inner, value, v)}
                for k, v in fields.items()
            ]
        else:
            entry |= {name: _typed(owner, name, field) for name, field in fields.items()}
        if owner.is_singleton:
            lists[owner.name] = entry
        else:
            rows = lists.setdefault(owner.name, [])
            assert isinstance(rows, list)
            rows.append(entry)
    return lists


def _list_of(model: YangTable, key: str, fields: Mapping[str, object]) -> tuple[YangList, list[str]]:
    """The list that an entry is of, by the parts of its key, then by its fields; the first if none fits."""
    singleton = next((each for each in model.lists if each.is_singleton and each.name == key), None)
    if singleton:
        return singleton, []
    parts = key.split("|")
    fitting = [each for each in model.lists if len(each.keys) == len(parts)]
    known = [
        each for each in fitting if (each.inner and each.inner.value) or fields.keys() <= each.types.keys()
    ]
    return (known or fitting or model.lists)[0], parts


def _typed(owner: YangList, name: str, value: object) -> object:
    """A value as RFC 7951 writes it; what does not look like its type stays a string, and is refused."""
    if name in owner.leaf_lists:
        # NTP's source interfaces are joined by semicolons (sonic-yang-mgmt, sonic_yang_ext.py).
        joint = ";" if name == "src_intf" else ","
        values = value if isinstance(value, list) else str(value).split(joint)
        return [_scalar(owner.types.get(name, ""), each) for each in values]
    return _scalar(owner.types.get(name, ""), value)


def _scalar(kind: str, value: object) -> object:
    if isinstance(value, str) and is_number(kind) and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    return value == "true" if kind == "boolean" and value in ("true", "false") else value
