"""switchorch: the ECMP hash of a switch."""

from __future__ import annotations

from raddle.nos.db.databases import ConfigDb
from raddle.nos.db.schema.extensions import QUEUE_PAIR_FIELD
from raddle.state import HASH_FIELDS, HashAlgorithm, HashField

_ALGORITHMS: dict[str, HashAlgorithm] = {
    "CRC": "crc32", "CRC_32LO": "crc32lo", "CRC_32HI": "crc32hi", "CRC_CCITT": "crc16", "XOR": "xor",
}  # fmt: skip
_FIELDS: dict[str, HashField] = {
    "SRC_IP": "src_ip", "DST_IP": "dst_ip", "IP_PROTOCOL": "ip_protocol",
    "L4_SRC_PORT": "l4_src_port", "L4_DST_PORT": "l4_dst_port",
}  # fmt: skip


def derive_hash(config: ConfigDb) -> tuple[HashAlgorithm, tuple[HashField, ...]]:
    """Algorithm and fields of SWITCH_HASH|GLOBAL; CRC over the 5-tuple where it says nothing.

    Assumptions: RANDOM and CRC_XOR are taken as CRC; fields that a routed RoCEv2 packet of a flow does not
    differ in (MACs, VLAN, EtherType, inner headers) change nothing, and the incoming port is not looked at.
    """
    entry = config.get("SWITCH_HASH", {}).get("GLOBAL", {})
    algorithm = _ALGORITHMS.get(str(entry.get("ecmp_hash_algorithm", "CRC")), "crc32")
    named = entry.get("ecmp_hash")
    if not named:
        return algorithm, HASH_FIELDS
    names = named.split(",") if isinstance(named, str) else named
    chosen = {_FIELDS[name] for name in names if name in _FIELDS}
    fields = tuple(name for name in HASH_FIELDS if name in chosen)
    return algorithm, (*fields, "bth_qp") if QUEUE_PAIR_FIELD in names else fields
