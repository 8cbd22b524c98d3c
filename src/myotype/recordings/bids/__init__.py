"""Recordings in the EMG-BIDS form, as NEMAR nm000104 has them: BDF or EDF signals, and tables and texts beside them."""

from myotype.recordings.bids.events import Events, read_events

__all__ = ["Events", "read_events"]
