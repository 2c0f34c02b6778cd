"""Tenants: which accelerators each owns, in the order of the ranks of its job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from raddle.errors import Diagnostic
from raddle.topology.forms.wiring import HostDraft, nic_count
from raddle.topology.host_sets import expand_names
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.schema_policy import TenantSpec
from raddle.topology.yaml.source import Place, Source


@dataclass(frozen=True, slots=True)
class Owner:
    """A tenant's accelerators as (host, number), in the order of its ranks."""

    name: str
    accelerators: tuple[tuple[str, int], ...]


def owners_of(
    tenants: tuple[TenantSpec, ...], hosts: Mapping[str, HostDraft], source: Source
) -> tuple[tuple[Owner, ...], list[Diagnostic]]:
    """The tenants' accelerators, and the problems: unknown hosts, numbers too high, two owners of one."""
    problems: list[Diagnostic] = []
    owner_of: dict[tuple[str, int], int] = {}
    owners: list[Owner] = []
    for i, tenant in enumerate(tenants):
        place: Place = ("tenants", i)
        if any(tenant.name == owner.name for owner in owners):
            problems.append(
                source.error("duplicate-name", f"two tenants are named '{tenant.name}'", (*place, "name"))
            )
        names, found = _host_names(tenant, hosts, place, source)
        problems += found
        per_host = [(name, _numbers(tenant, hosts[name])) for name in names]
        problems += _range_problems(tenant, per_host, hosts, place, source)
        order = [(name, number) for name, numbers in per_host for number in numbers]
        if tenant.ranks == "strided":
            order.sort(key=lambda each: each[1])
        clash = next((each for each in order if owner_of.get(each, i) != i), None)
        if clash:
            problems.append(_clash(clash, tenants, owner_of[clash], i, source))
        owner_of |= dict.fromkeys(order, i)
        owners.append(Owner(tenant.name, tuple(dict.fromkeys(order))))
    return tuple(owners), problems


def _host_names(
    tenant: TenantSpec, hosts: Mapping[str, HostDraft], place: Place, source: Source
) -> tuple[list[str], list[Diagnostic]]:
    names: list[str] = []
    problems = []
    for k, text in enumerate(tenant.hosts):
        for name in expand_names(text):
            if name in hosts and not hosts[name].outside:
                names.append(name)
                continue
            hint = did_you_mean(name, [each for each, draft in hosts.items() if not draft.outside])
            problems.append(source.error("unknown-device", f"no host '{name}'", (*place, "hosts", k), hint))
            break  # the rest of a range that runs past the last host is the same mistake
    return names, problems


def _count(host: HostDraft) -> int:
    """Its accelerators; a host that names none has one for each NIC."""
    return host.accelerators.count if host.accelerators else nic_count(host.nics, None)


def _numbers(tenant: TenantSpec, host: HostDraft) -> range:
    first, last = tenant.accelerators or (0, _count(host) - 1)
    return range(first, min(last, _count(host) - 1) + 1)


def _range_problems(
    tenant: TenantSpec,
    per_host: list[tuple[str, range]],
    hosts: Mapping[str, HostDraft],
    place: Place,
    source: Source,
) -> Iterator[Diagnostic]:
    if tenant.accelerators is None:
        return
    for name, _ in per_host:
        if tenant.accelerators[1] >= _count(hosts[name]):
            message = f"no accelerator {tenant.accelerators[1]} on '{name}', which has {_count(hosts[name])}"
            hint = f"the last is {_count(hosts[name]) - 1}"
            yield source.error("accelerator-out-of-range", message, (*place, "accelerators"), hint)
            return


def _clash(
    accelerator: tuple[str, int], tenants: tuple[TenantSpec, ...], first: int, second: int, source: Source
) -> Diagnostic:
    host, number = accelerator
    related = (source.span(("tenants", first, "hosts")), f"tenant '{tenants[first].name}' has it")
    message = f"accelerator {number} of '{host}' has two tenants: '{tenants[first].name}' and "
    return Diagnostic(
        "accelerator-clash",
        f"{message}'{tenants[second].name}'",
        source.span(("tenants", second, "hosts")),
        "give it to one",
        related,
    )
