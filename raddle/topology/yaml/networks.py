"""Several networks in one file: each becomes the file that it would be alone.

What stands beside `networks` holds for all of them, and a network's own keys win over it, as those of a file
win over what it includes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as replaced

from raddle.errors import Diagnostic, InputError, with_hint
from raddle.topology.yaml.include import merge
from raddle.topology.yaml.parsers import parse_name
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.schema import FabricFile, NetworkSpec
from raddle.topology.yaml.source import Mapping, Scalar, Source, span_of

SHARED = ("models", "roce", "phy", "routing", "ignore")
"""Keys that may stand beside `networks`, for all of them."""

MAX_NETWORKS = 8
"""Most networks of a file: there are default address pools for so many."""


def networks_of(source: Source) -> dict[str, Source]:
    """The networks of a file by name, each as a source of its own; none where the file has no `networks`.

    Raises:
        InputError: what is wrong with the keys around the networks.
    """
    entry = source.root.entries.get("networks")
    if entry is None:
        return {}
    key, node = entry
    problems = list(source.problems) + list(_beside(source))
    if not isinstance(node, Mapping) or not node.entries:
        message = "expected a mapping of names to networks as 'networks'"
        if isinstance(node, Mapping):
            message = "'networks' names no network"
        hint = "write 'networks: {backend: {fabric: ..., hosts: ...}, storage: ...}'"
        raise InputError([*problems, Diagnostic("wrong-shape", message, span_of(key), hint)])
    if len(node.entries) > MAX_NETWORKS:
        message = f"{len(node.entries)} networks; a file has at most {MAX_NETWORKS}"
        problems.append(Diagnostic("bad-number", message, span_of(key)))
    around = Mapping(source.root.line, source.root.column, source.root.file, dict(source.root.entries))
    del around.entries["networks"]
    parts = {}
    for name, (own_key, own) in node.entries.items():
        problems += _of_network(name, own_key, own)
        if isinstance(own, Mapping):
            root = merge(_named(around, name), own)
            parts[name] = replaced(source, root=root, problems=(), top=f"in network '{name}'")
    if problems:
        raise InputError(problems)
    return parts


def _beside(source: Source) -> Iterator[Diagnostic]:
    """Keys beside `networks` that do not hold for all of them."""
    for name, (key, _) in source.root.entries.items():
        if name in ("raddle", "name", "networks", *SHARED):
            continue
        if name in NetworkSpec.model_fields:
            hint = "write it in the network that it is of"
            yield Diagnostic("mixed-forms", f"'{name}' beside 'networks'", span_of(key), hint)
        else:
            hint = did_you_mean(name, FabricFile.model_fields, f"known keys: {', '.join(SHARED)}")
            yield Diagnostic("unknown-key", f"unknown key '{name}' {source.top}", span_of(key), hint)


def _of_network(name: str, key: Scalar, own: object) -> Iterator[Diagnostic]:
    try:
        parse_name(name)
    except ValueError as error:
        yield Diagnostic("bad-name", with_hint(error)[0], span_of(key), "name it by its purpose")
    if not isinstance(own, Mapping):
        message = f"expected a mapping as 'networks.{name}'"
        yield Diagnostic("wrong-shape", message, span_of(key))
        return
    for inner, (inner_key, _) in own.entries.items():
        if inner in ("raddle", "name", "networks"):
            message, hint = f"'{inner}' in network '{name}'", "it stands at the top of the file alone"
            yield Diagnostic("unknown-key", message, span_of(inner_key), hint)


def _named(around: Mapping, network: str) -> Mapping:
    """What stands around the networks, with the fabric's name extended by the network's."""
    entry = around.entries.get("name")
    if entry is None or not isinstance(entry[1], Scalar):
        return around
    name = replaced(entry[1], text=f"{entry[1].text}.{network}")
    entries = {**around.entries, "name": (entry[0], name)}
    return Mapping(around.line, around.column, around.file, entries)
