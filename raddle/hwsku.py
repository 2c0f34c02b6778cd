"""Which HwSkus SONiC's Generic Config Updater lets a running switch be tuned on.

Source: sonic-utilities generic_config_updater/gcu_field_operation_validators.conf.json. The simulated switch
refuses by it, the driver plans by it.
"""

from __future__ import annotations

import re

_TUNABLE = re.compile(
    r"nokia-ixr7220-h[345]|nokia-ixr7250e-36x[14]00g|arista-(7060cx-32s|7260cx3|7060x6-64|7050)|force10-s6|"
    r"celestica-dx010|seastone-dx010|(acs|mellanox)-(msn|sn)[2345]",
    re.IGNORECASE,
)

PROFILE_FIELDS = {
    "dynamic_th": ("replace",),
    "xoff": ("replace",),
    "packet_discard_action": ("add", "replace"),
}
"""Fields of BUFFER_PROFILE that may change on a tunable HwSku, and by which operations."""


def is_tunable(hwsku: str) -> bool:
    """Whether single fields of BUFFER_PROFILE and PFC_WD may change while the switch runs."""
    return bool(_TUNABLE.match(hwsku))
