"""scripts/setup on a tiny project: what it says, and that a .venv that cannot be used is made anew.

The project's build backend is in its own tree and its lock is empty, so that nothing is fetched or compiled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
version = "1"
"""
BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "tiny-1-py3-none-any.whl"
    about = "tiny-1.dist-info/"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("tiny.py", "def main(): print('tiny runs')")
        wheel.writestr(about + "METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n")
        kind = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(about + "WHEEL", kind)
        wheel.writestr(about + "entry_points.txt", "[console_scripts]\\ntiny = tiny:main\\n")
        wheel.writestr(about + "RECORD", "")
    return name
"""


def set_up(checkout: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "RADDLE_"))}
    clean |= {"PYTHON": base_python(), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", **environment}
    return subprocess.run(
        ["bash", "scripts/setup", *options], cwd=checkout, env=clean, text=True, timeout=600, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def base_python() -> str:
    """The Python that the .venv of these tests was made with."""
    return str(getattr(sys, "_base_executable", sys.executable))


def make_checkout(folder: Path) -> Path:
    for name in ("setup", "progress.sh", "apt.sh"):
        (folder / "scripts").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "scripts" / name, folder / "scripts" / name)
    (folder / "native").mkdir()
    for name, text in {
        "pyproject.toml": PYPROJECT,
        "backend.py": BACKEND,
        "CMakeLists.txt": "",
        "native/engine.cpp": "",
        "requirements.lock": "# nothing\n",
    }.items():
        (folder / name).write_text(text)
    return folder


def tiny_runs(checkout: Path) -> bool:
    script = checkout / ".venv/bin/tiny"
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    return done.stdout == "tiny runs\n" and str(checkout) in script.read_text()


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkout = make_checkout(tmp_path_factory.mktemp("fresh") / "tiny")
    done = set_up(checkout)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines() == ["creating .venv", "installing packages", "building the engine"]
    assert tiny_runs(checkout)
    return checkout


@pytest.fixture
def checkout(pristine: Path, tmp_path: Path) -> Path:
    """A set-up checkout of a test's own: a copy, whose paths are put right as if it had been made there."""
    own = tmp_path / "own"
    shutil.copytree(pristine, own, symlinks=True)
    for path in (own / ".venv/pyvenv.cfg", own / ".venv/bin/tiny"):
        path.write_text(path.read_text().replace(str(pristine), str(own)))
    return own


def test_second_run_says_and_does_nothing(pristine: Path) -> None:
    done = set_up(pristine)
    assert (done.returncode, done.stdout) == (0, "")


def test_copied_checkout_gets_a_venv_of_its_own(pristine: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(pristine, copy, symlinks=True)
    stale = copy / "build/native"
    stale.mkdir(parents=True)
    (stale / "CMakeCache.txt").write_text(f"CMAKE_HOME_DIRECTORY:INTERNAL={pristine}\n")
    done = set_up(copy)
    assert f".venv is a copy of {pristine}/.venv; it is made anew" in done.stdout
    assert tiny_runs(copy)
    assert not stale.exists()
    assert tiny_runs(pristine)


def lose_the_python(venv: Path) -> None:
    (venv / "bin" / Path(os.readlink(venv / "bin/python")).name).unlink(missing_ok=True)
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to("/no/such/python3")


def lose_the_configuration(venv: Path) -> None:
    (venv / "pyvenv.cfg").unlink()


def upgrade_the_python(venv: Path) -> None:
    """What stands there after the system's python3 has become a newer one."""
    (library,) = (venv / "lib").iterdir()
    library.rename(venv / "lib/python3.9")


def kill_in_the_middle(venv: Path) -> None:
    (venv / "raddle-installing").touch()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lose_the_configuration, "none that this script has made"),
        (upgrade_the_python, "of another Python than "),
        (kill_in_the_middle, "half made, as the set-up before this one was interrupted"),
    ],
)
def test_unusable_venv_is_made_anew(checkout: Path, harm: Callable[[Path], None], said: str) -> None:
    harm(checkout / ".venv")
    (checkout / ".venv/raddle-stamp").unlink()
    done = set_up(checkout)
    assert f".venv is {said}" in done.stdout
    assert done.returncode == 0
    assert tiny_runs(checkout)


def test_broken_python_is_found_even_if_nothing_has_changed(checkout: Path) -> None:
    lose_the_python(checkout / ".venv")
    assert ".venv is broken or half made: its Python does not run; it is made anew" in set_up(checkout).stdout
    assert tiny_runs(checkout)


def test_failure_ends_with_a_way_out_and_the_next_run_goes_on(checkout: Path) -> None:
    lock = checkout / "requirements.lock"
    lock.write_text("no-such-package==1\n")
    done = set_up(checkout)
    assert done.returncode == 1
    assert "No matching distribution found for no-such-package" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith(
        "set-up failed while installing packages; way out: check the network and pip's index"
    )
    lock.write_text("# nothing\n")
    done = set_up(checkout)
    assert "made anew" not in done.stdout
    assert done.returncode == 0


def test_compiler_error_is_shown_with_a_way_out(checkout: Path) -> None:
    (checkout / "backend.py").write_text("raise SystemExit('engine.cpp:1: error: no')\n")
    (checkout / "native/engine.cpp").write_text("no")
    done = set_up(checkout)
    assert done.returncode == 1
    assert "engine.cpp:1: error: no" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("set-up failed while building the engine; way out: ")


def test_system_without_apt_is_told_in_one_line_what_is_needed(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "dirname", "sed", "grep", "tail", "id", "flock"):
        (programs / name).symlink_to(shutil.which(name) or pytest.fail(f"no {name}"))
    done = set_up(checkout, "--system", PATH=str(programs))
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert "C++20 compiler" in line
    assert "dnf install gcc-c++ python3-devel" in line
    assert line.endswith("Missing here, by Debian's names: g++")


def test_old_python_alone_is_refused(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = set_up(checkout, PYTHON=str(old))
    assert done.returncode == 1
    assert done.stdout.strip() == f"raddle needs Python 3.11 or later, and found none ({old})"


def test_unknown_option_is_bad_usage(checkout: Path) -> None:
    done = set_up(checkout, "--sytem")
    assert done.returncode == 2
    assert done.stdout == "usage: scripts/setup [--system] [--tools]\n"
