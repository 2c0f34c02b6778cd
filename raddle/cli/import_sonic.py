"""`raddle import sonic`: SONiC switches as they stand as a fabric file that adopts them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from raddle.errors import InputError
from raddle.inventory import load_inventory
from raddle.topology.views.cable_truth import read_cables
from raddle.topology.yaml.parsers import parse_name

if TYPE_CHECKING:
    from raddle.peers.sonic.findings import Finding

SCHEMA_VERSION = 1
_SHOWN = 4
_HEADINGS = {
    "conflict": "Sources disagree",
    "not adopted": "Could not be adopted",
    "assumed": "Assumed",
    "recorded": "Otherwise than raddle would have it; recorded, and kept so",
    "left alone": "Not raddle's, and left alone",
}


def import_sonic(
    paths: Sequence[Path],
    output: Path,
    inventory: Path | None,
    cables: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Read switches, write the fabric file and its record, and tell what could not be adopted."""
    # Imported here: other imports need neither gRPC nor plans.
    from raddle.peers.sonic.adoption import Adoption, adopt_switches
    from raddle.peers.sonic.reading import read_running, read_switch_files

    if bool(paths) == bool(inventory):
        raise InputError.of(
            "bad-option", "give files of switches or --inventory", "raddle import sonic FOLDER -o FABRIC.yaml"
        )
    listed = read_cables(cables) if cables else ()
    where = load_inventory(inventory) if inventory else None
    name = where.fabric if where else _name(output)
    switches = read_running(where) if where else read_switch_files(paths)
    record = output.with_suffix(".record.json")
    found: Adoption = adopt_switches(name, record.name, switches, listed)
    write_new({output: found.fabric, record: found.record}, force)
    if as_json:
        document = {
            "schema_version": SCHEMA_VERSION,
            "fabric": name,
            "switches": found.switches,
            "hosts": found.hosts,
            "cables": found.cables,
            "findings": [asdict(each) for each in found.findings],
        }
        print(json.dumps(document, indent=1, sort_keys=True))
        return
    counts = ((found.switches, "switch", "es"), (found.hosts, "host", "s"), (found.cables, "cable", "s"))
    first, second, third = (f"{count} {what}{ending * (count != 1)}" for count, what, ending in counts)
    print(f"adopted {first}, {second} and {third}")
    print(*_lines(found.findings), sep="\n", end="")


def _name(output: Path) -> str:
    try:
        return parse_name(output.stem)
    except ValueError as error:
        raise InputError.of("bad-option", f"the fabric is called as its file: {error}") from None


def _lines(findings: Iterable[Finding]) -> Iterator[str]:
    """By kind and table: what is kept or left alone is counted, of the rest the first few are told."""
    groups: dict[str, dict[str, list[Finding]]] = {}
    for each in findings:
        table = each.place.rpartition(": ")[2].partition("|")[0]
        groups.setdefault(each.kind, {}).setdefault(table, []).append(each)
    for kind, heading in _HEADINGS.items():
        if kind in groups:
            yield f"{heading}:"
        for table, members in groups.get(kind, {}).items():
            if kind in ("recorded", "left alone"):
                yield _counted(table, members)
                continue
            yield from (f"  {each.place}: {each.text}" for each in members[:_SHOWN])
            if len(members) > _SHOWN:
                yield f"  {table}: {len(members) - _SHOWN} more like these; --json has all"
    yield ""


def _counted(table: str, members: Sequence[Finding]) -> str:
    switches = len({each.switch for each in members})
    where = f"on {switches} switch{'es' * (switches > 1)}"
    return f"  {table}: {len(members)} {where}, such as {members[0].place}: {members[0].text}"


def write_new(files: Mapping[Path, str], force: bool) -> None:
    """Write files that are not there yet, or with `force` over those that are.

    Raises:
        InputError: `file-exists` or `cannot-write`.
    """
    for path in files:
        if path.exists() and not force:
            raise InputError.of("file-exists", f"'{path}' exists", "choose another name, or add --force")
    for path, text in files.items():
        try:
            path.write_text(text, "utf-8")
        except OSError as error:
            raise InputError.of("cannot-write", f"cannot write '{path}': {error.strerror}") from None
        print(f"wrote {path}", file=sys.stderr)
