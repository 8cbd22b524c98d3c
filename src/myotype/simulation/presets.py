"""The knobs of the simulation and their two settings, and the people that are drawn from them.

The values were fixed beforehand by a throw-away prototype; ``docs/simulation.md`` has the table. None may be made
easier to reach a figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from myotype.errors import InputError

NATURAL_SPEED: Final = 4.2
"""Keys a second, pauses included: 5,258,056 keystrokes in 346 hours of real recordings."""


@dataclass(frozen=True, slots=True)
class Preset:
    """How much people, sessions and strokes differ.

    Attributes
    ----------
    name
        How typists of this preset are called: ``"easy:3"`` is its person 3.
    angle_sd, angle_shift_sd
        Degrees around the wrist: of each muscle, and of all of a forearm together.
    depth_log_sd, muscle_gain_log_sd
        Of each muscle's depth and strength.
    template_log_sd
        Of how strongly each movement uses each muscle, per person.
    idiosyncrasy
        Standard deviation of what each key adds to each muscle's activation, per person; 1 is a press.
    alternative_finger
        Probability, per person, that an ambiguous key is typed by its other finger.
    amplitude
        Range of a person's overall amplitude.
    rotation_sd
        Of the band on the wrist, electrodes, per session.
    electrode_gain_log_sd, session_gain_log_sd
        Per session: of each electrode, and of a band.
    stroke_log_sd, compartment_log_sd
        Of the strength of each stroke, and of each muscle within it.
    jitter
        Standard deviation of the muscles' timing against the key, seconds.
    noise, mains
        Thermal noise and 60 Hz residue, microvolts rms.
    bursts
        Background bursts a second and forearm.
    """

    name: str
    angle_sd: float
    angle_shift_sd: float
    depth_log_sd: float
    muscle_gain_log_sd: float
    template_log_sd: float
    idiosyncrasy: float
    alternative_finger: float
    amplitude: tuple[float, float]
    rotation_sd: float
    electrode_gain_log_sd: float
    session_gain_log_sd: float
    stroke_log_sd: float
    compartment_log_sd: float
    jitter: float
    noise: float
    mains: float
    bursts: float


REALISTIC: Final = Preset(
    name="realistic",
    angle_sd=12.0,
    angle_shift_sd=8.0,
    depth_log_sd=0.22,
    muscle_gain_log_sd=0.4,
    template_log_sd=0.45,
    idiosyncrasy=0.18,
    alternative_finger=0.3,
    amplitude=(0.6, 1.6),
    rotation_sd=0.6,
    electrode_gain_log_sd=0.15,
    session_gain_log_sd=0.15,
    stroke_log_sd=0.22,
    compartment_log_sd=0.15,
    jitter=0.008,
    noise=3.0,
    mains=2.0,
    bursts=0.15,
)
"""People who differ from each other as real ones do."""

EASY: Final = Preset(
    name="easy",
    angle_sd=8.0,
    angle_shift_sd=6.0,
    depth_log_sd=0.15,
    muscle_gain_log_sd=0.3,
    template_log_sd=0.3,
    idiosyncrasy=0.2,
    alternative_finger=0.0,
    amplitude=(1.2, 1.3),
    rotation_sd=0.25,
    electrode_gain_log_sd=0.08,
    session_gain_log_sd=0.08,
    stroke_log_sd=0.12,
    compartment_log_sd=0.08,
    jitter=0.005,
    noise=2.0,
    mains=1.0,
    bursts=0.05,
)
"""A regular typist with strong signals and a band that hardly moves: that of the demo."""

PRESETS: Final = {preset.name: preset for preset in (EASY, REALISTIC)}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who types: everything that is theirs follows from these four.

    Attributes
    ----------
    name
        As in the recordings' user.
    preset
        What they are drawn from.
    number
        Which of the preset's people.
    speed
        Keys a second, pauses included, where nothing else is asked for.
    """

    name: str
    preset: Preset
    number: int
    speed: float


DEMO: Final = Person(name="simulated-demo", preset=EASY, number=1_000_000_004, speed=3.2)
"""The typist that the bundled model is trained on; none of the numbered people is this one.

The fifth that was drawn: the first whose signal has the rms and centroid of the preset in every session looked at.
Nothing had been decoded by then."""


def person(typist: str | Person) -> Person:
    """Find a typist by name.

    Parameters
    ----------
    typist
        ``"demo"``, ``"easy:N"`` or ``"realistic:N"`` with a number N from 0, or a person already.

    Raises
    ------
    InputError
        If there is no such typist.
    """
    if isinstance(typist, Person):
        return typist
    if typist == "demo":
        return DEMO
    preset, _, number = str(typist).partition(":")
    if preset not in PRESETS or not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise InputError(f"there is no typist {typist!r}: 'demo', 'easy:N' and 'realistic:N' (N = 0, 1, 2, ...) exist")
    return Person(
        name=f"simulated-{preset}-{int(number)}",
        preset=PRESETS[preset],
        number=int(number),
        speed=DEMO.speed if preset == EASY.name else _natural_speed(int(number)),
    )


def _natural_speed(number: int) -> float:
    """Give a realistic person's speed: people differ by a quarter around the mean."""
    rng = np.random.default_rng(np.random.SeedSequence((number, 7)))
    return float(np.clip(NATURAL_SPEED * np.exp(0.25 * rng.standard_normal()), 2.0, 7.0))
