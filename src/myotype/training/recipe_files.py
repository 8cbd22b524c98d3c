"""Recipes as YAML files that people read and edit."""

from __future__ import annotations

import dataclasses
import os
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from myotype.errors import InputError
from myotype.files import replacing_file
from myotype.training.recipes import Recipe

_LARGEST: Final = 2**20  # bytes
_HEADER: Final = "# A recipe of `myotype train --recipe FILE`; what is left out is the baseline's.\n"


def save_recipe(recipe: Recipe, path: str | os.PathLike[str]) -> None:
    """Write a recipe, all of its settings."""
    with replacing_file(path) as temporary:
        temporary.write_text(_HEADER + recipe_yaml(recipe), encoding="utf-8")


def recipe_yaml(recipe: Recipe) -> str:
    """Give a recipe as YAML."""
    return str(yaml.safe_dump(plain(recipe), sort_keys=False, allow_unicode=True, width=120))


def load_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe that `save_recipe` or a person has written.

    Raises
    ------
    InputError
        If it is none: not readable, not YAML, with a setting that is not known, or one of an impossible value.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _LARGEST:
            raise InputError(f"{file} is too large for a recipe")
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{file} cannot be read as a recipe: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{file}: a recipe is settings with their values, such as 'epochs: 10'")
    try:
        recipe = _value(content, Recipe, "")
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    assert isinstance(recipe, Recipe)  # noqa: S101  (what was asked for)
    return recipe


def plain(recipe: Recipe) -> dict[str, Any]:
    """Give a recipe's settings as what YAML and JSON have."""
    settings: dict[str, Any] = _plain(recipe)
    return settings


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _value(found: Any, kind: Any, where: str) -> Any:
    """Take what a file has for a value of a type, strictly: nothing is guessed but a whole number for a real one."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        (kind,) = (one for one in get_args(kind) if one is not type(None))
        return None if found is None else _value(found, kind, where)
    if dataclasses.is_dataclass(kind):
        return _settings(found, kind, where)
    taken = {Literal: _choice, tuple: _list, Mapping: _names}
    return taken[origin](found, kind, where) if origin in taken else _scalar(found, kind, where)


def _choice(found: Any, kind: Any, where: str) -> Any:
    if found not in get_args(kind):
        raise InputError(f"{where}={found!r}: give one of {', '.join(map(str, get_args(kind)))}")
    return found


def _list(found: Any, kind: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(found, list):
        raise InputError(f"{where}={found!r}: give a list")
    parts = get_args(kind)
    kinds = [parts[0]] * len(found) if parts[-1] is ... else list(parts)
    if len(kinds) != len(found):
        raise InputError(f"{where}={found!r}: give a list of {len(kinds)}")
    return tuple(_value(one, part, where) for one, part in zip(found, kinds, strict=True))


def _names(found: Any, kind: Any, where: str) -> dict[str, Any]:  # noqa: ARG001  (as its siblings)
    if not (isinstance(found, dict) and all(isinstance(name, str) for name in found)):
        raise InputError(f"{where}={found!r}: give names with their values")
    return found


def _scalar(found: Any, kind: Any, where: str) -> Any:
    if kind is float and type(found) in (int, float):
        return float(found)
    if type(found) is not kind:
        # YAML takes 1e-3 for a text: it wants a point.
        hint = " (with a point: 1.0e-3)" if kind is float and isinstance(found, str) else ""
        raise InputError(f"{where}={found!r}: give {_KINDS[kind]}{hint}")
    return found


_KINDS: Final = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}


def _settings(found: Any, kind: Any, where: str) -> Any:
    if not isinstance(found, dict):
        raise InputError(f"{where}={found!r}: give settings with their values")
    hints = get_type_hints(kind)
    unknown = [str(name) for name in found if name not in hints]
    if unknown:
        raise InputError(f"{where or 'a recipe'} knows no {', '.join(unknown)}; it knows {', '.join(hints)}")
    prefix = f"{where}." if where else ""
    return kind(**{name: _value(one, hints[name], prefix + name) for name, one in found.items()})
