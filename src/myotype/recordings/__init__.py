"""Recordings of people typing: one view over every kind of file, reading and writing."""

from myotype.recordings.hdf5_writing import write_hdf5
from myotype.recordings.opening import open_recording as open  # noqa: A004 (the library's open, as in wave or gzip)
from myotype.recordings.recording import Prompt, Recording

__all__ = ["Prompt", "Recording", "open", "write_hdf5"]
