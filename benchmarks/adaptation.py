#!/usr/bin/env python3
"""Adapting to a person without knowing what was typed: two ways that were measured and not kept. All of it simulated.

    myotype simulate --people realistic:300 --session 5 --seeds 77 --minutes 8 --output RECORDING.hdf5
    python benchmarks/adaptation.py MODEL RECORDING.hdf5 RUNS

The first five minutes are adapted to, the rest is tested on. Self-labels: what the beam search with its language model
reads, in passages of which it is sure enough, is trained on as if it had been typed (the idea of CORP, Fan et al. 2023,
arXiv 2311.03611, with times). Statistics: those of the batch normalisation are replaced by the recording's own.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
from pathlib import Path

import numpy as np
import torch

from myotype import Recording, Transcriber, recordings
from myotype.metrics import error_rates
from myotype.network import EMG2QwertyNet, load_network
from myotype.training.personalise import greedy_errors, personalise, recipe_for
from myotype.transcript import KeyPress

SECONDS = 300.0  # adapted to
PASSAGE = 4.0  # seconds that are kept or left out together
LONGEST = 5  # passages in a stretch, so that there are several: every fifth is held out
LEAST_KEYS = 4  # in a passage: where fewer are read, there may be others that were not


def read_passages(transcriber: Transcriber, recording: Recording, least_confidence: float) -> list[Recording]:
    """Give what was read with confidence as recordings with labels; the context before each stretch has none."""
    keystrokes = transcriber.transcribe(recording).keystrokes
    facts, start = transcriber.engine.facts, float(recording.times[:1][0])
    past = facts.receptive_field / facts.sfreq
    stretches: list[list[int]] = []
    for passage in range(int(recording.duration // PASSAGE)):
        sure = [stroke.confidence for stroke in keystrokes if stroke.time // PASSAGE == passage]
        if len(sure) < LEAST_KEYS or np.mean(sure) < least_confidence:
            continue
        if stretches and stretches[-1][-1] == passage - 1 and len(stretches[-1]) < LONGEST:
            stretches[-1].append(passage)
        else:
            stretches.append([passage])
    found = []
    for passages in stretches:
        begin, end = passages[0] * PASSAGE, (passages[-1] + 1) * PASSAGE
        presses = [
            KeyPress(stroke.key, start + stroke.time, start + stroke.time + 0.08)
            for stroke in keystrokes
            if begin <= stroke.time < end
        ]
        read = Recording(
            emg=recording.emg, times=recording.times, sfreq=recording.sfreq, key_presses=presses, user=recording.user
        )
        found.append(read.stretch(*recording.samples_between(start + max(begin - past, 0.0), start + end)))
    return found


@torch.no_grad()
def with_statistics_of(network: EMG2QwertyNet, recording: Recording) -> EMG2QwertyNet:
    """Give the network with the batch normalisation's statistics of a recording."""
    network = copy.deepcopy(network)
    samples = torch.from_numpy(recording.emg[:]).T.unsqueeze(0)
    frames = network.spectrogram(samples)[0].double()
    norm = network.model["0"].batch_norm
    norm.running_mean.copy_(frames.mean((0, 1, 3)))
    norm.running_var.copy_(frames.var((0, 1, 3), unbiased=False))
    return network


def tell(what: str, model: Path | str, test: Recording) -> None:
    """Print the error rates of greedy decoding and of the beam search with the language model."""
    readers = (
        Transcriber.from_pretrained(model, decoder="greedy", lm=None),
        Transcriber.from_pretrained(model),
    )
    greedy, beam = (100 * error_rates(reader.transcribe(test).keys, test.truth).cer for reader in readers)
    print(f"{what}: CER {greedy:.1f} % greedy, {beam:.1f} % with the language model (simulated)", flush=True)


def main() -> None:
    """Adapt and test."""
    parser = argparse.ArgumentParser(description="Adapting without labels, simulated.")
    parser.add_argument("model", type=Path)
    parser.add_argument("recording", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--confidence", type=float, nargs="*", default=[0.7])
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    arguments = parser.parse_args()
    with recordings.open(arguments.recording) as recording:
        cut = int(SECONDS * recording.sfreq)
        unlabelled, test = recording.stretch(0, cut), recording.stretch(cut, recording.n_samples)
        tell("as it is", arguments.model, test)
        network = load_network(arguments.model)
        if isinstance(network, EMG2QwertyNet):
            adapted = greedy_errors(with_statistics_of(network, unlabelled), [test])
            print(f"statistics: CER {100 * adapted.cer:.1f} % greedy (simulated)", flush=True)
        for confidence in arguments.confidence:
            stretches = read_passages(Transcriber.from_pretrained(arguments.model), unlabelled, confidence)
            held_out = stretches[2::5]
            training = [one for place, one in enumerate(stretches) if place % 5 != 2]
            seconds = sum(one.duration for one in training)
            recipe = dataclasses.replace(
                recipe_for(network, seconds),
                learning_rate=arguments.learning_rate,
                epochs=20,
                validate_every=2,
                ema=0.98,
            )
            result = personalise(
                arguments.model,
                training,
                arguments.runs / f"{arguments.recording.stem}-{confidence:g}",
                validation=held_out,
                recipe=recipe,
            )
            tell(f"self-labels, {seconds:.0f} s of confidence {confidence:g}", result.bundle.folder, test)


if __name__ == "__main__":
    main()
