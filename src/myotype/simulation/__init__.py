"""Simulated typing: text or key logs in, the EMG of two simulated forearms out.

Everything that comes from here is simulated, and says so in the recording's user and name.
"""

from myotype.simulation.forearm import LAG, Forearms
from myotype.simulation.presets import DEMO, EASY, PRESETS, REALISTIC, Person, Preset, person
from myotype.simulation.simulate import recording_name, simulate, simulate_emg
from myotype.simulation.text import Sentences, Split, TextStyle, split_of

__all__ = [
    "DEMO",
    "EASY",
    "LAG",
    "PRESETS",
    "REALISTIC",
    "Forearms",
    "Person",
    "Preset",
    "Sentences",
    "Split",
    "TextStyle",
    "person",
    "recording_name",
    "simulate",
    "simulate_emg",
    "split_of",
]
