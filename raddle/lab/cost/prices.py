"""PRICES.yaml -> prices. raddle ships none: they are the user's, each with its source and date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from raddle.errors import Diagnostic
from raddle.topology.devices import Medium
from raddle.topology.model import Fabric
from raddle.topology.views.capacity import CableKind, cable_kinds
from raddle.topology.yaml.fields import Cable, Money, Name, Power, RackUnits, Rate, Text, Version
from raddle.topology.yaml.json_schema import URI, cleaned
from raddle.topology.yaml.reading import read_spec
from raddle.topology.yaml.schema_devices import Spec, one_or_many
from raddle.topology.yaml.source import Place, Source, parse, read_text, refuse_all
from raddle.units import format_length, format_rate

_NOT_PRICES = ("not-prices", "start with 'raddle: 1', or print one to fill in: raddle cost FABRIC --template")


class PriceSpec(Spec):
    """What one of a kind costs, draws and takes up."""

    price: Money
    """Of one, in the file's currency."""
    power: Power = 0.0
    """That it draws: 650 W."""
    rack_units: RackUnits = 0.0
    """That it takes up."""
    source: Text = ""
    """Where the price is from (default: the file's)."""
    date: Text = ""
    """As of when (default: the file's)."""


class CablePriceSpec(Spec):
    """Cables of a speed; the first entry that fits a cable counts."""

    speed: Rate
    """Of the cable: that of its link, or of all links that share it."""
    medium: Medium | None = None
    """As in the fabric file; any without."""
    up_to: Cable = 1e5
    """Longest cable that it is the price of."""
    price: Money | None = None
    """Of one cable, whatever its length."""
    per_metre: Money | None = None
    """And for each metre."""
    optic: Money | None = None
    """Of a transceiver, of which a cable has two; without: it has none."""
    power: Power = 0.0
    """That both ends together draw."""
    source: Text = ""
    """Where the prices are from (default: the file's)."""
    date: Text = ""
    """As of when (default: the file's)."""

    def fits(self, kind: CableKind) -> bool:
        """Whether it is the price of such cables."""
        is_medium = not kind.medium or self.medium in (None, kind.medium)
        return self.speed == kind.cable_bps and kind.length_m <= self.up_to and is_medium


class PricesFile(Spec):
    """A file of prices."""

    raddle: Version
    """Version of the format: 1."""
    name: Name
    """Of these prices, such as white-box-2026."""
    currency: Name
    """Of all of them, such as USD."""
    source: Text = ""
    """Where they are from, where an entry does not say."""
    date: Text = ""
    """As of when, where an entry does not say."""
    switches: dict[Name, PriceSpec] = Field(default_factory=dict)
    """By switch model."""
    nics: dict[Rate, PriceSpec] = Field(default_factory=dict)
    """By speed of one port; of a NIC port."""
    cables: Annotated[
        tuple[CablePriceSpec, ...],
        BeforeValidator(one_or_many, json_schema_input_type=CablePriceSpec | list[CablePriceSpec]),
    ] = ()
    """In the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices and the file that they are from."""

    file: str
    spec: PricesFile

    def cable(self, kind: CableKind) -> CablePriceSpec | None:
        """The price of such cables."""
        return next((entry for entry in self.spec.cables if entry.fits(kind)), None)


def read_prices(path: Path) -> Prices:
    """Read a file of prices.

    Raises:
        InputError: everything that is wrong with it, by place.
    """
    source = parse(read_text(path), str(path), _NOT_PRICES)
    spec = read_spec(source, PricesFile, "prices")
    refuse_all(list(_without_source(spec, source)))
    return Prices(str(path), spec)


def prices_schema() -> dict[str, Any]:
    """The JSON Schema of a file of prices, for editors."""
    schema = PricesFile.model_json_schema(mode="validation")
    return {**cleaned(schema, has_variables=False), "$schema": URI, "title": "raddle prices"}


def _without_source(spec: PricesFile, source: Source) -> Iterator[Diagnostic]:
    """A price without a source and a date is a guess."""
    entries: list[tuple[Place, PriceSpec | CablePriceSpec]] = [
        *((("switches", name), each) for name, each in spec.switches.items()),
        *((source.written(("cables", at)), each) for at, each in enumerate(spec.cables)),
    ]
    written = source.written(("nics",))
    entries += [(written, each) for each in spec.nics.values()]
    for at, each in enumerate(spec.cables):
        if each.price is None and each.per_metre is None and each.optic is None:
            place = source.written(("cables", at))
            yield source.error(
                "missing-key", "this cable has no price", place, "give price, per_metre or optic"
            )
    for place, entry in entries:
        for key in ("source", "date"):
            if not getattr(entry, key) and not getattr(spec, key):
                hint = f"write '{key}:' here, or once at the top of the file"
                yield source.error("price-without-source", f"this price has no {key}", place, hint)


_WATTS = " W"
"""A power that is to be filled in, before its unit."""


def template(fabric: Fabric) -> str:
    """A file with every price that the fabric needs, to be filled in."""
    models = dict.fromkeys(switch.model.name for switch in fabric.switches)
    speeds = sorted({host.nic_model.speed_bps for host in fabric.hosts[: fabric.servers]})
    lines = [
        "raddle: 1",
        "name: my-prices",
        "currency: USD",
        "source:        # where they are from: an offer, a list",
        "date:          # as of when",
        "switches:      # power: such as 650 W or 1.2 kW; leave out what is not known",
        *(f"  {model}: {{price: , power:{_WATTS}, rack_units: }}" for model in models),
        "nics:          # of one port; leave it out, and NICs are not counted",
        *(f"  {format_rate(speed)}: {{price: , power:{_WATTS}}}" for speed in speeds),
        "cables:        # optic: of one transceiver, of which a cable has two; power: of both ends together",
    ]
    kinds = {(kind.cable_bps, kind.length_m, kind.medium) for kind in cable_kinds(fabric)}
    for cable_bps, length_m, medium in sorted(kinds):
        says = f", medium: {medium}" if medium else ""
        lines.append(
            f"  - {{speed: {format_rate(cable_bps)}{says}, up_to: {format_length(length_m)}, price: , "
            f"per_metre: , optic: , power:{_WATTS}}}"
        )
    return "\n".join(lines) + "\n"
