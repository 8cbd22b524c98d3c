"""Two forearms with a wristband each, driven by key presses and releases, read a block of samples at a time."""

from __future__ import annotations

import heapq
import math
from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

from myotype.errors import InputError
from myotype.keyboard import SHIFT
from myotype.simulation import kernels
from myotype.simulation.anatomy import BANDS, N_MUSCLES, POTENTIAL, SFREQ, UNITS, Anatomy, Donning, action_potentials
from myotype.simulation.hands import PHASES, PRESS, REACH, RELEASE, Hand, Hands, physical_key
from myotype.simulation.presets import Person, person

LAG: Final = 0.25
"""Seconds by which the signal runs behind the keys that drive it: muscles move before a key goes down."""

TICKS: Final = 500
"""Activation is computed so many times a second."""
_SAMPLES_A_TICK: Final = SFREQ // TICKS
_LAG_TICKS: Final = int(LAG * TICKS)
LAG_SAMPLES: Final = _LAG_TICKS * _SAMPLES_A_TICK

# When the phases of a stroke peak, seconds from key-down or, the release, from key-up; and how long they last.
_OFFSET: Final = {REACH: -0.115, PRESS: -0.040, RELEASE: 0.0}
_WIDTH: Final = {REACH: 0.028, PRESS: 0.022, RELEASE: 0.025}
_PHASE_REACH: Final = 0.075
"""Seconds before and after its peak that a phase lasts: the first activity is 190 ms before key-down, plus jitter."""

_STEP: Final = 2 * 6600.0 / 4096
"""Microvolts between two levels of the 12-bit converter with a range of +-6.6 mV."""
_HIGH_PASS: Final = 40.0

_BLOCK: Final = 1024
"""Ticks that are computed at a time: what a pass works on stays in the cache."""
_AHEAD: Final = 700
"""Ticks after the present that an event may reach: a background burst, which is the longest, takes 0.9 s."""

_MOST_HELD: Final = 4
"""Presses of one key that wait for their release: a live source may lose some."""

_DOWN, _UP, _BURST = range(3)

# What a seed is for is part of it, so that no two draws ever share a generator.
_FOR_HANDS, _FOR_ANATOMY, _FOR_DONNING, _FOR_STROKES, _FOR_UNITS, _FOR_NOISE, _FOR_BURSTS = range(7)


class Forearms:
    """The forearms of one person in one session, as a source of samples.

    Keys go in with their times on the clock of the samples: :meth:`press` and :meth:`release`; :meth:`read` gives the
    next samples. Sample n is taken at n / 2000 s, and what a key at time t does to the muscles appears around
    t + :data:`LAG`; so a block that ends at time T needs only the events up to T, and somebody's live keys can drive
    it. The samples depend on the events alone: not on how they are cut into blocks, nor on how early events are known.

    Parameters
    ----------
    typist
        A person or the name of one: ``"demo"``, ``"easy:N"``, ``"realistic:N"``.
    session
        Which time of putting the bands on.
    seed
        Of everything that differs between two recordings of a session.

    Raises
    ------
    InputError
        If there is no such typist.
    """

    def __init__(self, typist: str | Person = "demo", session: int = 0, seed: int = 0) -> None:
        self.person = person(typist)
        preset = self.person.preset
        # The name and not the knobs: with one knob turned, all else stays as it is.
        who = (sum(map(ord, preset.name)), self.person.number)
        if session < 0 or seed < 0:
            raise InputError(f"session and seed are numbers from 0, not {session} and {seed}")
        when = (*who, session)

        self.hands = Hands.of(self.person, np.random.SeedSequence((_FOR_HANDS, *who)))
        anatomy = Anatomy.of(self.person, np.random.SeedSequence((_FOR_ANATOMY, *who)))
        donning = Donning.of(self.person, np.random.SeedSequence((_FOR_DONNING, *when)))
        self._potentials, self._lengths = action_potentials(anatomy, donning)
        self._threshold = np.ascontiguousarray(anatomy.threshold.reshape(BANDS * N_MUSCLES, UNITS))
        self._lowest = self._threshold.min(axis=1)
        self._mains = donning.mains
        self._sections = high_pass(_HIGH_PASS, SFREQ)

        self._strokes = np.random.default_rng(np.random.SeedSequence((_FOR_STROKES, *when, seed)))
        self._noise = np.random.default_rng(np.random.SeedSequence((_FOR_NOISE, *when, seed)))
        self._bursts = np.random.default_rng(np.random.SeedSequence((_FOR_BURSTS, *when, seed)))
        units = np.random.SeedSequence((_FOR_UNITS, *when, seed))
        self._random = units.generate_state(BANDS * N_MUSCLES * UNITS, np.uint64).astype(np.uint64)

        self._due = np.full((BANDS * N_MUSCLES, UNITS + 1), -1.0)
        self._filter = np.zeros((len(self._sections), 2, self._mains.shape[1]))
        self._activation = np.zeros((_BLOCK + _AHEAD, BANDS * N_MUSCLES))
        self._signal = np.zeros((_BLOCK * _SAMPLES_A_TICK + POTENTIAL, self._mains.shape[1]), dtype=np.float32)
        self._ready = np.zeros((0, self._mains.shape[1]), dtype=np.float32)
        self._tick = 0
        self._sample = 0
        self._events: list[tuple[int, float, int, int]] = []
        self._held: dict[int, deque[tuple[npt.NDArray[np.float64], float]]] = {}
        if preset.bursts > 0:
            for band in range(BANDS):
                self._schedule_burst(band, 0.0)

    @property
    def time(self) -> float:
        """When the next sample is taken, seconds."""
        return self._sample / SFREQ

    def press(self, key: str, time: float, hand: Hand | None = None) -> float:
        """Let a finger press a key.

        Parameters
        ----------
        key
            A key's name; one that no finger is known for does nothing.
        time
            When it goes down, seconds on the clock of the samples. A key whose time has passed goes down now.
        hand
            Which hand's shift ``"Key.shift"`` is; the left one's if not given. Other keys have their own hand.

        Returns
        -------
        float
            The time at which it goes down.

        Raises
        ------
        InputError
            If the time is not a finite number.
        """
        return self._put(_DOWN, key, time, hand)

    def release(self, key: str, time: float, hand: Hand | None = None) -> float:
        """Let a finger release a key, as :meth:`press`; releasing one that is not down does nothing."""
        return self._put(_UP, key, time, hand)

    def _put(self, kind: int, key: str, time: float, hand: Hand | None) -> float:
        if not math.isfinite(time):
            raise InputError(f"the time of key {key!r} is {time!r}: give seconds on the clock of the samples")
        tick = math.floor(time * TICKS) + 1
        if tick < self._tick:
            tick, time = self._tick, (self._tick - 1) / TICKS
        place = physical_key(key, hand or "left") if key == SHIFT else physical_key(key)
        if place is not None:
            heapq.heappush(self._events, (tick, time, kind, self.hands.rows[place]))
        return time

    def read(self, n_samples: int) -> npt.NDArray[np.float32]:
        """Give the next samples.

        Parameters
        ----------
        n_samples
            How many; any number.

        Returns
        -------
        numpy.ndarray
            (n_samples, 32) microvolts: left band, then right band.

        Raises
        ------
        InputError
            If the number is negative.
        """
        if n_samples < 0:
            raise InputError(f"cannot read {n_samples} samples")
        out = np.empty((n_samples, self._mains.shape[1]), dtype=np.float32)
        done = min(len(self._ready), n_samples)
        out[:done] = self._ready[:done]
        self._ready = self._ready[done:]
        while done < n_samples:
            ticks = min(-(-(n_samples - done) // _SAMPLES_A_TICK), _BLOCK)
            block = self._advance(ticks)
            taken = min(len(block), n_samples - done)
            out[done : done + taken] = block[:taken]
            self._ready = block[taken:].copy()
            done += taken
        self._sample += n_samples
        return out

    def _advance(self, ticks: int) -> npt.NDArray[np.float32]:
        """Compute the samples of the next ticks."""
        # Events are applied in their own order and never reach ticks before the one they belong to, so applying all of
        # a block's events first adds up the same numbers in the same order as going from tick to tick.
        while self._events and self._events[0][0] < self._tick + ticks:
            _, time, kind, what = heapq.heappop(self._events)
            if kind == _DOWN:
                self._key_down(what, time)
            elif kind == _UP:
                self._key_up(what, time)
            else:
                self._burst(what, time)
        samples = ticks * _SAMPLES_A_TICK
        kernels.fire(
            self._activation[:ticks],
            self._lowest,
            self._threshold,
            self._due,
            self._random,
            self._potentials,
            self._lengths,
            self._signal,
        )
        out = np.empty((samples, self._mains.shape[1]), dtype=np.float32)
        noise = self._noise.standard_normal(out.shape, dtype=np.float32)
        kernels.finish(
            self._signal,
            noise,
            self.person.preset.noise,
            self._mains,
            self._tick * _SAMPLES_A_TICK,
            self._sections,
            self._filter,
            _STEP,
            out,
        )
        _shift(self._activation, ticks)
        _shift(self._signal, samples)
        self._tick += ticks
        return out

    def _key_down(self, row: int, time: float) -> None:
        preset = self.person.preset
        draws = self._strokes.standard_normal(1 + PHASES + N_MUSCLES)
        strength = np.exp(preset.stroke_log_sd * draws[0] + preset.compartment_log_sd * draws[1 + PHASES :])
        jitter = preset.jitter * np.clip(draws[1 : 1 + PHASES], -3.0, 3.0)
        self._held.setdefault(row, deque(maxlen=_MOST_HELD)).append((strength, float(jitter[RELEASE])))
        for phase in (REACH, PRESS):
            self._phase(row, phase, time + float(jitter[phase]), strength)

    def _key_up(self, row: int, time: float) -> None:
        if self._held.get(row):
            strength, jitter = self._held[row].popleft()
            self._phase(row, RELEASE, time + jitter, strength)

    def _phase(self, row: int, phase: int, time: float, strength: npt.NDArray[np.float64]) -> None:
        self._activate(
            self.hands.right[row],
            (time + LAG + _OFFSET[phase]) * TICKS,
            _WIDTH[phase] * TICKS,
            _PHASE_REACH * TICKS,
            self.hands.templates[row, phase] * strength,
        )

    def _activate(self, band: int, middle: float, width: float, reach: float, weights: npt.NDArray[np.float64]) -> None:
        kernels.add_phase(self._activation, band * N_MUSCLES, middle - self._tick, width, reach, weights)

    def _schedule_burst(self, band: int, after: float) -> None:
        time = after + float(self._bursts.exponential(1.0 / self.person.preset.bursts))
        heapq.heappush(self._events, (math.floor(time * TICKS) + 1, time, _BURST, band))

    def _burst(self, band: int, time: float) -> None:
        """Tense one muscle for a while, and its neighbours a little."""
        width, level, muscle = self._bursts.random(3)
        width = 0.04 + 0.11 * width
        weights = 0.04 * self._bursts.random(N_MUSCLES)
        weights[int(muscle * N_MUSCLES)] = 0.3 + 0.6 * level
        self._activate(band, (time + 3.0 * width) * TICKS, width * TICKS, 3.0 * width * TICKS, weights)
        self._schedule_burst(band, time)


def _shift(array: npt.NDArray[np.floating], rows: int) -> None:
    """Move an array's rows to the front by so many and put zeros behind them."""
    left = len(array) - rows
    array[:left] = array[rows:].copy() if left > rows else array[rows:]
    array[left:] = 0.0


def high_pass(cutoff: float, sfreq: float) -> npt.NDArray[np.float64]:
    """Design a Butterworth high-pass of order four by the bilinear transform.

    Returns
    -------
    numpy.ndarray
        (2 sections, 5): b0, b1, b2, a1, a2.
    """
    k = math.tan(math.pi * cutoff / sfreq)
    rows = []
    for q in (1.0 / (2.0 * math.cos(math.pi / 8.0)), 1.0 / (2.0 * math.cos(3.0 * math.pi / 8.0))):
        norm = 1.0 / (1.0 + k / q + k * k)
        rows.append((norm, -2.0 * norm, norm, 2.0 * (k * k - 1.0) * norm, (1.0 - k / q + k * k) * norm))
    return np.array(rows)
