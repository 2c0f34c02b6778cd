"""Several files: what a fabric file includes, and the variables it names.

`include:` merges files under this one: mappings key by key, anything else whole. What stands later wins: a
later included file over an earlier one, the including file over all it includes, and the caller's variables
over those of any file. `${name}` in a value stands for a variable's text; positions stay those of the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf
from pathlib import Path

from raddle.errors import Diagnostic, InputError
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.source import (
    MAX_PROBLEMS,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Source,
    read_file,
    span_of,
)

MAX_FILES = 50
"""Most files that one fabric is read from."""

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_MAX_TEXT = 1000
"""Longest value after substitution, in characters."""


def assemble(source: Source, variables: MappingOf[str, str]) -> Source:
    """The source with its included files merged in and its variables put in.

    Args:
        variables: values that win over those of the files.

    Raises:
        InputError: a file cannot be read or includes itself.
    """
    problems = list(source.problems)
    root = _with_includes(source.root, Path(source.file), (), [0], problems)
    known, found = _variables(root, variables)
    problems += found
    problems += _substitute(root, known)
    return Source(source.file, root, tuple(problems))


def files_of(path: Path) -> tuple[Path, ...]:
    """A fabric file that loads, and what it includes, each once and in the order of reading."""
    entry = read_file(path).root.entries.get("include")
    if entry is None:
        return (path,)
    items = entry[1].items if isinstance(entry[1], Sequence) else [entry[1]]
    below = [files_of(path.parent / item.text) for item in items if isinstance(item, Scalar)]
    return tuple(dict.fromkeys([path, *(each for files in below for each in files)]))


def _with_includes(
    root: Mapping, path: Path, above: tuple[Path, ...], files: list[int], problems: list[Diagnostic]
) -> Mapping:
    """The mapping of a file with those of its included files under it; `files` counts what is read."""
    entry = root.entries.pop("include", None)
    if entry is None:
        return root
    merged: Mapping | None = None
    for item in entry[1].items if isinstance(entry[1], Sequence) else [entry[1]]:
        included = _included(item, path, (*above, path.resolve()), files, problems)
        if included is not None:
            merged = included if merged is None else merge(merged, included)
    return root if merged is None else merge(merged, root)


def _included(
    item: Node, path: Path, above: tuple[Path, ...], files: list[int], problems: list[Diagnostic]
) -> Mapping | None:
    span = span_of(item)
    if not isinstance(item, Scalar):
        problems.append(Diagnostic("wrong-shape", "expected a path or a list of paths as 'include'", span))
        return None
    target = path.parent / item.text
    files[0] += 1
    if target.resolve() in above:
        message = f"'{item.text}' includes itself"
        raise InputError([*problems, Diagnostic("include-cycle", message, span, "delete one 'include'")])
    if files[0] > MAX_FILES:
        message = f"more than {MAX_FILES} files are included"
        raise InputError([*problems, Diagnostic("too-many-includes", message, span, "join some")])
    if target.exists() and not target.is_file():  # a pipe that nobody writes to is never at its end
        message = f"'{item.text}' is no file"
        raise InputError([*problems, Diagnostic("unreadable-file", message, span, "include a file")])
    try:
        source = read_file(target)
    except InputError as error:
        first = error.diagnostics[0]
        if first.span is None:  # the file as a whole: say where it is included
            raise InputError([*problems, Diagnostic(first.code, first.message, span, first.hint)]) from None
        raise
    problems += source.problems
    return _with_includes(source.root, target, above, files, problems)


def merge(under: Mapping, over: Mapping) -> Mapping:
    """`over` on top of `under`: mappings key by key, anything else whole."""
    entries = dict(under.entries)
    for key, (name, node) in over.entries.items():
        below = entries.get(key)
        if below and isinstance(node, Mapping) and isinstance(below[1], Mapping):
            node = merge(below[1], node)
        entries[key] = (name, node)
    return Mapping(over.line, over.column, over.file, entries)


def _variables(root: Mapping, given: MappingOf[str, str]) -> tuple[dict[str, str], list[Diagnostic]]:
    entry = root.entries.pop("variables", None)
    known: dict[str, str] = {}
    problems = []
    if entry is not None and not isinstance(entry[1], Mapping):
        message = "expected a mapping of names to values as 'variables'"
        problems.append(Diagnostic("wrong-shape", message, span_of(entry[0])))
    elif entry is not None:
        assert isinstance(entry[1], Mapping)
        for name, (_, node) in entry[1].entries.items():
            if isinstance(node, Scalar):
                known[name] = node.text
                continue
            message = f"variable '{name}' must have one value"
            problems.append(Diagnostic("wrong-shape", message, span_of(node)))
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known, f"the file has {', '.join(known) or 'no variables'}")
            problems.append(Diagnostic("unknown-variable", f"no variable '{name}' to set", hint=hint))
    return known | dict(given), problems


def _substitute(root: Mapping, known: MappingOf[str, str]) -> list[Diagnostic]:
    """Put the variables' texts into the values of the tree, in place."""
    problems: list[Diagnostic] = []
    open_nodes: list[Node] = [root]
    while open_nodes and len(problems) < MAX_PROBLEMS:
        node = open_nodes.pop()
        if isinstance(node, Mapping):
            open_nodes += [value for _, value in node.entries.values()]
        elif isinstance(node, Sequence):
            open_nodes += node.items
        elif "${" in node.text:
            problems += _fill(node, known)
    return problems


def _fill(node: Scalar, known: MappingOf[str, str]) -> list[Diagnostic]:
    unknown = [name for name in _REFERENCE.findall(node.text) if name not in known]
    if unknown:
        hint = did_you_mean(unknown[0], known, "give it a value under 'variables'")
        return [Diagnostic("unknown-variable", f"no variable '{unknown[0]}'", span_of(node), hint)]
    text = _REFERENCE.sub(lambda match: known[match[1]], node.text)
    if len(text) > _MAX_TEXT:
        message = f"the value has {len(text)} characters; the limit is {_MAX_TEXT}"
        return [Diagnostic("bad-text", message, span_of(node))]
    node.text = text
    return []
