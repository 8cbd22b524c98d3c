"""BrainVision recordings, by the extra `brainvision`."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from myotype import recordings
from myotype.errors import InputError, RecordingError


@pytest.fixture
def signal():
    return np.random.default_rng(0).integers(-200, 200, (6000, 32)) * 0.5


@pytest.fixture
def path(tmp_path, signal):
    """A file as its usual writer writes it."""
    import pybv

    labels = [f"EMG{at}" for at in range(32)]
    pybv.write_brainvision(
        data=signal.T * 1e-6, sfreq=2000, ch_names=labels, fname_base="mine", folder_out=tmp_path, resolution=0.5,
        meas_date="20240506070809000000",
    )  # fmt: skip
    return tmp_path / "mine.vhdr"


def test_a_recording_is_read_by_windows(path, signal):
    with recordings.open(path) as recording:
        assert (recording.sfreq, recording.n_samples, recording.name) == (2000.0, 6000, "mine")
        np.testing.assert_allclose(recording.emg[:], signal, atol=1e-3)
        np.testing.assert_array_equal(recording.emg[1000:1010], recording.emg[:][1000:1010])
        assert recording.times[:1][0] == 1714979289.0
        assert any("no channels.tsv" in note for note in recording.notes)
    with pytest.raises(RecordingError, match="is closed"):
        recording.emg[:10]


@pytest.mark.parametrize("units", ["µV", "V", "n/a", "mV"])
def test_units_are_those_of_the_header_whatever_the_table_says(path, signal, units):
    rows = [f"EMG{at}\tEMG\t{units}\t{'left' if at < 16 else 'right'}\n" for at in range(32)]
    path.with_name("mine_channels.tsv").write_text("name\ttype\tunits\tgroup\n" + "".join(rows), encoding="utf-8")
    with recordings.open(path) as recording:
        np.testing.assert_allclose(recording.emg[:], signal, atol=1e-3)
        assert recording.notes == ()
    with pytest.raises(InputError, match="the units of BrainVision are those of its header"):
        recordings.open(path, units="uV")


@pytest.mark.parametrize("elsewhere", ["../other.eeg", "/etc/passwd", "..\\other.eeg"])
@pytest.mark.parametrize("key", ["DataFile", "MarkerFile"])
def test_a_header_that_names_a_file_elsewhere_is_refused(path, key, elsewhere):
    lines = path.read_text(encoding="utf-8").splitlines()
    changed = [f"{key}={elsewhere}" if line.startswith(key) else line for line in lines]
    assert changed != lines
    path.write_text("\n".join(changed), encoding="utf-8")
    with pytest.raises(RecordingError, match=rf"{key}: it names the file .* outside the data set"):
        recordings.open(path)


def test_what_mne_cannot_read_is_refused(path):
    path.write_text("Brain Vision Data Exchange Header File Version 1.0\n")
    with pytest.raises(RecordingError, match="cannot be read as BrainVision"):
        recordings.open(path)


def test_the_missing_extra_is_named(path):
    code = f"""
import sys
sys.modules["mne"] = None
from myotype import recordings
from myotype.errors import MissingExtraError
try:
    recordings.open({str(path)!r})
except MissingExtraError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "pip install 'myotype[brainvision]'" in result.stdout
