"""Whether a bundle is what it says: its weights, its graph, its origin, its licence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor

from myotype.errors import ModelError
from myotype.network.architectures import class_of
from myotype.network.checkpoints import license_of_card, read_checkpoint
from myotype.network.graph import first_step
from myotype.network.loading import expected_entries
from myotype.network.origins import DIGEST, are_published, descend, digest_of, first_layer_statistics
from myotype.network.pretrained import PretrainedNetwork
from myotype.runtime import Bundle, Engine, published
from myotype.runtime.bundle import CARD_FILE
from myotype.runtime.licenses import UNKNOWN, normal

TOLERANCE: Final = 1e-4
"""How far log-probabilities of two ways to the same result may be apart."""

_N_SAMPLES: Final = 8000
_NAMES_SHOWN: Final = 5

Verdict = Literal["ok", "FAILED", "shown"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name
        What.
    expected
        What it should be; empty where nothing is known of it.
    found
        What it is.
    verdict
        Whether that is well; "shown" where there is nothing to compare with.
    """

    name: str
    expected: str
    found: str
    verdict: Verdict


def verify(bundle: Bundle) -> Iterator[Check]:
    """Look a bundle over, one check after the other.

    Where the weights do not fit the configuration the checks that would run the network are left out.

    Parameters
    ----------
    bundle
        The model.

    Raises
    ------
    ModelError
        If the bundle cannot be read at all, or its architecture is not known.
    """
    kind = class_of(bundle.facts.architecture, str(bundle.folder))
    checkpoint = read_checkpoint(bundle.folder)
    weights = checkpoint.weights
    expected = expected_entries(kind, checkpoint.config)
    structure = [*_entries(expected, weights), _finite_weights(weights)]
    yield from structure
    if any(check.verdict == "FAILED" for check in structure):
        yield Check("network and graph", "run", "not run, since the weights do not fit", "FAILED")
    else:
        network = kind.from_config(checkpoint.config)
        network.load_state_dict(weights)
        yield from _facts(bundle, network.eval())
        yield from _outputs(bundle, network)
    yield from _origin(bundle, weights)
    yield from _terms(bundle, weights)


def _compare(name: str, expected: object, found: object) -> Check:
    return Check(name, str(expected), str(found), "ok" if expected == found else "FAILED")


def _entries(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> Iterator[Check]:
    yield _compare("entries", len(expected), len(found))
    missing, unknown = expected.keys() - found.keys(), found.keys() - expected.keys()
    wrong = [f"no {_some(missing)}"] * bool(missing) + [f"unknown: {_some(unknown)}"] * bool(unknown)
    yield Check("names", "those of the configuration", "; ".join(wrong) or "the same", "FAILED" if wrong else "ok")
    for what, of in (("shapes", lambda tensor: tuple(tensor.shape)), ("number formats", lambda tensor: tensor.dtype)):
        different = {
            f"{name} {of(found[name])}, not {of(tensor)}".replace("torch.", "")
            for name, tensor in expected.items()
            if name in found and of(found[name]) != of(tensor)
        }
        yield Check(what, "those of the configuration", _some(different) or "the same", "FAILED" if different else "ok")


def _some(names: set[str]) -> str:
    shown = sorted(names)[:_NAMES_SHOWN]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _finite_weights(weights: Mapping[str, Tensor]) -> Check:
    bad = {name for name, tensor in weights.items() if not torch.isfinite(tensor).all()}
    return Check(
        "weights", "all finite", f"not finite: {_some(bad)}" if bad else "all finite", "FAILED" if bad else "ok"
    )


def _facts(bundle: Bundle, network: PretrainedNetwork) -> Iterator[Check]:
    facts = bundle.facts
    counted = sum(parameter.numel() for parameter in network.parameters())
    yield _compare("parameters", f"{facts.parameters:,}", f"{counted:,}")
    yield _compare("multiply-adds a frame", f"{facts.multiply_adds:,}", f"{network.multiply_adds:,}")
    yield _compare("receptive field", f"{facts.receptive_field} samples", f"{network.receptive_field} samples")
    yield _compare("settling frames", facts.settling_frames, first_step(network))


@torch.inference_mode()
def _outputs(bundle: Bundle, network: PretrainedNetwork) -> Iterator[Check]:
    n_samples = max(_N_SAMPLES, network.receptive_field + 100 * network.hop_length)
    noise = np.random.default_rng(0).standard_normal((n_samples, network.n_chans), dtype=np.float32)
    signals = {"noise of 12 uV": 12 * noise, "silence": 0 * noise, "noise of 1 mV": 1000 * noise}
    n_frames = (n_samples - network.receptive_field) // network.hop_length + 1
    expected = (1, n_frames, network.n_outputs)
    whole = {name: _whole(network, signal) for name, signal in signals.items()}
    found = {tuple(output.shape) for output in whole.values()}
    yield Check(
        f"output for (1, {network.n_chans}, {n_samples})",
        str(expected),
        ", ".join(map(str, found)),
        "ok" if found == {expected} else "FAILED",
    )
    bad = {name for name, output in whole.items() if not np.isfinite(output).all()}
    yield Check(
        f"outputs for {', '.join(signals)}",
        "finite",
        f"not for {_some(bad)}" if bad else "finite",
        "FAILED" if bad else "ok",
    )
    yield _close("stream in pieces = whole", whole, {name: _pieces(network, s) for name, s in signals.items()})
    try:
        engine = Engine(bundle)
        graph = {name: engine.step([engine.stream()], [signal])[0][None] for name, signal in signals.items()}
    except ModelError as error:
        yield Check("ONNX graph = PyTorch", f"to {TOLERANCE:g}", str(error), "FAILED")
        return
    yield _close("ONNX graph = PyTorch", whole, graph)
    yield _operators(bundle)


def _whole(network: PretrainedNetwork, signal: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    x = torch.from_numpy(signal.T[None].copy())
    features = network(x, return_features=True)["features"]
    emissions: npt.NDArray[np.float32] = network.final_layer(features).log_softmax(-1).numpy()
    return emissions


def _pieces(network: PretrainedNetwork, signal: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    x, state, outputs, start = torch.from_numpy(signal.T[None].copy()), None, [], 0
    for length in (1, 700, 33, 4000, 16, len(signal)):
        output, state = network.forward_with_state(x[..., start : start + length], state)
        outputs.append(output.log_softmax(-1))
        start += length
    return torch.cat(outputs, dim=1).numpy()


def _close(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Check:
    if any(one[key].shape != other[key].shape for key in one):
        return Check(name, f"to {TOLERANCE:g}", "another number of frames", "FAILED")
    apart = max(float(np.abs(one[key] - other[key]).max(initial=0.0)) for key in one)
    return Check(name, f"to {TOLERANCE:g}", f"to {apart:.1e}", "ok" if apart <= TOLERANCE else "FAILED")


def _operators(bundle: Bundle) -> Check:
    model = onnx.load(bundle.graph, load_external_data=False)
    domains = {node.domain for node in model.graph.node} | {entry.domain for entry in model.opset_import}
    foreign = domains - {"", "ai.onnx"}
    foreign |= {"functions"} if model.functions else set()
    return Check(
        "graph's operators",
        "ONNX's own",
        _some(foreign) if foreign else "ONNX's own",
        "FAILED" if foreign else "ok",
    )


def _origin(bundle: Bundle, weights: Mapping[str, Tensor]) -> Iterator[Check]:
    provenance = bundle.facts.provenance
    details = provenance.details
    stated, found = details.get(DIGEST), digest_of(weights)
    if stated is None:
        yield Check("SHA-256 of the weights", "", found, "shown")
    else:
        yield _compare("SHA-256 of the weights", stated, found)
    if "source file" in details:
        size, sha256 = details.get("source size"), details.get("source SHA-256")
        text = f"{details['source file']}: {size} bytes, SHA-256 {sha256}"
        if (size, sha256) == (published.CHECKPOINT_SIZE, published.CHECKPOINT_SHA256):
            yield Check("source file", "", f"the published generic checkpoint, {text}", "ok")
        else:
            yield Check("source file", "", text, "shown")
    statistics = first_layer_statistics(weights)
    if statistics is None:
        return
    text = f"mean {statistics[0]:.3f}, variance {statistics[1]:.3f}"
    known = f"mean {published.RUNNING_MEAN}, variance {published.RUNNING_VAR}"
    if are_published(weights):
        yield Check("first layer's statistics", known, f"{text}: the published generic weights", "ok")
    elif published.is_claimed(provenance):
        yield Check("first layer's statistics", known, text, "FAILED")
    else:
        yield Check("first layer's statistics", "", f"{text}: not the published generic weights", "shown")


def _terms(bundle: Bundle, weights: Mapping[str, Tensor]) -> Iterator[Check]:
    provenance = bundle.facts.provenance
    inherited = descend(provenance, weights)
    if inherited:
        yield _compare("licence", published.LICENSE, provenance.license)
    else:
        stated = normal(provenance.license) != UNKNOWN
        yield Check("licence", "stated", provenance.license, "ok" if stated else "FAILED")
    cited = bool(provenance.citation.strip())
    if inherited or provenance.is_noncommercial:
        yield Check("citation", "present", "present" if cited else "none", "ok" if cited else "FAILED")
    else:
        yield Check("citation", "", "present" if cited else "none asked for", "shown")
    on_card = license_of_card(bundle.folder / CARD_FILE)
    verdict: Verdict = "ok" if _plain(on_card) == _plain(normal(provenance.license)) else "FAILED"
    yield Check("model card's licence", provenance.license, on_card, verdict)


def _plain(license: str) -> str:  # noqa: A002  (what everybody calls it)
    """Spell a licence as front matters can."""
    return re.sub(r"[^a-z0-9.]+", "-", license.lower()).strip("-.")[:64]
