"""Decoders and language models by name."""
# ruff: noqa: PLC0415  (what is compiled is imported where it is asked for)

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from myotype.decoding.decoder import Decoder
from myotype.decoding.defaults import DecoderDefaults, lm_digest
from myotype.decoding.greedy import GreedyDecoder
from myotype.errors import InputError

if TYPE_CHECKING:
    from myotype.decoding.ngram import NGram

ENGLISH: Final = "english"
"""The name of the bundled language model."""

_SECONDS: Final = 1.0
"""How long after its onset a key of a stream is committed at the latest, and its confidence is taken: what is asked
sooner is answered with less certainty than there is."""

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
    hotwords: Mapping[str, float] | str | os.PathLike[str] | None = None,
    defaults: DecoderDefaults | None = None,
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
        Words that the beam search is to expect, with their weights, or a file of them: see
        :func:`~myotype.decoding.hotwords.read_hotwords`.
    defaults
        What the model was tuned to; used where the language model is the one that it was tuned with.

    Raises
    ------
    InputError
        If there is no decoder of that name, or it knows no hot words.
    LanguageModelError
        If the file is not a language model.
    """
    if name == "greedy":
        if hotwords is not None:
            raise InputError("hot words need the beam search; the decoder is greedy")
        return GreedyDecoder()
    if name != "beam":
        raise InputError(f"decoder {name!r} is not known; there are: greedy, beam")
    from myotype.decoding.beam import BeamDecoder
    from myotype.decoding.hotwords import read_hotwords

    model = named_lm(lm)
    lm_weight, insertion_bonus, beam_size = weights_for(lm, model, defaults)
    return BeamDecoder(
        beam_size=beam_size,
        lm=model,
        lm_weight=lm_weight,
        insertion_bonus=insertion_bonus,
        hotwords=read_hotwords(hotwords) if isinstance(hotwords, (str, os.PathLike)) else hotwords,
        commit_delay=round(_SECONDS * frame_rate),
        confidence_delay=round(_SECONDS * frame_rate),
        confidence_temperature=1.0 if model is None else _TEMPERATURE,
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


def weights_for(
    name: str | os.PathLike[str] | NGram | None, lm: NGram | None, defaults: DecoderDefaults | None
) -> Weights:
    """Say how a model is to be decoded with a language model.

    Parameters
    ----------
    name, lm
        What the user calls the language model, and the model itself.
    defaults
        What the model was tuned to, which holds for the language model that it was tuned with and for no other.
    """
    if defaults is not None and lm is not None and lm_digest(lm) == defaults.lm_sha256:
        return Weights(defaults.lm_weight, defaults.insertion_bonus, defaults.beam_size)
    return _ENGLISH if name == ENGLISH else BASELINE
