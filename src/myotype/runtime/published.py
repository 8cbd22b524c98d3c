"""What is known of the published emg2qwerty weights: how to recognise them, their licence, and their results.

Source: Sivakumar et al., "emg2qwerty: A Large Dataset with Baselines for Touch Typing using Surface Electromyography",
NeurIPS 2024, arXiv 2410.20081, and the files of its release. The weights themselves were not at hand when this was
written: the statistics are those that their model card states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from myotype.runtime.provenance import Provenance

HUB_ID: Final = "braindecode/emg2qwerty-generic"
"""The generic weights on the Hugging Face Hub."""

LICENSE: Final = "CC-BY-NC-SA-4.0"
"""Of the published weights and of everything derived from them."""

PARAMETERS: Final = 5_293_315
"""Of the published network."""

CHECKPOINT_SIZE: Final = 63_587_626
"""Bytes of the release's ``generic.ckpt``."""

CHECKPOINT_SHA256: Final = "338afa55f2ad5dd23abe3900e8047068bf8ee9893e75b54e1c6e6ab91c0d1a81"
"""Of the release's ``generic.ckpt``."""

RUNNING_MEAN: Final = 0.511
"""Mean of the generic weights' ``model.0.batch_norm.running_mean``, to three decimals."""

RUNNING_VAR: Final = 1.146
"""Mean of the generic weights' ``model.0.batch_norm.running_var``, to three decimals."""

INITIAL_WEIGHTS: Final = "initial weights"
"""Name of the detail of a provenance that says what a training began from."""

RECOGNISED: Final = "the published generic weights, by the statistics of their first layer"
"""What the detail "recognised" says of weights that nobody has said to be the published ones."""

MADE_BY: Final = "the training code of emg2qwerty"
"""What the detail "made by" says of weights in the original's format."""

RANDOM: Final = "random"
"""What that detail says of a training that began from nothing."""

CITATION: Final = """\
@inproceedings{sivakumar2024emg2qwerty,
  title     = {emg2qwerty: A Large Dataset with Baselines for Touch Typing using Surface Electromyography},
  author    = {Sivakumar, Viswanath and Seely, Jeffrey and Du, Alan and Bittner, Sean R and Berenzweig, Adam and
               Bolarinwa, Anuoluwapo and Gramfort, Alexandre and Mandel, Michael I},
  booktitle = {Advances in Neural Information Processing Systems (NeurIPS), Datasets and Benchmarks Track},
  year      = {2024},
  note      = {arXiv:2410.20081}
}"""

RESULTS: Final = (
    ("generic, unseen people (zero-shot)", "55.57 ± 4.40", "55.38 ± 4.10", "52.10 ± 5.54", "51.78 ± 4.61"),
    ("one person, random init", "15.65 ± 5.95", "15.38 ± 5.88", "11.03 ± 4.45", "9.55 ± 5.16"),
    ("generic, then fine-tuned on that person", "11.39 ± 4.28", "11.28 ± 4.45", "8.31 ± 3.19", "6.95 ± 3.61"),
)
"""Published character error rates in percent: setting, validation and test greedy, validation and test with a 6-gram.

Eight held-out people, mean and population standard deviation over people, whole recordings.
"""


def are_generic(running_mean: float, running_var: float) -> bool:
    """Say whether the means of a first layer's statistics are those of the published generic weights.

    Parameters
    ----------
    running_mean, running_var
        Means over the 32 channels of ``model.0.batch_norm.running_mean`` and of ``running_var``.
    """
    half_a_unit = 5e-4
    return abs(running_mean - RUNNING_MEAN) <= half_a_unit and abs(running_var - RUNNING_VAR) <= half_a_unit


def is_derived(provenance: Provenance) -> bool:
    """Say whether weights are under the release's licence because they, or what they were made from, are of its making.

    Weights that are known to be trained from random ones are not.
    """
    if provenance.license.upper() != LICENSE or provenance.details.get(INITIAL_WEIGHTS) == RANDOM:
        return False
    return is_named(provenance) or _says(provenance, MADE_BY)


def is_claimed(provenance: Provenance) -> bool:
    """Say whether weights are said to be the published generic ones, unchanged."""
    details = provenance.details
    return details.get("source SHA-256") == CHECKPOINT_SHA256 or details.get("Hub repository") == HUB_ID


def is_named(provenance: Provenance) -> bool:
    """Say whether what is known of weights names the published ones, as what they are or were made from."""
    return _says(provenance, CHECKPOINT_SHA256, HUB_ID, RECOGNISED)


def _says(provenance: Provenance, *marks: str) -> bool:
    return any(mark in str(value) for value in provenance.details.values() for mark in marks)
