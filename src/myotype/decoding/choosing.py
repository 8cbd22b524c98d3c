"""Decoders and language models by name."""
# ruff: noqa: PLC0415  (what is compiled is imported where it is asked for)

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from myotype.decoding.decoder import Decoder
from myotype.decoding.greedy import GreedyDecoder
from myotype.errors import InputError

if TYPE_CHECKING:
    from myotype.decoding.ngram import NGram

ENGLISH: Final = "english"
"""The name of the bundled language model."""

_COMMIT_SECONDS: Final = 1.0  # after its onset a key of a stream is committed at the latest
_CONFIDENCE_SECONDS: Final = 0.128  # after its onset a key's confidence is taken


_BASELINE_WEIGHT: Final = 2.0
_ENGLISH_WEIGHT: Final = 1.5  # measured: benchmarks/README.md


def named_decoder(name: str, lm: str | os.PathLike[str] | NGram | None, frame_rate: float) -> Decoder:
    """Make a decoder.

    Parameters
    ----------
    name
        "greedy" or "beam".
    lm
        The language model of the beam search: "english" for the bundled one, a file, a model, or None.
    frame_rate
        Emission frames a second.

    Raises
    ------
    InputError
        If there is no decoder of that name.
    LanguageModelError
        If the file is not a language model.
    """
    if name == "greedy":
        return GreedyDecoder()
    if name != "beam":
        raise InputError(f"decoder {name!r} is not known; there are: greedy, beam")
    from myotype.decoding.beam import BeamDecoder

    return BeamDecoder(
        lm=_language_model(lm),
        lm_weight=_ENGLISH_WEIGHT if lm == ENGLISH else _BASELINE_WEIGHT,
        commit_delay=round(_COMMIT_SECONDS * frame_rate),
        confidence_delay=round(_CONFIDENCE_SECONDS * frame_rate),
    )


def _language_model(lm: str | os.PathLike[str] | NGram | None) -> NGram | None:
    if lm is None:
        return None
    from myotype.decoding.ngram import NGram

    if isinstance(lm, NGram):
        return lm
    if lm == ENGLISH:
        from myotype.decoding.bundled import bundled_lm

        return bundled_lm()
    return NGram.load(lm)
