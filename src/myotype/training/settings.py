"""Settings as dataclasses whose values are what their types say: nothing is guessed, and what is wrong is said."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from myotype.errors import InputError

_KINDS: Final = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}
_DEEPEST: Final = 8
"""Levels of lists and names within names that a setting may have."""


def check_types(settings: Any) -> None:
    """See that every field of a frozen dataclass has a value of its type; numbers and lists become Python's own.

    Raises
    ------
    InputError
        If one has not.
    """
    for name, kind in get_type_hints(type(settings)).items():
        object.__setattr__(settings, name, _value(getattr(settings, name), kind, name))


def from_names(found: Any, kind: Any, where: str = "") -> Any:
    """Make a dataclass of settings from names with their values, as a file has them.

    Raises
    ------
    InputError
        If a name is not known, or a value is not of its type or impossible.
    """
    if not isinstance(found, Mapping):
        raise InputError(f"{where}={shown(found)}: give settings with their values")
    hints = get_type_hints(kind)
    unknown = [str(name) for name in found if name not in hints]
    if unknown:
        raise InputError(f"{where or 'a recipe'} knows no {', '.join(unknown)}; it knows {', '.join(hints)}")
    prefix = f"{where}." if where else ""
    values = {name: _value(one, hints[name], prefix + name) for name, one in found.items()}
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(f"{prefix}{error}") from error


def plain(value: Any) -> Any:
    """Give settings as what YAML and JSON have."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def shown(value: object) -> str:
    """Write a value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _value(found: Any, kind: Any, where: str) -> Any:
    """Take a value for one of a type, strictly: a whole number will do for a real one, and a list for a tuple."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        (kind,) = (one for one in get_args(kind) if one is not type(None))
        return None if found is None else _value(found, kind, where)
    if dataclasses.is_dataclass(kind):
        return found if isinstance(found, kind) else from_names(found, kind, where)  # type: ignore[arg-type]
    taken = {Literal: _choice, tuple: _list, Mapping: _names}
    return taken[origin](found, kind, where) if origin in taken else _scalar(found, kind, where)


def _choice(found: Any, kind: Any, where: str) -> Any:
    if not (isinstance(found, str) and found in get_args(kind)):
        raise InputError(f"{where}={shown(found)}: give one of {', '.join(get_args(kind))}")
    return found


def _list(found: Any, kind: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(found, (list, tuple)):
        raise InputError(f"{where}={shown(found)}: give a list")
    parts = get_args(kind)
    kinds = [parts[0]] * len(found) if parts[-1] is ... else list(parts)
    if len(kinds) != len(found):
        raise InputError(f"{where}={shown(found)}: give a list of {len(kinds)}")
    return tuple(_value(one, part, where) for one, part in zip(found, kinds, strict=True))


def _names(found: Any, kind: Any, where: str) -> dict[str, Any]:  # noqa: ARG001  (as its siblings)
    if not isinstance(found, Mapping):
        raise InputError(f"{where}={shown(found)}: give names with their values")
    names: dict[str, Any] = _json(found, where, 0)
    return names


def _json(found: Any, where: str, level: int) -> Any:
    """Take what files can hold: texts, finite numbers, true and false, nothing, and lists and names of them."""
    if isinstance(found, (Mapping, list, tuple)) and level < _DEEPEST:
        if not isinstance(found, Mapping):
            return [_json(one, where, level + 1) for one in found]
        if not all(isinstance(name, str) for name in found):
            raise InputError(f"{where}={shown(found)}: give names with their values")
        return {name: _json(one, f"{where}.{name}", level + 1) for name, one in found.items()}
    if found is None or isinstance(found, (str, bool)):
        return found
    if isinstance(found, Integral):
        return int(found)
    if isinstance(found, Real) and math.isfinite(found):
        return float(found)
    raise InputError(f"{where}={shown(found)}: give finite numbers, texts, true or false, or lists of them")


def _scalar(found: Any, kind: Any, where: str) -> Any:
    wanted = {float: Real, int: Integral}.get(kind, kind)
    if not isinstance(found, wanted) or (isinstance(found, bool) and kind is not bool):
        # YAML takes 1e-3 for a text: it wants a point.
        hint = " (with a point: 1.0e-3)" if kind is float and isinstance(found, str) else ""
        raise InputError(f"{where}={shown(found)}: give {_KINDS[kind]}{hint}")
    try:
        return kind(found)
    except OverflowError:
        raise InputError(f"{where}={shown(found)}: give a number that is not as large") from None
