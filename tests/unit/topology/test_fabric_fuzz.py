"""Whatever the text, loading gives a Fabric or an InputError that says where."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from raddle import InputError, loads
from raddle.errors import Diagnostic

FILE = """\
raddle: 1
name: pod
models:
  tiny: {ports: 8, port_speed: 400G, lanes_per_port: 8, buffer: 16MiB, cell: 254B, latency: 500ns}
fabric:
  kind: leaf-spine
  leaves: {count: 2, model: tiny}
  spines: {count: 2, model: tiny}
  uplinks: {per_pair: 1, speed: 400G, cable: 30m}
hosts:
  per_leaf: 2
  accelerators: {kind: gpu, model: h100, count: 1}
  nics: {count: 1, speed: 400G, cable: 3m}
roce:
  mtu: 4096
  lossless: {priority: 3, dscp: 26}
  ecn: {kmin: 800KB, kmax: 3200KB, pmax: 20%}
  watchdog: {detect: 200ms, restore: 200ms, action: drop}
routing: {policy: pinned, hash: {algorithm: crc32, seed: per-switch}}
addressing: {hosts: 10.0.0.0/16, loopbacks: 10.255.0.0/20, underlay: 172.16.0.0/14}
overrides:
  links:
    - {ends: [leaf1, spine1], state: down}
    - {ends: ["leaf0:Ethernet0", host0], cable: 100m}
"""
EXPLICIT: dict[str, Any] = {
    "raddle": "1",
    "name": "pod",
    "devices": {
        "leaf0": {"role": "leaf"},
        "leaf1": {"role": "leaf", "model": "white-box-12.8t"},
        "spine0": {"role": "spine"},
        "host0": {"role": "host", "nics": {"count": "1", "speed": "400G"}},
        "host1": {"role": "host"},
    },
    "links": [
        {"ends": ["host0:eth0", "leaf0:Ethernet0"], "speed": "400G"},
        {"ends": ["host1:eth0", "leaf1:Ethernet0"], "cable": "3m"},
        {"ends": ["leaf0:Ethernet8", "spine0:Ethernet0"], "state": "up"},
        {"ends": ["leaf1:Ethernet8", "spine0:Ethernet8"]},
    ],
}
NUMBERS = ["0", "-1", "010", "1e9", "65536", "999999999999", "400G", "1.5T", "0m", "4KiB", "20%", "\u0661"]
WORDS = ["", "on", "~", "none", "spine", "leaf0", "host9", "leaf0:Ethernet0", "::", "\u2028"]
SHAPES: list[Any] = [[], {}, ["a"], {"a": "b"}, ["leaf0", "leaf0"], [["x"]]]
VALUES = st.sampled_from([*NUMBERS, *WORDS, *SHAPES])


def load_or_refuse(text: str) -> None:
    problems: tuple[Diagnostic, ...] = ()
    try:
        assert loads(text).endpoints
    except InputError as error:
        problems = error.diagnostics
    last_line = 1 + sum(text.count(mark) for mark in "\n\r\x85\u2028\u2029")
    for problem in problems:
        assert str(problem)
        assert problem.span is None or 1 <= problem.span.line <= last_line


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, value in items for found in paths(value, (*path, key)))]


def replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = dict(node) if isinstance(node, dict) else list(node)
    changed[path[0]] = replaced(node[path[0]], path[1:], value)
    return changed


def test_unchanged_files_load() -> None:
    assert loads(FILE).name == loads(yaml.safe_dump(EXPLICIT)).name == "pod"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_loads_or_is_refused(text: str) -> None:
    load_or_refuse(text)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, len(FILE)), st.integers(0, 12), st.text("{}[]:,-&*!|>'\"% \n\t#?ab01\x85\x00é", max_size=6)
)
def test_file_with_any_edit_loads_or_is_refused(start: int, deleted: int, inserted: str) -> None:
    load_or_refuse(FILE[:start] + inserted + FILE[start + deleted :])


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from([yaml.load(FILE, yaml.BaseLoader), EXPLICIT]))
def test_file_with_any_value_replaced_loads_or_is_refused(data: st.DataObject, tree: dict[str, Any]) -> None:
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(paths(tree)))
        tree = replaced(tree, path, data.draw(VALUES))
        if not isinstance(tree, dict):
            break
    load_or_refuse(yaml.safe_dump(tree, allow_unicode=True))
