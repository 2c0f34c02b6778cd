"""`config ecn`, `config interface cable-length` and `config buffer profile`, on the switch itself.

Source: sonic-utilities scripts/ecnconfig, config/main.py (cable_length, add_profile, set_profile,
remove_profile).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raddle.nos.db.databases import ConfigDb, ConfigEntry, ConfigTable
from raddle.nos.operator_error import CommandError

_ECN_FIELDS = {
    f"-{colour[0]}{short}": f"{colour}_{field}"
    for colour in ("green", "yellow", "red")
    for short, field in (("min", "min_threshold"), ("max", "max_threshold"), ("drop", "drop_probability"))
}
_PROFILE_FIELDS = {f"--{name}": name for name in ("xon", "xoff", "size", "dynamic_th", "pool")}
_NO_MANAGER = "This command can only be supported on a system with dynamic buffer enabled"


def set_ecn(words: Sequence[str], config: ConfigDb) -> ConfigDb:
    """CONFIG_DB after `config ecn -profile NAME -gmin BYTES -gmax BYTES -gdrop PERCENT` and its kin.

    Raises:
        CommandError: an option is unknown or without a number, or there is no such profile.
    """
    values = _options(words, {"-profile": "profile", **_ECN_FIELDS})
    name = values.pop("profile", "")
    table = config.get("WRED_PROFILE", {})
    if name not in table:
        raise CommandError(f"Invalid WRED profile '{name}'; profiles: {', '.join(table) or 'none'}")
    entry: ConfigEntry = {**table[name], **values}
    for colour in ("green", "yellow", "red"):
        low, high = (str(entry.get(f"{colour}_{end}_threshold", "")) for end in ("min", "max"))
        if low.isdigit() and high.isdigit() and int(low) > int(high):
            raise CommandError(f"Invalid {colour}_min threshold {low}: it is above {colour}_max {high}")
    return _with(config, "WRED_PROFILE", name, entry)


def set_cable_length(port: str, length: str, config: ConfigDb) -> ConfigDb:
    """CONFIG_DB after `config interface cable-length PORT LENGTH`.

    Raises:
        CommandError: as on SONiC the buffer model is not dynamic, or there is no such port.
    """
    _require_dynamic(config)
    if port not in config.get("PORT", {}):
        raise CommandError(f"Port {port} doesn't exist")
    if not (length.endswith("m") and length[:-1].isascii() and length[:-1].isdigit()):
        raise CommandError("Invalid cable length. Should be in format <num>m, like 300m")
    names = sorted(config.get("CABLE_LENGTH", {})) or ["AZURE"]
    lengths = config.get("CABLE_LENGTH", {}).get(names[0], {})
    return _with(config, "CABLE_LENGTH", names[0], {**lengths, port: length})


def change_profile(words: Sequence[str], config: ConfigDb) -> ConfigDb:
    """CONFIG_DB after `config buffer profile add|set|remove NAME ...`.

    A profile whose headroom buffermgrd would compute is refused: this switch has no buffermgrd.

    Raises:
        CommandError: the command is not one, or the buffer model is not dynamic, or the profile cannot be.
    """
    _require_dynamic(config)
    table = config.get("BUFFER_PROFILE", {})
    match words:
        case ["remove", name]:
            if name not in table:
                raise CommandError(f"Profile {name} doesn't exist")
            users = _users(name, config)
            if users:
                raise CommandError(f"Profile {name} is referenced by {users[0]} and can't be removed")
            return _without(config, "BUFFER_PROFILE", name)
        case ["add" | "set" as verb, name, *rest]:
            if (verb == "add") == (name in table):
                raise CommandError(f"Profile {name} {'already exist' if verb == 'add' else 'does not exist'}")
            entry: ConfigEntry = {"pool": "ingress_lossless_pool", **table.get(name, {})}
            entry.update(_options(rest, _PROFILE_FIELDS))
            if str(entry["pool"]) not in config.get("BUFFER_POOL", {}):
                raise CommandError(f"Pool {entry['pool']} doesn't exist")
            return _with(config, "BUFFER_PROFILE", name, _complete(entry))
    raise CommandError(
        "say config buffer profile add|set NAME --xon BYTES --xoff BYTES --size BYTES --dynamic_th N "
        "--pool POOL, or config buffer profile remove NAME"
    )


def _complete(entry: ConfigEntry) -> ConfigEntry:
    """The profile with what SONiC's command derives: size is xon and xoff, where it is not given."""
    if not {"xon", "xoff", "size"} & entry.keys():
        raise CommandError(
            "give --xon and --xoff: the switch has no buffer manager that would compute the headroom"
        )
    if "xon" not in entry:
        raise CommandError("Xon is mandatory for non-dynamic profile")
    xon = int(str(entry["xon"]))
    if "xoff" not in entry:
        xoff = int(str(entry["size"])) - xon
        if xoff <= 0:
            raise CommandError(
                f"The xoff must be greater than 0, and size {entry['size']} - xon {xon} is {xoff}"
            )
        entry["xoff"] = str(xoff)
    entry.setdefault("size", str(xon + int(str(entry["xoff"]))))
    if "static_th" not in entry:
        entry.setdefault("dynamic_th", "0")
    return entry


def _users(profile: str, config: ConfigDb) -> list[str]:
    bound = [
        f"{table}|{key}"
        for table in ("BUFFER_PG", "BUFFER_QUEUE")
        for key, entry in config.get(table, {}).items()
        if entry.get("profile") == profile
    ]
    lists = ("BUFFER_PORT_INGRESS_PROFILE_LIST", "BUFFER_PORT_EGRESS_PROFILE_LIST")
    for table in lists:
        for key, entry in config.get(table, {}).items():
            names = entry.get("profile_list", [])
            if profile in (names.split(",") if isinstance(names, str) else names):
                bound.append(f"{table}|{key}")
    return bound


def _require_dynamic(config: ConfigDb) -> None:
    if config.get("DEVICE_METADATA", {}).get("localhost", {}).get("buffer_model") != "dynamic":
        raise CommandError(_NO_MANAGER)


def _options(words: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """`-gmin 800000 -gmax 900000` -> fields."""
    if len(words) % 2 or not words:
        raise CommandError(f"options come with a value: {', '.join(known)}")
    values = {}
    for option, value in zip(words[::2], words[1::2], strict=True):
        if option not in known:
            raise CommandError(f"no such option: {option}; there are: {', '.join(known)}")
        is_text = known[option] in ("profile", "pool")
        digits = value.removeprefix("-") if known[option] == "dynamic_th" else value
        if not is_text and not (digits.isascii() and digits.isdigit() and len(digits) < 20):
            raise CommandError(f"{option} takes a number, not '{value}'")
        values[known[option]] = value
    return values


def _with(config: ConfigDb, table: str, key: str, entry: ConfigEntry) -> ConfigDb:
    rows: ConfigTable = {**config.get(table, {}), key: entry}
    return {**config, table: rows}


def _without(config: ConfigDb, table: str, key: str) -> ConfigDb:
    rows = {name: entry for name, entry in config[table].items() if name != key}
    rest = {name: entries for name, entries in config.items() if name != table}
    return {**rest, table: rows} if rows else rest
