"""Whether groups, and one-shot groups, are ones that an action selector can hold.

Source: P4Runtime specification 1.4, sections 6.4.3, 9.2.2 and 9.2.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from finsy.proto import p4r, rpc_code

from raddle.nos.p4rt.check import UpdateError, check_action, invalid
from raddle.nos.p4rt.pipeline import Pipeline, ProfileInfo, TableInfo

HasPort = Callable[[bytes], bool]
"""Whether the switch has a port that a controller names so."""

Member = p4r.ActionProfileGroup.Member | p4r.ActionProfileAction


def check_action_set(
    pipeline: Pipeline,
    table: TableInfo,
    profile: ProfileInfo,
    actions: p4r.ActionProfileActionSet,
    has_port: HasPort,
) -> p4r.ActionProfileActionSet:
    """A one-shot group in canonical form (section 9.2.3).

    Raises:
        UpdateError: the selector cannot hold it.
    """
    if not profile.has_selector:
        invalid(f"{table.name}: its action profile has no selector, so it takes no action set")
    if actions.action_selection_mode or actions.size_semantics not in (0, 2 if profile.counts_members else 1):
        raise UpdateError(
            rpc_code.UNIMPLEMENTED,
            f"{table.name}: this switch has one way to select and to count for all groups",
        )
    if not actions.action_profile_actions:
        invalid(f"{table.name}: an action set needs an action")
    kept = p4r.ActionProfileActionSet()
    kept.CopyFrom(actions)
    for place, each in enumerate(actions.action_profile_actions):
        check_member(profile, f"action {place + 1}", each, has_port)
        kept.action_profile_actions[place].action.CopyFrom(
            check_action(pipeline, each.action, table.entry_actions, table.name)
        )
    size = size_of(profile, actions.action_profile_actions)
    if size > profile.max_group_size > 0:
        invalid(f"{profile.name}: a group of size {size}, at most {profile.max_group_size} is possible")
    return kept


def check_group(profile: ProfileInfo, group: p4r.ActionProfileGroup, has_port: HasPort) -> None:
    """Members and size of a group (section 9.2.2).

    Raises:
        UpdateError: INVALID_ARGUMENT, or RESOURCE_EXHAUSTED where the members are more than `max_size`.
    """
    where = f"group {group.group_id}"
    if profile.max_group_size and not 0 < group.max_size <= profile.max_group_size:
        invalid(f"{profile.name}: max_size {group.max_size} of {where} is not in 1..{profile.max_group_size}")
    if group.max_size < 0:
        invalid(f"{profile.name}: max_size {group.max_size} of {where} is below 0")
    if len({each.member_id for each in group.members}) < len(group.members):
        invalid(f"{profile.name}: {where} has a member twice; give it a weight")
    for each in group.members:
        check_member(profile, f"{where}: member {each.member_id}", each, has_port)
    size = size_of(profile, group.members)
    if size > group.max_size > 0:
        raise UpdateError(
            rpc_code.RESOURCE_EXHAUSTED,
            f"{profile.name}: {where} has size {size}, its max_size is {group.max_size}",
        )


def check_member(profile: ProfileInfo, where: str, member: Member, has_port: HasPort) -> None:
    """Weight and watched port of one member of a group."""
    if profile.weights_disallowed:
        if member.weight:
            invalid(f"{profile.name}: {where} has a weight, and this selector takes none")
    elif member.weight <= 0:
        invalid(f"{profile.name}: weight {member.weight} of {where} is not above 0")
    elif profile.counts_members and member.weight > profile.max_member_weight > 0:
        invalid(f"{profile.name}: weight {member.weight} of {where} is above {profile.max_member_weight}")
    watched = watched_port(member)
    if watched and not has_port(watched):
        invalid(f"{profile.name}: {where} watches port 0x{watched.hex()}, which this switch does not have")


def watched_port(member: Member) -> bytes:
    """The watched port as the P4 program names it; a controller before version 1.2 gave a number."""
    kind = member.WhichOneof("watch_kind")
    if kind == "watch_port":
        return member.watch_port
    return member.watch.to_bytes(4, "big", signed=True) if kind == "watch" else b""


def size_of(profile: ProfileInfo, members: Sequence[Member]) -> int:
    """How much of a selector a group takes."""
    return len(members) if profile.counts_members else sum(each.weight for each in members)
