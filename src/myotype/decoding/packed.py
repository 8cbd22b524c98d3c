"""Language models as memory-mapped files: an ``.npz`` that stores the automaton's arrays as they are.

NumPy reads such a file like any other. Here it is mapped instead of read: members are stored without compression and
begin at multiples of 64 bytes, so that a model opens at once and processes that use the same one share its memory.
Everything in the file is checked before it is used.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from myotype.decoding.automaton import Automaton
from myotype.decoding.ngram_kernels import PROBLEMS, check_automaton
from myotype.errors import LanguageModelError
from myotype.files import replacing_file

MOST_WORDS: Final = 65_535
MOST_ENTRIES: Final = 2**31 - 2

_FORMAT: Final = "myotype language model"
_VERSION: Final = 1
_META: Final = "meta"
_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "child_start": np.dtype("<i8"),
    "child_word": np.dtype("<u2"),
    "child_log10": np.dtype("<f4"),
    "child_state": np.dtype("<i4"),
    "backoff": np.dtype("<f4"),
    "shorter": np.dtype("<i4"),
}
_ALIGNMENT: Final = 64
_ARRAY_HEADER: Final = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '([<>|]\w{2,3})', 'fortran_order': False, 'shape': \((\d{1,18}),\), \} *\n",
    re.DOTALL,
)
_LOCAL_HEADER: Final = struct.Struct("<4s5H3I2H")
_ZIP64_EXTRA: Final = 20
_LARGEST_META: Final = 1 << 24
_CHUNK: Final = 1 << 22


def is_word(word: str) -> bool:
    """Tell whether a string can be a word of a model: nothing in it separates words, and UTF-8 can write it."""
    return bool(word) and not any(c in " \t\r\n\0" or "\ud800" <= c <= "\udfff" for c in word)


def write_packed(path: Path, automaton: Automaton, counts: tuple[int, ...], words: tuple[str, ...]) -> None:
    """Write a model.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    meta = {"format": _FORMAT, "version": _VERSION, "counts": counts, "words": words}
    arrays: dict[str, npt.NDArray[Any]] = {
        _META: np.frombuffer(json.dumps(meta, ensure_ascii=True).encode("ascii"), np.uint8)
    }
    arrays |= {name: array.astype(_DTYPES[name], copy=False) for name, array in automaton._asdict().items()}
    with replacing_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            _write_member(archive, name + ".npy", array)


def _write_member(archive: zipfile.ZipFile, name: str, array: npt.NDArray[Any]) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    member = zipfile.ZipInfo(name)  # dated 1980: the same model gives the same bytes
    member.external_attr = 0o644 << 16
    # A field of padding puts the array's first byte where its type wants it.
    assert archive.fp is not None  # noqa: S101  (open for writing)
    start = archive.fp.tell() + _LOCAL_HEADER.size + len(name) + 4 + _ZIP64_EXTRA + len(header.getvalue())
    padding = -start % _ALIGNMENT
    member.extra = struct.pack("<HH", 0x4D59, padding) + bytes(padding)
    with archive.open(member, "w", force_zip64=True) as stream:
        stream.write(header.getvalue())
        for at in range(0, len(array), _CHUNK):
            stream.write(array[at : at + _CHUNK].tobytes())


def read_packed(path: Path) -> tuple[Automaton, tuple[int, ...], tuple[str, ...]]:
    """Map a model into memory.

    Returns
    -------
    tuple
        The automaton, whose arrays are read-only; the number of n-grams of each order; and the words.

    Raises
    ------
    LanguageModelError
        If the file is not a model, was compressed, is damaged or cut short, or its numbers lead nowhere.
    """
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            members = {member.filename: member for member in archive.infolist()}
            size = path.stat().st_size
            meta = _map_member(path, stream, members, _META, np.dtype("|u1"), size)
            counts, words = _read_meta(path, meta)
            arrays = {name: _map_member(path, stream, members, name, dtype, size) for name, dtype in _DTYPES.items()}
    except (zipfile.BadZipFile, EOFError, struct.error, NotImplementedError) as error:
        raise LanguageModelError(f"{path}: not a packed language model, or one cut short: {error}") from error
    except OSError as error:
        raise LanguageModelError(f"{path} cannot be read: {error.strerror or error}") from error
    automaton = Automaton(**arrays)
    _check(path, automaton, counts)
    return automaton, counts, words


def _map_member(
    path: Path, stream: Any, members: dict[str, zipfile.ZipInfo], name: str, dtype: np.dtype[Any], size: int
) -> npt.NDArray[Any]:
    member = members.get(name + ".npy")
    if member is None:
        raise LanguageModelError(f"{path}: not a packed language model: there is no {name}.npy in it")
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise LanguageModelError(
            f"{path}: {name}.npy is compressed or encrypted, so it cannot be mapped: write the model with NGram.save"
        )
    stream.seek(member.header_offset)
    header = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    start = member.header_offset + _LOCAL_HEADER.size + header[9] + header[10]
    stream.seek(start)
    shape, length = _read_array_header(path, name, stream.read(min(member.file_size, 4096)), dtype)
    n_bytes = shape * dtype.itemsize
    if header[0] != b"PK\x03\x04" or length + n_bytes != member.file_size or start + member.file_size > size:
        raise LanguageModelError(f"{path}: {name}.npy has not the size that it promises: the file is damaged")
    if n_bytes == 0:
        array: npt.NDArray[Any] = np.zeros(0, dtype)
    elif (start + length) % dtype.itemsize:  # an archive that NumPy has written
        array = np.fromfile(path, dtype, shape, offset=start + length)
    else:
        array = np.asarray(np.memmap(path, dtype, "r", start + length, (shape,)))
    array.flags.writeable = False
    return array


def _read_array_header(path: Path, name: str, start: bytes, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Give an array's length and that of its header, which is read here: NumPy's own reader evaluates it as Python."""
    match = _ARRAY_HEADER.match(start)
    if match is None or match.end() != 10 + int.from_bytes(match[1], "little"):
        raise LanguageModelError(f"{path}: {name}.npy is not a NumPy array of one dimension")
    if match[2].decode() != dtype.str:
        raise LanguageModelError(f"{path}: {name}.npy has the type {match[2].decode()}; expected {dtype.str}")
    return int(match[3]), match.end()


def _read_meta(path: Path, meta: npt.NDArray[np.uint8]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    if len(meta) > _LARGEST_META:
        raise LanguageModelError(f"{path}: its description is too long")
    try:
        content = json.loads(meta.tobytes())
    except (ValueError, RecursionError) as error:
        raise LanguageModelError(f"{path}: its description is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise LanguageModelError(f"{path}: not a language model of myotype")
    if content.get("version") != _VERSION:
        raise LanguageModelError(
            f"{path}: version {content.get('version')!r}, and this myotype reads {_VERSION}: pack the model again"
        )
    counts: Any = content.get("counts")
    words: Any = content.get("words")
    well = (
        isinstance(counts, list)
        and isinstance(words, list)
        and 0 < len(counts) <= 255
        and all(type(count) is int and 0 <= count <= MOST_ENTRIES for count in counts)
        and all(isinstance(word, str) and is_word(word) for word in words)
        and counts[0] == len(words) == len(set(words)) <= MOST_WORDS
    )
    if not well:
        raise LanguageModelError(f"{path}: its counts and words do not fit")
    return tuple(counts), tuple(words)


def _check(path: Path, automaton: Automaton, counts: tuple[int, ...]) -> None:
    n, n_states = len(automaton.child_word), len(automaton.backoff)
    lengths = {
        "child_start": n_states + 1,
        "child_log10": n,
        "child_state": n,
        "shorter": n_states,
    }
    for name, length in lengths.items():
        if len(getattr(automaton, name)) != length:
            raise LanguageModelError(f"{path}: {name}.npy has the wrong length: the file is damaged")
    problem = "n-grams that are not as many as it says"
    if n == sum(counts) and n_states > 0:
        problem = PROBLEMS[check_automaton(automaton, np.array(counts, np.int64))]
    if problem:
        raise LanguageModelError(f"{path}: the file is damaged: it has {problem}")
