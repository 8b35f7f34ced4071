"""Wait until something on AWS has become what it should be, up to a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from engagement.aws.errors import AwsError

T = TypeVar("T")


class WaitedTooLongError(AwsError):
    """The deadline has passed, and it is not there yet; it may still come."""


def wait_until(
    look: Callable[[], T | None],
    what: str,
    *,
    seconds: float = 60.0,
    pause: float = 0.5,
    longest: float = 5.0,
    meanwhile: Callable[[float], None] | None = None,
) -> T:
    """Look again and again, with growing pauses, until something is there; gives what was seen.

    Parameters
    ----------
    look
        Gives ``None`` as long as it is not; may raise where it never will be (the service's own
        reason for a failure, say).
    what
        Is waited for, as in ``the workgroup x to be there``.
    seconds
        The deadline; a last look is taken when it has come.
    pause, longest
        The first pause in seconds, and what the pauses grow to.
    meanwhile
        Is called before every pause with the seconds waited so far, to say what is going on.

    Raises
    ------
    WaitedTooLongError
        When the deadline has passed.
    """
    start = time.monotonic()
    while True:
        found = look()
        if found is not None:
            return found
        waited = time.monotonic() - start
        if waited >= seconds:
            raise WaitedTooLongError(f"waited {seconds:g} s for {what}, and gave up")
        if meanwhile is not None:
            meanwhile(waited)
        time.sleep(min(pause, max(seconds - waited, 0.0)))
        pause = min(pause * 1.5, max(longest, pause))
