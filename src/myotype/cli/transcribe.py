"""``myotype transcribe``: read what was typed in recordings."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from myotype.cli.console import progress_bar, say, show_notes, tell_of_compiling, warn
from myotype.decoding.choosing import why_not_tuned
from myotype.decoding.hotwords import read_hotwords
from myotype.errors import InputError, MyotypeError
from myotype.files import replacing_file
from myotype.transcript import MOST_READINGS, WRITERS, Transcript, Update, unlike

if TYPE_CHECKING:
    from myotype.transcriber import Transcriber

Format = Literal["txt", "tsv", "json", "srt"]


def run(
    files: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    model: str = "demo",
    revision: str | None = None,
    format: Format = "txt",  # noqa: A002  (the option's name)
    output: Path | None = None,
    decoder: Literal["beam", "greedy"] = "beam",
    lm: str = "english",
    lm_weight: float | None = None,
    insertion_bonus: float | None = None,
    beam_size: int | None = None,
    hotwords: Path | None = None,
    n_best: int = 1,
    threads: int = 1,
) -> int:
    """Read what was typed in recordings: text on stdout, progress and notes on stderr.

    A file that fails is reported, the others go on, and the exit code says so.

    Parameters
    ----------
    files
        Recordings (emg2qwerty HDF5).
    model
        A bundle's folder, the name of a bundled model, or a repository of the Hugging Face Hub (owner/name).
    revision
        Branch, tag or commit on the Hub.
    format
        txt: the text; tsv: every keystroke with time and confidence; json: all that is known; srt: subtitles.
    output
        A folder to write one file per recording into, named after it; it is made where it is missing. For a single
        recording also the file itself, if it ends as the format does.
    decoder
        beam: search with a language model; greedy: the best label of every frame.
    lm
        The language model of the beam search: english for the bundled one, a file (ARPA, or packed by `myotype lm`), or
        none.
    lm_weight
        What the logarithm of the language model's probabilities is multiplied by, 0 to 1000; if not given what was
        tuned, or suits the language model.
    insertion_bonus
        Natural-log score of every key, likewise.
    beam_size
        How many readings the search keeps, likewise.
    hotwords
        A file of words and phrases that the beam search is to expect, such as names: one a line, and behind a tab its
        weight where it has one of its own: natural-log score per key of the word, 0 to 100; 1.5 if not given. Lines
        that begin with # do not count. See docs/decoding.md#hot-words.
    n_best
        Give so many readings, up to 1000, the best first. As txt a line each: rank, score and text, separated by tabs,
        with enter as its symbol, and no text twice; as json among "alternatives", which may differ in corrected
        mistakes alone. The best may be another than without, in about one key of a thousand.
    threads
        Threads for the network; 0 for as many as there are cores.
    """
    from myotype.transcriber import Transcriber

    _check(files, format, output, decoder, n_best)
    targets = _targets(files, output, format)
    words = None if hotwords is None else read_hotwords(hotwords)
    if words == {}:
        warn(f"{hotwords}: there are no hot words in it")
    transcriber = Transcriber.from_pretrained(
        model,
        decoder=decoder,
        lm=None if lm == "none" else lm,
        lm_weight=lm_weight,
        insertion_bonus=insertion_bonus,
        beam_size=beam_size,
        hotwords=words,
        threads=threads,
        revision=revision,
    )
    if decoder == "beam":
        if None in (lm_weight, insertion_bonus, beam_size):
            _tell_of_tuning(transcriber)
        tell_of_compiling()
    failed = 0
    for file in files:
        try:
            transcript = _transcribe(transcriber, file, n_best, format)
            show_notes(str(file), transcript.notes)
            written = WRITERS[format](transcript)
            if output is None:
                if len(files) > 1:
                    say(f"{file}:")
                sys.stdout.write(written)
                sys.stdout.flush()
            else:
                with replacing_file(targets[file]) as temporary:
                    temporary.write_text(written, encoding="utf-8")
                say(f"{file}: {len(transcript.keystrokes)} keystrokes in {targets[file]}")
        except MyotypeError as error:
            failed += 1
            message = str(error)
            say(f"myotype transcribe: {message if str(file) in message else f'{file}: {message}'}")
    if failed and len(files) > 1:
        say(f"myotype transcribe: {failed} of {len(files)} recordings failed")
    return 1 if failed else 0


def _check(files: tuple[Path, ...], format: Format, output: Path | None, decoder: str, n_best: int) -> None:  # noqa: A002  (as above)
    """Refuse what does not go together, before any work."""
    if not files:
        raise InputError("give at least one recording")
    if output is None and format != "txt" and len(files) > 1:
        raise InputError(f"several recordings do not make one {format} document: give a folder by --output")
    if not 1 <= n_best <= MOST_READINGS:
        raise InputError(f"--n-best {n_best}: give 1 to {MOST_READINGS}")
    if n_best > 1 and format not in ("txt", "json"):
        raise InputError(f"{format} has room for one reading: with --n-best give --format txt or json")
    if n_best > 1 and decoder == "greedy":
        raise InputError("greedy decoding has one reading: --n-best needs --decoder beam")


def _targets(files: tuple[Path, ...], output: Path | None, suffix: Format) -> dict[Path, Path]:
    """Say which file each transcript goes into."""
    if output is None:
        return {}
    if output.suffix == f".{suffix}" and not output.is_dir():
        if len(files) > 1:
            raise InputError(f"{output} is one file, but there are {len(files)} recordings: give a folder")
        return {files[0]: output}
    sources: dict[Path, Path] = {}
    for file in files:
        target = output / f"{file.stem}.{suffix}"
        if target in sources and sources[target] != file:
            raise InputError(f"{sources[target]} and {file} would both be written to {target}; run them apart")
        sources[target] = file
    return {file: target for target, file in sources.items()}


def _tell_of_tuning(transcriber: Transcriber) -> None:
    """Say that what the model was tuned to does not count, where it does not."""
    reason = why_not_tuned(transcriber.engine.facts.decoder, getattr(transcriber.decoder, "lm", None))
    if reason:
        warn(f"{transcriber.engine.bundle.folder}: {reason}")


def _transcribe(transcriber: Transcriber, file: Path, n_best: int, format: Format) -> Transcript:  # noqa: A002  (as above)
    """Read a recording; of readings that show the same text, a text has the best."""
    n_keys = 0
    with progress_bar() as bar:

        def show(share: float, update: Update) -> None:
            nonlocal n_keys
            n_keys += len(update.committed)
            bar.show(file.name, share, f"{n_keys} keys")

        if n_best == 1 or format != "txt":
            return transcriber.transcribe(file, n_best=n_best, progress=show)
        # More than asked for, as some will show the same.
        found = transcriber.transcribe(file, n_best=min(4 * n_best, MOST_READINGS), progress=show)
        return replace(found, alternatives=unlike(found.alternatives)[:n_best])
