"""Verification of a plan, or of what running switches report: reachability, deadlock, losslessness."""
