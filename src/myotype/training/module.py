"""The Lightning module: CTC training on windows, validation on whole recordings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from myotype.decoding import GreedyDecoder
from myotype.errors import TrainingError
from myotype.keyboard import BLANK
from myotype.metrics import ErrorRates, error_rates
from myotype.network import EMG2QwertyNet
from myotype.recordings import Recording
from myotype.recordings.continuity import Continuity
from myotype.training.augmentation import repeat_into_padding, rotate_bands, shift_hands
from myotype.training.recipes import Recipe
from myotype.training.windows import Batch

_VALIDATION_SECONDS = 30  # of signal in one forward pass


class CTCModule(lightning.LightningModule):
    """Trains a network by connectionist temporal classification (Graves et al. 2006).

    Parameters
    ----------
    network
        What is trained, in place.
    recipe
        How.
    """

    def __init__(self, network: EMG2QwertyNet, recipe: Recipe) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        # A window with more keys than frames has no alignment at all: it then counts nothing rather than infinity.
        self.ctc_loss = nn.CTCLoss(blank=BLANK, zero_infinity=True)
        self._errors: list[ErrorRates] = []

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment batches for training, where they are computed on."""
        if not self.training or not isinstance(batch, Batch):
            return batch
        num_bands = self.network.get_config()["num_bands"]
        batch = batch._replace(emg=rotate_bands(batch.emg, self.recipe.rotation, num_bands))
        return repeat_into_padding(shift_hands(batch, self.recipe.largest_shift))

    def on_train_epoch_start(self) -> None:
        """Draw every epoch from a seed of its own, so that a resumed run draws what an uninterrupted one would."""
        torch.manual_seed(int(np.random.SeedSequence([self.recipe.seed, self.current_epoch]).generate_state(1)[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Give the mean CTC loss of a batch of windows."""
        features, _ = self.network.encode(batch.emg)
        emissions = self.network.final_layer(features).log_softmax(-1)
        frames = self.network.compute_output_lengths(batch.emg_lengths)
        loss: Tensor = self.ctc_loss(emissions.transpose(0, 1), batch.labels, frames, batch.label_lengths)
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss of step {self.global_step} is {loss.item()}: try a lower learning rate")
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.emg))
        return loss

    def validation_step(self, recording: Recording, batch_idx: int) -> None:
        """Decode a whole recording greedily and count its errors."""
        decoder = GreedyDecoder()
        runs = whole_emissions(self.network, recording)
        prediction = "".join(decoder.decode(emissions)[0].text for emissions in runs)
        self._errors.append(error_rates(prediction, recording.truth))

    def on_validation_epoch_end(self) -> None:
        """Log the error rates over all recordings, in percent."""
        total = sum(self._errors[1:], self._errors[0])
        self._errors.clear()
        n_keys = total.target_length
        self.log_dict(
            {
                "val/CER": 100 * total.cer,
                "val/deletions": 100 * total.deletions / n_keys,
                "val/insertions": 100 * total.insertions / n_keys,
                "val/substitutions": 100 * total.substitutions / n_keys,
            },
            batch_size=1,
        )

    def configure_optimizers(self) -> Any:
        """Adam with linear warm-up and a cosine."""
        recipe = self.recipe
        optimizer = torch.optim.Adam(self.network.parameters(), lr=recipe.learning_rate)
        steps_per_epoch = 1.0
        if recipe.schedule == "step":
            steps_per_epoch = float(self.trainer.estimated_stepping_batches) / recipe.epochs
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate(step / steps_per_epoch, recipe) / recipe.learning_rate
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": recipe.schedule}}


def learning_rate(epoch: float, recipe: Recipe) -> float:
    """Give the learning rate at a point of the training, counted in epochs."""
    if epoch < recipe.warmup_epochs:
        # Where the rate moves by epochs, the last epoch of the warm-up has the full rate, as in the original training.
        last = recipe.warmup_epochs - 1 if recipe.schedule == "epoch" else recipe.warmup_epochs
        climbed = min(epoch / max(last, 1e-9), 1.0)
        return recipe.first_learning_rate + climbed * (recipe.learning_rate - recipe.first_learning_rate)
    progress = min((epoch - recipe.warmup_epochs) / max(recipe.epochs - recipe.warmup_epochs, 1e-9), 1.0)
    height = (1 + math.cos(math.pi * progress)) / 2
    return recipe.final_learning_rate + height * (recipe.learning_rate - recipe.final_learning_rate)


@torch.inference_mode()
def whole_emissions(network: EMG2QwertyNet, recording: Recording) -> list[npt.NDArray[np.float32]]:
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
            runs[-1].append(output[0].log_softmax(-1).cpu().numpy())
    return [np.concatenate(pieces) for pieces in runs if pieces]
