"""Which line of the fabric file says an input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from raddle.report.explain import Given
from raddle.topology.model import Fabric, Link, PortRef
from raddle.topology.yaml.placing import spans_of
from raddle.topology.yaml.source import Place, read_file

_DEFAULT = "default"
_ENDS = 2


class Lines:
    """The places of a fabric file, and what stands there."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        path = Path(fabric.file)
        self._data: Any = read_file(path).data() if path.is_file() else {}
        self._span = spans_of(fabric)
        if fabric.network is not None:
            own = self._data.get("networks", {}).get(fabric.network.name, {})
            self._data = {**self._data, **own}

    def given(self, name: str, value: str, *places: Place, otherwise: str = _DEFAULT) -> Given:
        """An input that the first of some places that are written says."""
        for place in places:
            span = self._span(place) if self._at(place) is not None else None
            if span:
                return Given(name, value, f"{span.file}:{span.line}:{span.column}")
        return Given(name, value, otherwise)

    def of_link(self, name: str, value: str, link: Link, key: str, parse: Callable[[str], float]) -> Given:
        """What a link has under a key: of an override, of its own entry, or of the form that made it."""
        wanted = parse(value)
        candidates = [
            *self._entries(("overrides", "links"), link, key),
            *self._entries(("links",), link, key),
        ]
        is_inner = {link.a.device, link.b.device} <= self._fabric.switch_by_name.keys()
        for place in self._below(("fabric",) if is_inner else ("hosts",), key):
            if _is_equal(self._at(place), wanted, parse):
                candidates.append(place)
        return self.given(name, value, *candidates)

    def _entries(self, place: Place, link: Link, key: str) -> Iterator[Place]:
        entries = self._at(place)
        for number, entry in enumerate(entries if isinstance(entries, list) else []):
            if isinstance(entry, dict) and key in entry and _names(entry, link):
                yield (*place, number, key)

    def _below(self, place: Place, key: str) -> Iterator[Place]:
        """Every place below one that ends in a key."""
        node = self._at(place)
        for name, inner in node.items() if isinstance(node, dict) else ():
            if name == key:
                yield (*place, key)
            elif isinstance(inner, dict):
                yield from self._below((*place, name), key)

    def _at(self, place: Place) -> Any:
        node = self._data
        for part in place:
            if isinstance(node, list):
                node = dict(enumerate(node))
            if not isinstance(node, dict) or part not in node:
                return None
            node = node[part]
        return node


def _is_equal(text: Any, wanted: float, parse: Callable[[str], float]) -> bool:
    try:
        return isinstance(text, str) and parse(text) == wanted
    except ValueError:
        return False


def _names(entry: dict[str, Any], link: Link) -> bool:
    """Whether the ends of an entry are those of a link."""
    ends = entry.get("ends") or [entry.get("a"), entry.get("b")]
    if not isinstance(ends, list) or len(ends) != _ENDS:
        return False
    pairs = ((link.a, link.b), (link.b, link.a))
    return any(_is_end(ends[0], first) and _is_end(ends[1], second) for first, second in pairs)


def _is_end(text: Any, port: PortRef) -> bool:
    return text in (port.device, str(port))
