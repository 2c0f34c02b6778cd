"""Schema of the switch's management: GNMI, GNMI_CLIENT_CERT.

Source: sonic-gnmi.
"""

from __future__ import annotations

from collections.abc import Sequence

from raddle.nos.db.databases import ConfigEntry, ConfigTables
from raddle.nos.db.schema.model import EntrySchema, Leaf, TableSchema
from raddle.nos.db.schema.types import any_string, boolean, enum, integer, text

_CERTIFICATE = Leaf(text(pattern=r"(/[a-zA-Z0-9_-]+)*/([a-zA-Z0-9_-]+).cer"))
_KEY = Leaf(text(pattern=r"(/[a-zA-Z0-9_-]+)*/([a-zA-Z0-9_-]+).key"))


def management_vrf_exists(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    """A service can be in the management VRF where MGMT_VRF_CONFIG makes one."""
    enabled = config.get("MGMT_VRF_CONFIG", {}).get("vrf_global", {}).get("mgmtVrfEnabled") == "true"
    if entry.get("vrf") != "mgmt" or enabled:
        return None
    return "Must condition \"(current() != 'mgmt')\" not satisfied."


def _has_a_role(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    return None if entry.get("role") else 'Too few "role" instances.'


GNMI = TableSchema(
    singletons={
        "certs": EntrySchema(fields={"ca_crt": _CERTIFICATE, "server_crt": _CERTIFICATE, "server_key": _KEY}),
        "gnmi": EntrySchema(
            fields={
                "client_auth": Leaf(boolean),
                "log_level": Leaf(integer("uint8", 0, 100)),
                "port": Leaf(integer("uint16")),
                "save_on_set": Leaf(boolean),
                "enable_crl": Leaf(boolean),
                "crl_expire_duration": Leaf(integer("uint32")),
                "user_auth": Leaf(text(pattern="password|jwt|cert|none")),
                "vrf": Leaf(enum("default", "mgmt")),
            },
            musts=(management_vrf_exists,),
        ),
    }
)

GNMI_CLIENT_CERT = TableSchema(
    entries=(EntrySchema(key=(Leaf(any_string),), fields={"role": Leaf(is_list=True)}, musts=(_has_a_role,)),)
)
