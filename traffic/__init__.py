"""What the hosts send: collectives as schedules of dependent flows, and where their ranks are."""

from traffic.demand import demand
from traffic.interpreter import count_wrong
from traffic.placement import PLACEMENTS, place
from traffic.prune import without_step
from traffic.registry import algorithms, build, check_ranks, find_algorithm, find_collective
from traffic.sizes import bandwidth_gbs, buffer_size, sweep
from traffic.striping import Striped, stripe

__all__ = [
    "PLACEMENTS",
    "Striped",
    "algorithms",
    "bandwidth_gbs",
    "buffer_size",
    "build",
    "check_ranks",
    "count_wrong",
    "demand",
    "find_algorithm",
    "find_collective",
    "place",
    "stripe",
    "sweep",
    "without_step",
]
