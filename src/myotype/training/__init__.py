"""Training networks: recordings, windows, augmentation, the Lightning module, recipes, personalising. Needs `train`."""

from myotype.errors import extra_for

with extra_for("training", "train"):
    import pytorch_lightning as _lightning  # noqa: F401  (asks once, so that every module below may import it plainly)

from myotype.training.recipe_files import load_recipe, recipe_yaml, save_recipe
from myotype.training.recipes import RECIPES, Recipe, SimulatedCorpus
from myotype.training.sources import Source, gather
from myotype.training.train import train
from myotype.training.trainer import Machine
from myotype.training.windows import Batch, Windows

__all__ = [
    "RECIPES",
    "Batch",
    "Machine",
    "Recipe",
    "SimulatedCorpus",
    "Source",
    "Windows",
    "gather",
    "load_recipe",
    "recipe_yaml",
    "save_recipe",
    "train",
]
