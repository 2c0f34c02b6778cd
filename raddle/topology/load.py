"""`load`: fabric YAML to a validated, immutable Fabric."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from raddle.collector import collector_paused
from raddle.errors import Diagnostic, InputError
from raddle.topology.catalog import builtin_models, split_network, switch_model
from raddle.topology.devices import Cage
from raddle.topology.forms.base import check_base
from raddle.topology.forms.bonds import check_bonds
from raddle.topology.forms.build import build_fabric
from raddle.topology.forms.cabling import check_pauses, check_wiring, cut_off, shut_ports
from raddle.topology.forms.checks import (
    check_adaptive,
    check_addressing,
    check_as_numbers,
    check_devices,
    check_hash,
    check_kind,
    check_models,
    check_pin_backups,
    check_roce,
)
from raddle.topology.forms.expand import Expansion, expand_form
from raddle.topology.forms.externals import check_externals, with_externals
from raddle.topology.forms.form_checks import check_form
from raddle.topology.forms.host_checks import check_domains, check_insides
from raddle.topology.forms.layout import rails_as_planes
from raddle.topology.forms.networks import check_networks, network_of_ranks, set_apart
from raddle.topology.forms.overrides import apply_overrides
from raddle.topology.forms.planes import is_by_reference, kept_plane, plane_of
from raddle.topology.forms.pools import with_fitting_pools
from raddle.topology.forms.tenants import Owner, owners_of
from raddle.topology.forms.wiring import Wiring, expand_explicit
from raddle.topology.model import Fabric, NetworkPlace, PlaneCopies, SwitchModel
from raddle.topology.pg_profiles import read_pg_profiles
from raddle.topology.record import Record, read_record
from raddle.topology.vendor_pools import read_buffers_defaults, read_pools
from raddle.topology.views.uplinks import ports_without_uplinks, with_tracked_uplinks
from raddle.topology.yaml.include import assemble
from raddle.topology.yaml.networks import networks_of
from raddle.topology.yaml.reading import did_you_mean, read_spec
from raddle.topology.yaml.schema import FabricFile
from raddle.topology.yaml.source import MAX_PROBLEMS, Source, parse, read_file, read_text, refuse_all

_MAY_HAVE_NETWORKS = re.compile(r"""^\s*["']?(networks|include)["']?\s*:|^\s*\{""", re.MULTILINE)


def load(path: Path | str, variables: Mapping[str, str] | None = None) -> Fabric:
    """Read a fabric file and the files it includes.

    Args:
        path: of a file with several networks `pod.yaml@storage` names one; else it is that of the ranks.
        variables: values that win over those of the files, as written there: `{"far": "100m"}`.

    Raises:
        InputError: every problem of the file, with its place.
    """
    file, network = split_network(path)
    return _fabric(read_file(file), variables or {}, network)


def loads(
    text: str, file: str = "<string>", variables: Mapping[str, str] | None = None, network: str = ""
) -> Fabric:
    """Read a fabric from YAML text; `file` is its name in messages, and where its includes start from.

    Raises:
        InputError: every problem of the text, with its place.
    """
    return _fabric(parse(text, file), variables or {}, network)


def refuse_cut_off(fabric: Fabric) -> None:
    """Take what dead links of the file cut off for mistakes.

    Raises:
        InputError: there is something.
    """
    if fabric.warnings:
        raise InputError(tuple(replace(each, severity="error") for each in fabric.warnings))


@dataclass(frozen=True)
class _Draft:
    """A network that has passed its checks."""

    spec: FabricFile
    source: Source
    form: Expansion
    wiring: Wiring
    owners: tuple[Owner, ...]
    record_file: str
    index: int = 0
    copies: PlaneCopies | None = None

    def build(self) -> Fabric:
        spec, form, file = self.spec, self.form, self.source.file
        reserved = build_fabric(spec, form.reserved, (), file, index=self.index) if form.reserved else None
        fabric = build_fabric(
            spec, self.wiring, self.owners, file, form.record, reserved, self.record_file, self.index
        )
        shut = [fabric.links[index] for index in ports_without_uplinks(fabric)]
        warnings = (*cut_off(self.wiring, self.source), *shut_ports(shut, self.wiring, self.source))
        return replace(with_tracked_uplinks(fabric), warnings=warnings, copies=self.copies)


@collector_paused()
def _fabric(parsed: Source, variables: Mapping[str, str], network: str) -> Fabric:
    source = assemble(parsed, variables)
    sources = networks_of(source)
    if not sources:
        return _draft(source, plane=network).build()
    if network not in ("", *sources):
        raise _no_such(network, sources, f"there is {', '.join(sources)}")
    drafts: dict[str, _Draft] = {}
    nics: Counter[str] = Counter()
    for index, (name, part) in enumerate(sources.items()):
        drafts[name] = draft = _draft(part, name, index, nics)
        servers = {host: each for host, each in draft.wiring.hosts.items() if not each.outside}
        nics.update({host: each.nic_count for host, each in servers.items()})
    parts = {name: (draft.spec, draft.wiring, draft.source) for name, draft in drafts.items()}
    refuse_all([*source.problems, *check_networks(parts), *_ignored_of_networks(drafts, source)])
    chosen = network or network_of_ranks(parts)
    return replace(drafts[chosen].build(), network=NetworkPlace(chosen, tuple(drafts), len(nics)))


def _ignored_of_networks(drafts: Mapping[str, _Draft], whole: Source) -> Iterator[Diagnostic]:
    """Switches that there are not: what stands beside `networks` may name those of any."""
    if not any(draft.spec.ignore for draft in drafts.values()):
        return
    from raddle.topology.forms.ignored import check_ignored_switches

    everyone = [name for draft in drafts.values() for name in draft.wiring.switches]
    shared = whole.root.entries.get("ignore")
    for draft in drafts.values():
        is_shared = shared is not None and draft.source.root.entries.get("ignore") == shared
        names = everyone if is_shared else draft.wiring.switches
        yield from check_ignored_switches(draft.spec, names, draft.source)


def _no_such(network: str, there: Iterable[str], said: str) -> InputError:
    hint = did_you_mean(network, tuple(there), said)
    return InputError([Diagnostic("no-such-network", f"no network '{network}'", hint=hint)])


def network_names(path: Path | str) -> tuple[str, ...]:
    """The networks of a file, in its order; none where it has one without a name.

    Raises:
        InputError: problems of what stands around the networks.
    """
    file, _ = split_network(path)
    if not _MAY_HAVE_NETWORKS.search(read_text(file)):
        return ()
    return tuple(networks_of(assemble(read_file(file), {})))


def _draft(
    source: Source,
    network: str = "",
    index: int = 0,
    first_nics: Mapping[str, int] | None = None,
    plane: str = "",
) -> _Draft:
    """A file without several networks, or one of them; `first_nics` are those that hosts have in others.
    `plane` names one of planes that are copies of each other.

    Raises:
        InputError: every problem of it.
    """
    spec = read_spec(source, FabricFile, "fabric")
    if network:
        spec = set_apart(spec, network, index)
    if spec.fabric:
        spec = spec.model_copy(update={"fabric": rails_as_planes(spec.fabric, spec.hosts or ())})
    builtin = builtin_models()
    models = {**builtin, **_own_models(spec, source)}
    problems = [*check_models(spec, builtin, source), *check_roce(spec.roce, source)]
    record_file = _record_file(spec, source)
    record = _record_of(spec, record_file, source)
    shape = list(islice(_shape_problems(spec, models, source, record), MAX_PROBLEMS))
    copies = None
    if [each.code for each in shape] == ["fabric-too-large"] and not network and is_by_reference(spec):
        copies = _plane_copies(spec, plane)
        spec, found = kept_plane(spec, copies, source)
        problems, index = [*problems, *found], copies.kept
        shape = list(islice(_shape_problems(spec, models, source, record), MAX_PROBLEMS))
    if shape:
        refuse_all([*problems, *shape])
    if plane and not copies:
        raise _no_such(plane, (), "the file has one network, without a name")
    form = _expand(spec, models, record, first_nics or {})
    problems += _unplugged(form, source)
    outside = list(check_externals(spec, form.wiring, source))
    wiring, found = apply_overrides(with_externals(form.wiring, spec), spec.overrides, source)
    owners, clashes = owners_of(spec.tenants, wiring.hosts, source)
    miswired = check_wiring(wiring, source)
    problems += [*outside, *found, *clashes, *miswired]
    if spec.roce.pfc and spec.roce.lossless and not miswired:
        problems += check_pauses(wiring, source)
    problems += check_domains(spec, source)
    if not miswired:
        problems += check_bonds(spec, wiring, source)
    pools = with_fitting_pools(spec.addressing, form.reserved or form.wiring)
    spec = spec.model_copy(update={"addressing": pools})
    problems += check_addressing(pools, form.reserved or wiring, source)
    problems += check_as_numbers(spec.routing.as_numbers, wiring, source)
    problems += check_hash(spec.routing.hash, wiring, source)
    problems += check_base(spec, wiring, source)
    if spec.ignore:
        # Imported here: few files have it.
        from raddle.topology.forms.ignored import check_ignored, check_ignored_switches

        problems += check_ignored(spec, source)
        if not network and not copies:
            problems += check_ignored_switches(spec, wiring.switches, source)
    problems += check_adaptive(spec.routing.adaptive, wiring, source)
    problems += check_pin_backups(spec.routing, wiring, source)
    refuse_all(problems)
    return _Draft(spec, source, form, wiring, owners, record_file, index, copies)


def _plane_copies(spec: FabricFile, plane: str) -> PlaneCopies:
    assert spec.fabric
    copies = plane_of(spec, plane)
    if copies is None:
        raise _no_such(plane, (), f"there is plane0 to plane{spec.fabric.planes - 1}, which are alike")
    return copies


def _own_models(spec: FabricFile, source: Source) -> dict[str, SwitchModel]:
    """The file's own models, with what their vendors' files beside it say."""
    models = {}
    for name, model in spec.models.items():
        folder = Path(source.span(("models", name)).file).parent
        cages: tuple[Cage, ...] = ()
        if model.platform_json:
            from raddle.topology.platform_files import read_cages  # few files name any

            hwsku = folder / model.hwsku_json if model.hwsku_json else None
            cages = read_cages(folder / model.platform_json, hwsku)
        vendor = None
        if model.buffers_defaults:
            pools = read_buffers_defaults(folder / model.buffers_defaults)
            vendor = read_pools(pools, model.buffer or 0)
        models[name] = switch_model(name, model, cages, vendor)
        if model.pg_profiles:
            rows = read_pg_profiles(folder / model.pg_profiles)
            models[name] = replace(models[name], pg_profiles=rows)
    return models


def _record_file(spec: FabricFile, source: Source) -> str:
    """Path of the allocation record, beside the file that names it; empty if none does."""
    if spec.record is None:
        return ""
    return str(Path(source.span(("record",)).file).parent / spec.record)


def _record_of(spec: FabricFile, file: str, source: Source) -> Record | None:
    """The allocation record that the file names, if it has been written."""
    record = read_record(Path(file)) if file else None
    if record and record.fabric != spec.name:
        message = f"'{spec.record}' is the record of '{record.fabric}', not of '{spec.name}'"
        hint = "give each fabric a file of its own; after a change of name, change 'fabric' in the record"
        raise InputError([source.error("wrong-record", message, ("record",), hint)])
    return record


def _unplugged(form: Expansion, source: Source) -> Iterator[Diagnostic]:
    """Cables that find no port, because those of the record or added ones have them: one message a place."""
    first = {each.place: each for each in reversed(form.unplugged)}
    for place, each in first.items():
        message = f"no port is left for a link between '{each.lower}' and '{each.upper}'"
        hint = (
            "take fewer hosts or links, remove some from 'overrides: add', or delete gone ones in the record"
        )
        yield source.error("not-enough-ports", message, place, hint, at_key=True)


def _shape_problems(
    spec: FabricFile, models: Mapping[str, SwitchModel], source: Source, record: Record | None
) -> Iterator[Diagnostic]:
    """Problems that keep the file from being expanded."""
    yield from check_kind(spec, source)
    yield from check_insides(spec, source)
    if spec.fabric and spec.hosts:
        yield from check_form(spec.fabric, spec.hosts, models, spec.overrides, source, spec.reserve, record)
    yield from check_devices(spec.devices or {}, models, source)
    if spec.devices is not None and spec.overrides.switches:
        hint = "give 'model' and 'breakout' under 'devices'"
        place = ("overrides", "switches")
        yield source.error("mixed-forms", "'overrides: switches:' beside 'devices'", place, hint, at_key=True)
    if spec.devices is not None and spec.overrides.absent:
        place, hint = ("overrides", "absent"), "leave the device out of 'devices'"
        yield source.error("mixed-forms", "'overrides: absent:' beside 'devices'", place, hint, at_key=True)
    if spec.devices is not None and spec.reserve:
        hint = "name a 'record', in which what was given stays"
        yield source.error("mixed-forms", "'reserve' beside 'devices'", ("reserve",), hint, at_key=True)


def _expand(
    spec: FabricFile,
    models: Mapping[str, SwitchModel],
    record: Record | None,
    first_nics: Mapping[str, int],
) -> Expansion:
    if spec.fabric is not None:
        assert spec.hosts is not None
        return expand_form(spec.fabric, spec.hosts, models, spec.overrides, spec.reserve, record, first_nics)
    assert spec.devices is not None
    return Expansion(expand_explicit(spec.devices, spec.links or (), models, first_nics), record=record)
