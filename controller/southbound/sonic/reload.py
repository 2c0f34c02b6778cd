"""What of a changed plan a running SONiC switch does not take over gNMI."""

from __future__ import annotations

from dataclasses import dataclass, replace

from raddle.controller.plan.model import SwitchPlan
from raddle.controller.southbound.sonic.sets import plan_push
from raddle.controller.southbound.sonic.tables import bootstrap, intended


@dataclass(frozen=True, slots=True)
class Reload:
    """`paths` come with a new config_db.json (or switch.json) only; `flaps` are ports that go down and
    come up again."""

    paths: tuple[str, ...] = ()
    flaps: tuple[str, ...] = ()


def reload_of(old: SwitchPlan, new: SwitchPlan) -> Reload:
    """Compare what a switch is to hold by two plans. A switch that is no SONiC one needs neither."""
    if new.nos != "sonic" or old.nos != "sonic":
        return Reload()
    before, after = (replace(switch, policies=()) for switch in (old, new))
    push = plan_push(intended(before), intended(after))
    hashing = bootstrap(before).switch_json != bootstrap(after).switch_json
    stays = {port.name for port in new.ports if port.is_enabled}
    flaps = tuple(port for port in push.flaps if port in stays)
    return Reload((*push.bootstrap, *(("switch.json",) if hashing else ())), flaps)
