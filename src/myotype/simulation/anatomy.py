"""A forearm's muscles and motor units, and what a band of electrodes around it sees of them.

The forearm is a cylinder with 19 muscle compartments at angles and depths, twelve motor units each. A unit's action
potential at an electrode is the sum of two components, each a spatial gain times a Hermite-Gauss waveform: one that
travels past and falls off steeply, and one from the fibres' ends that is broader, slower and seen further away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from myotype.simulation.hands import MUSCLES
from myotype.simulation.presets import Person

SFREQ: Final = 2000
"""Samples a second."""
ELECTRODES: Final = 16
"""Of one band; two bands make 32 channels, the left one first."""
BANDS: Final = 2
UNITS: Final = 12
"""Motor units of a muscle compartment."""
N_MUSCLES: Final = len(MUSCLES)
POTENTIAL: Final = 32
"""Samples that an action potential may take, at most."""

# Degrees from the middle of the palm side towards the thumb, and depth below the skin as a share of the radius.
_ANGLES: Final = (12, -4, -20, -36, 22, -26, 42, 30, -58, 4, 158, 172, -172, -156, 176, -142, 126, 104, -106)
_DEPTHS: Final = (
    0.30, 0.27, 0.28, 0.28, 0.48, 0.46, 0.42, 0.20, 0.20, 0.16,
    0.24, 0.22, 0.22, 0.23, 0.40, 0.24, 0.30, 0.22, 0.20,
)  # fmt: skip

# What the study left open is chosen so that each preset gives the rms and the spectral centroid that it found.
_FLOOR: Final = 0.25
"""Radii that are added to every distance, in squares: electrodes have a size, and fibres are not points."""
_NEAR: Final = 0.3
"""Distance in radii at which an electrode sees a unit with its whole amplitude."""
_STEEP: Final = 1.9
"""Power of the distance with which the travelling component falls off."""
_BROAD: Final = 1.2
_BROAD_SHARE: Final = 0.15
_BROAD_WIDTH: Final = 1.1
_SECOND_ORDER: Final = 0.9
"""Share of units whose potential has three phases, as differential electrodes mostly see them; the others have two."""
_MICROVOLTS: Final = 84.0
"""Amplitude of a middling unit of a middling muscle close to an electrode."""


@dataclass(frozen=True)
class Anatomy:
    """Where one person's motor units are and what their action potentials look like.

    Arrays have shape (2 forearms, 19 muscles, 12 units).

    Attributes
    ----------
    angle, depth
        Radians towards the thumb, and radii below the skin.
    amplitude
        Microvolts.
    threshold
        Activation at which the unit begins to fire.
    width
        Standard deviation of the travelling waveform's Gaussian in seconds; it lasts six of them, 5 to 12 ms.
    order
        Hermite order of that waveform: which derivative of the Gaussian it is.
    delay
        Seconds that the second component comes after the first.
    """

    angle: npt.NDArray[np.float64]
    depth: npt.NDArray[np.float64]
    amplitude: npt.NDArray[np.float64]
    threshold: npt.NDArray[np.float64]
    width: npt.NDArray[np.float64]
    order: npt.NDArray[np.int64]
    delay: npt.NDArray[np.float64]

    @classmethod
    def of(cls, person: Person, seed: np.random.SeedSequence) -> Anatomy:
        """Draw a person's forearms."""
        preset = person.preset
        rng = np.random.default_rng(seed)
        muscle = (BANDS, N_MUSCLES, 1)
        unit = (BANDS, N_MUSCLES, UNITS)
        shift = preset.angle_shift_sd * rng.standard_normal((BANDS, 1, 1))
        angle = np.array(_ANGLES)[:, None] + shift + preset.angle_sd * rng.standard_normal(muscle)
        depth = np.array(_DEPTHS)[:, None] * np.exp(preset.depth_log_sd * rng.standard_normal(muscle))
        gain = np.exp(preset.muscle_gain_log_sd * rng.standard_normal(muscle)) * rng.uniform(*preset.amplitude)
        # Small units are recruited first (Henneman's size principle).
        size = np.linspace(0.0, 1.0, UNITS)
        return cls(
            angle=np.radians(angle + 6.0 * rng.standard_normal(unit)),
            depth=np.clip(depth * np.exp(0.12 * rng.standard_normal(unit)), 0.06, 0.8),
            amplitude=_MICROVOLTS * gain * 4.0 ** (size - 0.5) * np.exp(0.15 * rng.standard_normal(unit)),
            threshold=0.04 * 14.0**size * np.exp(0.1 * rng.standard_normal(unit)),
            width=rng.uniform(0.005, 0.012, unit) / 6.0,
            order=1 + (rng.random(unit) < _SECOND_ORDER),
            delay=rng.uniform(0.0005, 0.002, unit),
        )


@dataclass(frozen=True)
class Donning:
    """How the bands sit in one session.

    Attributes
    ----------
    rotation
        (2,), electrodes.
    gain
        (2, 16).
    mains
        (100, 32) microvolts: the 60 Hz residue repeats every 100 samples.
    """

    rotation: npt.NDArray[np.float64]
    gain: npt.NDArray[np.float64]
    mains: npt.NDArray[np.float32]

    @classmethod
    def of(cls, person: Person, seed: np.random.SeedSequence) -> Donning:
        """Put the bands on."""
        preset = person.preset
        rng = np.random.default_rng(seed)
        rotation = preset.rotation_sd * rng.standard_normal(BANDS)
        gain = np.exp(
            preset.electrode_gain_log_sd * rng.standard_normal((BANDS, ELECTRODES))
            + preset.session_gain_log_sd * rng.standard_normal((BANDS, 1)),
        )
        strength = preset.mains * np.sqrt(2.0) * np.exp(0.3 * rng.standard_normal((BANDS, ELECTRODES)))
        phase = rng.uniform(0.0, 2.0 * np.pi, (BANDS, 1)) + 0.4 * rng.standard_normal((BANDS, ELECTRODES))
        turns = 2.0 * np.pi * 60.0 / SFREQ * np.arange(100)
        mains = strength.ravel() * np.sin(turns[:, None] + phase.ravel())
        return cls(rotation, gain, mains.astype(np.float32))


def action_potentials(anatomy: Anatomy, donning: Donning) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Give every unit's action potential at every electrode of its band.

    Returns
    -------
    potentials
        (2 forearms * 19 muscles * 12 units, 32 samples, 16 electrodes), microvolts.
    lengths
        (units,): samples before only zeros follow.
    """
    steep, broad = gains(anatomy, donning)
    time = np.arange(POTENTIAL) / SFREQ
    middle = (3.0 * anatomy.width)[..., None]
    travelling = _hermite_gauss(time - middle, anatomy.width[..., None], anatomy.order[..., None])
    wide = _BROAD_WIDTH * anatomy.width[..., None]
    late = _hermite_gauss(time - middle - anatomy.delay[..., None], wide, np.array(1))
    out = anatomy.amplitude[..., None, None] * (
        travelling[..., None] * steep[..., None, :] + late[..., None] * broad[..., None, :]
    )
    lengths = np.ceil((6.0 * anatomy.width + anatomy.delay + 0.003) * SFREQ).astype(np.int64).clip(1, POTENTIAL)
    out *= np.arange(POTENTIAL)[:, None] < lengths[..., None, None]
    return np.ascontiguousarray(out.reshape(-1, POTENTIAL, ELECTRODES), dtype=np.float32), lengths.ravel()


def gains(anatomy: Anatomy, donning: Donning) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give how strongly each electrode sees each unit: steep and broad component, each (2, 19, 12, 16).

    The bands are worn mirrored, so that an electrode's number means the same place on either forearm; turning the band
    around for that swaps the ends of its differential electrodes, so the right one has the opposite sign.
    """
    place = 2.0 * np.pi * (np.arange(ELECTRODES) + donning.rotation[:, None]) / ELECTRODES  # (2, 16)
    inside = 1.0 - anatomy.depth[..., None]  # distance of the unit from the axis
    apart = np.cos(anatomy.angle[..., None] - place[:, None, None, :])
    distance = np.sqrt(1.0 + inside**2 - 2.0 * inside * apart + _FLOOR**2)
    polarity = np.array([1.0, -1.0])[:, None] * donning.gain  # (2, 16)
    near = _NEAR / distance
    return near**_STEEP * polarity[:, None, None, :], _BROAD_SHARE * near**_BROAD * polarity[:, None, None, :]


def _hermite_gauss(
    time: npt.NDArray[np.float64], width: npt.NDArray[np.float64], order: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Give the first or second derivative of a Gaussian, with a peak of 1."""
    x = time / width
    bell = np.exp(-0.5 * x * x)
    first: npt.NDArray[np.float64] = -x * bell * np.exp(0.5)
    return np.where(order == 1, first, (x * x - 1.0) * bell)
