"""Fabric YAML to an immutable model: `load` a file, `loads` a text, `find` a bundled example."""

from raddle.topology.catalog import bundled_examples, find
from raddle.topology.load import load, loads, network_names
from raddle.topology.model import Fabric

__all__ = ["Fabric", "bundled_examples", "find", "load", "loads", "network_names"]
