"""The form at the size that room is kept for."""

from __future__ import annotations

from raddle.topology.forms.layout import layout_of
from raddle.topology.forms.names import ROLES, resolve_names
from raddle.topology.record import Record
from raddle.topology.yaml.schema import FormSpec, HostsSpec, ReserveSpec, TierSpec


def with_reserve(
    form: FormSpec, hosts: tuple[HostsSpec, ...], reserve: ReserveSpec | None
) -> tuple[FormSpec, tuple[HostsSpec, ...]]:
    """The form and hosts at the size that room is kept for.

    What `reserve` does not name grows with the pods: a fabric of more pods has as many leaves and spines in
    each, and each spine as many superspines. A kind of hosts of which there are only so many has
    room everywhere.
    """
    if reserve is None:
        return form, hosts
    pods = reserve.pods or form.pods
    ratio = (pods or 1) / (form.pods or 1)

    def tier(key: str, room: int | None) -> object:
        spec: TierSpec | None = getattr(form, key)
        if spec is None:
            return None
        if spec.per_pod is not None:
            here = spec.per_pod + (max(spec.per_pod),) * max(0, (pods or 1) - len(spec.per_pod))
            return spec.model_copy(update={"per_pod": (room,) if room else here[: max(1, pods or 1)]})
        return spec.model_copy(update={"count": room or round((spec.count or 0) * ratio)})

    update: dict[str, object] = {"pods": pods}
    update["leaves"], update["spines"] = tier("leaves", reserve.leaves), tier("spines", reserve.spines)
    if reserve.links_per_pair:
        update["uplinks"] = form.uplinks.model_copy(update={"per_pair": reserve.links_per_pair})
    full = form.model_copy(update=update)
    if form.superspines:
        here, there = (layout_of(each, hosts).columns for each in (form, full))
        width = (form.superspines.count or 0) // here
        room = reserve.superspines or width * there
        full = full.model_copy(update={"superspines": form.superspines.model_copy(update={"count": room})})
    rooms = reserve.hosts_per_leaf or tuple(spec.per_leaf for spec in hosts)
    grown = (
        spec.model_copy(update={"per_leaf": room, "count": None})
        for spec, room in zip(hosts, rooms, strict=False)
    )
    return full, tuple(grown)


def tiers_by_name(
    form: FormSpec, hosts: tuple[HostsSpec, ...], reserve: ReserveSpec | None, record: Record | None
) -> dict[str, str]:
    """The tier's key of every switch."""
    form, hosts = with_reserve(form, hosts, reserve)
    keys = {role: key for key, role in ROLES}
    names = resolve_names(form, hosts, layout_of(form, hosts), record).switches
    return {name: keys[role] for (role, _), name in names.items()}
