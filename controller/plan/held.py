"""A plan that is held: in a file, with the fabric and the options that it was made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from raddle.controller.plan.addresses import address_families
from raddle.controller.plan.codec import from_json, json_pieces
from raddle.controller.plan.model import Plan
from raddle.errors import InputError
from raddle.topology.model import Fabric

_MADE_OF = "made_of"


@dataclass(frozen=True, slots=True)
class HeldPlan:
    """A plan and what it was made of.

    Attributes:
        fabric_digest: of the fabric; empty where it is not known.
        options: the routing options that it was made with, by name.
        has_digest: what was read says what it was when it was written; else it may have been edited since.
    """

    plan: Plan
    fabric_digest: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    has_digest: bool = True

    def require(self, fabric: Fabric, source: str) -> None:
        """See that the plan is one of this fabric as it is now.

        Args:
            source: where the plan is from, for the reader.

        Raises:
            InputError: `wrong-fabric`, it is one of another; `stale-plan`, the fabric has changed;
                `bad-plan`, it has other parts than the fabric.
        """
        again = f"make it anew: raddle plan FABRIC -o {source}"
        if self.plan.fabric != fabric.name:
            raise InputError.of(
                "wrong-fabric", f"'{source}' is a plan of '{self.plan.fabric}', not of '{fabric.name}'", again
            )
        if not self.fabric_digest:
            raise InputError.of(
                "stale-plan", f"'{source}' does not say which fabric file it was made of", again
            )
        if self.fabric_digest != fabric_digest(fabric):
            raise InputError.of(
                "stale-plan",
                f"'{source}' was made of another fabric file than '{fabric.file or fabric.name}' is now",
                f"{again}; 'raddle plan FABRIC --diff {source}' shows what that changes",
            )
        planned = [(each.name, [port.name for port in each.ports]) for each in self.plan.switches]
        there = [(each.name, [port.name for port in each.ports]) for each in fabric.switches]
        names = [each.name for each in fabric.endpoints]
        if sorted(planned) != sorted(there) or sorted(name for name, _ in self.plan.endpoints) != sorted(
            names
        ):
            raise InputError.of(
                "bad-plan", f"'{source}' has other switches, ports or endpoints than '{fabric.name}'", again
            )


def fabric_digest(fabric: Fabric) -> str:
    """What tells fabrics apart: comments and spelling of the file do not count, nor does what a record has of
    others than are there; ports that are kept for a cable do, as they have buffer."""
    counted = [(each.name, getattr(fabric, each.name)) for each in fields(fabric) if each.compare]
    numbers = address_families(fabric) if fabric.record_file or fabric.reserved else ()
    adopted = sorted(fabric.record.adopted.items()) if fabric.record else []
    room = sorted((str(end), link.speed_bps, link.length_m) for end, link in fabric.room_by_port.items())
    parts = [counted, *(each for each in (numbers, adopted, room) if each)]
    return hashlib.sha256(repr(tuple(parts) if len(parts) > 1 else counted).encode()).hexdigest()


def held_document(held: HeldPlan) -> dict[str, Any]:
    """The plan's document with what it was made of.

    Raises:
        InputError: `plan-too-large`.
    """
    document: dict[str, Any] = json.loads(held_to_json(held))
    return document


def _plan_digest(plan: Plan) -> str:
    """What tells plans apart."""
    digest = hashlib.sha256()
    for piece in json_pieces(plan):
        digest.update(piece.encode())
    return digest.hexdigest()


def _options_digest(fabric: str, options: Mapping[str, Any]) -> str:
    """What tells apart what plans were made of; `fabric` is that one's digest."""
    return hashlib.sha256(json.dumps([fabric, options], sort_keys=True).encode()).hexdigest()


def held_pieces(held: HeldPlan) -> Iterator[str]:
    """What `held_to_json` returns, a switch at a time.

    Raises:
        InputError: `plan-too-large`, before anything is made.
    """
    made_of = {
        "fabric_digest": held.fabric_digest,
        "options": dict(held.options),
        "options_digest": _options_digest(held.fabric_digest, held.options),
        "plan_digest": _plan_digest(held.plan),
    }
    return json_pieces(held.plan, {_MADE_OF: made_of})


def held_to_json(held: HeldPlan) -> str:
    """As `to_json`: the same bytes for equal plans of equal fabrics."""
    return "".join(held_pieces(held))


def held_from_json(text: str, file: str = "PLAN.json") -> HeldPlan:
    """Read what `held_to_json` or `to_json` wrote to a file.

    Raises:
        InputError: `bad-plan`.
    """
    plan = from_json(text, file)
    document = json.loads(text)
    made_of = document.pop(_MADE_OF, {})
    if not isinstance(made_of, dict) or not isinstance(made_of.get("options", {}), dict):
        raise InputError.of("bad-plan", f"{_MADE_OF} is not an object with options")
    # Of what stands there, not of what this release would write: it may have more fields.
    written = json.dumps(document, indent=1, sort_keys=True) + "\n"
    digest = hashlib.sha256(written.encode()).hexdigest()
    if made_of.get("plan_digest", digest) != digest:
        raise InputError.of(
            "bad-plan",
            "the plan was changed after it was written, so it is not what was proven and reviewed",
            "change the fabric file and make the plan anew; what only you know of switches goes into "
            "'overrides' and 'ignore'",
        )
    fabric, options = str(made_of.get("fabric_digest", "")), made_of.get("options", {})
    own_digest = _options_digest(fabric, options)
    if made_of.get("options_digest", own_digest) != own_digest:
        raise InputError.of(
            "bad-plan",
            f"the options in '{_MADE_OF}' were changed after the plan was written: it was made with others",
            "make the plan anew with the options that you want: raddle plan FABRIC -o PLAN.json",
        )
    return HeldPlan(plan, fabric, options, made_of.keys() >= {"plan_digest", "options_digest"})
