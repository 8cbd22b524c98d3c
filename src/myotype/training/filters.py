"""Which recordings are of no use for training, and why."""

from __future__ import annotations

from typing import Final

import numpy as np

from myotype.errors import RecordingError
from myotype.keyboard import fold_key
from myotype.network.streaming import StreamingNetwork
from myotype.recordings import Recording
from myotype.recordings.prepared.placing import place_keys
from myotype.recordings.recording import ON_KEYBOARD
from myotype.transcriber import RATE_TOLERANCE

_FASTEST: Final = 11.0
"""Keys a second, over a recording: the fastest of real typing stay below 9; a log with more has keys that repeat."""

_ZERO_GAPS: Final = 0.02
"""Share of keys that went down in the very moment of the one before: 0.0007 in real typing. Where it is large, the
order of the keys is that of the logger's list, not that of the fingers."""

_FEWEST_ZERO_GAPS: Final = 3
"""Fewer may be chance, however short the recording is."""

_LEAST_KEYS: Final = 5
"""Fewer tell of a recording that was broken off or lost its log."""


def reason_against(recording: Recording, network: StreamingNetwork) -> str | None:
    """Say why a recording cannot be trained on or validated with; None if it can.

    Parameters
    ----------
    recording
        The recording.
    network
        What is to be trained.

    Raises
    ------
    RecordingError
        If the recording cannot be read, or its name is malformed.
    """
    if abs(recording.sfreq / network.sfreq - 1) > RATE_TOLERANCE:
        return f"{recording.sfreq:g} samples a second; the network takes {network.sfreq:g}"
    needed = least_samples(network)
    if recording.n_samples < needed:
        return f"{recording.n_samples} samples are fewer than the receptive field of {needed}"
    name = recording.name  # which windows will be called by, so that it has to be there
    try:
        return _reason_in_log(recording)
    except RecordingError as error:
        return str(error).removeprefix(f"{name}: ")


def _reason_in_log(recording: Recording) -> str | None:
    """Say what is wrong with what was typed, if anything is."""
    if recording.condition != ON_KEYBOARD:
        return f"condition {recording.condition!r} has no key times"
    n_keys = len(place_keys(recording)[0])
    if n_keys == 0:
        return "nothing was typed in it that is among the 98 keys"
    if n_keys < _LEAST_KEYS:
        return f"only {n_keys} keys were typed in it"
    speed = n_keys / recording.duration
    if speed > _FASTEST:
        return f"{speed:.1f} keys a second are more than anybody types: its log is broken"
    # Modifiers and the like are no labels, and go down together with other keys.
    downs = [press.down for press in recording.key_presses if fold_key(press.key) is not None]
    together = int(np.count_nonzero(np.diff(downs) == 0))
    if together >= _FEWEST_ZERO_GAPS and together > _ZERO_GAPS * len(downs):
        share = 100 * together / len(downs)
        return f"{share:.1f} % of its keys went down in the same moment as the one before: its log is broken"
    return None


def least_samples(network: StreamingNetwork) -> int:
    """Give how many samples a network needs before it gives any output."""
    return max(network.receptive_field, (network.settling_frames + 1) * network.hop_length)
