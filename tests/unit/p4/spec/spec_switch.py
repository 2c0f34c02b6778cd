"""A switch with a pipeline that has one of everything in the P4Runtime specification, and its entities."""

from __future__ import annotations

from collections.abc import Sequence

from finsy.proto import p4i, p4r, rpc_code
from google.protobuf import text_format

from raddle.nos.p4rt.forwarding import P4Forwarding

INSERT, MODIFY, DELETE = p4r.Update.INSERT, p4r.Update.MODIFY, p4r.Update.DELETE
CONTINUE = p4r.WriteRequest.CONTINUE_ON_ERROR
COMMIT = p4r.SetForwardingPipelineConfigRequest.VERIFY_AND_COMMIT
PORTS = 4

EXACT, LPM, TERNARY, RANGE, OPTIONAL, KEYLESS = 1, 2, 3, 4, 5, 6
CONST, TIMED, METERED, GROUPED, MEMBERED, OWNED = 7, 8, 9, 10, 11, 12
FORWARD, DROP, NOTHING, ONLY_DEFAULT, ONLY_ENTRY = 101, 102, 103, 104, 105
WEIGHTS, MEMBERS = 201, 202
COUNTER, DIRECT_COUNTER, METER, DIRECT_METER, REGISTER, DIGEST, VALUE_SET = range(301, 308)


def _table(id: int, name: str, match: str = "EXACT", more: str = "", actions: str = "") -> str:
    field = f"match_fields {{ id: 1 name: 'key' bitwidth: 9 match_type: {match} }}" if match else ""
    refs = actions or " ".join(f"action_refs {{ id: {each} }}" for each in (FORWARD, DROP, NOTHING))
    return (
        f"tables {{ preamble {{ id: {id} name: '{name}' alias: '{name}' }} {field} {refs} size: 4 {more} }}"
    )


_SCOPED = (
    f"action_refs {{ id: {FORWARD} }} action_refs {{ id: {ONLY_DEFAULT} scope: DEFAULT_ONLY }} "
    f"action_refs {{ id: {ONLY_ENTRY} scope: TABLE_ONLY }}"
)
_TEXT = "\n".join(
    [
        "pkg_info { name: 'spec' arch: 'v1model' }",
        _table(EXACT, "exact", actions=_SCOPED, more=f"direct_resource_ids: {DIRECT_COUNTER}"),
        _table(LPM, "lpm", "LPM"),
        _table(TERNARY, "ternary", "TERNARY"),
        _table(RANGE, "range", "RANGE"),
        _table(OPTIONAL, "optional", "OPTIONAL"),
        _table(KEYLESS, "keyless", ""),
        _table(CONST, "const", more=f"is_const_table: true const_default_action_id: {NOTHING}"),
        _table(TIMED, "timed", more="idle_timeout_behavior: NOTIFY_CONTROL"),
        _table(METERED, "metered", more=f"direct_resource_ids: {DIRECT_METER}"),
        _table(GROUPED, "grouped", more=f"implementation_id: {WEIGHTS}"),
        _table(MEMBERED, "membered", more=f"implementation_id: {MEMBERS}"),
        _table(OWNED, "owned").replace("alias:", "annotations: '@p4runtime_role(\"owner\")' alias:"),
        f"actions {{ preamble {{ id: {FORWARD} name: 'forward' alias: 'forward' }} "
        "params { id: 1 name: 'port' bitwidth: 9 } params { id: 2 name: 'mac' bitwidth: 48 } }",
        *(
            f"actions {{ preamble {{ id: {id} name: '{name}' alias: '{name}' }} }}"
            for id, name in (
                (DROP, "drop"), (NOTHING, "NoAction"),
                (ONLY_DEFAULT, "only_default"), (ONLY_ENTRY, "only_entry"),
            )
        ),
        f"action_profiles {{ preamble {{ id: {WEIGHTS} name: 'weights' alias: 'weights' }} "
        f"table_ids: {GROUPED} with_selector: true size: 12 max_group_size: 8 sum_of_weights {{}} }}",
        f"action_profiles {{ preamble {{ id: {MEMBERS} name: 'members' alias: 'members' }} "
        f"table_ids: {MEMBERED} "
        "with_selector: true size: 5 max_group_size: 3 sum_of_members { max_member_weight: 4 } }",
        f"counters {{ preamble {{ id: {COUNTER} name: 'seen' alias: 'seen' }} "
        "spec { unit: BOTH } size: 8 }",
        f"direct_counters {{ preamble {{ id: {DIRECT_COUNTER} name: 'hits' alias: 'hits' }} "
        f"spec {{ unit: BOTH }} direct_table_id: {EXACT} }}",
        f"meters {{ preamble {{ id: {METER} name: 'rate' alias: 'rate' }} spec {{ unit: BYTES }} size: 2 }}",
        f"direct_meters {{ preamble {{ id: {DIRECT_METER} name: 'entry_rate' alias: 'entry_rate' }} "
        f"spec {{ unit: BYTES }} direct_table_id: {METERED} }}",
        f"registers {{ preamble {{ id: {REGISTER} name: 'store' alias: 'store' }} size: 2 }}",
        f"digests {{ preamble {{ id: {DIGEST} name: 'learn' alias: 'learn' }} }}",
        f"value_sets {{ preamble {{ id: {VALUE_SET} name: 'types' alias: 'types' }} size: 4 }}",
        "controller_packet_metadata { preamble { id: 401 name: 'packet_out' alias: 'packet_out' } "
        "metadata { id: 1 name: 'egress_port' bitwidth: 9 } }",
        "controller_packet_metadata { preamble { id: 402 name: 'packet_in' alias: 'packet_in' } "
        "metadata { id: 1 name: 'ingress_port' bitwidth: 9 } }",
    ]
)  # fmt: skip


def config(name: str = "spec") -> p4r.ForwardingPipelineConfig:
    """The pipeline; its device config is opaque to the switch."""
    info = text_format.Parse(_TEXT, p4i.P4Info())
    info.pkg_info.name = name
    made = p4r.ForwardingPipelineConfig(p4info=info, p4_device_config=b"program")
    made.cookie.cookie = 77
    return made


def switch() -> P4Forwarding:
    """A switch with the pipeline and nothing in its tables; each counter cell has counted its index."""
    made = P4Forwarding(
        1,
        counts=lambda name, index: (index, 100 * index),
        direct_counts=lambda table, label: (7, 700),
        has_port=lambda value: 0 < int.from_bytes(value, "big") <= PORTS,
    )
    made.set_pipeline(config(), COMMIT)
    return made


def forward(port: int = 1, mac: int = 2) -> p4r.Action:
    """The action with two parameters."""
    params = [(1, port), (2, mac)]
    return p4r.Action(
        action_id=FORWARD, params=[p4r.Action.Param(param_id=id, value=number(value)) for id, value in params]
    )


def number(value: int) -> bytes:
    """A number in canonical form."""
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


def entry(key: int = 1, table: int = EXACT, action: p4r.Action | None = None) -> p4r.TableEntry:
    """An entry of a table with an exact key."""
    made = p4r.TableEntry(table_id=table)
    made.match.add(field_id=1).exact.value = number(key)
    made.action.action.CopyFrom(action or forward())
    return made


def member(id: int = 1, profile: int = WEIGHTS, port: int = 1) -> p4r.ActionProfileMember:
    """A member of an action profile."""
    return p4r.ActionProfileMember(action_profile_id=profile, member_id=id, action=forward(port))


def group(
    id: int = 1, weights: Sequence[int] = (1,), max_size: int = 8, profile: int = WEIGHTS, watch: bytes = b""
) -> p4r.ActionProfileGroup:
    """A group of members 1, 2 and so on."""
    made = p4r.ActionProfileGroup(action_profile_id=profile, group_id=id, max_size=max_size)
    for place, weight in enumerate(weights, 1):
        one = made.members.add(member_id=place, weight=weight)
        if watch:
            one.watch_port = watch
    return made


def one_shot(
    weights: Sequence[int] = (1,), key: int = 1, table: int = GROUPED, watch: bytes = b""
) -> p4r.TableEntry:
    """An entry with a one-shot group that sends to ports 1, 2 and so on."""
    made = entry(key, table)
    made.ClearField("action")
    for place, weight in enumerate(weights, 1):
        one = made.action.action_profile_action_set.action_profile_actions.add(
            action=forward(place), weight=weight
        )
        if watch:
            one.watch_port = watch
    return made


Part = p4r.TableEntry | p4r.ActionProfileMember | p4r.ActionProfileGroup | p4r.Entity


def entity(part: Part) -> p4r.Entity:
    """What a Write or a Read takes."""
    if isinstance(part, p4r.Entity):
        return part
    if isinstance(part, p4r.TableEntry):
        return p4r.Entity(table_entry=part)
    if isinstance(part, p4r.ActionProfileMember):
        return p4r.Entity(action_profile_member=part)
    return p4r.Entity(action_profile_group=part)


def write(on: P4Forwarding, how: int, *parts: Part, atomicity: int = CONTINUE) -> list[str]:
    """The name of the code that each update is answered with."""
    updates = [p4r.Update(type=how, entity=entity(part)) for part in parts]  # type: ignore[arg-type]
    results = on.write(updates, atomicity)
    return [rpc_code.Code.Name(result.code) if result else "OK" for result in results]


def read(on: P4Forwarding, *parts: Part, role: str = "") -> tuple[list[p4r.Entity], list[str]]:
    """What is found, and the name of the code for each request."""
    found, results = on.read_batch([entity(part) for part in parts], role)
    return found, [rpc_code.Code.Name(result.code) if result else "OK" for result in results]
