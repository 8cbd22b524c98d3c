"""The language model that comes with myotype."""

from __future__ import annotations

from functools import cache
from importlib import resources

from myotype.decoding.ngram import NGram


@cache
def bundled_lm() -> NGram:
    """Open the bundled language model of English keys: every key but backspace, across words and prompts.

    It is made from frequencies of English words and word pairs by ``scripts/build_lm``. It is opened once and shared;
    nothing changes a model.
    """
    with resources.as_file(resources.files("myotype") / "assets" / "lm" / "english.npz") as path:
        return NGram.load(path)
