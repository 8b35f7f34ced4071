"""A part of the demo ends when what started it is gone, however that ended.

The supervisor holds the writing end of a pipe, and each part reads from its standard input. Nothing
is ever written: that it ends means that there is no supervisor any more, also after ``kill -9``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

_SECONDS_TO_END = 15.0


def hold(descriptor: int | None = None) -> None:
    """End this process, as SIGTERM does, once nobody holds the other end of its standard input."""
    source = sys.stdin.fileno() if descriptor is None else descriptor

    def watch() -> None:
        while os.read(source, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_SECONDS_TO_END)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
