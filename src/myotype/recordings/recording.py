"""One view over every recording: samples and times read when asked for, and what the person typed."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from myotype.errors import InputError, LabelsError
from myotype.keyboard import fold, keys_to_symbols
from myotype.recordings.clock import MAX_BRIDGED
from myotype.transcript import KeyPress

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

N_CHANNELS: Final = 32
"""Electrodes of the two bands: 0 to 15 left, 16 to 31 right."""

SFREQ: Final = 2000.0
"""The sampling rate of the wristbands, samples a second."""

ON_KEYBOARD: Final = "on_keyboard"
"""The condition in which the key presses are the truth; in all others the prompts are."""

TEXT_PROMPT: Final = "text_prompt"
"""The name of a prompt that shows a text to type."""

_TIMES_BLOCK: Final = 4096
_MOST_BLOCKS: Final = 64  # of times that are kept
_Value = TypeVar("_Value")
_Scalar = TypeVar("_Scalar", np.float32, np.float64)


@dataclass(frozen=True, slots=True)
class Prompt:
    """Something that the person was shown while typing.

    Attributes
    ----------
    text
        The text to type, or None where the prompt has none.
    start, end
        When it was shown, in seconds of the recording's clock.
    name
        What kind of prompt it is; only those named ``"text_prompt"`` ask for typing.
    has_payload
        Whether the prompt has a payload at all: a payload without a text is not the same as none in the file.
    """

    text: str | None
    start: float
    end: float
    name: str = TEXT_PROMPT
    has_payload: bool = True

    def key_text(self) -> str:
        """Give the key sequence that the prompt asks for, ended with enter; nothing where it asks for none."""
        if self.name != TEXT_PROMPT or self.text is None:
            return ""
        keys = fold(self.text)
        return keys if keys.endswith("⏎") else keys + "⏎"


class ArraySource(Protocol):
    """What a signal has to offer: its shape, and slices with non-negative bounds and step 1 as new or shared arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first."""
        ...

    def __getitem__(self, window: slice, /) -> npt.NDArray[Any]: ...


class View(Generic[_Scalar]):
    """Rows of a signal, read when they are asked for by a slice ``[a:b]``; bounds as in NumPy, step 1.

    What a slice gives is the caller's own array. ``numpy.asarray(view)`` reads the whole.
    """

    def __init__(self, source: ArraySource, dtype: type[_Scalar]) -> None:
        self._source = source
        self.dtype: np.dtype[_Scalar] = np.dtype(dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole: rows first."""
        return self._source.shape

    def __len__(self) -> int:
        return self._source.shape[0]

    def __getitem__(self, window: slice) -> npt.NDArray[_Scalar]:
        if not isinstance(window, slice):
            raise InputError(f"a recording is read by slices such as [0:2000], not by {window!r}")
        try:
            start, stop, step = window.indices(len(self))
        except TypeError as error:
            raise InputError(f"the bounds of a slice are whole numbers of samples: {error}") from error
        if step != 1:
            raise InputError(f"a recording is read in steps of 1, not of {step}")
        return np.array(self._source[start : max(start, stop)], dtype=self.dtype)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:  # noqa: FBT001
        if copy is False:
            raise InputError("a view of a recording cannot be turned into an array without a copy")
        return self[:].astype(dtype or self.dtype, copy=False)


class RegularTimes:
    """The times of samples that come at a fixed rate, computed when asked for, in seconds."""

    def __init__(self, n_samples: int, sfreq: float, start: float = 0.0) -> None:
        self.shape = (n_samples,)
        self._sfreq = sfreq
        self._start = start

    def __getitem__(self, window: slice) -> npt.NDArray[np.float64]:
        return self._start + np.arange(window.start, window.stop) / self._sfreq


class Recording:
    """A recording of a person typing: signal, clock, and what was typed.

    It is a context manager; recordings that come from files hold them open until then. Key presses, prompts, user, name
    and condition may also be given as functions without arguments: they are called when first asked for.

    Parameters
    ----------
    emg
        Microvolts, shape (n, 32): left band 0 to 15, then right band. An array, or anything with a shape and slices.
    times
        Seconds, shape (n,), non-decreasing; None for samples at a fixed rate from 0.
    sfreq
        Samples a second.
    key_presses
        In order of pressing, in the clock of `times`; every key, also those outside the 98.
    prompts
        What the person was shown.
    user, name
        Who typed, and what the recording is called.
    condition
        ``"on_keyboard"``: the key presses are the truth; anything else: the prompts are.
    notes
        What had to be assumed or mended when the recording was opened, in sentences.
    close
        Called once by :meth:`close`.

    Raises
    ------
    InputError
        If shapes, types or the order of the key presses are wrong.
    """

    def __init__(
        self,
        *,
        emg: npt.NDArray[Any] | ArraySource,
        times: npt.NDArray[np.float64] | ArraySource | None = None,
        sfreq: float = SFREQ,
        key_presses: Iterable[KeyPress] | Callable[[], tuple[KeyPress, ...]] = (),
        prompts: Iterable[Prompt] | Callable[[], tuple[Prompt, ...]] = (),
        user: str | Callable[[], str] = "",
        name: str | Callable[[], str] = "",
        condition: str | Callable[[], str] = ON_KEYBOARD,
        notes: Iterable[str] = (),
        close: Callable[[], None] | None = None,
    ) -> None:
        if not (math.isfinite(sfreq) and sfreq > 0):
            raise InputError(f"a sampling rate is a positive number of samples a second, not {sfreq!r}")
        self._emg = _checked(emg, np.float32, "emg", (N_CHANNELS,))
        n_samples = self._emg.shape[0]
        self._times = (
            RegularTimes(n_samples, sfreq) if times is None else _checked(times, np.float64, "times", (), n_samples)
        )
        self._key_presses = key_presses if callable(key_presses) else _checked_presses(tuple(key_presses))
        self._prompts = prompts if callable(prompts) else _checked_prompts(tuple(prompts))
        self._user = user
        self._name = name
        self._condition = condition
        self._close = close
        self._blocks_of_times: dict[int, npt.NDArray[np.float64]] = {}
        self.sfreq = float(sfreq)
        self.notes = tuple(notes)

    def __repr__(self) -> str:
        return f"<Recording of {self.n_samples} samples at {self.sfreq:g} Hz>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, if there is one; its samples can then no longer be read."""
        if self._close is not None:
            self._close()
            self._close = None

    @property
    def emg(self) -> View[np.float32]:
        """Microvolts: ``emg[a:b]`` gives float32 of shape (b - a, 32), the left band first."""
        return View(self._emg, np.float32)

    @property
    def times(self) -> View[np.float64]:
        """Seconds of the recording's clock, as recorded: ``times[a:b]`` gives float64 of shape (b - a,)."""
        return View(self._times, np.float64)

    @property
    def n_samples(self) -> int:
        """How many samples the recording has."""
        return self._emg.shape[0]

    @property
    def duration(self) -> float:
        """Seconds of signal: the samples divided by the sampling rate, without what is missing in gaps."""
        return self.n_samples / self.sfreq

    @cached_property
    def key_presses(self) -> tuple[KeyPress, ...]:
        """Every key press as recorded, in order of pressing, in the clock of :attr:`times`."""
        return _value(self._key_presses)

    @cached_property
    def prompts(self) -> tuple[Prompt, ...]:
        """What the person was shown, in the clock of :attr:`times`."""
        return _value(self._prompts)

    @cached_property
    def user(self) -> str:
        """Who typed."""
        return _value(self._user)

    @cached_property
    def name(self) -> str:
        """What the recording is called."""
        return _value(self._name)

    @cached_property
    def condition(self) -> str:
        """How the person typed: ``"on_keyboard"``, or other ways, in which no key presses are known."""
        return _value(self._condition)

    def key_text(self, start: float | None = None, end: float | None = None) -> str:
        """Give what was typed in a window of time, as a key sequence: one symbol a key, backspaces as symbols.

        On a keyboard these are the keys pressed in the window, folded to the 98; otherwise the prompts that begin in
        it, each ended with enter. Both ends of the window belong to it.

        Parameters
        ----------
        start, end
            Seconds in the clock of :attr:`times`; None for no bound.

        Raises
        ------
        LabelsError
            If the labels of the recording are missing or malformed.
        """
        first = -math.inf if start is None else start
        last = math.inf if end is None else end
        if self.condition == ON_KEYBOARD:
            return keys_to_symbols(press.key for press in self.key_presses if first <= press.down <= last)
        return "".join(prompt.key_text() for prompt in self.prompts if first <= prompt.start <= last)

    @property
    def truth(self) -> str:
        """What was typed while the signal lasted, as a key sequence: what a transcript of it is compared with."""
        first, last = (float(time) if math.isfinite(time) else None for time in (self.times[:1][0], self.times[-1:][0]))
        return self.key_text(first, last)

    def stretch(self, first: int, last: int) -> Recording:
        """Give a part of the recording as a recording: its samples, and what was typed and shown while they lasted.

        Its clock is that of the recording. A sample lasts up to the next one, so that stretches which follow each other
        share no key press and lose none; in a gap too long to be bridged it lasts as long as any other. Samples are
        read through this recording, which has to stay open.

        Parameters
        ----------
        first, last
            Samples, as slice bounds.

        Raises
        ------
        InputError
            If that is no part of the recording.
        LabelsError
            If its labels are missing or malformed, or the clock is no number at one of its ends.
        """
        if not 0 <= first < last <= self.n_samples:
            raise InputError(f"samples {first} to {last} are no part of a recording of {self.n_samples}")
        begin, end = float(self.times[first : first + 1][0]), float(self.times[last - 1 : last][0])
        if not (math.isfinite(begin) and math.isfinite(end)):
            raise LabelsError(f"{self.name}: the clock is no number at sample {first} or {last - 1}: cut elsewhere")
        following = float(self.times[last : last + 1][0]) if last < self.n_samples else math.inf
        until = following if end <= following <= end + MAX_BRIDGED else end + 1 / self.sfreq
        return Recording(
            emg=_Stretch(self._emg, first, last),
            times=_Stretch(self._times, first, last),
            sfreq=self.sfreq,
            key_presses=[press for press in self.key_presses if begin <= press.down < until],
            prompts=[prompt for prompt in self.prompts if begin <= prompt.start < until],
            user=self.user,
            name=f"{self.name}, samples {first} to {last}",
            condition=self.condition,
            notes=self.notes,
        )

    def samples_between(self, start: float | None = None, end: float | None = None) -> tuple[int, int]:
        """Give the samples of a window of time as slice bounds ``(a, b)``: start inclusive, end exclusive.

        Found by bisection, so the times are taken to be non-decreasing.

        Parameters
        ----------
        start, end
            Seconds in the clock of :attr:`times`; None for the beginning and the end.
        """
        first = 0 if start is None else self._first_sample_from(start)
        last = self.n_samples if end is None else self._first_sample_from(end)
        return first, max(first, last)

    def _first_sample_from(self, time: float) -> int:
        return bisect_left(range(self.n_samples), time, key=self._time_of)

    def _time_of(self, sample: int) -> float:
        number, offset = divmod(sample, _TIMES_BLOCK)
        block = self._blocks_of_times.get(number)
        if block is None:
            if len(self._blocks_of_times) == _MOST_BLOCKS:
                del self._blocks_of_times[next(iter(self._blocks_of_times))]
            block = self._blocks_of_times[number] = self.times[number * _TIMES_BLOCK : (number + 1) * _TIMES_BLOCK]
        return float(block[offset])


class _Stretch:
    """Rows of a signal from one to another."""

    def __init__(self, source: ArraySource, first: int, last: int) -> None:
        self.shape = (last - first, *source.shape[1:])
        self._source = source
        self._first = first

    def __getitem__(self, window: slice) -> npt.NDArray[Any]:
        start, stop, _ = window.indices(self.shape[0])
        return self._source[self._first + start : self._first + max(start, stop)]


def first_out_of_order(presses: tuple[KeyPress, ...]) -> int | None:
    """Give the position of the first key press that is earlier than the one before it, or None."""
    downs = [press.down for press in presses]
    return next((at for at in range(1, len(downs)) if downs[at] < downs[at - 1]), None)


def _value(given: _Value | Callable[[], _Value]) -> _Value:
    return given() if callable(given) else given


def _checked(
    source: npt.NDArray[Any] | ArraySource,
    dtype: npt.DTypeLike,
    name: str,
    row: tuple[int, ...],
    n_rows: int | None = None,
) -> ArraySource:
    if not hasattr(source, "shape") or isinstance(source, np.ndarray):
        array = np.asarray(source)
        if array.dtype.kind not in "fiu":
            raise InputError(f"{name} has to be an array of numbers, not of {array.dtype}")
        source = np.asarray(array, dtype=dtype)
    shape = tuple(source.shape)
    rows = "n" if n_rows is None else n_rows
    if len(shape) != 1 + len(row) or shape[1:] != row or (n_rows is not None and shape[0] != n_rows):
        raise InputError(f"{name} has shape {shape}; ({', '.join(map(str, (rows, *row)))}) is needed")
    return source


def _checked_presses(presses: tuple[KeyPress, ...]) -> tuple[KeyPress, ...]:
    for at, press in enumerate(presses):
        if not press.key:
            raise InputError(f"key press {at} has no key")
        if not (math.isfinite(press.down) and math.isfinite(press.up)):
            raise InputError(f"key press {at} ({press.key!r}) has a time that is no number: {press.down}, {press.up}")
    late = first_out_of_order(presses)
    if late is not None:
        raise InputError(
            f"key press {late} ({presses[late].key!r}) is earlier than the one before it; sort them by down"
        )
    return presses


def _checked_prompts(prompts: tuple[Prompt, ...]) -> tuple[Prompt, ...]:
    for at, prompt in enumerate(prompts):
        if not (math.isfinite(prompt.start) and math.isfinite(prompt.end)):
            raise InputError(f"prompt {at} has a time that is no number: {prompt.start}, {prompt.end}")
    return prompts
