"""Run again whenever something has landed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable


def follow(
    look: Callable[[], Hashable],
    run: Callable[[], None],
    *,
    wait: float,
    poll: float = 1.0,
    waiting: Callable[[], None] = lambda: None,
    stop: threading.Event | None = None,
) -> None:
    """Run now if there is something, and again some time after there is something else.

    What comes while a run is under way makes another one.

    Parameters
    ----------
    look
        What is there; anything that changes when something lands, empty where nothing has.
    run
        Makes of it what it can; what it raises ends this.
    wait
        Seconds from when something new was seen to the run, so that more of it has landed.
    poll
        Seconds between two looks.
    waiting
        Called when there is nothing to do for now.
    stop
        Ends it; so does an interrupt.
    """
    stop = stop or threading.Event()
    seen: Hashable = None
    is_first = True
    while not stop.is_set():
        found = look()
        if not found or (not is_first and found == seen):
            waiting()
            while (not found or (not is_first and found == seen)) and not stop.wait(poll):
                found = look()
            stop.wait(wait)
        if stop.is_set():
            return
        seen, is_first = look(), False
        run()
