"""The Lightning module: CTC training on windows, validation on whole recordings."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from myotype.decoding import GreedyDecoder
from myotype.errors import TrainingError
from myotype.keyboard import BLANK
from myotype.metrics import ErrorRates, error_rates
from myotype.network.pretrained import PretrainedNetwork
from myotype.recordings import Recording
from myotype.recordings.continuity import Continuity
from myotype.training.augmentation import repeat_into_padding, rotate_bands, shift_hands
from myotype.training.confinement import confine
from myotype.training.filters import least_samples
from myotype.training.recipes import Recipe
from myotype.training.windows import Batch

_VALIDATION_SECONDS: Final = 30  # of signal in one forward pass
_SAMPLE_KEYS: Final = 120  # of the first validation recording that are kept to read


class CTCModule(lightning.LightningModule):
    """Trains a network by connectionist temporal classification (Graves et al. 2006).

    Parameters
    ----------
    network
        What is trained, in place.
    recipe
        How.

    Attributes
    ----------
    sample
        What was read in the latest validation at the beginning of its first recording, and what was typed there.
    """

    def __init__(self, network: PretrainedNetwork, recipe: Recipe) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.sample = ("", "")
        # A window with more keys than frames has no alignment at all: it then counts nothing rather than infinity.
        self.ctc_loss = nn.CTCLoss(blank=BLANK, zero_infinity=True)
        self._counts = ErrorRates()
        self._emitted = 0

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment batches for training, where they are computed on."""
        if not self.training or not isinstance(batch, Batch):
            return batch
        batch = batch._replace(emg=rotate_bands(batch.emg, batch.rotations))
        return repeat_into_padding(shift_hands(batch, least_samples(self.network)))

    def on_train_epoch_start(self) -> None:
        """Draw every epoch's masks from a seed of its own, so that a resumed run draws what it would have drawn."""
        seed = np.random.SeedSequence([self.recipe.seed, self.current_epoch, self.global_rank])
        torch.manual_seed(int(seed.generate_state(1)[0]))

    def emissions_of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Give (batch, frames, labels) natural-log probabilities of windows, and how many frames each has."""
        features = self.network.encode_whole(batch.emg)
        # In single precision, whatever the network's: the loss sums hundreds of them.
        emissions = self.network.final_layer(self.network.dropout(features)).float().log_softmax(-1)
        return emissions, self.network.compute_output_lengths(batch.emg_lengths)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Give the mean CTC loss of a batch of windows."""
        emissions, frames = self.emissions_of(batch)
        if self.recipe.latest is not None:
            emissions = confine(emissions, batch, self.network, self.recipe.latest)
        loss: Tensor = self.ctc_loss(emissions.transpose(0, 1), batch.labels, frames, batch.label_lengths)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"step {self.global_step}: the loss is {loss.item()}; {self._culprits(batch, emissions)}"
            )
        self.log("train/loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(batch.emg), sync_dist=True)
        return loss

    def _culprits(self, batch: Batch, emissions: Tensor) -> str:
        """Say what may have made a loss that is no number."""
        if not all(bool(torch.isfinite(weight).all()) for weight in self.network.parameters()):
            return "the weights are no numbers any more: try a lower learning rate, or gradient_clip"
        bad = ~torch.isfinite(emissions.detach()).flatten(1).all(1)
        windows = [where for where, is_bad in zip(batch.where, bad.tolist(), strict=True) if is_bad] or batch.where
        return f"look at {'; '.join(windows[:4])}, or try a lower learning rate"

    def validation_step(self, item: Recording | Batch | None, batch_idx: int) -> None:
        """Decode a recording, or windows, greedily, and count the errors."""
        if item is None:
            return
        decoder = GreedyDecoder()
        if isinstance(item, Batch):
            emissions, frames = self.emissions_of(item)
            for row, length, labels, n_keys in zip(
                emissions.cpu(), frames, item.labels, item.label_lengths, strict=True
            ):
                read = decoder.decode(row[: int(length)].numpy())[0].labels
                self._count(_text(read), _text(labels[: int(n_keys)].cpu().numpy()))
            return
        read_text = "".join(decoder.decode(run)[0].text for run in whole_emissions(self.network, item))
        if batch_idx == 0:
            self.sample = (read_text[:_SAMPLE_KEYS], item.truth[:_SAMPLE_KEYS])
        self._count(read_text, item.truth)

    def _count(self, read: str, typed: str) -> None:
        self._counts += error_rates(read, typed)
        self._emitted += len(read)

    def on_validation_epoch_end(self) -> None:
        """Log the error rates over all recordings and processes, in percent of the keys typed."""
        rates = self._counts
        counts = torch.tensor(
            [rates.errors, rates.deletions, rates.insertions, rates.substitutions, self._emitted, rates.target_length],
            dtype=torch.float64 if self.device.type != "mps" else torch.float32,
            device=self.device,
        )
        self._counts, self._emitted = ErrorRates(), 0
        if self.trainer.world_size > 1:
            counts = self.trainer.strategy.reduce(counts, reduce_op="sum")
        *figures, n_keys = counts.tolist()
        names = ("val/CER", "val/deletions", "val/insertions", "val/substitutions", "val/emitted")
        self.log_dict({name: 100 * value / n_keys for name, value in zip(names, figures, strict=True)}, batch_size=1)

    def configure_optimizers(self) -> Any:
        """Adam with linear warm-up and a cosine."""
        recipe = self.recipe
        weights = [weight for weight in self.network.parameters() if weight.requires_grad]
        optimizer: torch.optim.Optimizer
        if recipe.optimizer == "adamw":
            optimizer = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        else:
            optimizer = torch.optim.Adam(weights, lr=recipe.learning_rate)
        steps_per_epoch = 1.0
        if recipe.schedule == "step":
            steps_per_epoch = float(self.trainer.estimated_stepping_batches) / recipe.epochs
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate(step / steps_per_epoch, recipe) / recipe.learning_rate
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": recipe.schedule}}


def _text(labels: npt.NDArray[Any]) -> str:
    return "".join(map(chr, labels.tolist()))  # labels may serve as symbols: the errors are the same


def learning_rate(epoch: float, recipe: Recipe) -> float:
    """Give the learning rate at a point of the training, counted in epochs."""
    if epoch < recipe.warmup_epochs:
        # Where the rate moves by epochs, the last epoch of the warm-up has the full rate, as in the original training.
        last = recipe.warmup_epochs - 1 if recipe.schedule == "epoch" else recipe.warmup_epochs
        climbed = min(epoch / last, 1.0) if last > 0 else 1.0
        return recipe.first_learning_rate + climbed * (recipe.learning_rate - recipe.first_learning_rate)
    progress = min((epoch - recipe.warmup_epochs) / max(recipe.epochs - recipe.warmup_epochs, 1e-9), 1.0)
    height = (1 + math.cos(math.pi * progress)) / 2
    return recipe.final_learning_rate + height * (recipe.learning_rate - recipe.final_learning_rate)


@torch.inference_mode()
def whole_emissions(network: PretrainedNetwork, recording: Recording) -> list[npt.NDArray[np.float32]]:
    """Compute a recording's emissions as when it is transcribed: as a stream, begun anew after gaps.

    Returns
    -------
    list
        For each stretch without a break (frames, labels) natural-log probabilities.
    """
    device = network.final_layer.weight.device
    block = int(_VALIDATION_SECONDS * recording.sfreq)
    continuity = Continuity(recording.sfreq, network.n_chans)
    runs: list[list[npt.NDArray[np.float32]]] = [[]]
    state = None
    for start in range(0, recording.n_samples, block):
        window = slice(start, start + block)
        for segment in continuity.push(recording.emg[window], recording.times[window]):
            if segment.restart:
                runs.append([])
                state = None
            samples = torch.from_numpy(segment.samples).to(device)
            output, state = network.forward_with_state(samples.T.unsqueeze(0), state)
            runs[-1].append(output[0].float().log_softmax(-1).cpu().numpy())
    return [np.concatenate(pieces) for pieces in runs if pieces]
