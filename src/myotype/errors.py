"""What can go wrong, as exceptions that say what, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class MyotypeError(Exception):
    """Base of every error that myotype raises on purpose."""


class RecordingError(MyotypeError):
    """A file is not a recording that can be read."""


class LabelsError(RecordingError):
    """A recording's key presses or prompts are missing or malformed; its signal may be fine."""


class ModelError(MyotypeError):
    """A model folder or checkpoint is incomplete, malformed, or does not fit the signal."""


class LanguageModelError(MyotypeError):
    """A file is not a language model that can be read, or a language model lacks what it is asked for."""


class InputError(MyotypeError, ValueError):
    """An argument has an impossible value, type or shape."""


class TrainingError(MyotypeError):
    """A training run cannot go on."""


class OutputError(MyotypeError):
    """A result cannot be written where it was asked for."""


class MissingExtraError(MyotypeError, ImportError):
    """A feature needs an optional extra that is not installed."""


@contextmanager
def extra_for(feature: str, extra: str) -> Iterator[None]:
    """Turn a failed import inside the block into an error that names the extra to install.

    Parameters
    ----------
    feature
        What the user asked for, as the subject of a sentence: "training".
    extra
        The extra that brings it: "train".
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] == "myotype":
            raise
        raise _missing(feature, extra, error) from error
    except MissingExtraError as error:  # of something within, which is not what the user asked for
        raise _missing(feature, extra, error) from error


def _missing(feature: str, extra: str, error: ImportError) -> MissingExtraError:
    return MissingExtraError(
        f"{feature} needs the package {error.name!r}: pip install 'myotype[{extra}]'", name=error.name
    )
