"""What ships with raddle: switch models and example fabrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from raddle.errors import Diagnostic, InputError, Place
from raddle.topology.devices import CPU_PACKETS, Cage, mode_text
from raddle.topology.model import Fabric, Role, Switch, SwitchModel, TableBudget
from raddle.topology.vendor_pools import PoolReading
from raddle.topology.yaml.reading import did_you_mean, read_spec
from raddle.topology.yaml.schema_devices import ModelSpec
from raddle.topology.yaml.source import parse

_TIERS: dict[Role, str] = {"leaf": "leaves", "spine": "spines", "superspine": "superspines"}


@cache
def builtin_models() -> dict[str, SwitchModel]:
    """The switch models of raddle/topology/models, by name (the file's name)."""
    folder = files("raddle.topology").joinpath("models")
    entries = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=str)
    models = {}
    for entry in entries:
        name = entry.name.removesuffix(".yaml")
        source = parse(entry.read_text(encoding="utf-8"), str(entry))
        models[name] = switch_model(name, read_spec(source, ModelSpec))
    return models


def switch_model(
    name: str, spec: ModelSpec, cages: tuple[Cage, ...] = (), vendor: PoolReading | None = None
) -> SwitchModel:
    """The model; `cages` are its front panel, `vendor` its pools where they are in files of its vendor's."""
    pools = vendor or PoolReading()
    pool_size = None if "pool_size" in spec.model_fields_set else pools.pool_size
    count, speed_bps, lanes = front_of(cages) if cages else (spec.ports, spec.port_speed, spec.lanes_per_port)
    assert count is not None, "a ModelSpec has it, or files"
    assert speed_bps is not None, "a ModelSpec has it, or files"
    return SwitchModel(
        name=name,
        hwsku=spec.hwsku or name,
        platform=spec.platform,
        port_count=count,
        port_speed_bps=speed_bps,
        lanes_per_port=lanes,
        buffer_bytes=spec.buffer or pools.buffer_bytes,
        cell_bytes=spec.cell,
        pipeline_latency_ps=spec.latency,
        source=spec.source,
        tables=TableBudget(**spec.tables.model_dump()),
        features=spec.features,
        nos=spec.nos,
        cpu_packets=spec.cpu_packets or CPU_PACKETS,
        is_cut_through=spec.switching == "cut-through",
        marks_at_dequeue=spec.ecn_marking == "dequeue",
        max_ports=spec.max_ports or 0,
        group_cages=spec.port_groups.cages if spec.port_groups else 0,
        group_max_ports=spec.port_groups.max_ports if spec.port_groups else 0,
        breakouts=tuple(map(mode_text, spec.breakouts)),
        pool_size=pool_size or spec.pool_size,
        headroom_pool_bytes=pools.headroom_bytes,
        cages=cages,
    )


def front_of(cages: Sequence[Cage]) -> tuple[int, int, int]:
    """How many cages there are, and the fastest whole port and the lanes of most of them."""
    lanes = Counter(len(cage.lanes) for cage in cages).most_common(1)[0][0]
    speeds = [
        parts * speed_bps
        for cage in cages
        if len(cage.lanes) == lanes
        for each in cage.modes
        if len(each.mode) == 1
        for parts, speed_bps, _ in each.mode
        if parts == 1
    ]
    widest = [
        sum(parts * speed for parts, speed, _ in cage.default) for cage in cages if len(cage.lanes) == lanes
    ]
    return len(cages), max(speeds or widest), lanes


def split_network(path: Path | str) -> tuple[Path, str]:
    """`pod.yaml@storage` -> the file and the network of it that is meant; a file of that name is itself."""
    file, _, network = str(path).rpartition("@")
    if not file or not network or _exists(Path(path)):
        return Path(path), ""
    return Path(file), network


def of_network(file: Path, network: str) -> Path:
    """The other way round: `pod.yaml` and `storage` -> `pod.yaml@storage`."""
    return file.with_name(f"{file.name}@{network}") if network else file


def find(name: str) -> Path:
    """The fabric file that a command's argument means, with `@NETWORK` behind it where one is named.

    A path that exists is itself; else the name of a bundled example: `leaf-spine-16`,
    `leaf-spine-16.yaml` or `topologies/leaf-spine-16.yaml`.

    Raises:
        InputError: `no-such-file`, with the names of the bundled examples.
    """
    path, network = split_network(name)
    if network:
        return of_network(find(str(path)), network)
    if _exists(path):
        return path
    examples = bundled_examples()
    stem = path.name.removesuffix(".yaml")
    if stem in examples and path.parent in (Path(), Path("topologies")):
        return examples[stem]
    hint = did_you_mean(stem, list(examples), f"bundled examples: {', '.join(examples)}")
    raise InputError([Diagnostic("no-such-file", f"no file or bundled example '{name}'", hint=hint)])


def bundled_examples() -> dict[str, Path]:
    """Example fabrics by name: in an installed package beside it, in a checkout in topologies/."""
    package = Path(__file__).parents[1]
    for folder in (package / "_data" / "topologies", package.parent / "topologies"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL
        return False


def place_of_model(fabric: Fabric, switch: Switch, key: str) -> Place:
    """The key of the file's own model; of a built-in one, which the file cannot change, where it is taken."""
    if switch.model.name not in builtin_models():
        return ("models", switch.model.name, key)
    if fabric.is_listed:
        return ("devices", switch.name, "model")
    return ("fabric", _TIERS[switch.role], "model")
