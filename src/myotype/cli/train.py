"""``myotype train``: train a model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
import yaml

from myotype.cli.console import progress_bar, resumable, say, warn
from myotype.errors import InputError
from myotype.training import RECIPES, Machine, Recipe, gather, load_recipe, recipe_yaml
from myotype.training.loggers import Tracker

_PRESET = "demo"


def run(
    recordings: Annotated[tuple[Path, ...], tyro.conf.Positional] = (),
    /,
    *,
    recipe: str = _PRESET,
    output: Path = Path("run"),
    settings: Annotated[Recipe, tyro.conf.arg(name=""), tyro.conf.AvoidSubcommands] = RECIPES[_PRESET],
    machine: Annotated[Machine, tyro.conf.arg(name="")] = Machine(),  # noqa: B008  (it is frozen)
    split: str = "",
    validation: tuple[Path, ...] = (),
    license: str = "",  # noqa: A002  (the option's name)
    source: str = "",
    threads: int = 0,
    track: tuple[Tracker, ...] = (),
    resume: bool = False,
    show: bool = False,
) -> int:
    """Train a model and write it as a bundle, OUTPUT/model; the run can be interrupted and resumed.

    Every setting of the recipe is an option; the defaults that are shown are those of the recipe that is named.

    Parameters
    ----------
    recordings
        What to train on: recordings, or folders of them (HDF5, BIDS, prepared); with none the recipe's own simulated
        recordings.
    recipe
        demo: the bundled model, from simulated EMG. For recordings: best, our own; baseline, the emg2qwerty generic
        baseline; splashnet-mini and splashnet. Or a YAML file, such as a run's recipe.yaml.
    output
        The run's folder.
    settings
        Of the recipe.
    machine
        What to run on.
    split
        Divides the recordings: a file that `myotype data split` wrote, or an official one (generic, user0 to user7).
    validation
        Without a split: recordings that choose the best epoch.
    license
        SPDX identifier of the licence that the weights will have, which the recordings' licence decides.
    source
        A sentence on where the recordings come from.
    threads
        Threads for the network; 0 for as many as there are cores.
    track
        Other programs that follow the run; their packages have to be installed.
    resume
        Go on with the run in OUTPUT.
    show
        Print the recipe with its settings as YAML, and train nothing.
    """
    if show:
        print(recipe_yaml(settings), end="")
        return 0
    import torch

    from myotype.runtime import Provenance
    from myotype.runtime.engine import MOST_THREADS
    from myotype.training import train

    if recordings and not (license and source):
        raise InputError("say by --license and --source which licence the weights will have and what they come from")
    if not recordings and (license or source or split or validation):
        raise InputError(
            "--license, --source, --split and --validation are for given recordings; weights from simulated ones are "
            "BSD-3-Clause"
        )
    if recordings and settings.simulated not in (None, _chosen(recipe).simulated):
        raise InputError("--simulated options are for simulated recordings, and recordings are given")
    if split and validation:
        raise InputError("--split says what to validate with, and so does --validation: give one of them")
    if not 0 <= threads <= MOST_THREADS:
        raise InputError(f"--threads {threads}: give a whole number from 0 (as many as cores) to {MOST_THREADS}")
    if threads:
        torch.set_num_threads(threads)
    found = gather(recordings, validation=validation, split=split or None)
    for line in found.notes:
        warn(line)
    with resumable(output), progress_bar() as bar:
        bundle = train(
            settings,
            output,
            training=found.training,
            validation=found.validation,
            provenance=Provenance(license=license, source=source) if recordings else None,
            resume=resume,
            machine=machine,
            track=track,
            progress=bar.follow,
            note=warn,
        )
    details = bundle.facts.provenance.details
    say(f"{bundle.folder}: {bundle.facts.parameters:,} parameters, validation CER {details['validation CER (%)']} %")
    return 0


def command(arguments: Sequence[str]) -> tuple[Callable[..., int], tyro.constructors.ConstructorRegistry]:
    """Give the command with the settings of the recipe that the arguments name as its defaults, and how to read them.

    Raises
    ------
    InputError
        If there is no such recipe, or it or the network is given twice.
    """
    for option in ("--recipe", "--network"):
        if sum(argument.partition("=")[0] == option for argument in arguments) > 1:
            raise InputError(f"{option} is given twice: give it once")
    preset = _chosen(_named(arguments))

    def given(texts: Sequence[str]) -> Mapping[str, Any]:
        """Take arguments of the network, on top of the recipe's."""
        found = dict(preset.network)
        for text in texts:
            name, equals, value = text.partition("=")
            if not (name and equals):
                raise InputError(f"--network {text}: give NAME=VALUE, such as kernel_width=8")
            try:
                found[name] = yaml.safe_load(value)
            except (yaml.YAMLError, ValueError) as error:
                raise InputError(f"--network {text}: {error}") from error
        return found

    network = tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="[NAME=VALUE ...]",
        instance_from_str=given,
        is_instance=lambda value: isinstance(value, Mapping),
        str_from_instance=lambda value: [f"{name}={_shown(one)}" for name, one in value.items()],
    )
    registry = tyro.constructors.ConstructorRegistry()
    registry.primitive_rule(lambda info: network if info.type_origin is Mapping else None)
    return functools.partial(run, settings=preset), registry


def _shown(value: Any) -> str:
    """Write a value as YAML in a line."""
    text = str(yaml.safe_dump(value, default_flow_style=True, width=10_000))
    return text.removesuffix("...\n").strip().replace(" ", "")


def _named(arguments: Sequence[str]) -> str:
    """Give the recipe that the arguments name, as it decides what the other options are by default."""
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--recipe":
            following = arguments[place + 1] if place + 1 < len(arguments) else ""
            return value if equals else following
    return _PRESET


def _chosen(name: str) -> Recipe:
    if name in RECIPES:
        return RECIPES[name]
    if name.endswith((".yaml", ".yml")):
        return load_recipe(name)
    raise InputError(f"--recipe {name}: there is none of that name: {', '.join(RECIPES)}, or the path of a .yaml file")
