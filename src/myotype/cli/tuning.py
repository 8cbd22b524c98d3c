"""``myotype lm tune``: find the weights of a language model that suit a network, and keep them with it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from myotype.cli.console import ProgressBar, counted, progress_bar, say, show_notes, show_table, tell_of_compiling, warn
from myotype.decoding.choosing import ENGLISH, named_lm, weights_for
from myotype.decoding.defaults import LONGEST_NAME, DecoderDefaults, lm_digest
from myotype.decoding.tuning import (
    BEAM_SIZES,
    FEW_KEYS,
    INSERTION_BONUSES,
    LM_WEIGHTS,
    Sample,
    Trial,
    Tuning,
    checked_grid,
    tune,
)
from myotype.errors import InputError, MyotypeError, OutputError
from myotype.runtime.bundle import bundled_models, write_decoder_defaults
from myotype.runtime.provenance import printable

if TYPE_CHECKING:
    from myotype.metrics import ErrorRates
    from myotype.transcriber import Transcriber


@dataclass
class Tune:
    """Find the weights with which a model reads best, by the errors that it makes on recordings with known keys.

    The network runs once over each recording; what it says is kept in memory, 3 MB a minute at 125 frames a second.
    Then every pair of language-model weight and insertion bonus is tried, then those half-way round the best, then beam
    sizes: the smallest is taken that makes at most 0.05 percentage points more errors than the best. All decode as
    `myotype transcribe` does. If the result makes fewer errors than the present weights, by more than chance, it is
    written into the model's folder, and holds where this model is used with this language model, and with no other.
    Take recordings that the network was not trained on, and others than those that you will judge it by.

    Options that take several values come after the names: `myotype lm tune MODEL a.hdf5 b.hdf5 --weights 1 1.5 2`.

    Attributes
    ----------
    model
        A bundle's folder. With --output or --dry-run also the name of a bundled model, or a repository of the Hugging
        Face Hub (owner/name).
    recordings
        Recordings that say what was typed.
    output
        Leave the model alone, and write a copy of it with the result into this folder.
    overwrite
        Replace a model that is in the --output folder already.
    force
        Write a result that is better by no more than chance, or without the recordings that failed.
    dry_run
        Only show the result.
    lm
        The language model: english for the bundled one, or a file.
    weights
        Language-model weights to try.
    bonuses
        Insertion bonuses to try.
    beam_sizes
        Beam sizes to try.
    threads
        Threads for the network, and recordings decoded at once; 0 for as many as there are cores.
    """

    model: Annotated[str, tyro.conf.Positional]
    recordings: Annotated[tuple[Path, ...], tyro.conf.Positional]
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    overwrite: bool = False
    force: bool = False
    dry_run: bool = False
    lm: str = ENGLISH
    weights: tuple[float, ...] = LM_WEIGHTS
    bonuses: tuple[float, ...] = INSERTION_BONUSES
    beam_sizes: tuple[int, ...] = BEAM_SIZES
    threads: int = 0


def tune_model(wanted: Tune) -> int:
    """Tune, show, and write what was found."""
    from myotype.transcriber import Transcriber

    if not wanted.recordings:
        raise InputError("name at least one recording")
    if len({file.resolve() for file in wanted.recordings}) < len(wanted.recordings):
        raise InputError("a recording is named twice: it would count twice")
    _check_target(wanted)
    checked_grid(wanted.weights, wanted.bonuses, wanted.beam_sizes)
    lm = named_lm(None if wanted.lm == "none" else wanted.lm)
    if lm is None:
        raise InputError("--lm none: there are no weights of no language model")
    transcriber = Transcriber.from_pretrained(wanted.model, decoder="greedy", threads=wanted.threads)
    bundle = transcriber.engine.bundle
    samples, simulated = _samples(transcriber, wanted.recordings)
    if not samples:
        return 1
    tell_of_compiling()
    with progress_bar() as bar:
        found = tune(
            samples,
            lm,
            frame_rate=bundle.facts.frame_rate,
            before=weights_for(lm, bundle.facts.decoder),
            lm_weights=wanted.weights,
            insertion_bonuses=wanted.bonuses,
            beam_sizes=wanted.beam_sizes,
            threads=wanted.threads,
            progress=lambda what, done, whole: bar.show(f"trying {what}", done / whole),
        )
    keys = found.greedy.target_length
    _show(found, f"{counted(keys, 'simulated key' if simulated else 'key')} in {counted(len(samples), 'recording')}")
    if keys < FEW_KEYS:
        few = f"only {counted(keys, 'key')} typed in these recordings"
        warn(f"{few}: nearly all that differs between weights is chance; take thousands")
    for edge in found.edges:
        warn(f"{edge}: something beyond it may be better")
    failed = len(wanted.recordings) - len(samples)
    reason = _why_not(found, failed, force=wanted.force)
    if reason:
        say(f"{reason}; nothing is written")
    elif not wanted.dry_run:
        name = wanted.lm if wanted.lm == ENGLISH else printable(Path(wanted.lm).name)[:LONGEST_NAME]
        defaults = DecoderDefaults(
            lm=name,
            lm_sha256=lm_digest(lm),
            **found.best.weights._asdict(),
            cer_before=found.before.rates.cer,
            cer_after=found.best.rates.cer,
            cer_greedy=found.greedy.cer,
            keys=keys,
            recordings=len(samples),
            simulated=simulated,
        )
        written = write_decoder_defaults(bundle, defaults, copy_to=wanted.output)
        say(f"{written.folder}: tuned to the language model {name}")
    return 1 if failed else 0


def _why_not(found: Tuning, failed: int, *, force: bool) -> str:
    """Say why a result is not to be written; nothing if it is."""
    if not found.is_better:
        return "nothing that was tried makes fewer errors than the weights that the model has"
    gain = found.before.rates.errors - found.best.rates.errors
    if not (found.is_certain or force):
        few = f"{counted(gain, 'error')} fewer, {counted(found.differing, 'key')} read otherwise"
        return f"no difference that these recordings can show ({few}; --force writes it anyway)"
    if failed and not force:
        return f"{counted(failed, 'recording')} failed (--force goes without)"
    return ""


def _check_target(wanted: Tune) -> None:
    """Refuse before the work what could not be written after it."""
    if wanted.output is not None and wanted.dry_run:
        raise InputError("--dry-run writes nothing: give it or --output, not both")
    if wanted.dry_run:
        return
    if wanted.output is not None:
        if wanted.output.exists() and not wanted.output.is_dir():
            raise OutputError(f"{wanted.output} is a file: choose another --output")
        if wanted.output.exists() and any(wanted.output.iterdir()) and not wanted.overwrite:
            raise OutputError(f"{wanted.output} exists already: choose another --output, or --overwrite")
        parents = wanted.output.resolve().parents
        _check_writable(next(folder for folder in parents if folder.exists()), "choose another --output")
        return
    if wanted.model in bundled_models() or not os.path.isdir(wanted.model):  # noqa: PTH112  (names may be too long)
        raise InputError(
            f"{wanted.model} is no folder of yours to write into: give --output NEW_FOLDER for a copy, or --dry-run"
        )
    _check_writable(Path(wanted.model), "give --output NEW_FOLDER for a copy, or --dry-run")


def _check_writable(folder: Path, advice: str) -> None:
    """Try it: rights do not tell of file systems that cannot be written."""
    try:
        with tempfile.TemporaryDirectory(prefix=".myotype-", dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror or error}): {advice}") from error


def _samples(transcriber: Transcriber, files: Sequence[Path]) -> tuple[list[Sample], bool]:
    """Run the network over recordings, and say whether all were simulated; those that fail are reported."""
    samples, simulated = [], True
    for file in files:
        try:
            with progress_bar() as bar:
                sample, made_up = _sample(transcriber, file, bar)
        except MyotypeError as error:
            message = str(error)
            say(f"myotype lm: {message if str(file) in message else f'{file}: {message}'}")
        else:
            samples.append(sample)
            simulated &= made_up
    if len(samples) < len(files) > 1:
        say(f"myotype lm: {len(files) - len(samples)} of {len(files)} recordings failed")
    return samples, simulated


def _sample(transcriber: Transcriber, file: Path, bar: ProgressBar) -> tuple[Sample, bool]:
    from myotype import recordings

    with recordings.open(file) as recording:
        truth = recording.truth
        if not truth:
            raise InputError(f"{file}: the recording does not say what was typed")
        found = transcriber.emissions(recording, progress=lambda share: bar.show(file.name, share))
        show_notes(str(file), found.notes)
        return Sample(found.stretches, truth), recording.user.startswith("simulated")


def _show(found: Tuning, what: str) -> None:
    """Print the error rates of all weights as a table, then those of the beam sizes."""
    best = found.best.weights
    rates = {(trial.weights.lm_weight, trial.weights.insertion_bonus): trial for trial in found.trials}
    weights, bonuses = (sorted({pair[axis] for pair in rates}) for axis in (0, 1))
    rows = [
        (f"{weight:g}", *(_cell(rates.get((weight, bonus)), best.lm_weight, best.insertion_bonus) for bonus in bonuses))
        for weight in weights
    ]
    print(f"CER in %, {what}; * is the best of the weights and of the beam sizes\n")
    show_table(rows, header=("lm weight \\ bonus", *(f"{bonus:g}" for bonus in bonuses)))
    print()
    table = [
        (
            f"{trial.weights.beam_size}",
            f"{100 * trial.rates.cer:.2f}{' *' if trial is found.best else ''}",
            f"{trial.frames_per_second:,.0f}",
        )
        for trial in found.beams
    ]
    show_table(table, header=("beam size", "CER", "frames/s"))
    print()
    show_table([
        ("greedy", _errors(found.greedy)),
        ("before", _in_words(found.before)),
        ("best", _in_words(found.best)),
    ])  # fmt: skip


def _cell(trial: Trial | None, lm_weight: float, insertion_bonus: float) -> str:
    if trial is None:
        return ""
    best = (trial.weights.lm_weight, trial.weights.insertion_bonus) == (lm_weight, insertion_bonus)
    return f"{100 * trial.rates.cer:.2f}{' *' if best else ''}"


def _in_words(trial: Trial) -> str:
    lm_weight, insertion_bonus, beam_size = trial.weights
    weights = f"lm weight {lm_weight:g}, insertion bonus {insertion_bonus:g}, beam size {beam_size}"
    return f"{_errors(trial.rates)}: {weights}"


def _errors(rates: ErrorRates) -> str:
    return f"{100 * rates.cer:.2f} %, {counted(rates.errors, 'error')}"
