"""Whose weights they are: the digest by which they are known, and the licence that they inherit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from myotype.errors import InputError
from myotype.runtime import Provenance, published
from myotype.runtime.licenses import spdx

DIGEST: Final = "weights SHA-256"
"""The detail of a provenance that says which weights it tells of."""


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """Give the SHA-256 of weights: of names, number formats, shapes and bytes, whatever file they lie in."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def first_layer_statistics(weights: Mapping[str, Tensor]) -> tuple[float, float] | None:
    """Give the means of the first normalisation's running mean and variance, by which published weights are known."""
    names = ("model.0.batch_norm.running_mean", "model.0.batch_norm.running_var")
    if not all(name in weights for name in names):
        return None
    mean, variance = (float(weights[name].double().mean()) for name in names)
    return mean, variance


def are_published(weights: Mapping[str, Tensor]) -> bool:
    """Say whether weights have the statistics of the published generic ones."""
    statistics = first_layer_statistics(weights)
    return statistics is not None and published.are_generic(*statistics)


def descend(provenance: Provenance | None, weights: Mapping[str, Tensor]) -> bool:
    """Say whether weights are the published ones, or were made from them as far as anybody can tell."""
    return are_published(weights) or (provenance is not None and published.is_named(provenance))


def settled(provenance: Provenance, weights: Mapping[str, Tensor]) -> Provenance:
    """Give the provenance of weights as they are now.

    Weights that are not those that it tells of were changed since; what descends from the published weights is under
    their licence, whatever came with it.
    """
    digest = digest_of(weights)
    if provenance.details.get(DIGEST, digest) != digest:
        provenance = provenance.after_change()
    if are_published(weights) and not published.is_named(provenance):
        provenance = replace(provenance, details={**provenance.details, "recognised": published.RECOGNISED})
    if descend(provenance, weights):
        provenance = replace(
            provenance,
            license=published.LICENSE,
            citation=provenance.citation or published.CITATION,
            simulated=False,
        )
    return replace(provenance, details={**provenance.details, DIGEST: digest})


def check_license(license: str, provenance: Provenance | None, weights: Mapping[str, Tensor]) -> None:  # noqa: A002
    """Refuse to put what descends from the published weights under another licence.

    Raises
    ------
    InputError
        If the licence is another than theirs.
    """
    if descend(provenance, weights) and spdx(license) != published.LICENSE:
        raise InputError(
            f"{license}: these weights are the published ones, or were made from them, and stay under "
            f"{published.LICENSE}"
        )
