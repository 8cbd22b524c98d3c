"""Running a network without PyTorch: the bundle on disk and the streaming engine."""

from myotype.runtime.bundle import Bundle
from myotype.runtime.engine import Engine, EngineStream
from myotype.runtime.provenance import Provenance

__all__ = ["Bundle", "Engine", "EngineStream", "Provenance"]
