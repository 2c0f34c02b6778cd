"""GOAL, the traces of LogGOPSim and ATLAHS.

Source: Hoefler, Siebert and Lumsdaine, "Group Operation Assembly Language", ICPP 2009; the textual form of
LogGOPSim (spcl.inf.ethz.ch/Research/Performance/LogGOPSim): `num_ranks`, `rank N { }`, `calc`, `send`,
`recv`, `requires`, `irequires`. A calc of 1 is a nanosecond, as ATLAHS has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from raddle.errors import InputError
from raddle.lab.graph.model import COMPUTE
from raddle.lab.graph.traces.operations import CALC, RECV, SEND, Operation, wrong

_NS = 1000
_LINE = re.compile(
    r"(?:(?P<label>\w+)\s*:\s*)?(?:"
    r"calc\s+(?P<time>\d+)|(?P<way>send|recv)\s+(?P<size>\d+)b\s+(?:to|from)\s+(?P<peer>\d+)(?:\s+tag\s+(?P<tag>\d+))?"
    r")(?:\s+cpu\s+(?P<cpu>\d+))?(?:\s+nic\s+(?P<nic>\d+))?"
)
_WAIT = re.compile(r"(\w+)\s+(i?)requires\s+(\w+)")
_COMMENT = re.compile(r"//.*|#.*")


@dataclass(slots=True)
class GoalTrace:
    """Operations of a file, and what of it is taken otherwise than it says."""

    ranks: int = 0
    operations: list[Operation] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


def read_goal(path: Path) -> GoalTrace:
    """Read a textual GOAL file.

    Raises:
        InputError: `no-trace`, it cannot be read; `bad-trace`, the first thing that is wrong with it, by
        line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.unreadable("no-trace", path, error) from None
    reader = _Reader(str(path))
    for line, raw in enumerate(text.splitlines(), 1):
        if words := _COMMENT.sub("", raw).strip():
            reader.line(line, words)
    return reader.end(len(text.splitlines()))


class _Reader:
    def __init__(self, file: str) -> None:
        self._file, self._trace = file, GoalTrace()
        self._rank: int | None = None
        self._seen: set[int] = set()
        self._labels: dict[str, int] = {}

    def line(self, line: int, words: str) -> None:
        if not self._trace.ranks:
            self._count(line, words)
        elif match := re.fullmatch(r"rank\s+(\d+)\s*\{", words):
            self._begin(line, words, int(match[1]))
        elif words == "}":
            if self._rank is None:
                raise wrong(self._file, line, "no rank ends here", text=words)
            self._rank = None
        elif self._rank is None:
            raise wrong(
                self._file, line, f"'{words}' stands outside of a rank", "begin with 'rank 0 {'", words
            )
        elif match := _WAIT.fullmatch(words):
            self._wait(line, words, match)
        elif match := _LINE.fullmatch(words):
            self._operation(line, words, match, self._rank)
        else:
            hint = (
                "lines are 'l1: calc 100', 'l2: send 8b to 1 tag 0', 'l3: recv 8b from 1', 'l3 requires l2'"
            )
            raise wrong(self._file, line, f"'{words}' is no operation", hint, words)

    def end(self, line: int) -> GoalTrace:
        if not self._trace.ranks:
            raise wrong(self._file, 1, "there is no 'num_ranks'", "the file is empty, or no GOAL in text")
        if self._rank is not None:
            raise wrong(self._file, line, f"the file ends within rank {self._rank}", "it is cut off")
        if missing := set(range(self._trace.ranks)) - self._seen:
            raise wrong(
                self._file, line, f"rank {min(missing)} of {self._trace.ranks} is missing", "it is cut off"
            )
        return self._trace

    def _count(self, line: int, words: str) -> None:
        match = re.fullmatch(r"num_ranks\s+(\d+)", words)
        if not match or not 1 <= int(match[1]) <= 65536:
            raise wrong(self._file, line, f"'{words}' is not 'num_ranks N', N from 1 to 65536", text=words)
        self._trace.ranks = int(match[1])

    def _begin(self, line: int, words: str, rank: int) -> None:
        if self._rank is not None or rank in self._seen or rank >= self._trace.ranks:
            what = (
                f"rank {rank} begins within rank {self._rank}"
                if self._rank is not None
                else f"rank {rank} again"
            )
            if rank >= self._trace.ranks:
                what = f"there is no rank {rank} of {self._trace.ranks}"
            raise wrong(self._file, line, what, text=words)
        self._rank, self._labels = rank, {}
        self._seen.add(rank)

    def _wait(self, line: int, words: str, match: re.Match[str]) -> None:
        for label in (match[1], match[3]):
            if label not in self._labels:
                raise wrong(
                    self._file, line, f"there is no '{label}' before this in rank {self._rank}", text=words
                )
        self._trace.operations[self._labels[match[1]]].after.append(self._labels[match[3]])
        if match[2]:
            self._change("'irequires' waits for the end, not for the beginning")

    def _operation(self, line: int, words: str, match: re.Match[str], rank: int) -> None:
        cpu = int(match["cpu"] or 0)
        if match["way"]:
            peer = int(match["peer"])
            if peer >= self._trace.ranks or peer == rank:
                what = "itself" if peer == rank else f"rank {peer} of {self._trace.ranks}, which there is not"
                raise wrong(self._file, line, f"a message of rank {rank} and {what}", text=words)
            kind = SEND if match["way"] == "send" else RECV
            size, tag = int(match["size"]), int(match["tag"] or 0)
            made = Operation(kind, rank, line, peer=peer, size_bytes=size, tag=tag, file=self._file)
            if match["nic"]:
                self._change("'nic' is left out")
        else:
            stream = f"cpu {cpu}" if cpu else COMPUTE
            made = Operation(
                CALC, rank, line, time_ps=int(match["time"]) * _NS, stream=stream, file=self._file
            )
        if match["label"]:
            if match["label"] in self._labels:
                raise wrong(self._file, line, f"there are two '{match['label']}' in rank {rank}", text=words)
            self._labels[match["label"]] = len(self._trace.operations)
        self._trace.operations.append(made)

    def _change(self, what: str) -> None:
        if what not in self._trace.changed:
            self._trace.changed.append(what)
