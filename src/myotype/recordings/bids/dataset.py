"""What a BIDS tree has besides its sessions: its description, who took part, and where the electrodes are."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from myotype.errors import RecordingError
from myotype.files import replacing_file
from myotype.recordings.bids.names import DESCRIPTION
from myotype.recordings.bids.sidecars import NOT_AVAILABLE, read_bytes, read_table
from myotype.recordings.recording import N_CHANNELS

PER_BAND: Final = N_CHANNELS // 2
BANDS: Final = ("left", "right")
_BIDS_VERSION: Final = "1.11.0"  # the first with EMG

_README: Final = """\
# {name}

Surface electromyograms of people typing, from two wristbands of 16 electrodes: channels 0 to 15 the left, 16 to 31 the
right. Written by myotype {version}.

Each session has its signal in BDF (microvolts), and what was typed and prompted in events.tsv. Fields there are not
quoted: a key can be a bare quote or a control character, so split lines at line feeds and fields at tabs, and nowhere
else. The clock of each recording stands in its emg.json under "Myotype": a BDF file has neither a fraction of a second
for its start, nor the number of samples of its last record that are real, nor gaps.
"""

_EVENTS: Final = {
    "onset": {
        "Description": "Seconds from the first sample, by the clock of the recording: gaps count, unlike in `sample`",
        "Units": "s",
    },
    "duration": {"Description": "How long a key was held, a prompt was shown, or samples are missing", "Units": "s"},
    "sample": {"Description": "The sample nearest to the onset, from 0; n/a outside the signal"},
    "value": {"Description": "prompt, keystroke_<key>, or gap (samples are missing before `sample`)"},
    "key": {"Description": "The key that was pressed, by the names of pynput"},
    "prompt_text": {"Description": "The text that was shown; a backslash and an n at its end stand for enter"},
    "exact": {"Description": "In JSON, what other columns cannot say exactly, such as a key that is a tab"},
}


def write_dataset(
    root: Path, *, task: str, name: str, license_name: str | None, authors: Sequence[str], participant: str
) -> None:
    """Write what is missing of a tree's own files, and add a person to its participants; the rest stays as it is.

    Raises
    ------
    RecordingError
        If the participants cannot be read.
    OutputError
        If a file cannot be written.
    """
    version = metadata.version("myotype")
    description: dict[str, Any] = {
        "Name": name,
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "raw",
        **({"License": license_name} if license_name else {}),
        **({"Authors": list(authors)} if authors else {}),
        "GeneratedBy": [
            {"Name": "myotype", "Version": version, "Description": "myotype.recordings.write_bids"},
        ],
    }
    _write_missing(root / DESCRIPTION, json_text(description))
    _write_missing(root / "README.md", _README.format(name=name, version=version))
    _write_missing(root / f"task-{task}_events.json", json_text(_EVENTS))
    participants = {
        "participant_id": {"Description": "Who typed"},
        "age": {"Description": "Age of the participant", "Units": "year"},
        "sex": {"Description": "Sex of the participant", "Levels": {"M": "male", "F": "female"}},
    }
    _write_missing(root / "participants.json", json_text(participants))
    for band in BANDS:
        _write_missing(root / f"space-{band}Forearm_coordsystem.json", json_text(_coordinate_system(band)))
    _add_participant(root / "participants.tsv", participant)


def electrodes_table() -> str:
    """Give the ``electrodes.tsv``: two rings of 16 electrodes, evenly spaced, the right one mirrored."""
    lines = ["name\tx\ty\tz\tcoordinate_system\tgroup"]
    for band in BANDS:
        for electrode in range(PER_BAND):
            angle = 2 * math.pi * electrode / PER_BAND
            x = 50 + 50 * math.sin(angle) * (1 if band == "left" else -1)
            y = 50 + 50 * math.cos(angle)
            lines.append(f"E{electrode}\t{x:.1f}\t{y:.1f}\t0\t{band}Forearm\t{band}")
    return "\n".join(lines) + "\n"


def channels_table() -> str:
    """Give the ``channels.tsv``."""
    lines = ["name\ttype\tunits\tsignal_electrode\treference\tgroup\ttarget_muscle"]
    for channel, label in enumerate(channel_labels()):
        band = BANDS[channel // PER_BAND]
        lines.append(f"{label}\tEMG\tuV\tE{channel % PER_BAND}\tbipolar\t{band}\tforearm muscles")
    return "\n".join(lines) + "\n"


def channel_labels() -> list[str]:
    """Give what the channels are called."""
    return [f"EMG{channel}" for channel in range(N_CHANNELS)]


def json_text(content: dict[str, Any]) -> str:
    """Write a JSON text as the files of a tree have it."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _coordinate_system(band: str) -> dict[str, str]:
    return {
        "EMGCoordinateSystem": "Other",
        "EMGCoordinateUnits": "percent",
        "EMGCoordinateSystemDescription": (
            f"The cross-section of the {band} wrist, from 0 to 100 % of its width (x) and height (y); z along the arm."
            " The positions are nominal: electrodes evenly spaced around a band of unknown rotation."
        ),
    }


def _write_missing(path: Path, text: str) -> None:
    if not path.exists():
        with replacing_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")


def _add_participant(path: Path, participant: str) -> None:
    """Add a line to the participants, if it is not there; what else the table says stays, also its other columns."""
    if not path.exists():
        text, columns = "participant_id\tage\tsex\n", ["participant_id", "age", "sex"]
    else:
        rows = read_table(path)
        text = read_bytes(path).decode("utf-8")
        columns = text.split("\n", 1)[0].removeprefix("\ufeff").rstrip("\r").split("\t")
        if "participant_id" not in columns:
            raise RecordingError(f"{path}: it has no column 'participant_id'")
        if any(row["participant_id"] == participant for row in rows):
            return
    end = "\r\n" if "\r\n" in text else "\n"
    line = "\t".join(participant if column == "participant_id" else NOT_AVAILABLE for column in columns)
    with replacing_file(path) as temporary:
        temporary.write_text((text if text.endswith("\n") else text + end) + line + end, encoding="utf-8", newline="")
