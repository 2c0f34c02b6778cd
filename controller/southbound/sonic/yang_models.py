"""What SONiC's YANG models call the tables of CONFIG_DB: their modules, lists, keys and the types of leaves.

Read from the tree that yanglint prints of the models, so that it holds for whichever release they are of.

Source: RFC 8340 (tree diagrams); sonic-buildimage src/sonic-yang-mgmt for how a table becomes a container.
"""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TIMEOUT_S = 300

_NODE = re.compile(
    r"^(?P<indent>[ |]*)\+--(?:rw|ro|--)? ?:?(?P<name>[\w.():-]+?)(?P<mark>[?*!]?)"
    r"(?: +\[(?P<keys>[\w -]+)\])?(?: +(?P<type>(?:-> )?\S+))?\s*$"
)
_TYPEDEF = re.compile(r"\btypedef\s+([\w-]+)\s*\{.*?\btype\s+([\w:-]+)", re.DOTALL)
_PROSE = re.compile(r"\b(description|error-message)\s+(?:\"[^\"]*\"|'[^']*')", re.DOTALL)
_INET_TYPES = {"port-number": "uint16", "as-number": "uint32"}
"""Numbers among the types of ietf-inet-types (RFC 6991), which libyang itself carries."""

_NUMBERS = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32))


@dataclass(slots=True)
class YangList:
    """A list below a table, or a container that stands for one entry (`is_singleton`).

    `types` maps leaves to built-in types; `inner` is the list that holds the fields of a map table.
    """

    name: str
    keys: tuple[str, ...] = ()
    is_singleton: bool = False
    types: dict[str, str] = field(default_factory=dict)
    leaf_lists: set[str] = field(default_factory=set)
    inner: YangList | None = None

    @property
    def value(self) -> str | None:
        """The leaf of a map's inner list that has the values; None where it is a list of another kind."""
        return next((name for name in self.types if name not in self.keys), None)


@dataclass(slots=True)
class YangTable:
    """A table: the module that has it, and what its entries can be."""

    module: str
    top: str
    lists: list[YangList] = field(default_factory=list)


@functools.cache
def read_tables(folder: Path) -> dict[str, YangTable]:
    """The tables of all models in a folder, by name; read once."""
    files = sorted(folder.glob("sonic-*.yang"))
    command = ["yanglint", "-f", "tree", "-p", str(folder), *map(str, files)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    texts = {file.stem: _PROSE.sub("", file.read_text(encoding="utf-8")) for file in files}
    tables: dict[str, YangTable] = {}
    for module, lines in _modules(run.stdout):
        tables |= _read_module(module, lines)
    _resolve(tables, texts)
    return tables


def _modules(tree: str) -> Iterator[tuple[str, list[str]]]:
    for part in re.split(r"^module: ", tree, flags=re.MULTILINE)[1:]:
        module, *lines = part.splitlines()
        yield module.strip(), lines


def _read_module(module: str, lines: list[str]) -> dict[str, YangTable]:
    tables: dict[str, YangTable] = {}
    top = ""
    table: YangTable | None = None
    inner_indent = -1
    for line in lines:
        node = _NODE.match(line)
        if node is None or node["name"].startswith("("):
            continue
        indent, name = len(node["indent"]), node["name"]
        if indent == 2:
            top = name
        elif indent == 5:
            table = tables[name] = YangTable(module, top)
        elif table is None:
            continue
        elif indent == 8:
            inner_indent = -1
            keys = tuple((node["keys"] or "").split())
            table.lists.append(YangList(name, keys, is_singleton=not node["keys"]))
        else:
            inner_indent = _read_leaf(table.lists[-1], node, indent, inner_indent)
    return tables


def _read_leaf(owner: YangList, node: re.Match[str], indent: int, inner_indent: int) -> int:
    """Take a leaf or an inner list into `owner`; returns the indent of the inner list, -1: none is open."""
    if node["keys"]:
        owner.inner = YangList(node["name"], tuple(node["keys"].split()))
        return indent
    is_inner = inner_indent >= 0 and indent > inner_indent and owner.inner is not None
    place = owner.inner if is_inner and owner.inner else owner
    if node["type"]:
        place.types[node["name"]] = node["type"]
    if node["mark"] == "*":
        place.leaf_lists.add(node["name"])
    return inner_indent if is_inner else -1


def _resolve(tables: Mapping[str, YangTable], texts: Mapping[str, str]) -> None:
    """Put built-in types in the place of typedefs, references and unions."""
    typedefs = {name: base for text in texts.values() for name, base in _TYPEDEF.findall(text)} | _INET_TYPES
    lists = {each.name: each for table in tables.values() for each in table.lists}
    for table in tables.values():
        for each in table.lists:
            for place in filter(None, (each, each.inner)):
                for name, kind in place.types.items():
                    place.types[name] = _built_in(kind, name, typedefs, lists, texts[table.module])


def _built_in(
    kind: str, leaf: str, typedefs: Mapping[str, str], lists: Mapping[str, YangList], text: str
) -> str:
    if kind.startswith("-> "):
        *_, owner, target = [part.rpartition(":")[2].partition("[")[0] for part in kind[3:].split("/")]
        kind = lists[owner].types.get(target, "string") if owner in lists else "string"
    seen: set[str] = set()
    name = kind.rpartition(":")[2]
    while name in typedefs and name not in seen:
        seen.add(name)
        name = typedefs[name].rpartition(":")[2]
    if name == "union":
        return "number-or-string" if _has_number(leaf, text) else "string"
    return name


def _has_number(leaf: str, text: str) -> bool:
    """Whether a union has an integer among its members, as its leaf in the model's text says."""
    found = re.search(rf"\bleaf(?:-list)?\s+{re.escape(leaf)}\s*\{{(.*?)\n\s*\}}\s*\n\s*\}}", text, re.DOTALL)
    return bool(found and re.search(r"\btype\s+u?int(8|16|32)\b", found[1]))


def is_number(kind: str) -> bool:
    """Whether RFC 7951 writes values of a type as JSON numbers; those of 64 bits are strings."""
    return kind in _NUMBERS or kind == "number-or-string"
