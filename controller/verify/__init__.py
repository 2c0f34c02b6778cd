"""Proofs about forwarding tables: reachability under failures, deadlock freedom, the lossless chain. Pure."""
