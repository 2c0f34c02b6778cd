"""`load`: fabric YAML to a validated, immutable Fabric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from raddle.errors import Diagnostic, InputError
from raddle.topology.catalog import builtin_models, switch_model
from raddle.topology.forms.build import build_fabric
from raddle.topology.forms.cabling import check_pauses, check_wiring, cut_off
from raddle.topology.forms.checks import (
    check_adaptive,
    check_addressing,
    check_as_numbers,
    check_devices,
    check_hash,
    check_kind,
    check_models,
    check_roce,
)
from raddle.topology.forms.expand import expand_form
from raddle.topology.forms.form_checks import check_form
from raddle.topology.forms.overrides import apply_overrides
from raddle.topology.forms.tenants import owners_of
from raddle.topology.forms.wiring import Wiring, expand_explicit
from raddle.topology.model import Fabric, SwitchModel
from raddle.topology.yaml.include import assemble
from raddle.topology.yaml.reading import read_spec
from raddle.topology.yaml.schema import FabricFile
from raddle.topology.yaml.source import MAX_PROBLEMS, Source, parse, read_file, refuse_all


def load(path: Path | str, variables: Mapping[str, str] | None = None) -> Fabric:
    """Read a fabric file and the files it includes.

    Args:
        variables: values that win over those of the files, as written there: `{"far": "100m"}`.

    Raises:
        InputError: every problem of the file, with its place.
    """
    return _fabric(read_file(Path(path)), variables or {})


def loads(text: str, file: str = "<string>", variables: Mapping[str, str] | None = None) -> Fabric:
    """Read a fabric from YAML text; `file` is its name in messages, and where its includes start from.

    Raises:
        InputError: every problem of the text, with its place.
    """
    return _fabric(parse(text, file), variables or {})


def refuse_cut_off(fabric: Fabric) -> None:
    """Take what dead links of the file cut off for mistakes.

    Raises:
        InputError: there is something.
    """
    if fabric.warnings:
        raise InputError(tuple(replace(each, severity="error") for each in fabric.warnings))


def _fabric(parsed: Source, variables: Mapping[str, str]) -> Fabric:
    source = assemble(parsed, variables)
    spec = read_spec(source, FabricFile)
    builtin = builtin_models()
    models = {**builtin, **{name: switch_model(name, model) for name, model in spec.models.items()}}
    problems = [*check_models(spec, builtin, source), *check_roce(spec.roce, source)]
    shape = list(islice(_shape_problems(spec, models, source), MAX_PROBLEMS))
    if shape:
        refuse_all([*problems, *shape])
    wiring, found = apply_overrides(_expand(spec, models), spec.overrides, source)
    owners, clashes = owners_of(spec.tenants, wiring.hosts, source)
    miswired = check_wiring(wiring, source)
    problems += [*found, *clashes, *miswired]
    if spec.roce.pfc and spec.roce.lossless and not miswired:
        problems += check_pauses(wiring, source)
    problems += check_addressing(spec.addressing, wiring, source)
    problems += check_as_numbers(spec.routing.as_numbers, wiring, source)
    problems += check_hash(spec.routing.hash, wiring, source)
    problems += check_adaptive(spec.routing.adaptive, wiring, source)
    refuse_all(problems)
    return replace(build_fabric(spec, wiring, owners, source.file), warnings=cut_off(wiring, source))


def _shape_problems(
    spec: FabricFile, models: Mapping[str, SwitchModel], source: Source
) -> Iterator[Diagnostic]:
    """Problems that keep the file from being expanded."""
    yield from check_kind(spec, source)
    if spec.fabric and spec.hosts:
        yield from check_form(spec.fabric, spec.hosts, models, spec.overrides, source)
    yield from check_devices(spec.devices or {}, models, source)
    if spec.devices is not None and spec.overrides.switches:
        hint = "give 'model' and 'breakout' under 'devices'"
        place = ("overrides", "switches")
        yield source.error("mixed-forms", "'overrides: switches:' beside 'devices'", place, hint, at_key=True)


def _expand(spec: FabricFile, models: Mapping[str, SwitchModel]) -> Wiring:
    if spec.fabric is not None:
        assert spec.hosts is not None
        return expand_form(spec.fabric, spec.hosts, models, spec.overrides.switches)
    assert spec.devices is not None
    return expand_explicit(spec.devices, spec.links or (), models)
