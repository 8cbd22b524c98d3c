"""Recipes as YAML files that people read and edit."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from myotype.errors import InputError
from myotype.files import replacing_file
from myotype.training import settings
from myotype.training.recipes import Recipe

_LARGEST: Final = 2**20  # bytes
_HEADER: Final = "# A recipe of `myotype train --recipe FILE`; what is left out has the default that `--show` prints.\n"
_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")


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
        size = file.stat().st_size
        text = file.read_text(encoding="utf-8") if size <= _LARGEST else ""
        content = yaml.load(text, _Loader)  # noqa: S506  (it is a safe one, and stricter)
    # A number of thousands of digits, or a date that there is not, is a ValueError.
    except (OSError, ValueError, OverflowError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{file} cannot be read as a recipe: {error}") from error
    if size > _LARGEST:
        raise InputError(f"{file} is too large for a recipe")
    if not isinstance(content, dict):
        raise InputError(f"{file}: a recipe is settings with their values, such as 'epochs: 10'")
    try:
        recipe = settings.from_names(content, Recipe)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    assert isinstance(recipe, Recipe)  # noqa: S101  (what was asked for)
    return recipe


def plain(recipe: Recipe) -> dict[str, Any]:
    """Give a recipe's settings as what YAML and JSON have."""
    found: dict[str, Any] = settings.plain(recipe)
    return found


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """Reads YAML but for what is read otherwise than meant: a name given twice, aliases, 010 for 8, 1:30 for 90."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not read", self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen: set[Any] = set()
        for name, _ in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name.value} is given twice", name.start_mark)
            seen.add(name.value if isinstance(name, yaml.ScalarNode) else None)
        found: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return found

    def construct_decimal(self, node: yaml.ScalarNode) -> int:
        if not _DECIMAL.fullmatch(node.value):
            raise yaml.constructor.ConstructorError(None, None, f"{node.value} is no decimal number", node.start_mark)
        return int(node.value)

    def construct_real(self, node: yaml.ScalarNode) -> float:
        if ":" in node.value:
            raise yaml.constructor.ConstructorError(None, None, f"{node.value} is no decimal number", node.start_mark)
        return float(self.construct_yaml_float(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_decimal)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_real)
