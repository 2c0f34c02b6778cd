"""Reads an MSCCL file, with the place of whatever is wrong in it.

A document type, where entities are declared, is refused, so that none can grow or read another file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.parsers import expat

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.traffic.msccl.program import RECEIVES, SENDS, TYPES, Block, Program, Step

_MAX_FILE_BYTES = 256 << 20
_INSIDE = {"gpu": "algo", "tb": "gpu", "step": "tb"}
_PROTOCOLS = ("Simple", "LL", "LL128")


def read_msccl(path: Path) -> Program:
    """The program in a file.

    Raises:
        InputError: `no-schedule`, the file cannot be read; `bad-schedule`, what is wrong with it and where.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InputError.of("bad-schedule", f"'{path}' is larger than {_MAX_FILE_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise InputError.unreadable("no-schedule", path, error) from None
    return _Reader(str(path), data).program()


class _Reader:
    """Follows the elements of a file from start to end; the first mistake ends it."""

    def __init__(self, file: str, data: bytes) -> None:
        self._file = file
        self._lines = data.decode("utf-8", "replace").splitlines()
        self._open: list[str] = []
        self._algo: Mapping[str, str] | None = None
        self._algo_span = SourceSpan(file, 1, 1)
        self._ranks: dict[int, dict[int, Block]] = {}
        self._rank = 0
        self._block: tuple[int, int, int, int, SourceSpan] | None = None
        self._steps: list[Step] = []
        self._expat = expat.ParserCreate()
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.StartDoctypeDeclHandler = self._doctype
        try:
            self._expat.Parse(data, True)
        except expat.ExpatError as error:
            raise self._wrong(
                expat.errors.messages[error.code], SourceSpan(file, error.lineno, error.offset + 1)
            ) from None

    def program(self) -> Program:
        """All of it, once the parts are known to fit each other."""
        algo, span = self._algo, self._algo_span
        if algo is None:
            raise self._wrong("there is no <algo>", span)
        ranks = self._number(algo, "ngpus", span, least=2)
        if missing := sorted(set(range(ranks)) ^ set(self._ranks)):
            raise self._wrong(
                f"ngpus is {ranks}, and gpu {missing[0]} is {'there' if missing[0] >= ranks else 'missing'}",
                span,
            )
        protocol = algo.get("proto", "Simple")
        if protocol not in _PROTOCOLS:
            raise self._wrong(f"proto '{protocol}' is none of {', '.join(_PROTOCOLS)}", span)
        blocks = tuple(self._in_order(self._ranks[rank], span) for rank in range(ranks))
        for rank, own in enumerate(blocks):
            for block in own:
                self._check(block, rank, own, ranks)
        return Program(
            name=algo.get("name", "msccl"),
            collective=self._text(algo, "coll", span),
            is_in_place=self._number(algo, "inplace", span) == 1,
            protocol=protocol,
            chunks=self._number(algo, "nchunksperloop", span, least=1),
            blocks=blocks,
            span=span,
        )

    def _check(self, block: Block, rank: int, own: tuple[Block, ...], ranks: int) -> None:
        for peer, word in ((block.send, "send"), (block.recv, "recv")):
            if peer == rank or peer >= ranks:
                raise self._wrong(f"gpu {rank} cannot {word} with gpu {peer} of {ranks}", block.span)
        for step in block.steps:
            for peer, types, word in ((block.send, SENDS, "send"), (block.recv, RECEIVES, "recv")):
                if step.type in types and peer < 0:
                    raise self._wrong(
                        f"type '{step.type}' in a thread block without a {word} peer", step.span
                    )
            if step.after:
                other, place = step.after
                if other >= len(own) or place >= len(own[other].steps):
                    raise self._wrong(f"there is no step {place} of tb {other} to wait for", step.span)

    def _in_order(self, blocks: Mapping[int, Block], span: SourceSpan) -> tuple[Block, ...]:
        for place, number in enumerate(sorted(blocks)):
            if place != number:
                raise self._wrong(f"tb {place} is missing before tb {number}", blocks[number].span)
        return tuple(blocks[number] for number in range(len(blocks)))

    def _start(self, tag: str, values: dict[str, str]) -> None:
        span = self._here(len(tag) + 1)
        parent = self._open[-1] if self._open else None
        if _INSIDE.get(tag) != parent or (parent is None and tag != "algo"):
            where = f"inside <{parent}>" if parent else "at the top"
            raise self._wrong(f"<{tag}> does not belong {where}", span)
        self._open.append(tag)
        if tag == "algo":
            self._algo, self._algo_span = values, span
        elif tag == "gpu":
            self._rank = self._number(values, "id", span)
            if self._rank in self._ranks:
                raise self._wrong(f"gpu {self._rank} is there twice", span)
            self._ranks[self._rank] = {}
        elif tag == "tb":
            number, send, recv = (self._number(values, key, span, least=-1) for key in ("id", "send", "recv"))
            if number in self._ranks[self._rank]:
                raise self._wrong(f"tb {number} of gpu {self._rank} is there twice", span)
            self._block = number, send, recv, self._number(values, "chan", span), span
            self._steps = []
        else:
            self._steps.append(self._step(values, span))

    def _end(self, tag: str) -> None:
        self._open.pop()
        if tag == "tb" and self._block:
            number, send, recv, channel, span = self._block
            self._ranks[self._rank][number] = Block(send, recv, channel, tuple(self._steps), span)

    def _step(self, values: Mapping[str, str], span: SourceSpan) -> Step:
        kind = self._text(values, "type", span)
        if kind not in TYPES:
            raise self._wrong(f"type '{kind}' is none of {', '.join(sorted(TYPES))}", span)
        place = self._number(values, "s", span)
        if place != len(self._steps):
            raise self._wrong(f"step {place} stands where step {len(self._steps)} belongs", span)
        has_data = kind != "nop"
        block, after = (self._number(values, key, span, least=-1, default=-1) for key in ("depid", "deps"))
        return Step(
            type=kind,
            src=self._slot(values, "src", span) if has_data else ("i", 0),
            dst=self._slot(values, "dst", span) if has_data else ("i", 0),
            count=self._number(values, "cnt", span, least=1, default=1) if has_data else 0,
            after=(block, after) if block >= 0 and after >= 0 else None,
            span=span,
        )

    def _slot(self, values: Mapping[str, str], end: str, span: SourceSpan) -> tuple[str, int]:
        buffer = self._text(values, f"{end}buf", span)
        if buffer not in ("i", "o", "s"):
            raise self._wrong(f"{end}buf '{buffer}' is none of i, o, s", span)
        # A step that does not use an end of its has -1 there.
        return buffer, self._number(values, f"{end}off", span, least=-1)

    def _number(
        self,
        values: Mapping[str, str],
        key: str,
        span: SourceSpan,
        *,
        least: int = 0,
        default: int | None = None,
    ) -> int:
        text = values.get(key) if default is not None else self._text(values, key, span)
        if text is None:
            assert default is not None
            return default
        if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or len(text) > 9:
            raise self._wrong(f"{key} '{text}' is not a whole number", span)
        if int(text) < least:
            raise self._wrong(f"{key} is {text}; it must be {least} or more", span)
        return int(text)

    def _text(self, values: Mapping[str, str], key: str, span: SourceSpan) -> str:
        if key not in values:
            raise self._wrong(f"there is no '{key}'", span)
        return values[key]

    def _doctype(self, *declared: Any) -> None:
        raise self._wrong("a document type is not accepted", self._here(1))

    def _here(self, length: int) -> SourceSpan:
        line = self._expat.CurrentLineNumber
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        return SourceSpan(self._file, line, self._expat.CurrentColumnNumber + 1, length, text)

    def _wrong(self, message: str, span: SourceSpan) -> InputError:
        return InputError([Diagnostic("bad-schedule", message, span)])
