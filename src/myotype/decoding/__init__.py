"""From emissions to labels: greedy and beam search, and the language models that the latter can use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from myotype.decoding.decoder import Decoded, Decoder, DecoderStream, Hypothesis, Labels
from myotype.decoding.greedy import GreedyDecoder

if TYPE_CHECKING:
    from myotype.decoding.beam import BeamDecoder
    from myotype.decoding.ngram import NGram

__all__ = ["BeamDecoder", "Decoded", "Decoder", "DecoderStream", "GreedyDecoder", "Hypothesis", "Labels", "NGram"]

_HOMES = {"BeamDecoder": "myotype.decoding.beam", "NGram": "myotype.decoding.ngram"}


def __getattr__(name: str) -> Any:
    """Import what is compiled when it is first asked for: greedy decoding needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
