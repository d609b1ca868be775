"""Threads that keep a device busy with a queue of work."""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, partial
from typing import Any

import jax
import numpy as np

_MOST = 16


class Workers:
    """Some more threads than a machine has processors, or two for every device.

    They stay for the next time, as starting them takes milliseconds.
    """

    def __init__(self, devices: int, items: int) -> None:
        self.count = min(_MOST, max((os.cpu_count() or 1) + 1, 2 * devices), items)

    def run(self, items: Sequence[Any], start: Callable[[int, Any], Any], finish: Callable[[Any, Any], None]) -> None:
        """Every item through `start`, with its number, and `finish`, with the result; each thread starts one more before it
        finishes one, so that the device is never idle while a result is written.

        An exception ends the work; that of the first item in order is raised, whichever thread meets one first: a thread
        that did not fail finishes what it took.
        """
        queue = _Queue(items)
        # JAX's configuration (float64 or not) belongs to a thread: carry the caller's into the workers.
        enter = partial(jax.enable_x64, jax.dtypes.canonicalize_dtype(float) == np.float64)
        failures: list[tuple[int, Exception]] = []

        def work() -> None:
            started: deque[tuple[int, Any, Any]] = deque()
            number = -1
            try:
                with enter():
                    while (taken := queue.take()) is not None or started:
                        if taken is not None:
                            number, item = taken
                            started.append((number, item, start(number, item)))
                        if taken is None or len(started) > 1:
                            number, item, result = started.popleft()
                            finish(item, result)
            except Exception as error:
                queue.close()
                failures.append((number, error))

        working = [_threads().submit(work) for _ in range(self.count)]
        try:
            wait(working)
        finally:  # after an interrupt nothing may be written any more
            queue.close()
            wait(working)
        if failures:
            raise min(failures, key=lambda failure: failure[0])[1]


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_MOST, thread_name_prefix="nnlimits")


if hasattr(os, "register_at_fork"):  # threads do not live on in a forked process
    os.register_at_fork(after_in_child=_threads.cache_clear)


class _Queue:
    """Numbered items for several threads to take."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items, self._lock = iter(enumerate(items)), threading.Lock()

    def take(self) -> tuple[int, Any] | None:
        """The next number and item, or `None` when all are taken."""
        with self._lock:
            return next(self._items, None)

    def close(self) -> None:
        """Leave what has not been taken."""
        with self._lock:
            self._items = iter(())
