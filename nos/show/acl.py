"""`show acl table`, `show acl rule`, and `aclshow -a` as `show acl counters`.

Source: sonic-utilities acl_loader/main.py (show_table, show_rule), scripts/aclshow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tabulate import tabulate

from raddle.nos.db.databases import ConfigEntry, Databases
from raddle.nos.show.objects import Hash

_ACTIONS = {
    "PACKET_ACTION": "",
    "MIRROR_ACTION": "MIRROR INGRESS: ",
    "MIRROR_INGRESS_ACTION": "MIRROR INGRESS: ",
    "MIRROR_EGRESS_ACTION": "MIRROR EGRESS: ",
}
_NOTHING: Hash = {}


def tables(databases: Databases) -> str:
    """The access lists with what they are bound to, a port or service to a line."""
    status = databases.state.get("ACL_TABLE_TABLE", {})
    rows: list[tuple[str, ...]] = []
    for name, entry in databases.config.get("ACL_TABLE", {}).items():
        bound = entry.get("services" if entry["type"] == "CTRLPLANE" else "ports", [])
        first, *others = sorted([bound] if isinstance(bound, str) else bound) or [""]
        stage = str(entry.get("stage", "ingress")).lower()
        state = status.get(name, {}).get("status", "N/A")
        rows.append((name, str(entry["type"]), first, str(entry.get("policy_desc", "")), stage, state))
        rows += [("", "", each, "", "", "") for each in others]
    return _table(("Name", "Type", "Binding", "Description", "Stage", "Status"), rows)


def rules(databases: Databases) -> str:
    """The rules, highest priority first, with a line for each of their matches."""
    status = databases.state.get("ACL_RULE_TABLE", {})
    rows: list[tuple[str, ...]] = []
    for table, name, entry in _by_priority(databases):
        action = next((f"{text}{entry[key]}" for key, text in _ACTIONS.items() if key in entry), "")
        matches = [
            f"{key}: {value}" for key, value in sorted(entry.items()) if key not in (*_ACTIONS, "PRIORITY")
        ]
        first, *others = matches or ["N/A"]
        state = status.get(f"{table}|{name}", {}).get("status", "N/A")
        rows.append((table, name, str(entry["PRIORITY"]), action, first, state))
        rows += [("", "", "", "", each, "") for each in others]
    return _table(("Table", "Rule", "Priority", "Action", "Match", "Status"), rows)


def counters(databases: Databases) -> str:
    """What each rule has matched."""
    oids = databases.counters.get("ACL_COUNTER_RULE_MAP", {}).get("", _NOTHING)
    objects: Mapping[str, Hash] = databases.counters.get("COUNTERS", {})
    rows = []
    for table, name, entry in sorted(_by_priority(databases), key=lambda rule: rule[0]):
        counted = objects.get(oids.get(f"{table}:{name}", ""), _NOTHING)
        counts = (counted.get(f"SAI_ACL_COUNTER_ATTR_{what}", "N/A") for what in ("PACKETS", "BYTES"))
        rows.append((name, table, str(entry["PRIORITY"]), *counts))
    return _table(("RULE NAME", "TABLE NAME", "PRIO", "PACKETS COUNT", "BYTES COUNT"), rows)


def _by_priority(databases: Databases) -> Iterator[tuple[str, str, ConfigEntry]]:
    """(table, rule, entry), the highest priority first."""
    entries = databases.config.get("ACL_RULE", {})
    for key in sorted(entries, key=lambda key: (-int(str(entries[key]["PRIORITY"])), key)):
        table, _, name = key.partition("|")
        yield table, name, entries[key]


def _table(headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Left-aligned columns, numbers right, as these tools print them."""
    return tabulate(rows, headers=headers, tablefmt="simple")
