"""What is asked of a verification, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from raddle.controller.verify.failures import Outcome, Verdict
from raddle.controller.verify.outside import OutsideReach
from raddle.controller.verify.parts import Part
from raddle.controller.verify.transient import Transient
from raddle.controller.verify.update_scope import UpdateScope
from raddle.errors import Diagnostic
from raddle.lab.verify.missing import Missing
from raddle.topology.views.cable_mend import CableWork

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class FailureScope:
    """What to check: up to `together` links and switches failing at once, sets of two or more sampled
    (`most` of them, with `seed`) where there are more; `congested_groups` for ECN before PFC."""

    together: int
    most: int
    seed: int
    congested_groups: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        subject: "plan" or "running switches".
        endpoints: how many there are; `pairs`: ordered pairs of them within planes.
        cut_off: pairs that no way up and down connects, as the fabric stands.
        parts: planes, rails and tenants, each judged on its own.
        present: the fabric as it stands; `dependencies` is the number of waiting pairs of buffers.
        outcomes: of every failure checked, out of `total_failures`.
        busiest: load and port of the busiest fabric link under uniform all-to-all traffic.
        best_load: what that would be with the best shares of all groups; None where it is as good as that, or
            not known (see `raddle.controller.plan.balance`).
        oversubscription: the worst ratio of bandwidth below to above, by tier (`leaves`, `spines`).
        bisection_bps: what half of the hosts and the others have between them each way; half of what leaves
            let through in sum where `bisection_is_estimate`.
        problems: all that is wrong, for the reader.
        proof: writes the certificate of deadlock freedom; None where there is a cycle.
        outside: what the proofs leave out, in a reader's words.
        update: the way from an earlier plan to this one; None where none was given.
        scope: what that changes beside routes.
        cabling: the work that makes the cables what the fabric says; None where none were seen.
        external: the prefixes that links to the outside lead to.
        is_adaptive: switches choose by load among the paths that were checked.
        missing: switches of the fabric file that are not there or hold nothing, of running switches.
        is_single_tier: no switch is above the leaves.
        has_lossless: a class of the fabric is lossless; without one nothing of deadlock is proven.
    """

    fabric: str
    subject: str
    endpoints: int
    pairs: int
    cut_off: int
    parts: tuple[Part, ...]
    present: Verdict
    dependencies: int
    outcomes: tuple[Outcome, ...]
    total_failures: int
    busiest: tuple[float, str]
    oversubscription: dict[str, float]
    bisection_bps: int
    bisection_is_estimate: bool
    problems: tuple[Diagnostic, ...]
    proof: Callable[[], str] | None = field(compare=False)
    outside: tuple[str, ...] = ()
    update: Transient | None = None
    scope: UpdateScope | None = None
    cabling: tuple[CableWork, ...] | None = None
    external: tuple[OutsideReach, ...] = ()
    is_adaptive: bool = False
    has_lossless: bool = True
    best_load: float | None = None
    missing: tuple[Missing, ...] = ()
    is_single_tier: bool = False

    @property
    def is_good(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)

    @property
    def is_all_cut_off(self) -> bool:
        """No pair has a way, so that nothing can be lost and no link is loaded."""
        return 0 < self.pairs == self.cut_off and not self.busiest[0]
