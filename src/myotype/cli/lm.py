"""``myotype lm``: build, measure, inspect, prune and tune language models of keys."""

from __future__ import annotations

import gzip
import json
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from myotype.cli.console import ProgressBar, progress_bar, say, show_table
from myotype.cli.tuning import Tune, tune_model
from myotype.errors import InputError, OutputError

if TYPE_CHECKING:
    from myotype.decoding.ngram import NGram

Output = Annotated[Path, tyro.conf.arg(aliases=["-o"])]
AsJSON = Annotated[bool, tyro.conf.arg(name="json")]


@dataclass
class Build:
    """Estimate a language model from text, by interpolated modified Kneser-Ney or Witten-Bell smoothing.

    Attributes
    ----------
    texts
        Files of text in UTF-8, also compressed ones that end in .gz. Each line is a unit of its own.
    output
        Where to: a name ending in .npz is written to be mapped into memory, .arpa and .arpa.gz as an ARPA file.
    order
        Keys that the longest n-grams have.
    min_counts
        How often n-grams of one key, of two and so on must occur to be kept; the last holds for longer ones too.
    vocabulary
        The keys that the model is to know, written as text; every other key ends a word. All that occur if not given.
    words
        Short for --lower-case with the letters a to z as the vocabulary: a model of single words.
    lower_case
        Take the text in lower case.
    smoothing
        kneser-ney is best for a model that stays whole, witten-bell for one that is pruned.
    novelty
        Of witten-bell: how many occurrences of the unseen each different key after a context stands for; more than 1
        suits texts that have less in them than what will be typed.
    prune
        Then drop n-grams whose absence raises the perplexity by less than this fraction, such as 1e-8. A Kneser-Ney
        model loses much by it: take witten-bell, or --min-counts.
    memory
        GB of memory; what goes beyond it is kept in temporary files.
    overwrite
        Replace a file that exists already.
    """

    texts: Annotated[tuple[Path, ...], tyro.conf.Positional]
    output: Output
    order: int = 8
    min_counts: tuple[int, ...] = ()
    vocabulary: str | None = None
    words: bool = False
    lower_case: bool = False
    smoothing: Literal["kneser-ney", "witten-bell"] = "kneser-ney"
    novelty: float = 1.0
    prune: float | None = None
    memory: float = 4.0
    overwrite: bool = False


@dataclass
class Score:
    """Measure how well a language model predicts texts.

    Attributes
    ----------
    model
        An ARPA file, or what `myotype lm build` has written.
    texts
        Files of text in UTF-8, one unit a line.
    lower_case
        Take the text in lower case.
    as_json
        Print a JSON object for each file.
    """

    model: Annotated[Path, tyro.conf.Positional]
    texts: Annotated[tuple[Path, ...], tyro.conf.Positional]
    lower_case: bool = False
    as_json: AsJSON = False


@dataclass
class Info:
    """Say what a language model is.

    Attributes
    ----------
    model
        An ARPA file, or what `myotype lm build` has written.
    as_json
        Print all that is known as a JSON object.
    """

    model: Annotated[Path, tyro.conf.Positional]
    as_json: AsJSON = False


@dataclass
class Prune:
    """Make a language model smaller, or write it in another form.

    Attributes
    ----------
    model
        An ARPA file, or what `myotype lm build` has written.
    output
        Where to; the ending says in which form, as for `myotype lm build`.
    threshold
        Drop n-grams whose absence raises the perplexity by less than this fraction; 0 for none. A model of Kneser-Ney
        smoothing, as `myotype lm build` makes by default, loses much by it.
    overwrite
        Replace a file that exists already.
    """

    model: Annotated[Path, tyro.conf.Positional]
    output: Output
    threshold: float = 1e-8
    overwrite: bool = False


def run(
    command: tyro.conf.OmitSubcommandPrefixes[
        Annotated[Build, tyro.conf.subcommand("build")]
        | Annotated[Score, tyro.conf.subcommand("score")]
        | Annotated[Info, tyro.conf.subcommand("info")]
        | Annotated[Prune, tyro.conf.subcommand("prune")]
        | Annotated[Tune, tyro.conf.subcommand("tune")]
    ],
) -> int:
    """Build, measure, inspect and prune language models of keys, and find the weights that they should have."""
    match command:
        case Build():
            _build(command)
        case Score():
            _score(command)
        case Info():
            _info(command)
        case Prune():
            _prune(command)
        case Tune():
            return tune_model(command)
    return 0


def _build(wanted: Build) -> None:
    from myotype.decoding.ngram import NGram

    if not wanted.texts:
        raise InputError("name at least one file of text")
    if wanted.words and wanted.vocabulary is not None:
        raise InputError("--words has a vocabulary of its own: give it or --vocabulary, not both")
    if not wanted.memory > 0:
        raise InputError(f"--memory {wanted.memory}: more than 0 GB are needed")
    if wanted.prune is not None and not wanted.prune >= 0:
        raise InputError(f"--prune {wanted.prune}: a fraction of the perplexity, 0 or more")
    _check_output(wanted.output, overwrite=wanted.overwrite)
    with progress_bar() as bar:
        model = NGram.estimate(
            _lines(wanted.texts, lower_case=wanted.lower_case or wanted.words, bar=bar),
            wanted.order,
            vocabulary="abcdefghijklmnopqrstuvwxyz" if wanted.words else wanted.vocabulary,
            min_counts=wanted.min_counts,
            smoothing=wanted.smoothing,
            novelty=wanted.novelty,
            memory=wanted.memory * 1e9,
            progress=_Shown(bar),
        )
        if wanted.prune is not None:
            bar.show("pruning", 1.0)
            model = model.prune(wanted.prune)
        bar.show("writing", 1.0)
        _write(model, wanted.output)


class _Shown:
    """Shows what estimating tells; the share of the text that has been read is for the lines to tell."""

    def __init__(self, bar: ProgressBar) -> None:
        self._bar = bar

    def __call__(self, what: str, done: int, whole: int) -> None:
        if what != "reading":
            self._bar.show(what, done / whole if whole else 0.0)


def _check_output(path: Path, *, overwrite: bool) -> None:
    if not path.name.endswith((".npz", ".arpa", ".arpa.gz")):
        raise InputError(f"{path}: the name must end in .npz, .arpa or .arpa.gz, to say in which form to write")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already: choose another --output, or --overwrite")


def _write(model: NGram, path: Path) -> None:
    if path.name.endswith(".npz"):
        model.save(path)
    else:
        model.save_arpa(path)
    counts = ", ".join(f"{count:,}" for count in model.counts)
    say(
        f"{path}: {model.n_ngrams:,} n-grams of order 1 to {model.order} ({counts}), {path.stat().st_size / 1e6:.1f} MB"
    )


def _lines(paths: tuple[Path, ...], *, lower_case: bool, bar: ProgressBar | None = None) -> Iterator[str]:
    """Give the lines of files, and show how far it is."""
    n_read = 0
    try:
        n_bytes = sum(path.stat().st_size for path in paths)
        for path in paths:
            with path.open("rb") as raw:
                stream: Any = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
                for number, line in enumerate(stream):
                    text = line.decode("utf-8-sig" if number == 0 else "utf-8")
                    yield text.lower() if lower_case else text
                    if bar is not None and number % 10_000 == 0:
                        bar.show(f"reading {path.name}", (n_read + raw.tell()) / max(n_bytes, 1))
            n_read += path.stat().st_size
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, line {number + 1}: not text in UTF-8: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"not readable as text: {error}") from error


def _score(wanted: Score) -> None:
    from myotype.decoding.ngram import NGram

    if not wanted.texts:
        raise InputError("name at least one file of text")
    model = NGram.load(wanted.model)
    rows: list[tuple[str, ...]] = []
    for path in wanted.texts:
        found = _measure(model, path, lower_case=wanted.lower_case)
        if wanted.as_json:
            print(json.dumps({"model": str(wanted.model), "text": str(path), **found}))
            continue
        rows.append((
            str(path),
            *(str(found[name]) for name in ("lines", "keys", "keys_outside_vocabulary")),
            *("" if found[name] is None else f"{found[name]:.4f}" for name in ("log10", "bits_per_key", "perplexity")),
        ))  # fmt: skip
    if rows:
        show_table(rows, header=("text", "lines", "keys", "outside", "log10", "bits/key", "perplexity"))


def _measure(model: NGram, path: Path, *, lower_case: bool) -> dict[str, Any]:
    """Sum up a text: each line from its beginning to its end, which counts as a key."""
    from myotype.keyboard import text_to_labels

    n_lines, n_keys, n_outside, log10 = 0, 0, 0, 0.0
    for line in _lines((path,), lower_case=lower_case):
        labels = text_to_labels(line.rstrip("\r\n"))
        if not len(labels):
            continue
        n_lines += 1
        n_keys += len(labels) + 1
        n_outside += int((model.key_words[labels] < 0).sum())
        log10 += float(model.score(labels, end=True, backspace=False).sum())
    a_key = -log10 / n_keys if n_keys else None
    return {
        "lines": n_lines,
        "keys": n_keys,
        "keys_outside_vocabulary": n_outside,
        "log10": log10,
        "bits_per_key": None if a_key is None else a_key / math.log10(2),
        "perplexity": None if a_key is None else 10.0 ** min(a_key, 300.0),
    }


def _info(wanted: Info) -> None:
    from myotype.decoding.ngram import NGram
    from myotype.keyboard import KEY_SYMBOLS, KEYS

    model = NGram.load(wanted.model)
    known: dict[str, Any] = {
        "model": str(wanted.model),
        "bytes": os.path.getsize(wanted.model),  # noqa: PTH202  (one number)
        "bytes_in_memory": model.n_bytes,
        "order": model.order,
        "ngrams": list(model.counts),
        "words": list(model.words),
        "keys": [key for key, word in zip(KEYS, model.key_words, strict=True) if word >= 0],
        "unk_log10": model.unk_log10,
    }
    if wanted.as_json:
        print(json.dumps(known, indent=2))
        return
    keys = "".join(KEY_SYMBOLS[key] for key in known["keys"]).replace(" ", "␣")  # to be seen at the end too
    others = [word for word in model.words if word not in known["keys"]]
    show_table([
        ("model", str(wanted.model)),
        ("size", f"{known['bytes'] / 1e6:.2f} MB, {model.n_bytes / 1e6:.2f} MB in memory"),
        ("order", str(model.order)),
        *((f"{order}-grams", f"{count:,}") for order, count in enumerate(model.counts, start=1)),
        ("keys", f"{len(known['keys'])}: {keys}"),
        ("other words", f"{len(others)}: {' '.join(others[:20])}{' ...' if len(others) > 20 else ''}"),
        ("log10 P(<unk>)", f"{model.unk_log10:.4f}"),
    ])  # fmt: skip


def _prune(wanted: Prune) -> None:
    from myotype.decoding.ngram import NGram

    _check_output(wanted.output, overwrite=wanted.overwrite)
    model = NGram.load(wanted.model)
    _write(model.prune(wanted.threshold) if wanted.threshold else model, wanted.output)
