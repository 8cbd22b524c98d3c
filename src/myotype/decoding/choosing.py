"""Decoders and language models by name."""
# ruff: noqa: PLC0415  (what is compiled is imported where it is asked for)

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from myotype.decoding.decoder import Decoder
from myotype.decoding.defaults import DecoderDefaults, lm_digest
from myotype.decoding.greedy import GreedyDecoder
from myotype.errors import InputError

if TYPE_CHECKING:
    from myotype.decoding.automaton import LanguageModel
    from myotype.decoding.beam import BeamDecoder
    from myotype.decoding.ngram import NGram

ENGLISH: Final = "english"
"""The name of the bundled language model."""

_COMMIT_SECONDS: Final = 2.0
"""How long after its onset a key of a stream is committed at the latest."""

_CONFIDENCE_SECONDS: Final = 1.0
"""How long after a key's onset its confidence is taken: what is asked sooner is answered with less certainty than there
is."""

_TEMPERATURE: Final = 1.5
"""With a language model the hypotheses are surer of themselves than they are right."""


class Weights(NamedTuple):
    """What weighs a language model against emissions, and how many hypotheses are kept, as `BeamDecoder` takes them."""

    lm_weight: float
    insertion_bonus: float
    beam_size: int = 50


BASELINE: Final = Weights(2.0, 2.0)
"""Those of the emg2qwerty baseline."""

_ENGLISH: Final = Weights(1.5, 2.0)  # these and those above are measured: docs/decoding.md


def named_decoder(
    name: str,
    lm: str | os.PathLike[str] | NGram | None,
    frame_rate: float,
    *,
    hotwords: Mapping[str, float] | Iterable[str] | str | os.PathLike[str] | None = None,
    defaults: DecoderDefaults | None = None,
    lm_weight: float | None = None,
    insertion_bonus: float | None = None,
    beam_size: int | None = None,
) -> Decoder:
    """Make a decoder.

    Parameters
    ----------
    name
        "greedy" or "beam".
    lm
        The language model of the beam search: "english" for the bundled one, a file, a model, or None.
    frame_rate
        Emission frames a second.
    hotwords
        Words that the beam search is to expect, with their weights or without, or a file of them: see
        :func:`~myotype.decoding.hotwords.read_hotwords`.
    defaults
        What the model was tuned to; used where the language model is the one that it was tuned with.
    lm_weight, insertion_bonus, beam_size
        As `BeamDecoder` takes them, in the place of those that suit the language model.

    Raises
    ------
    InputError
        If there is no decoder of that name, or an option is impossible or not one of that decoder.
    LanguageModelError
        If the file is not a language model.
    """
    if name == "greedy":
        if hotwords is not None:
            raise InputError("hot words need the beam search; the decoder is greedy")
        if lm not in (None, ENGLISH):
            raise InputError("a language model needs the beam search; the decoder is greedy")
        if (lm_weight, insertion_bonus, beam_size) != (None, None, None):
            raise InputError("weights and beam sizes are those of the beam search; the decoder is greedy")
        return GreedyDecoder()
    if name != "beam":
        raise InputError(f"decoder {name!r} is not known; there are: greedy, beam")
    from myotype.decoding.hotwords import read_hotwords

    model = named_lm(lm)
    weights = weights_for(model, defaults)
    if lm_weight is not None:
        weights = weights._replace(lm_weight=lm_weight)
    if insertion_bonus is not None:
        weights = weights._replace(insertion_bonus=insertion_bonus)
    if beam_size is not None:
        weights = weights._replace(beam_size=beam_size)
    words = read_hotwords(hotwords) if isinstance(hotwords, (str, os.PathLike)) else hotwords
    return beam_decoder(model, weights, frame_rate, words)


def beam_decoder(
    lm: LanguageModel | None,
    weights: Weights,
    frame_rate: float,
    hotwords: Mapping[str, float] | Iterable[str] | None = None,
) -> BeamDecoder:
    """Make the beam search that transcribing uses, and tuning too.

    Raises
    ------
    InputError
        If a weight or a hot word is impossible.
    """
    from myotype.decoding.beam import BeamDecoder

    return BeamDecoder(
        **weights._asdict(),
        lm=lm,
        hotwords=hotwords,
        commit_delay=round(_COMMIT_SECONDS * frame_rate),
        confidence_delay=round(_CONFIDENCE_SECONDS * frame_rate),
        confidence_temperature=1.0 if lm is None else _TEMPERATURE,
    )


def named_lm(lm: str | os.PathLike[str] | NGram | None) -> NGram | None:
    """Open a language model: "english" for the bundled one, a file, a model, or None.

    Raises
    ------
    LanguageModelError
        If the file is not a language model.
    """
    if lm is None:
        return None
    from myotype.decoding.ngram import NGram

    if isinstance(lm, NGram):
        return lm
    if lm == ENGLISH:
        from myotype.decoding.bundled import bundled_lm

        return bundled_lm()
    return NGram.load(lm)


def weights_for(lm: NGram | None, defaults: DecoderDefaults | None) -> Weights:
    """Say how a model is to be decoded with a language model.

    Parameters
    ----------
    lm
        The language model.
    defaults
        What the model was tuned to, which holds for the language model that it was tuned with and for no other.
    """
    if defaults is not None and lm is not None and lm_digest(lm) == defaults.lm_sha256:
        return Weights(defaults.lm_weight, defaults.insertion_bonus, defaults.beam_size)
    return _ENGLISH if lm is not None and _is_bundled(lm) else BASELINE


def why_not_tuned(defaults: DecoderDefaults | None, lm: NGram | None) -> str:
    """Say why what a model was tuned to does not count with a language model; "" where it does or there is none."""
    if defaults is None or lm is None or lm_digest(lm) == defaults.lm_sha256:
        return ""
    return (
        f"the model was tuned with the language model {defaults.lm}, and this is another one, or its content has "
        "changed since: it has the general weights"
    )


def _is_bundled(lm: NGram) -> bool:
    """Tell whether a language model is the bundled one, wherever it was opened from."""
    from myotype.decoding.bundled import bundled_lm

    bundled = bundled_lm()
    return lm is bundled or (lm.n_ngrams == bundled.n_ngrams and lm_digest(lm) == lm_digest(bundled))
