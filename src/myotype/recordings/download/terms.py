"""Where the emg2qwerty recordings are, and on which terms they are given."""

from __future__ import annotations

from typing import Final

TERMS: Final = """\
The emg2qwerty recordings are licensed under CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/):
  - not for commercial use,
  - what is made from them is passed on under the same licence only,
  - name the authors. Work that uses them cites
    Sivakumar et al. 2024, "emg2qwerty: A Large Dataset with Baselines for Touch Typing using Surface
    Electromyography", arXiv 2410.20081.
"""
"""What has to be accepted before anything is downloaded."""

HDF5_BASE: Final = "https://fb-ctrl-oss.s3.amazonaws.com/emg2qwerty"
"""Where the tarball of the original release is said to lie; it has not been tried."""

BIDS_HOME: Final = "NEMAR's data set nm000104 (https://nemar.org, doi 10.82901/nemar.nm000104)"
"""Where to look for the address of the BIDS files, none of which is known here."""
