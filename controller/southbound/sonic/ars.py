"""Adaptive routing as SONiC's draft of local ARS (PR 1958) has it in CONFIG_DB."""

from __future__ import annotations

from raddle.controller.plan.model import SwitchPlan

ARS = "AI_FABRIC"
"""The one ARS profile of a switch and the one object that its groups have."""


def adaptive_tables(switch: SwitchPlan) -> dict[str, dict[str, dict[str, str]]]:
    """ARS_PROFILE, ARS_OBJECT and ARS_INTERFACE; nothing where groups hash."""
    if switch.adaptive is None:
        return {}
    settings = switch.adaptive.settings
    loads = {"past": settings.past_load, "future": settings.future_load, "current": settings.current_load}
    profile = {
        "algorithm": "ewma",
        "ars_nhg_path_selector_mode": "interface",
        "default_ars_object": ARS,
        "sampling_interval": str(settings.sampling_us),
    }
    for when, load in loads.items():
        profile[f"{when}_load_min_value"] = str(load.minimum)
        profile[f"{when}_load_max_value"] = str(load.maximum)
        if when != "current":
            profile[f"{when}_load_weight"] = str(load.weight)
    how = {"assign_mode": "per_packet_quality"}
    if not settings.is_per_packet:
        how = {
            "assign_mode": "per_flowlet_quality",
            "flowlet_idle_time": str(settings.idle_us),
            "max_flows": str(settings.max_flows),
        }
    return {
        "ARS_PROFILE": {ARS: profile},
        "ARS_OBJECT": {ARS: how},
        "ARS_INTERFACE": {port: {"ars_obj_name": ARS} for port in switch.adaptive.ports},
    }
