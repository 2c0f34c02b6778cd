"""Workloads as graphs: computing, messages and waiting on groups of ranks, each after others."""
