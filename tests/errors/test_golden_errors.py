"""Each mistake in a .yaml file of this folder is told as in the .txt file beside it.

`RADDLE_UPDATE_GOLDEN=1 pytest tests/errors` writes the .txt files anew; read the difference.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from raddle import InputError, load
from raddle.topology.yaml.source import MAX_BYTES, MAX_NODES

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in HERE.glob("*.yaml"))

LONGEST_S = 2.0
"""Any file, however hostile, is refused within this time (of the processor: others may use it too)."""


@pytest.mark.parametrize("case", CASES)
def test_mistake_is_told_as_in_its_golden_file(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)  # messages name the file as it was given
    started_s = time.process_time()
    message = f"{_told(f'{case}.yaml')}\n"
    assert time.process_time() - started_s < LONGEST_S
    golden = HERE / f"{case}.txt"
    if os.environ.get("RADDLE_UPDATE_GOLDEN"):
        golden.write_text(message, encoding="utf-8")
    assert message == golden.read_text(encoding="utf-8")


def _told(file: str) -> str:
    """The error of a file, or the warnings about what dead links in it cut off."""
    try:
        warnings = load(file).warnings
    except InputError as error:
        return str(error)
    assert warnings
    return "\n".join(map(str, warnings))


def test_each_golden_file_belongs_to_a_mistake() -> None:
    assert sorted(path.stem for path in HERE.glob("*.txt")) == CASES


def test_at_least_60_mistakes_are_covered() -> None:
    assert len(CASES) >= 60


def _refusal(path: Path) -> InputError:
    """The error of a file that is refused in time: other processes may slow one attempt, not three."""
    took_s = []
    for _ in range(3):
        started_s = time.process_time()
        with pytest.raises(InputError) as caught:
            load(path)
        took_s.append(time.process_time() - started_s)
        if took_s[-1] < LONGEST_S:
            break
    assert min(took_s) < LONGEST_S
    return caught.value


def test_100_megabyte_file_is_refused_by_its_size_before_parsing(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)
    assert [item.code for item in _refusal(path).diagnostics] == ["file-too-large"]


_EXPLICIT = "raddle: 1\nname: pod\ndevices:\n" + "".join(f"  leaf{i}: {{role: leaf}}\n" for i in range(9000))
_UNKNOWN_ENDS = "links:\n" + "".join(f"- {{ends: [laef{i}:Ethernet0, host{i}:eth0]}}\n" for i in range(9000))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: " + "[" * (MAX_BYTES - 10), "too-deep"),
        ("- " * (MAX_BYTES // 2 - 1), "too-deep"),
        ("? " * (MAX_BYTES // 2 - 1), "too-deep"),
        ("{" * (MAX_BYTES - 1), "too-deep"),
        ("a: [" + "x," * MAX_NODES + "x]", "file-too-large"),
        ("a: '" + "x" * (MAX_BYTES - 10) + "'", "unknown-key"),
        ("? " + "x" * (MAX_BYTES - 9) + "\n: 1\n", "unknown-key"),
        ("".join(f"k{i}: 1\n" for i in range(MAX_NODES // 2 - 1)), "file-too-large"),
        ("roce:\n" + "".join(f"  k{i}: 1\n" for i in range(MAX_NODES // 4)), "too-many-problems"),
        ("k: 1\n" * (MAX_NODES // 2 - 1), "too-many-problems"),
        (_EXPLICIT + _UNKNOWN_ENDS, "too-many-problems"),
    ],
    ids=[
        "flow lists",
        "block lists",
        "complex keys",
        "flow mappings",
        "many values",
        "long text",
        "long key",
        "unknown keys at the top",
        "unknown keys",
        "duplicate keys",
        "unknown devices",
    ],
)
def test_hostile_file_is_refused_in_time(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "hostile.yaml"
    path.write_text(text)
    assert code in [item.code for item in _refusal(path).diagnostics]


def test_missing_file_and_folder_are_told(tmp_path: Path) -> None:
    assert str(_refusal(tmp_path / "none.yaml")) == f"error[no-such-file]: no file '{tmp_path}/none.yaml'"
    assert _refusal(tmp_path).diagnostics[0].code == "unreadable-file"
