"""What happens beside the training itself: telling, keeping a table, drawing it, and stopping what cannot end well."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping

from myotype.errors import TrainingError
from myotype.training.figures import draw_run
from myotype.training.module import CTCModule
from myotype.training.recipes import Recipe
from myotype.training.run_folder import FIGURE_NAMES, RunFolder

Progress = Callable[[str, float, dict[str, float]], None]
"""Called with the stage ("simulating", "training"), the share of it that is done, and the latest figures."""

Note = Callable[[str], None]
"""Called with a sentence that whoever trains should read."""

_SILENT: Final = 5.0  # percent of the keys typed: a network that emits fewer has not begun to read
_BETWEEN_PICTURES: Final = 60.0  # seconds


class Report(Callback):
    """Tells the caller how far the run is, and how fast."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._seconds_of_emg = 0.0
        self._began = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Measure the speed of each epoch for itself, without validation."""
        self._seconds_of_emg, self._began = 0.0, time.monotonic()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report after every piece."""
        assert isinstance(pl_module, CTCModule)  # noqa: S101  (which is what is trained here)
        share = trainer.global_step / max(float(trainer.estimated_stepping_batches), 1.0)
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if "/" in name}
        figures["loss"] = float(outputs["loss"]) * trainer.accumulate_grad_batches
        self._seconds_of_emg += float(batch.emg_lengths.sum()) / pl_module.network.sfreq * trainer.world_size
        figures["speed"] = self._seconds_of_emg / max(time.monotonic() - self._began, 1e-9)
        self._progress("training", min(share, 1.0), figures)


class Table(Callback):
    """Keeps the run's table and samples, which a resumed run goes on with, and draws them.

    Attributes
    ----------
    minutes
        How long the run has taken up to its last epoch, over all its legs.
    """

    def __init__(self, run: RunFolder, note: Note) -> None:
        self._run = run
        self._note = note
        self._began = self._drawn = time.monotonic()
        rows = run.rows()
        self._minutes_before = self.minutes = float(rows[-1]["minutes"]) if rows else 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Count from here."""
        self._began = self._drawn = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Add the epoch's row; validation is over by now."""
        assert isinstance(pl_module, CTCModule)  # noqa: S101
        epoch = trainer.current_epoch + 1
        self.minutes = self._minutes_before + (time.monotonic() - self._began) / 60
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name in FIGURE_NAMES}
        validated = epoch % (trainer.check_val_every_n_epoch or 1) == 0
        if not validated:
            figures = {"train/loss": figures["train/loss"]}  # the others are of an earlier epoch
        if not trainer.is_global_zero:
            return
        row = {
            "epoch": epoch,
            "step": trainer.global_step,
            "minutes": round(self.minutes, 3),
            "learning rate": trainer.optimizers[0].param_groups[0]["lr"],
            **dict.fromkeys(FIGURE_NAMES, ""),
            **figures,
        }
        self._run.add_epoch(row)
        if validated and pl_module.recipe.choose_by == "recordings":
            self._run.add_sample(epoch, *pl_module.sample)
        if time.monotonic() - self._drawn > _BETWEEN_PICTURES:
            self._draw()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Draw the whole run."""
        if trainer.is_global_zero:
            self._draw(self._note)

    def _draw(self, note: Note = lambda _: None) -> None:
        draw_run(self._run, note)
        self._drawn = time.monotonic()


class Guard(Callback):
    """Ends a run that has not left the all-blank plateau when it should have, and says what to change.

    CTC networks first learn to emit nothing at all, and some never learn anything else: the loss goes down and looks
    well, and every key is missing.
    """

    def __init__(self, recipe: Recipe, note: Note) -> None:
        self._recipe = recipe
        self._note = note
        self._told = False

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look at how much was emitted: at the end of its epoch, the module would not have counted it yet."""
        emitted = float(trainer.callback_metrics["val/emitted"])
        if emitted >= _SILENT:
            return
        assert isinstance(pl_module, CTCModule)  # noqa: S101
        epoch, recipe = trainer.current_epoch + 1, self._recipe
        advice = _advice(recipe, pl_module.network.hop_length)
        if recipe.plateau < 1 and epoch >= recipe.plateau * recipe.epochs and epoch > recipe.warmup_epochs:
            raise TrainingError(
                f"after epoch {epoch} of {recipe.epochs} the network still emits next to nothing "
                f"({emitted:.1f} % of as many keys as were typed): it is stuck where every frame is blank. "
                f"{advice} With plateau=1 it would go on, resumed from the epoch before"
            )
        if epoch > recipe.warmup_epochs and not self._told:
            self._told = True
            self._note(
                f"epoch {epoch}: the network emits next to nothing yet, as all do at first; if that stays so: {advice}"
            )


def _advice(recipe: Recipe, hop_length: int) -> str:
    """Say what to change, what helps most first."""
    advice = []
    if recipe.latest is None:
        advice.append(f"latest={recipe.future + 0.02:g} (count only alignments that emit keys when they are pressed)")
    if recipe.gradient_clip is None:
        advice.append("gradient_clip=2")
    advice += [
        f"a longer warm-up (warmup_epochs={max(2 * recipe.warmup_epochs, 1):g})",
        f"another learning rate (learning_rate={recipe.learning_rate / 2:g})",
        *(["slower frames (network hop_length=32)"] if hop_length < 32 else []),
        "more epochs",
    ]
    return f"Change, what helps most first: {'; '.join(advice)}."


class Patience(EarlyStopping):
    """Ends a run that gets no better: also where it had ended before it was resumed, unless with more patience."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what was waited for, not how long to wait, which the resumed run may say otherwise."""
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop at once where the checkpoint is that of the last epoch."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class Finite(Callback):
    """Ends a run whose gradients are no numbers before they reach the weights, so that the checkpoints stay good."""

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Look at the norm of all gradients."""
        if trainer.precision == "16-mixed":
            return  # its scaler meets infinite gradients on purpose, and skips those steps
        gradients = [weight.grad for weight in pl_module.parameters() if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if not torch.isfinite(norm):
            raise TrainingError(
                f"step {trainer.global_step}: the gradient is no number: try a lower learning rate, or gradient_clip; "
                "the last checkpoint is sound"
            )
