"""`raddle doctor`: what this machine has and lacks, and what each lack switches off."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import typer

from raddle.cli.options import JsonOption

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
"""Where Debian has programs that a user's PATH leaves out."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a machine has or lacks.

    Attributes:
        says: its version, or what is wrong.
        serves: what needs it.
        is_needed: nothing works without.
        way_out: how to get it.
    """

    name: str
    has: bool
    says: str
    serves: str
    way_out: str = ""
    is_needed: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """A program that some commands start: its Debian package, and what asks it for its version."""

    name: str
    package: str
    serves: str
    version: tuple[str, ...] = ("--version",)


PROGRAMS = (
    Program("unshare", "util-linux", "emulate"),
    Program("ip", "iproute2", "emulate", ("-V",)),
    Program("tc", "iproute2", "emulate", ("-V",)),
    Program("mnexec", "mininet", "emulate", ()),
    Program("ethtool", "ethtool", "emulate"),
    Program("ping", "iputils-ping", "emulate", ("-V",)),
    Program("ovs-vswitchd", "openvswitch-switch", "emulate --switch ovs"),
    Program("simple_switch_grpc", "", "emulate --switch bmv2"),
    Program("iperf3", "iperf3", "traffic at the prompt of emulate"),
    Program("redis-server", "redis-server", "up --redis"),
    Program("yanglint", "libyang2-tools", "checks of configurations against SONiC's YANG models"),
    Program("tshark", "tshark", "reading captures of --trace", ()),
    Program("git", "git", "check --base, commits of a controller's revisions"),
)
"""Programs that commands start when they are there."""


EXTRAS = (
    ("os-ken", "os_ken", "openflow", "OpenFlow switches, emulate --switch ovs"),
    ("ray", "ray", "ray", "sweep --ray"),
    ("starlette", "starlette", "serve", "serve"),
    ("opentelemetry-sdk", "opentelemetry", "traces", "controller run --traces"),
)
"""Packages that come with an extra: package, module, extra, what needs it."""


def doctor(as_json: JsonOption = False) -> None:
    """Say what this machine has and lacks, and what each lack switches off.

    Ends with 1 where something is missing without which nothing works.
    """
    found = [*_python(), *_machine(), *map(_program, PROGRAMS)]
    if as_json:
        document = {"schema_version": 1, "ok": _is_well(found), "findings": list(map(asdict, found))}
        print(json.dumps(document, indent=2, sort_keys=True))
    else:
        print("\n".join(_lines(found)))
    sys.stdout.flush()
    if not _is_well(found):
        raise typer.Exit(1)


def _is_well(found: list[Finding]) -> bool:
    return all(each.has or not each.is_needed for each in found)


def _lines(found: list[Finding]) -> Iterator[str]:
    width = max(len(each.name) for each in found)
    for each in found:
        yield f"{'ok' if each.has else 'lacks':<6}{each.name:<{width}}  {each.says}".rstrip()
        if not each.has:
            yield f"      {'':<{width}}  switched off: {each.serves}"
            yield f"      {'':<{width}}  way out: {each.way_out}"
    lacking = [each for each in found if not each.has]
    if not _is_well(found):
        yield "raddle does not run here"
    elif lacking:
        names = ", ".join(each.name for each in lacking)
        yield f"raddle runs, without what needs {names}"
    else:
        yield "raddle runs, and nothing is missing"


def _python() -> Iterator[Finding]:
    yield Finding("raddle", True, f"{version('raddle')} on Python {sys.version.split()[0]}", "everything")
    yield _says(
        "engine",
        lambda: "the compiled part loads" if __import__("raddle._core") else "",
        "everything that simulates",
        "install raddle anew; in a checkout, scripts/setup builds it",
        is_needed=True,
    )
    for package, module, extra, serves in EXTRAS:
        has = find_spec(module) is not None
        yield Finding(package, has, _version(package) if has else "not installed", serves, _extra(extra))


def _extra(name: str) -> str:
    return f"pip install 'raddle[{name}]'"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield Finding("processors", True, f"{cores}; --threads up to {cores} helps", "speed")
    yield Finding("memory", True, f"{memory:.1f} GiB", "large fabrics")
    yield _says(
        "namespaces",
        _namespaces,
        "emulate",
        "run as root, or on a machine that lets namespaces be made",
    )


def _namespaces() -> str:
    """Try one out."""
    if shutil.which("unshare", path=_PATH) is None:
        raise OSError("not tried, without unshare")
    command = ["unshare", "--net", "--mount", "true"]
    tried = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    if tried.returncode:
        raise OSError(tried.stderr.strip() or "unshare failed")
    return "network namespaces can be made"


def _says(
    name: str, ask: Callable[[], str], serves: str, way_out: str, *, is_needed: bool = False
) -> Finding:
    """What comes of trying something."""
    try:
        return Finding(name, True, ask(), serves, is_needed=is_needed)
    except (OSError, ImportError, subprocess.SubprocessError) as error:
        return Finding(name, False, str(error).splitlines()[0], serves, way_out, is_needed)


def _program(program: Program) -> Finding:
    path = shutil.which(program.name, path=_PATH)
    way_out = f"apt install {program.package}" if program.package else "docs/p4.md says how to build it"
    if path is None:
        return Finding(program.name, False, "not on the PATH", program.serves, way_out)
    return Finding(program.name, True, _version_of([path, *program.version]), program.serves)


def _version_of(command: list[str]) -> str:
    """The first line that a program prints of itself; its path where that is not known."""
    if len(command) > 1:
        try:
            told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
            lines = (told.stdout or told.stderr).strip().splitlines()
            return lines[0] if lines and not told.returncode else command[0]
        except (OSError, subprocess.SubprocessError):
            pass
    return command[0]
