"""The API's messages, made of the controller's records."""

from __future__ import annotations

from raddle.controller.api._gen import raddle_controller_pb2 as pb
from raddle.controller.service import events
from raddle.controller.service.congestion.finding import Finding
from raddle.controller.service.core import Controller
from raddle.controller.service.records import Audit, Drain, Revision
from raddle.controller.service.switches import SwitchView


def status(controller: Controller) -> pb.StatusReply:
    revision, work = controller.revision, controller.records.work
    return pb.StatusReply(
        fabric=controller.fabric,
        revision=revision.number if revision else 0,
        origin=revision.origin if revision else "",
        is_paused=controller.is_paused,
        under_way=work.revision if work else 0,
        drains=[_drained(each) for each in (revision.drains if revision else ())],
        dead_links=controller.dead_links,
        cut_off=controller.cut_off.endpoints,
        apart=controller.cut_off.leaves,
        congestion=[_congestion(each) for each in controller.congestion],
        switches=[_switch(view) for view in list(controller.switches.views.values())],
    )


def revision(found: Revision) -> pb.Revision:
    return pb.Revision(
        number=found.number,
        time=found.time,
        who=found.who,
        what=found.what,
        why=found.why,
        origin=found.origin,
        drains=[_drained(each) for each in found.drains],
        outcome=found.outcome,
    )


def audit_entry(found: Audit) -> pb.AuditEntry:
    return pb.AuditEntry(
        number=found.number,
        time=found.time,
        who=found.who,
        what=found.what,
        why=found.why,
        diff=found.diff,
        outcome=found.outcome,
        revision=found.revision,
        began=found.began,
    )


def event(found: events.Event) -> pb.Event:
    return pb.Event(
        time=found.time, kind=found.kind, switch=found.switch, text=found.text, seconds=found.seconds
    )


def _drained(drain: Drain) -> pb.Drained:
    return pb.Drained(switch=drain.switch, until=drain.until)


def _congestion(found: Finding) -> pb.Congestion:
    return pb.Congestion(
        kind=found.kind,
        link=found.link,
        evidence=found.evidence,
        flows=map(str, found.flows),
        mend=str(found.mend or ""),
        advice="" if found.mend else found.advice,
    )


def _switch(view: SwitchView) -> pb.Switch:
    return pb.Switch(
        name=view.name,
        address=view.address,
        state=view.state,
        text=view.text,
        changes=view.changes,
        is_connected=view.is_connected,
        since=view.since,
        ports_down=sorted(view.down),
    )
