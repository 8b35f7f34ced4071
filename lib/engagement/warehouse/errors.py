"""What a warehouse could not do, in words."""

from __future__ import annotations

from engagement.errors import FailedError
from engagement.privacy import masked


class WarehouseError(FailedError):
    """Something the warehouse could not do, with what to do about it.

    An engine repeats the value that it could not use; personal data in it is masked.
    """

    def __init__(self, message: str) -> None:
        super().__init__(masked(message))


class LeaseHeldError(WarehouseError):
    """Another run holds the warehouse."""
