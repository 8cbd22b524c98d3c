"""Touch typing: which hand, finger and reach a key takes, and which muscles that drives.

A key is a place on a staggered keyboard; a finger reaches from its home place to it. Nineteen muscle compartments a
forearm take part in seven movements (lift, reach up, down, radially, ulnarly, press, release); a key's three phases
(reach, press, release) are mixtures of them that differ from person to person.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from myotype.keyboard import BACKSPACE, ENTER, SHIFT, SPACE
from myotype.simulation.presets import Person

Hand = Literal["left", "right"]

MUSCLES: Final = (
    "FDS2", "FDS3", "FDS4", "FDS5", "FDP radial", "FDP ulnar", "FPL", "FCR", "FCU", "PL",
    "EDC2", "EDC3", "EDC4", "EDC5", "EIP", "EDM", "EPL/APL", "ECR", "ECU",
)  # fmt: skip
"""The muscle compartments of a forearm: flexors of fingers, thumb and wrist, then the extensors."""

REACH, PRESS, RELEASE = range(3)
PHASES: Final = 3

_M: Final = {name: i for i, name in enumerate(MUSCLES)}
_FINGERS: Final = ("thumb", "index", "middle", "ring", "little")
_THUMB, _INDEX, _MIDDLE, _RING, _LITTLE = range(5)

# Where keys are, in key widths: x to the right, y up from the home row; rows are staggered as on every desk.
_ROWS: Final = (
    (2, 0.0, "`1234567890-="),
    (1, 1.5, "qwertyuiop[]\\"),
    (0, 1.75, "asdfghjkl;'"),
    (-1, 2.25, "zxcvbnm,./"),
)
_NAMED_PLACES: Final = {
    BACKSPACE: (13.5, 2), "Key.tab": (0.25, 1), "Key.caps_lock": (0.5, 0), ENTER: (13.0, 0),
    "Key.shift_l": (0.75, -1), "Key.shift_r": (12.75, -1), SPACE: (6.25, -2), "Key.ctrl_l": (0.25, -2),
    "Key.alt_l": (2.75, -2), "Key.cmd": (1.5, -2), "Key.alt_r": (9.75, -2), "Key.cmd_r": (11.0, -2),
    "Key.ctrl_r": (13.25, -2), "Key.left": (15.0, -2), "Key.down": (16.0, -2), "Key.right": (17.0, -2),
    "Key.up": (16.0, -1), "Key.esc": (0.0, 3), "Key.delete": (15.0, 2), "Key.home": (16.0, 2), "Key.end": (16.0, 1),
    "Key.page_up": (17.0, 2), "Key.page_down": (17.0, 1),
}  # fmt: skip
_SAME_PLACE: Final = {
    "Key.ctrl": "Key.ctrl_l", "Key.alt": "Key.alt_l", "Key.alt_gr": "Key.alt_r", "Key.cmd_l": "Key.cmd",
}  # fmt: skip
_SHIFTED: Final = dict(zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./", strict=True)) | dict(
    zip(string.ascii_uppercase, string.ascii_lowercase, strict=True)
)

_HOMES: Final[dict[tuple[Hand, int], tuple[float, int]]] = {
    ("left", _LITTLE): (1.75, 0), ("left", _RING): (2.75, 0), ("left", _MIDDLE): (3.75, 0), ("left", _INDEX): (4.75, 0),
    ("left", _THUMB): (5.25, -2), ("right", _THUMB): (7.0, -2), ("right", _INDEX): (7.75, 0),
    ("right", _MIDDLE): (8.75, 0), ("right", _RING): (9.75, 0), ("right", _LITTLE): (10.75, 0),
}  # fmt: skip
_FINGER_KEYS: Final[dict[tuple[Hand, int], tuple[str, ...]]] = {
    ("left", _LITTLE): (*"`1qaz", "Key.tab", "Key.caps_lock", "Key.shift_l", "Key.ctrl_l", "Key.esc", "Key.cmd"),
    ("left", _RING): tuple("2wsx"),
    ("left", _MIDDLE): tuple("3edc"),
    ("left", _INDEX): tuple("45rtfgvb"),
    ("left", _THUMB): ("Key.alt_l",),
    ("right", _THUMB): (SPACE, "Key.alt_r"),
    ("right", _INDEX): tuple("67yuhjnm"),
    ("right", _MIDDLE): (*"8ik,", "Key.up"),
    ("right", _RING): (*"9ol.", "Key.right", "Key.page_up", "Key.page_down"),
    ("right", _LITTLE): (
        *"0-=p[]\\;'/", BACKSPACE, ENTER, "Key.shift_r", "Key.ctrl_r", "Key.cmd_r", "Key.delete", "Key.home", "Key.end",
        "Key.left", "Key.down",
    ),
}  # fmt: skip
_ALTERNATIVES: Final[dict[str, tuple[Hand, int]]] = {
    "1": ("left", _RING), "2": ("left", _MIDDLE), "6": ("left", _INDEX), "0": ("right", _RING), "-": ("right", _RING),
    "q": ("left", _RING), "y": ("left", _INDEX), "p": ("right", _RING), "z": ("left", _RING), "x": ("left", _MIDDLE),
    "c": ("left", _INDEX), "b": ("right", _INDEX), "m": ("right", _MIDDLE), ".": ("right", _MIDDLE),
    "/": ("right", _RING), SPACE: ("left", _THUMB), BACKSPACE: ("right", _RING),
}  # fmt: skip
"""Keys that people type with one finger or another."""


class Stroke(NamedTuple):
    """How a key is struck: the finger, and its reach from home in key widths, `dx` positive towards the thumb."""

    hand: Hand
    finger: int
    dx: float
    dy: float


def _places() -> dict[str, tuple[float, int]]:
    places: dict[str, tuple[float, int]] = {key: (x, y) for key, (x, y) in _NAMED_PLACES.items()}
    for y, x, keys in _ROWS:
        places |= {key: (x + i, y) for i, key in enumerate(keys)}
    return places


def _stroke(key: str, hand: Hand, finger: int) -> Stroke:
    (x, y), (home_x, home_y) = PLACES[key], _HOMES[hand, finger]
    return Stroke(hand, finger, (x - home_x) * (1 if hand == "left" else -1), float(y - home_y))


PLACES: Final = _places()
"""Where every physical key is."""

USUAL: Final[dict[str, Stroke]] = {
    key: _stroke(key, hand, finger) for (hand, finger), keys in _FINGER_KEYS.items() for key in keys
}
"""The usual stroke of every physical key."""

ALTERNATIVE: Final[dict[str, Stroke]] = {key: _stroke(key, *finger) for key, finger in _ALTERNATIVES.items()}
"""The other stroke of the ambiguous ones."""


def physical_key(key: str, hand: Hand = "left") -> str | None:
    """Tell which physical key types a key, or None where no finger is known for it.

    Parameters
    ----------
    key
        A recorded key's name; capitals and shifted marks share their base key.
    hand
        Which of the two shift keys ``"Key.shift"`` is.
    """
    if key == SHIFT:
        return "Key.shift_l" if hand == "left" else "Key.shift_r"
    if key in PLACES:
        return key
    return _SHIFTED.get(key) or _SAME_PLACE.get(key)


def needs_shift(key: str) -> bool:
    """Tell whether a key is typed with shift held."""
    return key in _SHIFTED


def usual_hand(key: str) -> Hand | None:
    """Tell which hand usually types a key."""
    place = physical_key(key)
    return None if place is None else USUAL[place].hand


def opposite(hand: Hand | None) -> Hand:
    """Give the hand that holds shift for a key of this one; the left where that is unknown."""
    return "right" if hand == "left" else "left"


# What each movement asks of which muscle; 1 is the main flexor of a plain press.
_LIFT, _UP, _DOWN, _RADIAL, _ULNAR, _PRESS, _RELEASE = range(7)
_MOVEMENTS: Final = 7
_BY_FINGER: Final[dict[int, dict[int, dict[str, float]]]] = {
    _THUMB: {
        _LIFT: {"EPL/APL": 0.35},
        _UP: {"EPL/APL": 0.4},
        _DOWN: {"FPL": 0.4},
        _PRESS: {"FPL": 1.0, "EPL/APL": 0.3, "FCR": 0.2},
        _RELEASE: {"EPL/APL": 0.7},
    },
    _INDEX: {
        _LIFT: {"EDC2": 0.3, "EIP": 0.15},
        _UP: {"EDC2": 0.4, "EIP": 0.3},
        _DOWN: {"FDP radial": 0.45, "FDS2": 0.3},
        _RADIAL: {"EIP": 0.35},
        _PRESS: {"FDS2": 1.0, "FDP radial": 0.55, "FDS3": 0.2},
        _RELEASE: {"EDC2": 0.55, "EIP": 0.35},
    },
    _MIDDLE: {
        _LIFT: {"EDC3": 0.35},
        _UP: {"EDC3": 0.5, "EDC2": 0.15, "EDC4": 0.15},
        _DOWN: {"FDP radial": 0.3, "FDP ulnar": 0.2, "FDS3": 0.3},
        _PRESS: {"FDS3": 1.0, "FDP radial": 0.35, "FDP ulnar": 0.2, "FDS2": 0.15, "FDS4": 0.25},
        _RELEASE: {"EDC3": 0.65, "EDC4": 0.15},
    },
    _RING: {
        _LIFT: {"EDC4": 0.35},
        _UP: {"EDC4": 0.5, "EDC3": 0.2, "EDC5": 0.15},
        _DOWN: {"FDP ulnar": 0.5, "FDS4": 0.3},
        _PRESS: {"FDS4": 1.0, "FDP ulnar": 0.5, "FDS3": 0.25, "FDS5": 0.3},
        _RELEASE: {"EDC4": 0.65, "EDC3": 0.2},
    },
    _LITTLE: {
        _LIFT: {"EDC5": 0.25, "EDM": 0.25},
        _UP: {"EDC5": 0.3, "EDM": 0.4},
        _DOWN: {"FDP ulnar": 0.45, "FDS5": 0.35},
        _ULNAR: {"EDM": 0.35},
        _PRESS: {"FDS5": 1.0, "FDP ulnar": 0.5, "FDS4": 0.3, "FCU": 0.2},
        _RELEASE: {"EDM": 0.45, "EDC5": 0.4},
    },
}
_BY_WRIST: Final[dict[int, dict[str, float]]] = {
    _UP: {"ECR": 0.25, "ECU": 0.15},
    _DOWN: {"FCR": 0.2, "FCU": 0.15, "PL": 0.25},
    _RADIAL: {"ECR": 0.35, "FCR": 0.35},
    _ULNAR: {"ECU": 0.4, "FCU": 0.35},
    _PRESS: {"ECR": 0.15, "ECU": 0.12, "PL": 0.1},
}


def _movements() -> npt.NDArray[np.float64]:
    """Give what each movement of each finger asks of each muscle: (fingers, movements, muscles)."""
    out = np.zeros((len(_FINGERS), _MOVEMENTS, len(MUSCLES)))
    for finger in range(len(_FINGERS)):
        for source in (_BY_FINGER[finger], _BY_WRIST):
            for movement, muscles in source.items():
                for muscle, weight in muscles.items():
                    out[finger, movement, _M[muscle]] += weight
    return out


def _mixture(stroke: Stroke) -> npt.NDArray[np.float64]:
    """Give how much of each movement each phase of a stroke has: (phases, movements)."""
    # A finger that reaches far takes the whole hand along: the muscles' effort grows less than the way.
    dx = 1.6 * np.tanh(stroke.dx / 1.6)
    dy = 2.0 * np.tanh(stroke.dy / 2.0)
    out = np.zeros((PHASES, _MOVEMENTS))
    out[REACH] = (1.0, max(dy, 0.0), max(-dy, 0.0), max(dx, 0.0), max(-dx, 0.0), 0.0, 0.0)
    out[PRESS, _PRESS] = 1.0
    out[PRESS, 1:5] = 0.4 * out[REACH, 1:5]  # the finger is still out there
    out[RELEASE, _RELEASE] = 1.0
    out[RELEASE, 1:5] = 0.3 * out[REACH, [2, 1, 4, 3]]  # and comes back
    return out


@dataclass(frozen=True)
class Hands:
    """How one person's hands type.

    Attributes
    ----------
    strokes
        The person's stroke of every physical key.
    rows
        The row of each physical key in `templates`.
    templates
        (keys, 3 phases, 19 muscles): activation that the key asks of the forearm that types it.
    right
        For each row, 1 where the right hand types the key, else 0.
    """

    strokes: dict[str, Stroke]
    rows: dict[str, int]
    templates: npt.NDArray[np.float64]
    right: tuple[int, ...]

    @classmethod
    def of(cls, person: Person, seed: np.random.SeedSequence) -> Hands:
        """Draw a person's habits and templates."""
        preset = person.preset
        rng = np.random.default_rng(seed)
        habits = rng.random(len(ALTERNATIVE)) < preset.alternative_finger
        strokes = USUAL | {key: ALTERNATIVE[key] for key, other in zip(ALTERNATIVE, habits, strict=True) if other}
        check_unique(strokes)
        shape = (2, len(_FINGERS), _MOVEMENTS, len(MUSCLES))
        movements = _movements() * np.exp(preset.template_log_sd * rng.standard_normal(shape))
        own = preset.idiosyncrasy * rng.standard_normal((len(strokes), PHASES, len(MUSCLES)))
        templates = np.empty_like(own)
        for row, stroke in enumerate(strokes.values()):
            templates[row] = _mixture(stroke) @ movements[int(stroke.hand == "right"), stroke.finger]
        rows = {key: row for row, key in enumerate(strokes)}
        right = tuple(int(stroke.hand == "right") for stroke in strokes.values())
        return cls(strokes, rows, np.maximum(templates + own, 0.0), right)


def check_unique(strokes: dict[str, Stroke]) -> None:
    """Make sure that no two physical keys are struck in the same way: nothing could tell them apart.

    Raises
    ------
    ValueError
        If two are: the tables of this module are then wrong.
    """
    owners: dict[Stroke, str] = {}
    for key, stroke in strokes.items():
        if stroke in owners:
            raise ValueError(f"keys {owners[stroke]!r} and {key!r} share the stroke {stroke}")
        owners[stroke] = key
