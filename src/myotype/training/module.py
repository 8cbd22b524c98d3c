"""The Lightning module: CTC training on windows, validation on whole recordings."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from myotype.decoding import GreedyDecoder
from myotype.keyboard import BLANK
from myotype.metrics import ErrorRates, error_rates
from myotype.network import EMG2QwertyNet
from myotype.recordings import Recording
from myotype.training.augmentation import rotate_bands, shift_hands
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
        return shift_hands(batch, self.recipe.largest_shift)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Give the mean CTC loss of a batch of windows."""
        features, _ = self.network.encode(batch.emg)
        emissions = self.network.final_layer(features).log_softmax(-1)
        frames = self.network.compute_output_lengths(batch.emg_lengths)
        loss: Tensor = self.ctc_loss(emissions.transpose(0, 1), batch.labels, frames, batch.label_lengths)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.emg))
        return loss

    def validation_step(self, recording: Recording, batch_idx: int) -> None:
        """Decode a whole recording greedily and count its errors."""
        emissions = whole_emissions(self.network, recording)
        prediction = GreedyDecoder().decode(emissions.cpu().numpy())[0].text
        self._errors.append(error_rates(prediction, recording.key_text()))

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
def whole_emissions(network: EMG2QwertyNet, recording: Recording) -> Tensor:
    """Give a whole recording's log-probabilities (frames, labels), computed as a stream so that any length fits."""
    device = network.final_layer.weight.device
    block = int(_VALIDATION_SECONDS * recording.sfreq)
    pieces, state = [], None
    for start in range(0, recording.n_samples, block):
        samples = torch.from_numpy(recording.emg[start : start + block]).to(device)
        output, state = network.forward_with_state(samples.T.unsqueeze(0), state)
        pieces.append(output[0].log_softmax(-1))
    return torch.cat(pieces)
