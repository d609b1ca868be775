"""Threads that keep a device busy: every item once, errors in order, nothing after an interrupt."""

import signal
import sys
import threading
import time

import pytest

from nnlimits.compute.workers import Workers


def test_every_item_once_with_its_number():
    done = []
    Workers(1, 3).run("abcdefgh", lambda number, item: (number, item), lambda item, result: done.append((item, result)))
    assert sorted(done) == [(letter, (i, letter)) for i, letter in enumerate("abcdefgh")]


def test_the_first_failure_in_order_is_raised():
    def finish(item, result):
        if item >= 5:
            time.sleep(0.05 if item == 5 else 0)  # the later ones fail earlier
            raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 5"):
        Workers(1, 3).run(range(20), lambda number, item: item, finish)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_nothing_is_finished_after_an_interrupt():
    finished = []

    def finish(item, result):
        if item == 5:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.01)
        finished.append(item)

    with pytest.raises(KeyboardInterrupt):
        Workers(1, 3).run(range(200), lambda number, item: item, finish)
    count = len(finished)
    assert 5 <= count < 100
    time.sleep(0.1)
    assert len(finished) == count
