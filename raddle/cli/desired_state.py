"""Where `raddle controller run` reads what is wanted: a fabric file, a folder with one, a git checkout."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from raddle.cli.options import PUSHED_BY, PlanOptions, plan_options
from raddle.controller.plan.held import HeldPlan, fabric_digest
from raddle.controller.plan.make import make_plan, silent
from raddle.controller.plan.model import Plan
from raddle.controller.service.congestion.jobs import JobFlow, demand_of_jobs, read_jobs
from raddle.controller.service.desired import Desired
from raddle.controller.service.records import Material
from raddle.controller.verify.lossless import CONGESTED_GROUPS
from raddle.errors import InputError
from raddle.lab.verify.model import FailureScope
from raddle.lab.verify.plan import verify_plan
from raddle.topology import find, load
from raddle.topology.catalog import of_network, split_network
from raddle.topology.load import refuse_cut_off
from raddle.topology.model import Fabric
from raddle.topology.yaml.include import files_of
from raddle.topology.yaml.source import Mapping, Node, Scalar, read_file
from raddle.workload import Demand

_GIT_S = 10
_JOBS, _PINS_JOBS = "jobs", "pins_jobs"
"""Options of a revision's material: the file of its jobs, and whether their flows are pinned."""
_PUSHED_BY = "controller run --jobs --act"


@dataclass(frozen=True)
class FileSource:
    """Reads a fabric and plans it with the options of the command line.

    What was read is kept as text, so that a revision can be planned again long after the file has changed,
    and by another controller.

    Attributes:
        place: a fabric file or bundled example, or a folder with one fabric file.
        jobs_file: CSV of who sends to whom.
    """

    place: str
    options: PlanOptions
    is_strict: bool = False
    jobs_file: Path | None = None

    def read(self) -> Material:
        named, network = split_network(self._file())
        main = named.resolve()
        fabric = load(of_network(main, network))
        if self.is_strict:
            refuse_cut_off(fabric)
        placement = Path(self.options.placement or "")
        files = [*dict.fromkeys(_files(main, fabric))]
        if placement.is_file():
            files.append(placement.resolve())
        if self.jobs_file:
            read_jobs(fabric, _text(self.jobs_file), str(self.jobs_file))
            files.append(self.jobs_file.resolve())
        top = Path(os.path.commonpath([path.parent for path in files]))
        options = self.options.document
        if placement.is_file():
            options["placement"] = str(placement.resolve().relative_to(top))
        if self.jobs_file:
            options[_JOBS] = str(self.jobs_file.resolve().relative_to(top))
        texts = {str(path.relative_to(top)): path.read_text() for path in files}
        inside = main.relative_to(top)
        return Material(texts, str(of_network(inside, network)), options, _origin(main))

    def fabric(self, material: Material) -> tuple[Fabric, Demand | None]:
        with _written(material) as folder:
            fabric = load(folder / material.main)
            return fabric, _demand(material, _options(material, folder), fabric)

    def plan(self, material: Material, fabric: Fabric, earlier: Plan | None) -> HeldPlan:
        with _written(material) as folder:
            options = _options(material, folder)
            if not material.options.get(_PINS_JOBS):
                return replace(options.make(fabric, earlier), options=material.options)
            plan = make_plan(fabric, "pinned", _demand(material, options, fabric), earlier)
            return HeldPlan(plan, fabric_digest(fabric), {**material.options, PUSHED_BY: _PUSHED_BY})

    def jobs(self, material: Material, fabric: Fabric) -> tuple[JobFlow, ...]:
        name = material.options.get(_JOBS)
        return read_jobs(fabric, material.files[name], name) if name else ()

    def repinned(self, material: Material) -> Material | None:
        if _JOBS not in material.options or material.options.get(_PINS_JOBS):
            return None
        return replace(material, options={**material.options, _PINS_JOBS: True})

    def problems(self, desired: Desired) -> tuple[str, ...]:
        scope = FailureScope(0, 1, 1, CONGESTED_GROUPS)
        found = verify_plan(desired.fabric, desired.held.plan, desired.demand, scope, silent)
        return tuple(each.message for each in found.problems if each.severity == "error")

    def _file(self) -> Path:
        """The fabric file: what is named, or the one in the folder that is.

        Raises:
            InputError: `which-fabric`, the folder has none or several.
        """
        folder = Path(self.place)
        if not folder.is_dir():
            return find(self.place)
        found = [path for path in sorted(folder.glob("*.yaml")) if _is_fabric(path)]
        if len(found) != 1:
            names = ", ".join(path.name for path in found[:5]) or "none"
            raise InputError.of(
                "which-fabric",
                f"folder '{folder}' must have one fabric file (with 'raddle: 1' in it), and has {names}",
                "name the file; what it includes may lie in folders below",
            )
        return found[0]


def _is_fabric(path: Path) -> bool:
    return "raddle" in read_file(path).root.entries


def _files(main: Path, fabric: Fabric) -> Iterator[Path]:
    """All that a fabric was read from."""
    for path in files_of(main):
        yield path.resolve()
        for name in _vendor_files(read_file(path).root):
            yield (path.parent / name).resolve()
    if fabric.record_file and Path(fabric.record_file).exists():
        yield Path(fabric.record_file).resolve()


def _vendor_files(node: Node) -> Iterator[str]:
    """The vendors' files that a fabric file names (`models: {NAME: {pg_profiles: FILE}}`)."""
    if not isinstance(node, Mapping):
        return
    for key, (_, value) in node.entries.items():
        if key in ("buffers_defaults", "pg_profiles", "platform_json", "hwsku_json") and isinstance(
            value, Scalar
        ):
            yield value.text
        yield from _vendor_files(value)


@contextmanager
def _written(material: Material) -> Iterator[Path]:
    """A folder with the files, as long as the context is open."""
    with tempfile.TemporaryDirectory(prefix="raddle-revision-") as name:
        folder = Path(name)
        for path, text in material.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        yield folder


def _demand(material: Material, options: PlanOptions, fabric: Fabric) -> Demand | None:
    """The flows that are pinned."""
    if material.options.get(_PINS_JOBS):
        name = material.options[_JOBS]
        return demand_of_jobs(read_jobs(fabric, material.files[name], name))
    return options.demand(fabric)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.unreadable("bad-jobs", path, error) from None


def _options(material: Material, folder: Path) -> PlanOptions:
    options = dict(material.options)
    if options.get("placement") in material.files:
        options["placement"] = str(folder / options["placement"])
    return plan_options(options)


def _origin(main: Path) -> str:
    """The file, and the commit that is checked out where it is in git; `changed` where files differ."""
    commit = _git(main, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return str(main)
    is_changed = bool(_git(main, "status", "--porcelain", "--", "."))
    return f"{main} at commit {commit}" + (", changed" if is_changed else "")


def _git(main: Path, *words: str) -> str:
    """What git prints; empty where it is not there, or this is no checkout.

    A checkout of root's is read by whoever runs the controller (git refuses those of others, as their
    configuration may name programs).
    """
    trusted = ["-c", "safe.directory=*"] if main.parent.stat().st_uid == 0 else []
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *trusted, *words],
            cwd=main.parent, capture_output=True, text=True, timeout=_GIT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
