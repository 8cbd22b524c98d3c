"""What a network's arguments may be: numbers in their ranges, lengths that agree, JSON values, torch's activations.

Every function gives the value as the configuration holds it, as a plain Python one, or says what is wrong with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, Final

from torch import nn

from myotype.errors import InputError

_MOST: Final = 10**9
"""No size, count or length of a network is beyond this, so that none overflows."""

_DEEPEST: Final = 16
"""Levels of lists and dictionaries that a description may have."""


def count(name: str, value: object, least: int) -> int:
    """Take a whole number from `least` to a thousand million."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= _MOST:
        raise InputError(f"{name}={value!r} must be a whole number from {least} to {_MOST}")
    return int(value)


def counts(name: str, values: object, least: int = -_MOST) -> list[int]:
    """Take one or more such numbers."""
    if not isinstance(values, Iterable):
        raise InputError(f"{name}={values!r} must be whole numbers in a list")
    found = [count(name, value, least) for value in values]
    if not found:
        raise InputError(f"{name} is empty: at least one number is needed")
    return found


def number(name: str, value: Any, low: float, high: float) -> float:
    """Take a number from `low` to `high`; a whole one stays whole."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise InputError(f"{name}={value!r} must be a number from {low:g} to {high:g}")
    return int(value) if isinstance(value, Integral) else float(value)


def flag(name: str, value: object) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise InputError(f"{name}={value!r} must be True or False")
    return value


def activation_class(activation: object) -> type[nn.Module]:
    """Resolve an activation by name, among torch's own activations only."""
    if isinstance(activation, type) and issubclass(activation, nn.Module):
        return activation
    module, _, name = str(activation).rpartition(".")
    known = getattr(nn.modules.activation, name, None) if name in nn.modules.activation.__all__ else None
    if module != "torch.nn.modules.activation" or known is None or name == "MultiheadAttention":
        raise InputError(f"activation {activation!r} is none of torch.nn.modules.activation")
    return known  # type: ignore[no-any-return]  # all of that list are module classes


def window(n_times: object, seconds: object, sfreq: float) -> tuple[int | None, float | None]:
    """Take the length of the windows that a network is meant for, in samples, in seconds, in both or in neither."""
    samples = None if n_times is None else count("n_times", n_times, 1)
    if seconds is None:
        return samples, None
    length = number("input_window_seconds", seconds, 0, _MOST)
    found = round(length * sfreq)
    if found < 1:
        raise InputError(f"input_window_seconds={length:g} is less than one sample at sfreq={sfreq:g}")
    if samples is not None and samples != found:
        raise InputError(
            f"n_times={samples} is not input_window_seconds={length:g} times sfreq={sfreq:g}, which is {found}: "
            "give one of the two, or make them agree"
        )
    return samples, length


def channels(chs_info: object, n_chans: int) -> list[dict[str, Any]] | None:
    """Take a description of every channel, such as the channels of MNE's ``Info``, as JSON values."""
    if chs_info is None:
        return None
    entries = list(chs_info) if isinstance(chs_info, Iterable) else []
    if not isinstance(chs_info, Iterable) or not all(isinstance(entry, Mapping) for entry in entries):
        raise InputError(f"chs_info must be a list of dictionaries, one a channel, not {type(chs_info).__name__}")
    if len(entries) != n_chans:
        raise InputError(f"chs_info has {len(entries)} entries, which is not n_chans={n_chans}")
    return [json_value(f"chs_info[{index}]", entry) for index, entry in enumerate(entries)]


def json_value(name: str, value: Any, level: int = 0) -> Any:
    """Give a value as JSON can hold it: arrays become lists, and numbers that are not finite become null."""
    if level > _DEEPEST:
        raise InputError(f"{name}: more than {_DEEPEST} levels of lists and dictionaries")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Real):  # MNE's named numbers and NumPy's among them
        return int(value) if isinstance(value, Integral) else float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InputError(f"{name} has a key that is not text, which JSON cannot hold")
        return {str(key): json_value(f"{name}[{key!r}]", entry, level + 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(f"{name}[{index}]", entry, level + 1) for index, entry in enumerate(value)]
    plain = value.tolist() if hasattr(value, "tolist") else value  # arrays and their scalars, without asking whose
    if type(plain) is not type(value):
        return json_value(name, plain, level)
    raise InputError(f"{name} is of the type {type(value).__name__}, which JSON cannot hold")
