"""Telling that functions are being compiled: the first scan on a machine waits for that."""

from __future__ import annotations

from typing import Any

from numba.core import event

from engagement.output import notices

COMPILING = "compiling the scan of events, once on this machine: some 15 seconds"


class _Teller(event.Listener):
    """Says so when the first of the functions begins, and when the last has ended.

    One function's compilation has in it those of the functions that it calls.
    """

    def __init__(self) -> None:
        self._depth = 0

    def on_start(self, event: Any) -> None:
        del event
        self._depth += 1
        if self._depth == 1:
            notices.post(COMPILING)

    def on_end(self, event: Any) -> None:
        del event
        self._depth -= 1
        if self._depth == 0:
            notices.done()


def tell() -> None:
    """Tell from now on whenever a function is compiled; what is found compiled is not."""
    event.register("numba:compile", _Teller())  # type: ignore[no-untyped-call]
