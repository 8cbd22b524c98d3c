"""Speed and memory of training: a step of the full-size network, and how fast windows are read.

A step is the forward pass, the CTC loss, the backward pass and Adam, on noise with random keys; the plain network takes
it from the same weights on the same batch. Windows are read from a prepared corpus of simulated recordings, which lies
in the system's cache; they are drawn, cut and collated as the baseline's recipe says.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from myotype.cli.benchmarks.figures import REPEATS, Figure
from myotype.cli.benchmarks.plain_network import PlainNetwork
from myotype.errors import TrainingError
from myotype.keyboard import BLANK
from myotype.network import EMG2QwertyNet

SFREQ: Final = 2000
KEYS_PER_SECOND: Final = 5

_LOSS_TOLERANCE: Final = 1e-5  # of the loss
# Of each gradient's norm. In single precision they are off by up to 0.001: the loss sums hundreds of logarithms, and a
# rounded zero is on either side of a ReLU. Anything computed otherwise is off by far more.
_GRADIENT_TOLERANCE: Final = 5e-3
_DIFFER: Final = "the two networks do not compute the same, so their speeds cannot be compared"
_NETWORKS: Final[Mapping[str, type[nn.Module]]] = {"myotype": EMG2QwertyNet, "plain PyTorch": PlainNetwork}

N_FIGURES: Final = 6
"""How many `measure` gives."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    windows: int = 8  # in a step
    seconds: float = 5.0  # of each
    network: Mapping[str, Any] = field(default_factory=dict)  # arguments of the networks, where not those of full size
    repeats: int = REPEATS
    recordings: int = 4  # of the corpus
    minutes: float = 4.0  # of each
    windows_read: int = 960  # in a repeat


def measure(sizes: Sizes | None = None) -> Iterator[Figure]:
    """Measure training, figure by figure, on as many threads as torch is set to.

    Raises
    ------
    TrainingError
        If the two networks do not give the same loss and gradients, or a process that measures memory fails.
    """
    sizes = sizes or Sizes()
    yield from _steps(sizes)
    yield from _memory(sizes)
    yield _reading(sizes)


class Training:
    """A network, its optimiser, and the batch that it takes steps on.

    Parameters
    ----------
    network
        From (batch, channels, samples) to (batch, frames, classes) logits.
    sizes
        Of the batch: noise of 20 microvolts with random keys, the same for every network.
    """

    def __init__(self, network: nn.Module, sizes: Sizes) -> None:
        random = np.random.default_rng(0)
        n_keys = round(sizes.seconds * KEYS_PER_SECOND)
        noise = 20 * random.standard_normal((sizes.windows, 32, round(sizes.seconds * SFREQ)), dtype=np.float32)
        self.network = network.train()
        self._optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        self._emg = torch.from_numpy(noise)
        self._labels = torch.from_numpy(random.integers(0, BLANK, (sizes.windows, n_keys)))
        self._n_keys = torch.full((sizes.windows,), n_keys)

    def backward(self) -> float:
        """Compute the gradients; give the loss."""
        self._optimizer.zero_grad()
        emissions = self.network(self._emg).log_softmax(-1).transpose(0, 1)
        frames = torch.full_like(self._n_keys, len(emissions))
        loss = functional.ctc_loss(emissions, self._labels, frames, self._n_keys, blank=BLANK, zero_infinity=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch says nothing of its types
        return loss.item()

    def step(self) -> None:
        """Take a step."""
        self.backward()
        self._optimizer.step()


def check_equal(ours: Training, plain: Training) -> tuple[float, float]:
    """Compare the losses and gradients of two networks of the same weights.

    Returns
    -------
    loss, gradient
        The relative difference of the losses, and the largest one of a weight's gradients, by their norms.

    Raises
    ------
    TrainingError
        If they are not the same to tolerance.
    """
    loss, expected = ours.backward(), plain.backward()
    off = abs(loss - expected) / abs(expected)
    if not off <= _LOSS_TOLERANCE:
        raise TrainingError(f"{_DIFFER}: the loss is {loss:.7g}, and {expected:.7g} with plain PyTorch")
    largest = 0.0
    for (name, weight), other in zip(ours.network.named_parameters(), plain.network.parameters(), strict=True):
        assert weight.grad is not None  # noqa: S101  (as all take part in the loss)
        assert other.grad is not None  # noqa: S101
        difference = float((weight.grad - other.grad).norm() / other.grad.norm())
        if not difference <= _GRADIENT_TOLERANCE:
            raise TrainingError(f"{_DIFFER}: the gradient of {name} is off by {difference:.2g} of its norm")
        largest = max(largest, difference)
    return off, largest


def _steps(sizes: Sizes) -> Iterator[Figure]:
    """Time steps of either network in turn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ours, plain = (Training(kind(**sizes.network), sizes) for kind in _NETWORKS.values())
    weights = ours.network.state_dict()
    plain.network.load_state_dict(dict(zip(plain.network.state_dict(), weights.values(), strict=True)))
    loss_off, gradient_off = check_equal(ours, plain)
    for training in (ours, plain):
        training.step()  # in which Adam makes its state
    seconds = np.array([[_timed(training) for training in (ours, plain)] for _ in range(sizes.repeats)])
    rates, by_core = np.moveaxis(sizes.windows * sizes.seconds / seconds, 2, 0)  # (repeats, networks) each
    of_core = np.median(by_core[:, 0] / by_core[:, 1])
    batch = f"{sizes.windows} windows of {sizes.seconds:g} s a step, threads: {torch.get_num_threads()}"
    yield Figure("training step, myotype", rates[:, 0].tolist(), "s of EMG/s", note=batch)
    others = "" if sizes.network else "plain PyTorch, two threads: 10 to 13"
    yield Figure("training step, plain PyTorch", rates[:, 1].tolist(), "s of EMG/s", others=others, note=batch)
    yield Figure(
        "training step, myotype against plain PyTorch",
        (rates[:, 0] / rates[:, 1]).tolist(),
        "times as fast",
        at_least=1.5,
        note=f"in turn; {of_core:.2f} times by the processor's own time; the losses differ by {loss_off:.1g}, "
        f"the gradients by up to {gradient_off:.1g} of their norm",
    )


def _timed(training: Training) -> tuple[float, float]:
    """Take a step; give its seconds by the clock and of the processor's own time."""
    began, core_began = time.perf_counter(), time.process_time()
    training.step()
    return time.perf_counter() - began, time.process_time() - core_began


def _memory(sizes: Sizes) -> Iterator[Figure]:
    """Find the peak memory of two steps of either network, in processes of their own."""
    code = "import sys; from myotype.cli.benchmarks.train import print_memory; print_memory(*sys.argv[1:])"
    arguments = json.dumps(dataclasses.asdict(sizes))
    for name in _NETWORKS:
        result = subprocess.run(  # noqa: S603  (our own command)
            [sys.executable, "-c", code, name, arguments, str(torch.get_num_threads())],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        if result.returncode:
            reason = (result.stderr.strip().splitlines() or ["it was killed, perhaps for want of memory"])[-1]
            raise TrainingError(
                f"the process that measures the memory of {name} failed ({result.returncode}): {reason}"
            )
        before, peak = map(float, result.stdout.split())
        yield Figure(f"peak memory of a step, {name}", [peak], "MB", note=f"{before:.0f} MB of it are there before")


def print_memory(name: str, sizes: str, threads: str) -> None:
    """Take two steps, of which the second has Adam's state; print the peak memory before and after them, MB."""
    torch.set_num_threads(int(threads))
    wanted = Sizes(**json.loads(sizes))
    training = Training(_NETWORKS[name](**wanted.network), wanted)
    before = _peak_memory()
    for _ in range(2):
        training.step()
    print(before, _peak_memory())


def _peak_memory() -> float:
    """Give the MB of this process alone: what `resource` says includes those of the one that started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _reading(sizes: Sizes) -> Figure:
    """Read windows of a prepared corpus, in batches, in this process."""
    # Imported here, so that the processes that measure memory hold none of it.
    from torch.utils.data import DataLoader

    from myotype.recordings.prepared.writing import write_prepared
    from myotype.simulation import simulate
    from myotype.training.recipes import RECIPES
    from myotype.training.sampling import Drawing, TrainingWindows
    from myotype.training.sources import Readers, gather
    from myotype.training.windows import Batch, Windows

    recipe = RECIPES["baseline"]
    assert recipe.past is not None  # noqa: S101  (the baseline says)
    with tempfile.TemporaryDirectory() as name:
        for seed in range(sizes.recordings):
            recording = simulate(minutes=sizes.minutes, speed=KEYS_PER_SECOND, seed=seed, session=seed)
            place: dict[str, Any] = {"user": "simulated", "session": str(seed), "source": [], "source_size": 0}
            write_prepared(Path(name) / str(seed), recording, **place)
        windows = Windows(
            Readers(gather([name]).training),
            length=round(recipe.window * SFREQ),
            context=(round(recipe.past * SFREQ), round(recipe.future * SFREQ)),
        )
        drawing = Drawing(shift=windows.stride, rotation=recipe.rotation, hand_shift=recipe.largest_shift)
        sampler = TrainingWindows([0] * len(windows), recipe.batch_size, drawing, per_epoch=sizes.windows_read)
        loader: DataLoader[Any] = DataLoader(
            windows, batch_size=recipe.batch_size, sampler=sampler, collate_fn=Batch.of
        )
        by_clock, by_core = [], []
        for epoch in range(1 + sizes.repeats):  # the first does not count
            sampler.set_epoch(epoch)
            began, core_began = time.perf_counter(), time.process_time()
            n_windows = sum(len(batch.emg) for batch in loader)
            by_clock.append(n_windows / (time.perf_counter() - began))
            by_core.append(n_windows / (time.process_time() - core_began))
    return Figure(
        f"training windows read from a prepared corpus (simulated), in batches of {recipe.batch_size}",
        by_clock[1:],
        "windows/s",
        at_least=1000,
        note=f"one process; {np.median(by_core[1:]):,.0f} a second of the processor's own time",
    )
