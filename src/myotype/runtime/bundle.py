"""A bundle: the folder that a model lives in, with all that is needed to run it, and nothing executable."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, Self

from myotype.decoding.defaults import DecoderDefaults
from myotype.errors import ModelError
from myotype.files import replacing_file, replacing_folder
from myotype.runtime.card import model_card
from myotype.runtime.provenance import Provenance

CONFIG_FILE: Final = "config.json"
WEIGHTS_FILE: Final = "model.safetensors"
GRAPH_FILE: Final = "stream.onnx"
FACTS_FILE: Final = "myotype.json"
CARD_FILE: Final = "README.md"
LICENSE_FILE: Final = "LICENSE"

_FILES: Final = frozenset({CONFIG_FILE, WEIGHTS_FILE, GRAPH_FILE, FACTS_FILE, CARD_FILE, LICENSE_FILE})

_OPTIONAL: Final = frozenset({"settling_frames", "decoder"})  # of the facts

FORMAT_VERSION: Final = 1

LONGEST_LOOK_AHEAD: Final = 60
"""Seconds."""

_LARGEST_JSON: Final = 1 << 20
_ASSETS: Final = Path(__file__).parents[1] / "assets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the engine and the reader of results need to know of a model: the content of ``myotype.json``.

    Attributes
    ----------
    architecture
        Name of the network's class, whose constructor takes what ``config.json`` holds.
    sfreq
        Samples a second that the model takes.
    n_chans
        Channels that it takes.
    hop_length
        Samples from one emission frame to the next.
    receptive_field
        Samples that one emission frame sees.
    warmup_frames
        Frames that the graph gives before the first one made of real samples alone.
    look_ahead
        Seconds from a key's press to the end of the signal that the model reads it from, in the median.
    parameters
        Number of trained parameters.
    multiply_adds
        Multiplications (each with its addition) of one emission frame, from the normalised spectrogram on.
    precision
        Number format of the graph.
    provenance
        Where the weights come from.
    settling_frames
        Frames that a stream must give the graph in its first call, as they are normalised together; 0 where it may
        begin with any number.
    decoder
        The beam search that suits the model, where it was tuned.
    """

    architecture: str
    sfreq: float
    n_chans: int
    hop_length: int
    receptive_field: int
    warmup_frames: int
    look_ahead: float
    parameters: int
    multiply_adds: int
    precision: Literal["float32"]
    provenance: Provenance
    settling_frames: int = 0
    decoder: DecoderDefaults | None = None

    @property
    def frame_rate(self) -> float:
        """Emission frames a second."""
        return self.sfreq / self.hop_length

    def to_json(self) -> dict[str, Any]:
        """Give what ``myotype.json`` says of them; what a model does not have is left out."""
        return {name: value for name, value in asdict(self).items() if value or name not in _OPTIONAL}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model's folder, checked.

    Attributes
    ----------
    folder
        Where it lies.
    config
        The network's constructor arguments.
    facts
        What the engine needs to know.
    """

    folder: Path
    config: Mapping[str, Any]
    facts: Facts

    @classmethod
    def open(cls, model: str | os.PathLike[str]) -> Self:
        """Open a bundle.

        Parameters
        ----------
        model
            The name of a bundled model, "demo", or a bundle's folder ("./demo" where it is called like one).

        Raises
        ------
        ModelError
            If there is no such folder, or it is incomplete or malformed.
        """
        folder = bundled_folder(model) if isinstance(model, str) and model in bundled_models() else Path(model)
        if os.path.isfile(folder):  # noqa: PTH113  (as below)
            raise ModelError(f"{folder}: a file; a model is a folder, which `myotype convert` makes of a checkpoint")
        if not os.path.isdir(folder):  # noqa: PTH112  (Path.is_dir raises on names that are too long)
            names = ", ".join(bundled_models())
            raise ModelError(f"{model}: no such model; give the folder of a bundle, or one of: {names}")
        try:
            return cls._read(folder)
        except OSError as error:
            raise ModelError(f"{folder}: cannot be read: {error.strerror or error}") from error

    @classmethod
    def _read(cls, folder: Path) -> Self:
        missing = [
            name for name in (CONFIG_FILE, WEIGHTS_FILE, GRAPH_FILE, FACTS_FILE) if not (folder / name).is_file()
        ]
        if missing:
            what = f"{folder}: the model is incomplete: it has no {', '.join(missing)}"
            if CONFIG_FILE not in missing and FACTS_FILE in missing:
                what += f"; if these are weights as braindecode writes them: myotype convert {folder} -o NEW_FOLDER"
            raise ModelError(what)
        check_weights(folder / WEIGHTS_FILE)
        config = read_json(folder / CONFIG_FILE)
        return cls(folder, config, read_facts(folder / FACTS_FILE, config))

    @property
    def graph(self) -> Path:
        """The streaming graph's file."""
        return self.folder / GRAPH_FILE

    @property
    def weights(self) -> Path:
        """The weights' file."""
        return self.folder / WEIGHTS_FILE


def bundled_models() -> list[str]:
    """Name the models that come with the package."""
    return sorted(path.parent.name for path in _ASSETS.glob(f"*/{FACTS_FILE}"))


def bundled_folder(name: str) -> Path:
    """Say where a model that comes with the package lies."""
    return _ASSETS / name


@contextmanager
def writing_bundle(folder: str | os.PathLike[str], config: Mapping[str, Any], facts: Facts) -> Iterator[Path]:
    """Write a bundle's texts into a temporary folder, for the caller to add weights and graph.

    When the block ends well the folder takes its place; otherwise nothing is left of it.
    """
    with replacing_folder(folder, may_hold=_FILES) as temporary:
        header = {"format_version": FORMAT_VERSION, "myotype_version": metadata.version("myotype")}
        for name, content in ((CONFIG_FILE, config), (FACTS_FILE, header | facts.to_json())):
            (temporary / name).write_text(
                json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
            )
        (temporary / CARD_FILE).write_text(model_card(Path(folder).name, config, facts), encoding="utf-8")
        yield temporary


def write_decoder_defaults(
    bundle: Bundle, defaults: DecoderDefaults, copy_to: str | os.PathLike[str] | None = None
) -> Bundle:
    """Put what a model was tuned to into its bundle, in the place of what may stand there; all else stays as it is.

    Parameters
    ----------
    bundle
        The model.
    defaults
        What it was tuned to.
    copy_to
        Leave the bundle alone and write a copy of it into this folder.

    Raises
    ------
    ModelError
        If it could not be read again.
    OutputError
        If the bundle or the copy cannot be written; what stood there before is then as it was.
    """
    DecoderDefaults.from_json(asdict(defaults), f"{bundle.folder}: decoder")
    content = read_json(bundle.folder / FACTS_FILE) | {"decoder": asdict(defaults)}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    if copy_to is None:
        with replacing_file(bundle.folder / FACTS_FILE) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return Bundle.open(bundle.folder)
    with replacing_folder(copy_to, may_hold=_FILES) as temporary:
        for name in _FILES - {FACTS_FILE}:
            if (bundle.folder / name).is_file():
                shutil.copyfile(bundle.folder / name, temporary / name)
        (temporary / FACTS_FILE).write_text(text, encoding="utf-8")
    return Bundle.open(Path(copy_to).resolve())  # a path, so that a folder called as a bundled model is itself


def check_weights(path: Path) -> dict[str, str]:
    """Refuse a file of weights that was cut off, whose header says where the last tensor ends; give its metadata.

    Raises
    ------
    ModelError
        If the file is cut off or no safetensors file.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length) if size >= 8 and length <= min(size, _LARGEST_JSON) else b""
    try:
        tensors = json.loads(header)
        metadata = dict(tensors.pop("__metadata__", {}))
        end = max((int(entry["data_offsets"][1]) for entry in tensors.values()), default=0)
        sound = all(isinstance(text, str) for text in metadata.values())
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelError(f"{path}: not a safetensors file") from error
    if not sound:
        raise ModelError(f"{path}: not a safetensors file: its metadata are no texts")
    if size != 8 + length + end:
        raise ModelError(f"{path}: {size} bytes, but its header announces {8 + length + end}: copy it again")
    return metadata


def read_json(path: Path) -> dict[str, Any]:
    """Read a small JSON object.

    Raises
    ------
    ModelError
        If the file is none, or too large for one.
    """
    size = path.stat().st_size
    if size > _LARGEST_JSON:
        raise ModelError(f"{path}: {size} bytes are too many for this file")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def read_facts(path: Path, config: Mapping[str, Any]) -> Facts:
    """Read a bundle's facts, and hold them against its configuration.

    Raises
    ------
    ModelError
        If they are malformed, or contradict each other or the configuration.
    """
    content = read_json(path)
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise ModelError(f"{path}: format version {version!r}; this version of myotype reads {FORMAT_VERSION}")
    try:
        facts = {name: content[name] for name in Facts.__dataclass_fields__ if name not in _OPTIONAL}
    except KeyError as error:
        raise ModelError(f"{path}: {error} is missing") from error
    facts["provenance"] = Provenance.from_json(facts["provenance"], f"{path}: provenance")
    facts["settling_frames"] = content.get("settling_frames", 0)
    if "decoder" in content:
        try:
            facts["decoder"] = DecoderDefaults.from_json(content["decoder"], f"{path}: decoder")
        except ModelError as error:
            raise ModelError(
                f'{error}; the model works without: remove "decoder" from the file, then tune again if need be'
            ) from error
    _check_types(path, facts)
    for name in ("sfreq", "n_chans", "hop_length"):
        if config.get(name) != facts[name]:
            raise ModelError(f"{path}: {name} is {facts[name]!r}, but {CONFIG_FILE} says {config.get(name)!r}")
    if facts["receptive_field"] != (facts["warmup_frames"] + 1) * facts["hop_length"]:
        raise ModelError(f"{path}: receptive_field, warmup_frames and hop_length contradict each other")
    if facts["precision"] != "float32":
        raise ModelError(f"{path}: precision {facts['precision']!r} is not known to this version of myotype")
    return Facts(**facts)


def _check_types(path: Path, facts: Mapping[str, Any]) -> None:
    if not isinstance(facts["architecture"], str):
        raise ModelError(f"{path}: architecture is no str")
    for name, low, high, number in (
        ("sfreq", 1, 1e6, float),
        ("n_chans", 1, 4096, int),
        ("hop_length", 1, 1e6, int),
        ("receptive_field", 1, 1e8, int),
        ("warmup_frames", 0, 1e6, int),
        ("settling_frames", 0, 1e6, int),
        ("look_ahead", 0, LONGEST_LOOK_AHEAD, float),
        ("parameters", 0, math.inf, int),
        ("multiply_adds", 0, math.inf, int),
    ):
        value = facts[name]
        if isinstance(value, bool) or not isinstance(value, (int, number)) or not low <= value <= high:
            raise ModelError(f"{path}: {name} is {value!r}; expected a number from {low} to {high}")
