"""myotype reads what a person types from the muscles of the forearms.

Surface EMG of both wrists goes in, keystrokes and text come out, from recordings or live.

Examples
--------
>>> import myotype
>>> recording = myotype.simulate("hello world", seed=1)  # a simulated typist's forearms
>>> transcriber = myotype.Transcriber.from_pretrained("demo")
>>> transcript = transcriber.transcribe(recording)
>>> type(transcript.text)
<class 'str'>
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from myotype.recordings import Recording
    from myotype.simulation import simulate
    from myotype.transcriber import Transcriber
    from myotype.transcript import Keystroke, Transcript, Update

__all__ = ["Keystroke", "Recording", "Transcriber", "Transcript", "Update", "simulate"]

_HOMES = {
    "Keystroke": "myotype.transcript",
    "Recording": "myotype.recordings",
    "Transcriber": "myotype.transcriber",
    "Transcript": "myotype.transcript",
    "Update": "myotype.transcript",
    "simulate": "myotype.simulation",
}


def __getattr__(name: str) -> Any:
    """Import a public name's home when it is first asked for: `import myotype` itself loads nothing heavy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'myotype' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
