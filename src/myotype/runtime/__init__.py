"""Running a network without PyTorch: the bundle on disk and the streaming engine."""

from myotype.runtime.bundle import Bundle, Provenance
from myotype.runtime.engine import Engine, EngineStream

__all__ = ["Bundle", "Engine", "EngineStream", "Provenance"]
