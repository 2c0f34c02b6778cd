"""How close to packets a run is, and what it then leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from raddle.errors import Diagnostic, InputError
from raddle.lab.run.settings import Fidelity, RunSettings, train_frames
from raddle.report.model import FastForward
from raddle.sim import NEVER, Simulation
from raddle.sim.fluid import LEFT_OUT, FluidSimulation, error
from raddle.sim.forwarded import ForwardedSimulation
from raddle.sim.nic import check_train
from raddle.state import SwitchState
from raddle.topology.model import Fabric
from raddle.units import format_time

TRAIN_ERROR = (
    "against packets, on the cases of docs/models/trains.md: rings, permutations and all-to-alls of 16"
    " ranks whose paths share no link end within 0.2 %; all-to-alls in rounds of 128 ranks within 3 % by"
    " trains of up to 8 frames, by 15 at up to 2.5 times the time; hashed collectives 7.3 % early to 5.5 %"
    " late; long messages that share a link under DCQCN 10 % early to 16 % late; single flows of hashed"
    " collectives are off by up to 141 %, in rounds by up to 97 %, by 15 frames up to a factor of 12"
)
"""The largest errors of the table there, which `scripts/validate-trains` measures."""


def engine_of(fidelity: Fidelity) -> type[Simulation]:
    """The engine that moves what a run of this fidelity moves."""
    return FluidSimulation if fidelity == "fluid" else Simulation


def fits_fluid(fabric: Fabric, states: Mapping[str, SwitchState], settings: RunSettings) -> bool:
    """Whether messages that flow have all that a run on these switches is asked for."""
    is_adaptive = any(state.is_adaptive for state in states.values())
    return not is_adaptive and next(_beyond_fluid(fabric, settings), None) is None


def check_fidelity(fabric: Fabric, settings: RunSettings) -> None:
    """Refuse what a run is asked for and its engine does not have, before anything is programmed.

    Raises:
        InputError: `no-fluid` or `no-train`, with all of it.
    """
    hint = "take --fidelity packet"
    if settings.fidelity == "fluid" and (found := list(_beyond_fluid(fabric, settings))):
        raise InputError(
            Diagnostic("no-fluid", f"messages that flow have no packets: {what}", hint=hint) for what in found
        )
    if (train := train_frames(settings.fidelity)) > 1:
        check_train(fabric, train)
        if settings.traced:
            what = "--trace records them one by one"
            raise InputError.of("no-train", f"frames cannot go in trains: {what}", hint)


def _beyond_fluid(fabric: Fabric, settings: RunSettings) -> Iterator[str]:
    if settings.traced:
        yield "there are no frames that --trace could record"
    if settings.series_ps:
        yield "there are no queues that --series could sample"
    for what in sorted({fault.what for fault in settings.faults} & {"errors", "storm"}):
        yield f"a fault '{what}' would do nothing"
    if fabric.phy.bit_error_ratio:
        yield "the fabric's bit errors would do nothing"


def is_undisturbed(fabric: Fabric, states: Mapping[str, SwitchState], settings: RunSettings) -> bool:
    """Whether nothing comes from outside, nothing is looked at, and nothing is random but marks."""
    asked = (
        settings.faults,
        settings.controller and settings.controller.orders,
        settings.series_ps,
        settings.watches_rates,
        settings.traced,
        settings.until_ps != NEVER,
    )
    adaptive = any(state.is_adaptive for state in states.values())
    return not any(asked) and not adaptive and not fabric.phy.bit_error_ratio


def computed(simulation: Simulation) -> FastForward | None:
    """What of a run was computed and not simulated."""
    gap = simulation.gap if isinstance(simulation, ForwardedSimulation) else None
    if gap is None:
        return None
    return FastForward(gap.blocks * gap.block, len(simulation.flows().status), gap.times, gap.period_ps)


def left_out(fabric: Fabric, settings: RunSettings) -> tuple[str, ...]:
    """What a run of these settings does not have."""
    if (train := train_frames(settings.fidelity)) > 1:
        return (f"frames one by one, but up to {train} at once; {TRAIN_ERROR}",)
    if settings.fidelity != "fluid":
        return ()
    what = f"{LEFT_OUT}; {error(fabric.roce.congestion_control)}"
    if not any(fault.what == "down" for fault in settings.faults):
        return (what,)
    timeout = format_time(max(host.nic_model.rto_ps for host in fabric.hosts))
    return (
        what,
        f"packets that a cut loses and the timeout of {timeout} that their queue pairs then wait: messages"
        " that a cut meets may end so much later in packets, or fail",
    )
