"""Pickles of ``torch.save``, read without running anything in them.

A pickle is a program that calls what it names. Here it is only followed: each call is noted and none is made, so that
no name has to be trusted and no memory is taken but for the notes. Names that are not known to be harmless are refused
all the same: whoever put them there wanted them run.

``torch.load`` is not used. Its safe mode, once it allows the names that an original checkpoint asks for, can be made to
fill gigabytes of memory by a pickle of 200 kB, and to end the process by one of 2 MB: it calls ``list`` and
``OrderedDict``, and takes any key for a dict.
"""

from __future__ import annotations

import pickle  # its table of instructions, and nothing that loads
import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from myotype.errors import ModelError

REBUILD_TENSOR: Final = "torch._utils._rebuild_tensor_v2"
REBUILD_PARAMETER: Final = "torch._utils._rebuild_parameter"

_KINDS_OF_STORAGE: Final = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_DICTS: Final = ("collections.OrderedDict", "collections.defaultdict")
_KNOWN: Final = frozenset(
    {
        *(f"torch.{kind}Storage" for kind in _KINDS_OF_STORAGE),
        *_DICTS,
        REBUILD_TENSOR,
        REBUILD_PARAMETER,
        "builtins.dict",
        "builtins.int",
        "builtins.list",
        "omegaconf.base.ContainerMetadata",
        "omegaconf.base.Metadata",
        "omegaconf.dictconfig.DictConfig",
        "omegaconf.listconfig.ListConfig",
        "omegaconf.nodes.AnyNode",
        "typing.Any",
    }
)
_OLD_SPELLINGS: Final = {  # of the pickles of protocol 2, which Python 2 could read
    "__builtin__.dict": "builtins.dict",
    "__builtin__.int": "builtins.int",
    "__builtin__.list": "builtins.list",
    "__builtin__.long": "builtins.int",
}


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A name that a pickle asks for, noted and never looked up."""

    name: str


@dataclass(slots=True, eq=False)
class Made:
    """An object that a pickle asks to be made, noted and never made.

    Attributes
    ----------
    name
        What was to be called.
    arguments
        With what.
    state
        What the object was to be given afterwards.
    """

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A reference to bytes outside the pickle: for torch ``("storage", kind, key, device, number of elements)``."""

    reference: Any


def read_pickle(data: bytes, where: str) -> Any:
    """Follow a pickle of ``torch.save`` and note what it describes.

    Parameters
    ----------
    data
        The pickle, of protocol 2.
    where
        What the user calls the file, for messages.

    Returns
    -------
    content
        Numbers, texts, None, tuples, lists and dicts as they are, dicts also for OrderedDict and defaultdict; `Name`,
        `Made` and `Stored` for all else. It may contain itself.

    Raises
    ------
    ModelError
        If the pickle is malformed, names anything that is not known to be harmless, or has an instruction that
        ``torch.save`` does not write.
    """
    return _Follower(data, where).follow()


class _Follower:
    """A pickle machine whose every instruction makes at most one small object, and that calls nothing."""

    def __init__(self, data: bytes, where: str) -> None:
        self._data = data
        self._at = 0
        self._where = where
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks under each mark
        self._memo: dict[int, Any] = {}

    def follow(self) -> Any:
        try:
            while (code := self._take(1)) != pickle.STOP:
                instruction = _INSTRUCTIONS.get(code)
                if instruction is None:
                    name = _OTHER_INSTRUCTIONS[code]
                    raise self._refusal(f"has the pickle instruction {name}", "ones that torch.save writes")
                instruction(self)
            (content,) = self._stack if not self._below else []  # with no mark left over
        except (ValueError, IndexError, KeyError) as error:
            raise ModelError(f"{self._where}: its pickle is malformed: copy the file again") from error
        return content

    def _refusal(self, asks: str, among: str) -> ModelError:
        return ModelError(
            f"{self._where}: {asks}, which is not among the {among}; nothing of it was run. Load it by no other means "
            f"unless you trust whoever made it"
        )

    def _take(self, n: int) -> bytes:
        taken = self._data[self._at : self._at + n]
        if len(taken) < n:
            raise ValueError("the pickle ends too early")
        self._at += n
        return taken

    def _number(self, form: str) -> Any:
        (number,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return number

    def _line(self) -> str:
        line = self._take(self._data.index(b"\n", self._at) - self._at)
        self._at += 1
        return line.decode()

    def _check_protocol(self) -> None:
        protocol = self._number("B")
        if protocol != 2:
            raise self._refusal(f"is a pickle of protocol {protocol}", "protocols that torch.save uses")

    def _look_up(self) -> None:
        dotted = f"{self._line()}.{self._line()}"
        name = _OLD_SPELLINGS.get(dotted, dotted)
        if name not in _KNOWN:
            raise self._refusal(f"asks for {_shown(dotted)}", "names known to be harmless")
        self._stack.append(Name(name))

    def _call(self) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        if not isinstance(called, Name) or not isinstance(arguments, tuple):
            raise ValueError("a call of what is no name, or with what are no arguments")  # noqa: TRY004
        # An OrderedDict with arguments would have content that is not noted here; torch.save never writes that.
        empty = called.name == "collections.defaultdict" or not arguments
        self._stack.append({} if called.name in _DICTS and empty else Made(called.name, arguments))

    def _build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, Made):
            target.state = state
        elif not isinstance(target, dict):  # those of OrderedDict have attributes, which nobody needs
            raise ValueError("a state for what has none")  # noqa: TRY004

    def _refer(self) -> None:
        self._stack.append(Stored(self._stack.pop()))

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def _last(self, n: int) -> list[Any]:
        if len(self._stack) < n:
            raise ValueError("taking more than there is")
        items = self._stack[-n:]
        del self._stack[-n:]
        return items

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise ValueError("appending to what is no list")  # noqa: TRY004
        target.extend(items)

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError("setting items of what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Nothing else is a key in such files, and hashing could be made to end the process by deep tuples, or to
            # take for ever by numbers that collide.
            if not isinstance(key, str) and not (isinstance(key, int) and abs(key) < 1 << 31):
                raise ValueError("a key that is neither a text nor a small number")
            target[key] = value

    def _remember(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _recall(self, index: int) -> None:
        self._stack.append(self._memo[index])


_INSTRUCTIONS: Final[dict[bytes, Callable[[_Follower], None]]] = {
    pickle.PROTO: _Follower._check_protocol,
    pickle.GLOBAL: _Follower._look_up,
    pickle.NEWOBJ: _Follower._call,
    pickle.REDUCE: _Follower._call,
    pickle.BUILD: _Follower._build,
    pickle.BINPERSID: _Follower._refer,
    pickle.NONE: lambda machine: machine._push(None),
    pickle.NEWTRUE: lambda machine: machine._push(True),  # noqa: FBT003
    pickle.NEWFALSE: lambda machine: machine._push(False),  # noqa: FBT003
    pickle.BININT: lambda machine: machine._push(machine._number("<i")),
    pickle.BININT1: lambda machine: machine._push(machine._number("B")),
    pickle.BININT2: lambda machine: machine._push(machine._number("<H")),
    pickle.LONG1: lambda machine: machine._push(pickle.decode_long(machine._take(machine._number("B")))),
    pickle.BINFLOAT: lambda machine: machine._push(machine._number(">d")),
    pickle.BINUNICODE: lambda machine: machine._push(
        machine._take(machine._number("<I")).decode(errors="surrogatepass")
    ),
    pickle.EMPTY_TUPLE: lambda machine: machine._push(()),
    pickle.EMPTY_LIST: lambda machine: machine._push([]),
    pickle.EMPTY_DICT: lambda machine: machine._push({}),
    pickle.MARK: _Follower._mark,
    pickle.TUPLE: lambda machine: machine._push(tuple(machine._since_mark())),
    pickle.TUPLE1: lambda machine: machine._push(tuple(machine._last(1))),
    pickle.TUPLE2: lambda machine: machine._push(tuple(machine._last(2))),
    pickle.TUPLE3: lambda machine: machine._push(tuple(machine._last(3))),
    pickle.APPEND: lambda machine: machine._extend(machine._last(1)),
    pickle.APPENDS: lambda machine: machine._extend(machine._since_mark()),
    pickle.SETITEM: lambda machine: machine._set(machine._last(2)),
    pickle.SETITEMS: lambda machine: machine._set(machine._since_mark()),
    pickle.BINPUT: lambda machine: machine._remember(machine._number("B")),
    pickle.LONG_BINPUT: lambda machine: machine._remember(machine._number("<I")),
    pickle.BINGET: lambda machine: machine._recall(machine._number("B")),
    pickle.LONG_BINGET: lambda machine: machine._recall(machine._number("<I")),
}
_OTHER_INSTRUCTIONS: Final = {
    opcode.code.encode("latin-1"): opcode.name
    for opcode in pickletools.opcodes
    if opcode.code.encode("latin-1") not in _INSTRUCTIONS
}


def _shown(text: str) -> str:
    """Show a name from a file: short, and without what a terminal obeys."""
    text = text if len(text) <= 100 else f"{text[:100]}..."
    return text if text.isprintable() else ascii(text)
