"""Dividing recordings into those to train, validate and test on: the official division, others, and what they leak."""

from myotype.recordings.splits.generating import held_out, personal
from myotype.recordings.splits.leaks import Glance, Leak, find_leaks, glance, refuse_leaks
from myotype.recordings.splits.official import OFFICIAL, official
from myotype.recordings.splits.split import PARTS, Division, Missing, Part, Split
from myotype.recordings.splits.split_files import load

__all__ = [
    "OFFICIAL",
    "PARTS",
    "Division",
    "Glance",
    "Leak",
    "Missing",
    "Part",
    "Split",
    "find_leaks",
    "glance",
    "held_out",
    "load",
    "official",
    "personal",
    "refuse_leaks",
]
