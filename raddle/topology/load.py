"""`load`: fabric YAML to a validated, immutable Fabric."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from raddle.topology.build import build_fabric
from raddle.topology.cabling import check_wiring
from raddle.topology.catalog import builtin_models, switch_model
from raddle.topology.checks import check_addressing, check_models, check_roce, check_shape
from raddle.topology.model import Fabric
from raddle.topology.overrides import apply_overrides
from raddle.topology.reading import read_spec
from raddle.topology.schema import FabricFile
from raddle.topology.source import MAX_PROBLEMS, Source, parse, read_file, refuse_all
from raddle.topology.wiring import expand


def load(path: Path | str) -> Fabric:
    """Read a fabric file.

    Raises:
        InputError: every problem of the file, with its place.
    """
    return _fabric(read_file(Path(path)))


def loads(text: str, file: str = "<string>") -> Fabric:
    """Read a fabric from YAML text; `file` is its name in messages.

    Raises:
        InputError: every problem of the text, with its place.
    """
    return _fabric(parse(text, file))


def _fabric(source: Source) -> Fabric:
    spec = read_spec(source, FabricFile)
    builtin = builtin_models()
    models = {**builtin, **{name: switch_model(name, model) for name, model in spec.models.items()}}
    problems = [*check_models(spec, builtin, source), *check_roce(spec.roce, source)]
    shape = list(islice(check_shape(spec, models, source), MAX_PROBLEMS))
    if shape:
        refuse_all([*problems, *shape])
    wiring, found = apply_overrides(expand(spec, models), spec.overrides.links, source)
    problems += [*found, *check_wiring(wiring, source), *check_addressing(spec.addressing, wiring, source)]
    refuse_all(problems)
    return build_fabric(spec, wiring, source.file)
