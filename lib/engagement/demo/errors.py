"""What goes wrong with the demo."""

from __future__ import annotations

from engagement.errors import FailedError


class DemoError(FailedError):
    """The demo cannot start or go on: what is wrong, and what to do about it."""
