"""YAML text to a tree of texts with positions: nothing is executed, resolved or guessed.

The tree is built from the parser's events and not by `yaml.compose`, whose recursion on the C stack a
deeply nested file can overflow. Every scalar stays text, so that `on`, `1:30` and `010` mean nothing
until the schema reads them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.errors import Place as Place

MAX_BYTES = 4 * 2**20
"""Largest file that is read, in bytes, besides what its lines bring."""

LINE_BYTES, MAX_LINES = 128, 1_000_000
"""What each line brings, of so many at most: an explicit fabric of 500 000 links has one for each of them."""

MAX_NODES = 225_000
"""Most scalars, lists and mappings in a file, besides what listed devices and links bring."""

LISTED_NODES = 24
"""What each item of `devices` and `links` may have; a link with all of its keys has 17."""

_LISTED_DEPTH = 3
"""Of these lists, at most: in one of several networks."""

MAX_TOP_KEYS = 100
"""Most keys at the top of a file; the schema has 16."""

MAX_DEPTH = 32
"""Deepest nesting; the schema needs 6."""

MAX_PROBLEMS = 100
"""Most problems that are told at once; checks stop there."""

_MAX_MESSAGE = 300
"""Longest message, in characters: a quoted value may be as long as the file."""

_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(slots=True, eq=False)
class FileText:
    """A file's name in messages and its lines."""

    name: str
    lines: list[str]


@dataclass(slots=True)
class Scalar:
    text: str
    line: int
    column: int
    length: int
    is_plain: bool
    file: FileText


@dataclass(slots=True)
class Sequence:
    line: int
    column: int
    file: FileText
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    line: int
    column: int
    file: FileText
    entries: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file: its name, its tree, and the problems that did not stop the parser.

    Nodes know the file they stand in, which may be one that this file includes.

    Attributes:
        top: where its outermost keys are, in words; a source can be a part of a file.
    """

    file: str
    root: Mapping
    problems: tuple[Diagnostic, ...]
    top: str = "at the top of the file"

    def part(self, *place: str) -> Source | None:
        """The mapping at a place as a source of its own; None where there is no mapping."""
        node: Node | None = self.root
        for key in place:
            node = node.entries[key][1] if isinstance(node, Mapping) and key in node.entries else None
        return Source(self.file, node, (), f"in '{place[-1]}'") if isinstance(node, Mapping) else None

    def data(self) -> dict[str, Any]:
        """The file as dicts, lists and texts."""
        plain = _plain(self.root)
        assert isinstance(plain, dict)
        return plain

    def span(self, place: Place, at_key: bool = False) -> SourceSpan:
        """Where the value at `place` is (or its key), or the nearest thing around it that exists.

        A part `*` is the first item of a list that has what comes behind it.
        """
        node: Node = self.root
        key: Scalar | None = None
        for depth, part in enumerate(place, 1):
            if part == "*":
                items = node.items if isinstance(node, Sequence) else ()
                found = next((item for item in items if _has(item, place[depth:])), None)
                node, key = (found, None) if found else (node, key)
            elif isinstance(node, Mapping) and part in node.entries:
                key, node = node.entries[str(part)]
            elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
                key, node = None, node.items[part]
            elif part != 0:  # a lone item may stand for a list of one
                break
        if key is not None and (at_key or not isinstance(node, Scalar)):
            node = key
        return span_of(node)

    def written(self, place: Place) -> Place:
        """The place without the 0 of a lone item that stands for a list of one."""
        node: Node | None = self.root
        parts: list[str | int] = []
        for part in place:
            if part == 0 and isinstance(node, Scalar | Mapping):
                continue
            parts.append(part)
            if isinstance(node, Mapping):
                node = node.entries[str(part)][1] if part in node.entries else None
            elif isinstance(node, Sequence):
                node = node.items[int(part)] if int(part) < len(node.items) else None
        return tuple(parts)

    def error(
        self, code: str, message: str, place: Place, hint: str = "", at_key: bool = False
    ) -> Diagnostic:
        if len(message) > _MAX_MESSAGE:
            message = f"{message[:_MAX_MESSAGE]} ..."
        return Diagnostic(code, message, self.span(place, at_key), hint)


def refuse_all(problems: SequenceOf[Diagnostic]) -> None:
    """The gate of a stage: raise `InputError` if there are problems, with the first `MAX_PROBLEMS`."""
    if len(problems) >= MAX_PROBLEMS:
        rest = Diagnostic("too-many-problems", f"only the first {MAX_PROBLEMS} problems are shown")
        raise InputError([*problems[:MAX_PROBLEMS], rest])
    if problems:
        raise InputError(problems)


def read_file(path: Path) -> Source:
    """Read and parse a YAML file.

    Raises:
        InputError: it cannot be read, is too large, is not UTF-8 or not YAML.
    """
    return parse(read_text(path), str(path))


def _most_bytes(lines: int) -> int:
    return MAX_BYTES + (LINE_BYTES * lines if lines <= MAX_LINES else 0)


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        InputError: it cannot be read, is too large or is not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + LINE_BYTES * MAX_LINES + 1)
    except FileNotFoundError:
        raise InputError.of("no-such-file", f"no file '{path}'") from None
    except OSError as error:
        raise InputError.of("unreadable-file", f"cannot read '{path}': {error.strerror}") from None
    most = _most_bytes(content.count(b"\n"))
    if len(content) > most:
        raise InputError.of(
            "file-too-large", f"'{path}' is larger than {most} bytes", "describe it by an intent"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        line_start = content.rfind(b"\n", 0, error.start) + 1
        column = len(content[line_start : error.start].decode("utf-8")) + 1
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        span = SourceSpan(str(path), line, column)
        raise InputError([Diagnostic("not-utf8", message, span, "save the file as UTF-8")]) from None


def parse(text: str, file: str, otherwise: tuple[str, str] | None = None) -> Source:
    """Parse YAML text; `file` is its name in messages, `otherwise` code and hint of what is no mapping.

    Raises:
        InputError: the text is not one YAML document with a mapping at its top, or is too large.
    """
    most = _most_bytes(text.count("\n"))
    if len(text) > most:
        raise InputError.of("file-too-large", f"'{file}' is larger than {most} characters")
    if match := yaml.reader.Reader.NON_PRINTABLE.search(text):
        raise InputError([_bad_character(text, match.start(), file)])
    lines = _LINE_BREAK.split(text)
    builder = _Builder(FileText(file, lines))
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise InputError([*builder.problems, _syntax_error(error, builder.file)]) from None
    if not isinstance(builder.root, Mapping):
        what = "is empty" if builder.root is None else "holds no mapping at its top"
        span = SourceSpan(file, 1, 1, text=lines[0])
        hint = "start with 'raddle: 1', then 'name:' and 'fabric:'"
        problem = Diagnostic("not-a-fabric", f"the file {what}", span, hint)
        if otherwise:
            problem = replace(problem, code=otherwise[0], hint=otherwise[1])
        raise InputError([*builder.problems, problem])
    return Source(file, builder.root, tuple(builder.problems))


class _Builder:
    """Builds the tree from events; the stack holds the open collections and the key each one waits with."""

    def __init__(self, file: FileText) -> None:
        self.file = file
        self.root: Node | None = None
        self.problems: list[Diagnostic] = []
        self._stack: list[tuple[Sequence | Mapping, list[Scalar]]] = []
        self._nodes = 0
        self._most = MAX_NODES
        self._listed: list[Node] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            if event.tag is not None or event.anchor is not None:
                self._refuse_magic(event)
            self._add(self._scalar(event))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._refuse_magic(event)
            node = (Mapping if isinstance(event, yaml.MappingStartEvent) else Sequence)(
                *_position(event), self.file
            )
            self._add(node)
            self._stack.append((node, []))
            if len(self._stack) > MAX_DEPTH:
                self._stop("too-deep", f"more than {MAX_DEPTH} levels of nesting", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._stack.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._stop("yaml-alias", f"alias '*{event.anchor}' is not allowed", event, "write the value out")
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._stop("many-documents", "a second document starts here", event, "one file, one fabric")
        if len(self.problems) >= MAX_PROBLEMS:
            refuse_all(self.problems)

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        start, end = event.start_mark, event.end_mark
        assert start is not None
        assert end is not None
        length = end.column - start.column if end.line == start.line else 1
        return Scalar(
            event.value, start.line + 1, start.column + 1, max(1, length), not event.style, self.file
        )

    def _add(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > self._most:
            problem = Diagnostic("file-too-large", f"'{self.file.name}' has more than {self._most} values")
            raise InputError([*self.problems, problem])
        if self._stack and self._listed and self._stack[-1][0] is self._listed[-1]:
            self._most += LISTED_NODES if isinstance(node, Mapping) else 0
        if not self._stack:
            self.root = node
            return
        parent, waiting = self._stack[-1]
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif waiting:
            self._enter(parent, waiting.pop(), node)
        elif isinstance(node, Scalar):
            waiting.append(node)
        else:
            span = span_of(node)
            self.problems.append(Diagnostic("bad-key", "a key must be one word, not a list or mapping", span))
            waiting.append(Scalar("", node.line, node.column, 1, False, self.file))

    def _enter(self, parent: Mapping, key: Scalar, node: Node) -> None:
        if key.text in parent.entries:
            span = span_of(key)
            first = span_of(parent.entries[key.text][0])
            note = (first, f"'{key.text}' is first given here")
            self.problems.append(
                Diagnostic("duplicate-key", f"key '{key.text}' is given twice", span, "delete one", note)
            )
            return
        parent.entries[key.text] = (key, node)
        if key.text in ("devices", "links") and len(self._stack) <= _LISTED_DEPTH:
            self._listed.append(node)
        if parent is self.root and len(parent.entries) > MAX_TOP_KEYS:
            message = f"more than {MAX_TOP_KEYS} keys at the top"
            raise InputError([*self.problems, Diagnostic("file-too-large", message, span_of(key))])
        if isinstance(node, Scalar) and node.is_plain and not node.text:
            hint = "write the value, or delete the key"
            span = span_of(node)
            self.problems.append(Diagnostic("missing-value", f"'{key.text}' has no value", span, hint))

    def _refuse_magic(self, event: yaml.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._note("yaml-tag", f"tag '{tag}' is not allowed", event, "write the plain value")
        if event.anchor is not None:
            self._note("yaml-alias", f"anchor '&{event.anchor}' is not allowed", event, "write the value out")

    def _note(self, code: str, message: str, event: yaml.Event, hint: str) -> None:
        self.problems.append(Diagnostic(code, message, self._at(event), hint))

    def _stop(self, code: str, message: str, event: yaml.Event, hint: str = "") -> None:
        raise InputError([*self.problems, Diagnostic(code, message, self._at(event), hint)])

    def _at(self, event: yaml.Event) -> SourceSpan:
        return _place_span(self.file, *_position(event))


def _position(event: yaml.Event) -> tuple[int, int]:
    """Line and column of an event, from 1."""
    mark = event.start_mark
    assert mark is not None
    return mark.line + 1, mark.column + 1


def _has(node: Node, place: Place) -> bool:
    """Whether there is something at a place of keys below a node."""
    for part in place:
        if not isinstance(node, Mapping) or part not in node.entries:
            return False
        node = node.entries[str(part)][1]
    return True


def span_of(node: Node) -> SourceSpan:
    """Where a node stands."""
    length = node.length if isinstance(node, Scalar) else 1
    return _place_span(node.file, node.line, node.column, length)


def _place_span(file: FileText, line: int, column: int, length: int = 1) -> SourceSpan:
    """A span; what the parser misses on a line behind the last one is missing at the last one's end."""
    lines = file.lines
    if line > len(lines):
        line, column = len(lines), len(lines[-1]) + 1
    return SourceSpan(file.name, line, column, length, lines[line - 1])


def _plain(node: Node) -> object:
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Sequence):
        return [_plain(item) for item in node.items]
    return {key: _plain(value) for key, (_, value) in node.entries.items()}


def _bad_character(text: str, index: int, file: str) -> Diagnostic:
    """A character that YAML 1.2 (section 5.1) forbids; it must not reach the reader's terminal either."""
    before = _LINE_BREAK.split(text[:index])
    line = _LINE_BREAK.split(text)[len(before) - 1]
    shown = yaml.reader.Reader.NON_PRINTABLE.sub("?", line)
    span = SourceSpan(file, len(before), len(before[-1]) + 1, text=shown)
    message = f"character U+{ord(text[index]):04X} is not allowed"
    return Diagnostic("bad-character", message, span, "delete it")


def _syntax_error(error: yaml.MarkedYAMLError, file: FileText) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    message = " ".join(part for part in (error.problem, error.context) if part)
    if mark is None:
        return Diagnostic("yaml-syntax", message)
    span = _place_span(file, mark.line + 1, mark.column + 1)
    if "nesting depth" in message:  # libyaml's own limit, in newer releases met before ours
        return Diagnostic("too-deep", f"more than {MAX_DEPTH} levels of nesting", span)
    hint = ""
    if "\t" in span.text[: span.column]:
        hint = "indent with spaces; YAML allows no tab here"
    elif "mapping values are not allowed" in message:
        hint = "quote a text that holds ': ', and check the indentation"
    return Diagnostic("yaml-syntax", message, span, hint)
