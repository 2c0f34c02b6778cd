"""Which YAML files are raddle's, and of which kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from raddle.errors import Diagnostic, InputError
from raddle.topology.yaml import kinds
from raddle.topology.yaml.include import assemble
from raddle.topology.yaml.source import parse, read_text

Kind = kinds.Kind | Literal["other", "broken"]


@dataclass(frozen=True, slots=True)
class Found:
    """A file, what it is, and why it is broken."""

    path: Path
    kind: Kind
    problems: tuple[Diagnostic, ...] = ()


def find_files(paths: Sequence[Path]) -> list[Found]:
    """The YAML files that are named or lie below named folders, hidden ones apart, sorted.

    Raises:
        InputError: `no-such-file`, or there is no YAML file at all.
    """
    files = sorted({each for path in paths for each in _below(path)})
    if not files:
        raise InputError.of(
            "no-such-file", f"no YAML file in {', '.join(map(str, paths))}", "name files or folders"
        )
    return [_kind_of(path, is_named=path in paths) for path in files]


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


def _kind_of(path: Path, is_named: bool) -> Found:
    """The kind, by the keys at the top, those of included files with them. A file that is no YAML of ours is
    broken only where it was named."""
    try:
        source = parse(read_text(path), str(path))
        if "raddle" not in source.root.entries:
            return Found(path, "other")
    except InputError as error:
        return Found(path, "broken" if is_named else "other", error.diagnostics)
    try:
        entries = assemble(source, {}).root.entries
    except InputError as error:
        return Found(path, "broken", error.diagnostics)
    return Found(path, kinds.kind_of(entries) or "fabric")
