"""A placement file: the accelerator of each rank, one a line, as `host3:1`; what follows `#` is a comment.

A host with one accelerator is named alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.topology.model import Fabric
from raddle.topology.yaml.reading import did_you_mean


def read_placement(fabric: Fabric, path: Path) -> NDArray[np.int32]:
    """The accelerators that a file lists, int32[R].

    Raises:
        InputError: everything that is wrong with it, by line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.unreadable("unreadable-placement", path, error) from None
    columns = fabric.accelerators
    first = np.searchsorted(columns.host, np.arange(len(fabric.hosts) + 1)).tolist()
    hosts = {host.name: host.index for host in fabric.hosts}
    problems: list[Diagnostic] = []
    lines: dict[int, int] = {}
    for line, whole in enumerate(text.splitlines(), 1):
        word = whole.partition("#")[0].strip()
        if not word:
            continue
        span = SourceSpan(str(path), line, whole.index(word) + 1, len(word), whole)
        name, colon, number = word.partition(":")
        if name not in hosts:
            message, hint = f"no host '{name}'", did_you_mean(name, hosts)
            problems.append(Diagnostic("unknown-device", message, span, hint))
            continue
        begin, count = first[hosts[name]], first[hosts[name] + 1] - first[hosts[name]]
        place = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else count
        if not colon and count == 1:
            place = 0
        if place >= count:
            message = f"no accelerator '{number}' on '{name}', which has {count}"
            hint = f"write {name}:0" + (f" to {name}:{count - 1}" if count > 1 else "")
            problems.append(Diagnostic("accelerator-out-of-range", message, span, hint))
        elif begin + place in lines:
            message = f"'{word}' has a rank already, from line {lines[begin + place]}"
            problems.append(Diagnostic("duplicate-rank", message, span, "one rank on each accelerator"))
        else:
            lines[begin + place] = line
    if not problems and not lines:
        span = SourceSpan(str(path), 1, 1, 1, "")
        problems.append(Diagnostic("bad-ranks", "the file places no rank", span, "write host3:1, one a line"))
    if problems:
        raise InputError(problems)
    return np.array(list(lines), np.int32)
