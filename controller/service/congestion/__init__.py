"""Congestion: found in what switches count, told with its evidence, and led around where that is allowed."""
