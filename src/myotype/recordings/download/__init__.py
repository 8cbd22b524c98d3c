"""Downloading the emg2qwerty recordings: from servers that break off, ignore what they are asked, or say what is wrong.

Two forms exist: the BIDS files of NEMAR's data set nm000104, fetched one by one, and the original release, one tarball
of HDF5 files. All this is tested with a server on the same machine only; no address of the real ones has been tried.
"""

from myotype.recordings.download.archive import ARCHIVE, download_hdf5
from myotype.recordings.download.connection import Connection
from myotype.recordings.download.files import download_bids
from myotype.recordings.download.manifest import RemoteFile, read_manifest
from myotype.recordings.download.patience import GaveUpError, Patience, RefusedError
from myotype.recordings.download.selection import Selection
from myotype.recordings.download.terms import HDF5_BASE, TERMS
from myotype.recordings.download.transfer import Progress, Report

__all__ = [
    "ARCHIVE",
    "HDF5_BASE",
    "TERMS",
    "Connection",
    "GaveUpError",
    "Patience",
    "Progress",
    "RefusedError",
    "RemoteFile",
    "Report",
    "Selection",
    "download_bids",
    "download_hdf5",
    "read_manifest",
]
