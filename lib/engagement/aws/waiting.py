"""Wait until something on AWS has become what it should be, up to a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from engagement.warehouse.protocol import WarehouseError

T = TypeVar("T")


def wait_until(
    look: Callable[[], T | None], what: str, *, seconds: float = 60.0, pause: float = 0.5
) -> T:
    """Look again and again, with growing pauses, until something is there; gives what was seen.

    Parameters
    ----------
    look
        Gives ``None`` as long as it is not; may raise where it never will be.
    what
        Is waited for, as in ``the workgroup x to be there``.

    Raises
    ------
    WarehouseError
        When the deadline has passed.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() + pause > deadline:
            raise WarehouseError(f"waited {seconds:g} s for {what}, in vain")
        time.sleep(pause)
        pause = min(pause * 1.5, 5.0)
