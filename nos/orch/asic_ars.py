"""SAI objects of adaptive routing in ASIC_DB.

Source: saiarsprofile.h and saiars.h of SAI; arsorch of SONiC's draft (PR 1958) for which it makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from raddle.state import ArsState

_PS_PER_US = 10**6


def ars_oid(number: int) -> str:
    """The object id of the n-th ARS object (SAI_OBJECT_TYPE_ARS is 104)."""
    return f"oid:{0x68000000000000 + number + 1:#x}"


ARS_PROFILE_OID = "oid:0x67000000000001"
"""Of the switch's one profile (SAI_OBJECT_TYPE_ARS_PROFILE is 103)."""


def ars_objects(ars: ArsState) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The profile, then the objects."""
    name = "SAI_ARS_PROFILE_ATTR_"
    loads = {"PAST": ars.past, "FUTURE": ars.future, "CURRENT": ars.current}
    profile = {
        f"{name}ALGO": "SAI_ARS_PROFILE_ALGO_EWMA",
        f"{name}SAMPLING_INTERVAL": str(ars.sampling_interval_ps // _PS_PER_US),
        f"{name}PORT_LOAD_PAST_WEIGHT": str(ars.past.weight),
        f"{name}PORT_LOAD_FUTURE_WEIGHT": str(ars.future.weight),
    }
    for when, load in loads.items():
        profile[f"{name}PORT_LOAD_{when}"] = str(load.max_value > 0).lower()
        profile[f"{name}LOAD_{when}_MIN_VAL"] = str(load.min_value)
        profile[f"{name}LOAD_{when}_MAX_VAL"] = str(load.max_value)
    yield f"SAI_OBJECT_TYPE_ARS_PROFILE:{ARS_PROFILE_OID}", profile
    for number, each in enumerate(ars.objects):
        mode = "PER_PACKET" if each.is_per_packet else "FLOWLET"
        yield (
            f"SAI_OBJECT_TYPE_ARS:{ars_oid(number)}",
            {
                "SAI_ARS_ATTR_MODE": f"SAI_ARS_MODE_{mode}_QUALITY",
                "SAI_ARS_ATTR_IDLE_TIME": str(each.idle_ps // _PS_PER_US),
                "SAI_ARS_ATTR_MAX_FLOWS": str(each.max_flows),
                "SAI_ARS_ATTR_PRIMARY_PATH_QUALITY_THRESHOLD": str(each.primary_path_threshold),
                "SAI_ARS_ATTR_ALTERNATE_PATH_COST": str(each.alternative_path_cost),
            },
        )
