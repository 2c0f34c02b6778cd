"""Which YAML files are raddle's, and of which kind."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal

from raddle.errors import Diagnostic, InputError
from raddle.topology.yaml import kinds
from raddle.topology.yaml import source as tree
from raddle.topology.yaml.include import assemble
from raddle.topology.yaml.source import parse, read_text

Kind = kinds.Kind | Literal["other", "broken"]

_TOP = 10
"""Lines of a file that is no YAML, comments apart, among which `raddle:` makes it raddle's."""

_ALIKE = 0.8
"""`radle` and `raddel` are `raddle`, `saddles` is not: difflib's ratio."""

_KEY = re.compile(r"([A-Za-z]+)[ \t]*:(?:[ \t]+(\S+).*)?$")


@dataclass(frozen=True, slots=True)
class Found:
    """A file, what it is, and why it is broken.

    Attributes:
        name: that it gives itself.
        gates: expectations and checks of a scenario, as written.
    """

    path: Path
    kind: Kind
    problems: tuple[Diagnostic, ...] = ()
    name: str = ""
    gates: tuple[str, ...] = ()


def find_files(paths: Sequence[Path], once: Collection[Path] = ()) -> list[Found]:
    """The YAML files that are named or lie below named folders, hidden ones apart, sorted.

    Args:
        once: files that were raddle's before, and still should be.

    Raises:
        InputError: `no-such-file`.
    """
    files = sorted({each for path in paths for each in _below(path)})
    return [_found(path, path in paths or path in once, path in once) for path in files]


def _below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for each in path.rglob("*.y*ml"):
            hidden = any(part.startswith(".") for part in each.relative_to(path).parts)
            if each.suffix in (".yaml", ".yml") and not hidden and each.is_file():
                yield each
    elif path.exists():
        yield path
    else:
        raise InputError.of("no-such-file", f"no file or folder '{path}'")


def _found(path: Path, is_meant: bool, is_ours: bool) -> Found:
    """The kind, by the keys at the top, those of included files with them.

    Args:
        is_meant: it is broken where it cannot be read, whatever it looks like.
        is_ours: it is raddle's even without the key `raddle`.
    """
    try:
        text = read_text(path)
    except InputError as error:
        return Found(path, "broken" if is_meant else "other", error.diagnostics)
    try:
        source = parse(text, str(path))
        own = source.root.entries
        if "raddle" not in own and not is_ours and not _starts_like_ours(text):
            return Found(path, "other")
    except InputError as error:
        is_broken = is_meant or _starts_like_ours(text)
        return Found(path, "broken" if is_broken else "other", error.diagnostics)
    try:
        entries = assemble(source, {}).root.entries
    except InputError as error:
        return Found(path, "broken", error.diagnostics)
    gates = (*_texts(entries, "expect"), *_texts(entries, "checks"))
    return Found(path, kinds.kind_of(entries) or "fabric", (), "".join(_texts(entries, "name")), gates)


def _starts_like_ours(text: str) -> bool:
    """Whether `raddle:`, or `radle: 1`, is among the first lines: of a file that may be no YAML."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("#", "---", "%"))]
    keys = [match for line in lines[:_TOP] if (match := _KEY.match(line))]
    if any(key[1] == "raddle" for key in keys):
        return True
    first = keys[0] if keys else None
    return (
        first is not None
        and first[2] == "1"
        and SequenceMatcher(None, first[1].lower(), "raddle").ratio() > _ALIKE
    )


def _texts(entries: Mapping[str, tuple[Any, Any]], key: str) -> tuple[str, ...]:
    """The texts of a key: its own, or those of its list."""
    node = entries[key][1] if key in entries else None
    nodes = node.items if isinstance(node, tree.Sequence) else [node]
    return tuple(each.text for each in nodes if isinstance(each, tree.Scalar))
