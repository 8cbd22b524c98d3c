"""Doing the same with many recordings, in this process or in several, so that an end in between leaves whole ones."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, TypeVar

from myotype.errors import OutputError

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

_Done = TypeVar("_Done")

_Job = Callable[[Callable[[], None]], _Done]


def do(work: Sequence[_Job[_Done]], jobs: int = 1) -> Generator[_Done]:
    """Do jobs, and give what each gives as it is done.

    Parameters
    ----------
    work
        Jobs, each called with what it has to call again and again: that ends it by an exception when the run is over.
        With several processes they are pickled, and so is what they give.
    jobs
        How many processes to use.

    Raises
    ------
    OutputError
        If a process was killed.
    """
    return _in_processes(work, jobs) if jobs > 1 and len(work) > 1 else _in_this_process(work)


class _Stopped(Exception):  # noqa: N818  (it is an order, not an error)
    """The run is over before this recording is."""


_stop: Event  # in the processes of a pool only


def _begin_worker(stop: Event) -> None:
    """Make a process of the pool heed its parent, rather than signals that a terminal sends to all at once."""
    global _stop  # noqa: PLW0603  (a process of a pool has no other place)
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(job: _Job[_Done]) -> _Done:
    return job(_heed_stop)


def _heed_stop() -> None:
    if _stop.is_set():
        raise _Stopped


def _in_this_process(work: Sequence[_Job[_Done]]) -> Generator[_Done]:
    for job in work:
        yield job(lambda: None)


def _in_processes(work: Sequence[_Job[_Done]], jobs: int) -> Generator[_Done]:
    context = multiprocessing.get_context("spawn")  # HDF5 does not survive a fork
    stop = context.Event()
    pool = ProcessPoolExecutor(min(jobs, len(work)), context, _begin_worker, (stop,))
    try:
        for future in as_completed([pool.submit(_work, job) for job in work]):
            yield future.result()
    except BrokenProcessPool as error:
        raise OutputError(
            "a process that prepared recordings was killed, perhaps for want of memory: run it again with fewer jobs; "
            "what is done is kept"
        ) from error
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
