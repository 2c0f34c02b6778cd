"""What the hosts send: collectives as schedules of dependent flows, and where their ranks are."""

from raddle.traffic.collectives.record import Algorithm, Collective
from raddle.traffic.demand import demand_of_pairs, steps_of
from raddle.traffic.interpreter import count_wrong
from raddle.traffic.latency import NO_LATENCY, StepLatency
from raddle.traffic.placement import PLACEMENTS, place
from raddle.traffic.port_bytes import PortBytes, port_bytes
from raddle.traffic.prune import without_step
from raddle.traffic.registry import algorithms, build, check_ranks, find_algorithm, find_collective
from raddle.traffic.repeat import repeated, waits_of
from raddle.traffic.shape import Protocol, Shape
from raddle.traffic.sizes import sweep
from raddle.traffic.striping import Lanes, Striped, stripe
from raddle.traffic.terms import USUAL, Terms

__all__ = [
    "NO_LATENCY",
    "PLACEMENTS",
    "USUAL",
    "Algorithm",
    "Collective",
    "Lanes",
    "PortBytes",
    "Protocol",
    "Shape",
    "StepLatency",
    "Striped",
    "Terms",
    "algorithms",
    "build",
    "check_ranks",
    "count_wrong",
    "demand_of_pairs",
    "find_algorithm",
    "find_collective",
    "place",
    "port_bytes",
    "repeated",
    "steps_of",
    "stripe",
    "sweep",
    "waits_of",
    "without_step",
]
