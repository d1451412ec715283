"""Work that goes on while something else is waited for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

_Result = TypeVar("_Result")


def in_background(work: Callable[[], _Result]) -> Callable[[], _Result]:
    """Begin ``work`` in a thread; what is returned waits for it, and gives its result or raises its error.

    Nobody has to wait: where the caller ends with an error, neither that nor the end of the process is held up.
    """
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as err:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(err)

    # An executor's threads would be joined when the process ends, whatever they still had to do.
    Thread(target=run, name="background", daemon=True).start()
    return future.result
