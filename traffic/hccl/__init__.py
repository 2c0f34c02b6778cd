"""Huawei's HCCL: its families of algorithms, put together level by level as HCCL_ALGO says."""
