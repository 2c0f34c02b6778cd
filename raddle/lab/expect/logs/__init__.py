"""Outputs of nccl-tests, rccl-tests, hccl_test and perftest, read."""
