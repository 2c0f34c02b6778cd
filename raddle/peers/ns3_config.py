"""The settings file of ns-3's RDMA model (`third CONFIG`): what of it decides the result.

Source: main() in scratch/third.cc of alibaba-edu/High-Precision-Congestion-Control: words after a key,
keys in any order, the last one counts. Defaults are that program's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from raddle.peers.ns3_keys import LEFT_OUT, NO_DIFFERENCE, is_key
from raddle.peers.text import PeerText, Word
from raddle.units import format_rate

_MAPS = frozenset({"KMAX_MAP", "KMIN_MAP", "PMAX_MAP"})
_VALUES = {"LINK_DOWN": 3}
"""Words after a key where that is not one."""
_US = 1_000_000
_MOST_US = 10**7
_MOST_RATE_BPS = 10**14
_MOST_STEPS = 65536
"""The most that a fabric file takes: timers of 10 s, rates of 100T, steps."""


Thresholds = tuple[int, int, float]
"""kmin and kmax in bytes, pmax."""


@dataclass(frozen=True, slots=True)
class PeerDcqcn:
    """DCQCN as ns-3's RDMA model has it (CC_MODE 1), and what switches mark.

    Attributes:
        ecn: per link speed in bit/s.
    """

    alpha_timer_ps: int = 55 * _US
    decrease_timer_ps: int = 4 * _US
    rate_timer_ps: int = 1500 * _US
    g: float = 1 / 16
    fast_recovery_steps: int = 5
    rate_ai_bps: int = 5_000_000
    rate_hai_bps: int = 50_000_000
    min_rate_bps: int = 100_000_000
    clamps_target: bool = False
    ecn: Mapping[int, Thresholds] | None = None


@dataclass(frozen=True, slots=True)
class Ns3Config:
    """Payload of a packet, shared buffer of a switch, and DCQCN (None: only PFC).

    Attributes:
        loss: the share of packets that a link loses whose own rate is 0.
        left_out: settings that would change a result and are not followed.
        path, ecn_line: the file, and its line with KMIN_MAP.
    """

    payload_bytes: int = 1000
    buffer_bytes: int = 16 << 20
    dcqcn: PeerDcqcn | None = None
    loss: float = 0.0
    left_out: tuple[str, ...] = ()
    path: str = ""
    ecn_line: int = 1

    def without_thresholds(self, speeds: Counter[int]) -> str:
        """What to tell of links whose speed (and how many have it) the maps do not name; empty: all have."""
        if not self.dcqcn or not self.path:
            return ""
        ecn = self.dcqcn.ecn or {}
        lacking = sorted(set(speeds) - set(ecn))
        usual = next((speed for speed, _ in speeds.most_common() if speed in ecn), None)
        instead = "raddle's own" if usual is None else f"those of {format_rate(usual)}"
        names = " and ".join(map(format_rate, lacking))
        what = f"KMIN_MAP, KMAX_MAP and PMAX_MAP have no thresholds for links of {names}, which get {instead}"
        return f"{self.path}:{self.ecn_line}:1: {what}; ns-3 stops there" if lacking else ""


class _Settings:
    """The words after each key, looked up by key."""

    def __init__(self, text: PeerText, found: Mapping[str, list[Word]]) -> None:
        self.text, self.found = text, found

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        return self.text.whole(self.found[key][0], low, high, key) if key in self.found else default

    def time_ps(self, key: str, default: int) -> int:
        """A number of microseconds; ns-3 cuts its fraction off."""
        if key not in self.found:
            return default
        return int(self.text.real(self.found[key][0], 1, _MOST_US, key)) * _US

    def rate_bps(self, key: str, default: int) -> int:
        if key not in self.found:
            return default
        word = self.found[key][0]
        rate = self.text.speed_bps(word)
        if rate > _MOST_RATE_BPS:
            self.text.problem(word, f"{key} '{word.text}' is above {format_rate(_MOST_RATE_BPS)}")
        return rate

    def share(self, key: str, default: float) -> float:
        return self.text.real(self.found[key][0], 0, 1, key, is_above=True) if key in self.found else default

    def loss(self, key: str) -> float:
        return self.text.loss(self.found[key][0], key) if key in self.found else 0.0


def read_ns3_config(path: Path) -> Ns3Config:
    """Read a settings file.

    Raises:
        InputError: everything that is wrong with it, or that raddle has no model of, by place.
    """
    text = PeerText(path)
    found = _words_by_key(text)
    settings = _Settings(text, found)
    _refuse_what_is_not_modelled(text, found)
    is_marking = settings.whole("ENABLE_QCN", 1, 0, 1) == 1
    config = Ns3Config(
        payload_bytes=settings.whole("PACKET_PAYLOAD_SIZE", 1000, 64, 9000),
        buffer_bytes=settings.whole("BUFFER_SIZE", 16, 1, 4095) << 20,
        dcqcn=_dcqcn(text, settings) if is_marking else None,
        loss=settings.loss("ERROR_RATE_PER_LINK"),
        left_out=tuple(
            f"{key} {found[key][0].text}: {why}"
            for key, why in LEFT_OUT.items()
            if key in found and found[key][0].text != NO_DIFFERENCE.get(key)
        ),
        path=str(path),
        ecn_line=found["KMIN_MAP"][0].line if "KMIN_MAP" in found else 1,
    )
    text.check()
    return config


def _words_by_key(text: PeerText) -> dict[str, list[Word]]:
    words = [word for row in text.rows() for word in row]
    found: dict[str, list[Word]] = {}
    at = 0
    while at < len(words):
        key = words[at]
        if not is_key(key.text):
            text.problem(key, f"unknown key '{key.text}'")
            at = next((n for n in range(at, len(words)) if words[n].line > key.line), len(words))
            continue
        count = _VALUES.get(key.text, 1)
        if key.text in _MAPS and at + 1 < len(words):
            count = 1 + 2 * text.whole(words[at + 1], 0, 64, key.text)
        values = words[at + 1 : at + 1 + count]
        if len(values) < count:
            raise text.end(f"the file ends within {key.text}")
        found[key.text] = values
        at += 1 + count
    return found


def _refuse_what_is_not_modelled(text: PeerText, found: Mapping[str, list[Word]]) -> None:
    """Settings that change a result and that raddle would not follow."""
    only = {
        "CC_MODE": ("1", "DCQCN; HPCC, TIMELY, DCTCP and PINT are not simulated"),
        "ENABLE_IRN": ("0", "go-back-N as the network loses nothing"),
        "ENABLE_PFC": ("1", "PFC"),
        "HAS_WIN": ("0", "no window; 'nics: {window: SIZE}' of the fabric file limits a queue pair"),
        "L2_ACK_INTERVAL": ("1", "an acknowledgement for every packet"),
        "L2_BACK_TO_ZERO": ("0", "go-back-N"),
        "LB_MODE": ("0", "ECMP by flow; others are not simulated"),
        "RATE_BOUND": ("1", "queue pairs keep to their rate"),
    }
    defaults = {
        "CC_MODE": "1",
        "ENABLE_IRN": "0",
        "ENABLE_PFC": "1",
        "HAS_WIN": "1",
        "L2_ACK_INTERVAL": "0",
        "L2_BACK_TO_ZERO": "0",
        "LB_MODE": "0",
        "RATE_BOUND": "1",
    }
    for key, (value, meaning) in only.items():
        if key in found and found[key][0].text != value:
            text.problem(found[key][0], f"{key} {found[key][0].text} is not simulated", f"{value}: {meaning}")
        elif key not in found and defaults[key] != value:
            text.problem(
                1,
                f"{key} is missing, and its default {defaults[key]} is not simulated",
                f"{value}: {meaning}",
            )
    if "LINK_DOWN" in found and found["LINK_DOWN"][0].text != "0":
        text.problem(found["LINK_DOWN"][0], "LINK_DOWN is not simulated", "cut the link in the fabric file")


def _dcqcn(text: PeerText, settings: _Settings) -> PeerDcqcn:
    ecn = _thresholds(text, settings)
    default = PeerDcqcn()
    return PeerDcqcn(
        alpha_timer_ps=settings.time_ps("ALPHA_RESUME_INTERVAL", default.alpha_timer_ps),
        decrease_timer_ps=settings.time_ps("RATE_DECREASE_INTERVAL", default.decrease_timer_ps),
        rate_timer_ps=settings.time_ps("RP_TIMER", default.rate_timer_ps),
        g=settings.share("EWMA_GAIN", default.g),
        fast_recovery_steps=settings.whole(
            "FAST_RECOVERY_TIMES", default.fast_recovery_steps, 1, _MOST_STEPS
        ),
        rate_ai_bps=settings.rate_bps("RATE_AI", default.rate_ai_bps),
        rate_hai_bps=settings.rate_bps("RATE_HAI", default.rate_hai_bps),
        min_rate_bps=settings.rate_bps("MIN_RATE", default.min_rate_bps),
        clamps_target=settings.whole("CLAMP_TARGET_RATE", 0, 0, 1) == 1,
        ecn=ecn,
    )


def _thresholds(text: PeerText, settings: _Settings) -> dict[int, Thresholds]:
    """What each map says of a link speed; all three must."""
    maps = {key: _by_speed(text, settings, key) for key in sorted(_MAPS)}
    kilobytes = {
        key: {speed: text.whole(word, 1, 4_000_000, key) for speed, word in maps[key].items()}
        for key in ("KMIN_MAP", "KMAX_MAP")
    }
    chance = {
        speed: text.real(word, 0, 1, "PMAX_MAP", is_above=True) for speed, word in maps["PMAX_MAP"].items()
    }
    least, most = kilobytes["KMIN_MAP"], kilobytes["KMAX_MAP"]
    for speed in sorted({*least, *most, *chance}):
        lacking = [key for key in maps if speed not in maps[key]]
        if lacking:
            at = next(maps[key][speed] for key in maps if speed in maps[key])
            text.problem(at, f"{' and '.join(lacking)}: the speed {speed} is missing there")
        elif least[speed] > most[speed]:
            text.problem(maps["KMIN_MAP"][speed], f"KMIN_MAP is above KMAX_MAP at the speed {speed}")
    text.check()
    return {speed: (least[speed] * 1000, most[speed] * 1000, chance[speed]) for speed in least}


def _by_speed(text: PeerText, settings: _Settings, key: str) -> dict[int, Word]:
    words = settings.found.get(key, [])[1:]
    return {text.whole(words[i], 1, 10**14, key): words[i + 1] for i in range(0, len(words), 2)}
