"""Training networks: windows of recordings, augmentation, the Lightning module, recipes. Needs the `train` extra."""

from myotype.errors import extra_for

with extra_for("training", "train"):
    import pytorch_lightning as _lightning  # noqa: F401  (asks once, so that every module below may import it plainly)

from myotype.training.recipes import RECIPES, Recipe, SimulatedCorpus
from myotype.training.train import train
from myotype.training.windows import Batch, Windows

__all__ = ["RECIPES", "Batch", "Recipe", "SimulatedCorpus", "Windows", "train"]
