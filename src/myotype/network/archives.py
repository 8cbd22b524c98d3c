"""The archives that ``torch.save`` writes: their records, and tensors from them, without running anything.

Before a byte is read into memory the archive must add up: every record stored as it is, inside the file, beside the
others and not over them. Nothing can then be larger than the file that holds it.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Self

import torch
from torch import Tensor

from myotype.errors import ModelError
from myotype.network.pickles import REBUILD_PARAMETER, REBUILD_TENSOR, Made, Name, Stored, read_pickle

_LARGEST_PICKLE: Final = 1 << 20  # that of the published checkpoint with its optimiser is a tenth of it
_LARGEST_READ: Final = 1 << 20  # of the directory at once: ten thousand records
_LARGEST_NUMBER: Final = 1 << 60  # what is below it fits into the integers of torch
_MOST_AXES: Final = 8
_DTYPES: Final = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}


class _Frugal(io.BufferedReader):
    """A file that refuses to be read in large pieces: the zip module believes what an archive says of its directory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LARGEST_READ:
            raise zipfile.BadZipFile(f"a directory of {size} bytes")
        return super().read(size)


class SavedFile:
    """A file of ``torch.save``, open and checked.

    Attributes
    ----------
    size
        Bytes of the file.
    content
        What its pickle describes, as `read_pickle` gives it.
    """

    def __init__(self, file: io.BufferedReader, where: str) -> None:
        self._file = file
        self._where = where
        self.size = os.fstat(file.fileno()).st_size
        self._records = self._find_records()
        roots = [name.removesuffix("/data.pkl") for name in self._records if re.fullmatch("[^/]+/data\\.pkl", name)]
        if len(roots) != 1:
            raise self._error("the archive has no data.pkl: it was not written by torch.save")
        self._root = roots[0]
        self._check_byte_order()
        self.content = read_pickle(bytes(self._read("data.pkl", _LARGEST_PICKLE)), where)

    @classmethod
    @contextmanager
    def open(cls, path: str | os.PathLike[str]) -> Iterator[Self]:
        """Open a file and follow its pickle; nothing in it is run.

        Raises
        ------
        ModelError
            If it cannot be read, was not written by ``torch.save``, or does not add up; also from inside the block if
            reading fails there.
        """
        try:
            with _Frugal(io.FileIO(path)) as file:
                yield cls(file, os.fspath(path))
        except OSError as error:
            raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error

    def sha256(self) -> str:
        """Compute the SHA-256 of the whole file, in hexadecimal."""
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def tensors(self, described: Mapping[str, Any]) -> dict[str, Tensor]:
        """Read tensors.

        Parameters
        ----------
        described
            For each name what the pickle says of it.

        Returns
        -------
        dict
            Bit for bit what was saved; contiguous, in memory of their own.

        Raises
        ------
        ModelError
            If one is no dense tensor, or larger than the bytes that were saved for it.
        """
        storages: dict[str, bytearray] = {}
        tensors = {}
        left = self.size
        for name, what in described.items():
            dtype, key, storage_size, view = self._check_tensor(name, what)
            size, stride, offset = view
            left -= math.prod(size) * dtype.itemsize
            if left < 0:
                raise self._error("its tensors are together larger than the file")
            if key not in storages:
                storages[key] = self._read(f"data/{key}", self.size)
            if len(storages[key]) != storage_size * dtype.itemsize:
                raise self._error(
                    f"{name}: {storage_size} numbers of {dtype.itemsize} bytes are announced, but "
                    f"{len(storages[key])} bytes are there: copy the file again"
                )
            if storage_size and math.prod(size):
                whole = torch.frombuffer(storages[key], dtype=dtype)
                tensors[name] = whole.as_strided(size, stride, offset).clone(memory_format=torch.contiguous_format)
            else:
                tensors[name] = torch.empty(size, dtype=dtype)
        return tensors

    def _check_tensor(
        self, name: str, what: Any
    ) -> tuple[torch.dtype, str, int, tuple[tuple[int, ...], tuple[int, ...], int]]:
        """Take a tensor's description apart: number format, record, its elements, and (size, stride, offset) in it."""
        if isinstance(what, Made) and what.name == REBUILD_PARAMETER and what.state is None and what.arguments:
            what = what.arguments[0]
        if not isinstance(what, Made) or what.name != REBUILD_TENSOR or what.state is not None:
            kind = what.name if isinstance(what, (Made, Name)) else type(what).__name__
            raise self._error(f"{name} is no plain dense tensor but {kind}: save the weights of an unchanged network")
        wrong = self._error(f"{name}: the tensor's description is malformed: copy the file again")
        match what.arguments:
            # After the strides stand what autograd needs and, if anything, marks that change what the numbers mean.
            case (Stored(("storage", Name(kind), str(key), _, n)), offset, tuple(size), tuple(stride), _, _, *marks):
                numbers = (n, offset, *size, *stride)
            case _:
                raise wrong
        if kind not in _DTYPES or any(marks) or len(size) != len(stride) or len(size) > _MOST_AXES:
            raise wrong
        if not all(type(number) is int and 0 <= number <= _LARGEST_NUMBER for number in numbers):
            raise wrong
        if math.prod(max(length, 1) for length in size) > _LARGEST_NUMBER:
            raise wrong
        elements = math.prod(size)
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if elements > n or (elements and last >= n):
            shape = "x".join(map(str, size)) or "1"
            raise self._error(f"{name}: a tensor of {shape} numbers does not fit into the {n} that were saved for it")
        return _DTYPES[kind], key, n, (size, stride, offset)

    def _find_records(self) -> dict[str, tuple[int, int, int]]:
        """List the archive's records: name to first byte, size and checksum."""
        start = self._file.peek(2)[:2]
        if self.size == 0:
            raise self._error("the file is empty: copy it again")
        if start.startswith(b"\x80"):
            raise self._error(
                "a bare pickle, as torch.save wrote before torch 1.6: load it where it was made, if you trust it, and "
                "save it again with a later torch"
            )
        if start != b"PK":
            raise self._error(
                "not a file of torch.save: give an original .ckpt, or a folder with config.json and model.safetensors"
            )
        try:
            with zipfile.ZipFile(self._file) as archive:
                entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
                end_of_records = archive.start_dir
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, IndexError, struct.error) as error:
            raise self._error("the archive is cut off or damaged: copy the file again") from error
        records = {}
        ends = [*(entry.header_offset for entry in entries), end_of_records][1:]
        for entry, limit in zip(entries, ends, strict=True):
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise self._error(f"{entry.filename!a} is compressed or encrypted, as torch.save never writes it")
            within = 0 <= entry.header_offset <= self.size
            header = os.pread(self._file.fileno(), 30, entry.header_offset) if within else b""
            if len(header) < 30 or not header.startswith(b"PK\x03\x04"):
                raise self._error("the archive is damaged: copy the file again")
            first = entry.header_offset + 30 + sum(struct.unpack("<HH", header[26:30]))
            if entry.compress_size != entry.file_size or first + entry.file_size > limit or entry.filename in records:
                raise self._error(
                    f"{entry.filename!a} reaches over other records or beyond the end, or is there twice: copy the "
                    f"file again"
                )
            records[entry.filename] = (first, entry.file_size, entry.CRC)
        return records

    def _read(self, name: str, largest: int) -> bytearray:
        """Read one record, checked against its checksum."""
        record = self._records.get(f"{self._root}/{name}")
        if record is None:
            raise self._error(f"the archive has no record {name!a}: copy the file again")
        first, size, checksum = record
        if size > largest:
            raise self._error(f"{name}: {size} bytes are too many for this record")
        content = bytearray(size)
        self._file.seek(first)
        if self._file.readinto(content) != size or zlib.crc32(content) != checksum:
            raise self._error(f"the record {name} is damaged (its checksum is wrong): copy the file again")
        return content

    def _check_byte_order(self) -> None:
        order = bytes(self._read("byteorder", 16)) if f"{self._root}/byteorder" in self._records else b"little"
        if order != sys.byteorder.encode():
            raise self._error(f"its byte order is {order.decode('latin-1')!a}, not this machine's {sys.byteorder}")

    def _error(self, message: str) -> ModelError:
        return ModelError(f"{self._where}: {message}")
